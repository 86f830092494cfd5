"""The choices of ``model=``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from adaptact.schema import option

MOST_UNITS, MOST_LAYERS = 1_000_000, 10_000  # beyond every network that could be trained


@dataclass
class Model:
    name: str = option("", "builder of the network")


@dataclass
class MLP(Model):
    widths: list[int] = option([128, 128], "units of each hidden layer", ge=1, le=MOST_UNITS)
    depth: int | None = option(
        None, "hidden layers: the last width repeats up to it; null: one per width", ge=1, le=MOST_LAYERS
    )
    dropout: float = option(0.1, "share of units dropped after each hidden layer", ge=0, lt=1)
    norm: Literal["none", "batch", "layer"] = option("none", "normalisation before each activation")
    numeric: Literal["plain", "periodic", "piecewise"] = option(
        "plain", "tables: how numbers enter, as they are or by periodic or piecewise-linear embeddings"
    )
    d_embedding: int = option(16, "width of these embeddings", ge=1, le=MOST_UNITS)

    def problems(self) -> list[str]:
        found = _no_widths(self.widths)
        if self.widths and self.depth is not None and self.depth < len(self.widths):
            found.append(f"model.depth {self.depth} is less than the {len(self.widths)} layers of model.widths")
        return found


@dataclass
class TabM(Model):
    k: int = option(16, "members of the ensemble that the network imitates", ge=1, le=MOST_UNITS)
    width: int = option(256, "units of each hidden layer", ge=1, le=MOST_UNITS)
    n_blocks: int = option(2, "hidden layers", ge=1, le=MOST_LAYERS)
    dropout: float = option(0.1, "share of units dropped after each hidden layer", ge=0, lt=1)
    numeric: Literal["plain", "periodic", "piecewise"] = option(
        "piecewise", "tables: how numbers enter, as they are or by periodic or piecewise-linear embeddings"
    )
    d_embedding: int = option(16, "width of these embeddings", ge=1, le=MOST_UNITS)


@dataclass
class CNN(Model):
    widths: list[int] = option(
        [32, 64], "channels per stage; the last one repeats while the image is large", ge=1, le=MOST_UNITS
    )
    hidden: int = option(128, "units of the layer before the output", ge=1, le=MOST_UNITS)
    dropout: float = option(0.1, "share of units dropped before the output", ge=0, lt=1)

    def problems(self) -> list[str]:
        return _no_widths(self.widths)


@dataclass
class ResNet(Model):
    depth: int = option(20, "layers, 6 n + 2: 8, 14, 20, 32, 50, 56, 110", ge=8, le=MOST_LAYERS)
    width: int = option(16, "channels of the first stage", ge=1, le=MOST_UNITS)
    norm: Literal["batch", "none"] = option("batch", "normalisation after each convolution")
    dropout: float = option(0.0, "share of units dropped before the output", ge=0, lt=1)
    stem: int | None = option(
        None, "stride of the first convolution; null: the smallest that leaves at most 32 pixels a side", ge=1, le=8
    )

    def problems(self) -> list[str]:
        if (self.depth - 2) % 6 == 0:
            return []
        near = max(8, round((self.depth - 2) / 6) * 6 + 2)
        return [f"model.depth must be 6 n + 2, not {self.depth}; the nearest is {near}"]


@dataclass
class HuggingFace(Model):
    """A network of transformers, by configuration or from a checkpoint."""

    model_type: str | None = option(None, "kind of model as transformers calls it; a checkpoint says it by itself")
    config: dict[str, Any] | str | None = option(
        None, "keys of the model's own configuration, as in {hidden_size: 64}, or the path of a config.json"
    )
    small: dict[str, Any] | None = option(None, "keys that hold without a checkpoint unless model.config has them")
    pretrained: str | None = option(
        None, "start from a checkpoint: its folder, as save_pretrained leaves it, or its name on the hub"
    )


@dataclass
class HFImage(HuggingFace):
    image_size: list[int] | None = option(
        None, "size to which images are resized, one number or [height,width]; null: as the checkpoint wants them", ge=1
    )

    def problems(self) -> list[str]:
        if len(self.image_size or [1]) <= 2:
            return []
        return [f"model.image_size must be one number or [height,width], not {self.image_size}"]


@dataclass
class HFText(HuggingFace):
    pass


@dataclass
class Timm(Model):
    architecture: str = option("", "a name of timm.list_models()")
    pretrained: bool = option(False, "start from the package's own weights, which it downloads")
    options: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "all other keys: arguments of timm.create_model"}
    )

    def problems(self) -> list[str]:
        if self.architecture:
            return []
        return ["model.architecture is missing: a name of timm.list_models(), as in model.architecture=resnet18"]


@dataclass
class CustomModel(Model):
    target: str = option("", "dotted path of build(input_shape, n_outputs, ...); its package must be named by trust=")
    options: dict[str, Any] = field(default_factory=dict, metadata={"help": "all other keys: arguments of the target"})


@dataclass
class TextTransformer(Model):
    width: int = option(128, "units of each token", ge=1, le=MOST_UNITS)
    n_blocks: int = option(2, "blocks of attention and feed-forward layers", ge=1, le=MOST_LAYERS)
    n_heads: int = option(4, "heads of attention; they divide the width", ge=1, le=MOST_UNITS)
    expansion: int = option(4, "units of a feed-forward layer, as a multiple of the width", ge=1, le=MOST_UNITS)
    dropout: float = option(0.3, "share of units dropped, of embeddings and after each layer", ge=0, lt=1)
    token_dropout: float = option(0.1, "share of tokens that are as if unknown, in training only", ge=0, lt=1)

    def problems(self) -> list[str]:
        if self.width % self.n_heads == 0:
            return []
        return [f"model.n_heads={self.n_heads} does not divide model.width={self.width}: choose another"]


def _no_widths(widths: list[int]) -> list[str]:
    return [] if widths else ["model.widths is empty: give at least one width"]


MODELS: dict[str, type[Model]] = {
    "mlp": MLP,
    "cnn": CNN,
    "resnet": ResNet,
    "tabm": TabM,
    "hf_image": HFImage,
    "efficientnet": HFImage,
    "vit": HFImage,
    "convnext": HFImage,
    "hf_resnet": HFImage,
    "hf_text": HFText,
    "bert": HFText,
    "text_transformer": TextTransformer,
    "timm": Timm,
    "custom": CustomModel,
}
# what a network reads; of the others nothing is known
MODEL_READS: dict[type[Model], set[str]] = {
    MLP: {"rows", "images"},
    TabM: {"rows"},
    CNN: {"images"},
    ResNet: {"images"},
    HFImage: {"images"},
    HFText: {"texts"},
    TextTransformer: {"texts"},
    Timm: {"images"},
}

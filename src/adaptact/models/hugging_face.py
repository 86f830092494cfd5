"""Networks of Hugging Face's transformers: image and sequence classifiers, by configuration or from a checkpoint.

A checkpoint is a folder as ``save_pretrained`` leaves it, or a name on the hub. Only weights are read from it; code
that it may bring is never run.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from adaptact import files
from adaptact.errors import ConfigError, UserError, did_you_mean
from adaptact.layouts import Pixels, Tokens
from adaptact.models.pixels import Standardize

SMALLEST = {"efficientnet": 48}  # pixels: below, its last depthwise kernel is larger than what is left of an image
# keys of a config.json about the file and its labels, not about the network
OF_THE_FILE = (
    "transformers_version",
    "architectures",
    "dtype",
    "torch_dtype",
    "_name_or_path",
    "id2label",
    "label2id",
    "num_labels",
    "auto_map",
    "problem_type",
)
OF_THE_HEAD = ("classifier", "score", "pooler", "head", "fc", "pre_classifier", "sequence_summary")


class ImageClassifier(nn.Module):
    """(batch, channels, height, width) to (batch, n_outputs) by an image classifier of transformers.

    Images are standardised where they come as pixels, given the model's number of channels and resized to its size.
    """

    def __init__(
        self,
        model: nn.Module,
        channels: int,
        size: tuple[int, int] | None,
        mean: tuple[float, ...] | None,
        std: tuple[float, ...] | None,
    ) -> None:
        super().__init__()
        self.channels, self.size = channels, size
        if mean is not None and std is not None:
            every = channels if len(mean) == 1 else 1
            self.pixels: nn.Module = Standardize(mean * every, std * every)
        else:
            self.pixels = nn.Identity()
        self.model = model
        own = getattr(model.config, "image_size", None)  # type: ignore[union-attr]
        takes = "interpolate_pos_encoding" in inspect.signature(model.forward).parameters
        self.options = {"interpolate_pos_encoding": True} if takes and size and own and size != _pair(own) else {}

    def resolved(self) -> dict[str, Any]:
        """Options that build this network again without its checkpoint."""
        return _plain(self.model) | {"image_size": None if self.size is None else list(self.size)}

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] == 1 and self.channels > 1:
            x = x.expand(-1, self.channels, -1, -1)
        x = self.pixels(x)
        if self.size is not None and tuple(x.shape[2:]) != self.size:
            x = F.interpolate(x, self.size, mode="bilinear", align_corners=False)
        return self.model(pixel_values=x, **self.options).logits


class TextClassifier(nn.Module):
    """Token numbers (batch, length) to (batch, n_outputs) by a sequence classifier; ``pad`` is not attended to."""

    def __init__(self, model: nn.Module, pad: int) -> None:
        super().__init__()
        self.model, self.pad = model, pad

    def resolved(self) -> dict[str, Any]:
        """Options that build this network again without its checkpoint."""
        return _plain(self.model)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.long()
        return self.model(input_ids=tokens, attention_mask=(tokens != self.pad).long()).logits


def hf_image(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    model_type: str | None = None,
    config: Mapping[str, Any] | str | None = None,
    small: Mapping[str, Any] | None = None,
    pretrained: str | None = None,
    image_size: Sequence[int] | None = None,
    layout: Pixels | None = None,
) -> ImageClassifier:
    """An image classifier of transformers.

    Args:
        input_shape: (channels, height, width).
        model_type: kind of model as transformers calls it; a checkpoint says it by itself.
        config: keys of the model's configuration, or the path of a config.json.
        small: keys that hold without a checkpoint unless ``config`` has them. Channels and image size are those of
            the data unless they are given.
        pretrained: folder or hub name of a checkpoint; its own configuration holds, but for the keys of ``config``.
        image_size: height and width, or one number for both, to which images are resized; None: as the checkpoint
            wants them, else as they are.
        layout: of the pixels; with a checkpoint images are standardised as it was trained.

    Raises:
        ValueError, ConfigError: no images, an unknown kind of model, a checkpoint that does not fit.
    """
    if len(input_shape) != 3:
        raise ValueError(f"it reads images, not inputs of shape {input_shape}")
    channels, height, width = input_shape
    size = _pair(image_size)
    settings = _settings(model_type, config, small, pretrained)
    if pretrained is None:
        least = SMALLEST.get(settings["model_type"], 1)
        if size is None and min(height, width) < least:
            size = (max(height, least), max(width, least))
        seen = size or (height, width)
        settings = {"num_channels": channels, "image_size": seen[0] if seen[0] == seen[1] else list(seen)} | settings
    model = _build("image", settings, pretrained, n_outputs)
    wanted = getattr(model.config, "num_channels", channels)
    if channels not in {1, wanted}:
        raise ValueError(f"the model reads images of {wanted} channels, and these have {channels}")
    mean, std = (None, None) if layout is None else (layout.mean, layout.std)
    if pretrained is not None:
        form = _image_form(Path(pretrained))
        size = size or form["size"] or _pair(getattr(model.config, "image_size", None))
        if layout is not None and form["mean"]:
            mean, std = form["mean"], form["std"]
    return ImageClassifier(model, wanted, size, mean, std)


def hf_text(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    model_type: str | None = None,
    config: Mapping[str, Any] | str | None = None,
    small: Mapping[str, Any] | None = None,
    pretrained: str | None = None,
    layout: Tokens | None = None,
) -> TextClassifier:
    """A sequence classifier of transformers.

    Args:
        input_shape: (length,) of the longest text, in tokens.
        model_type, config, small, pretrained: as for :func:`hf_image`; vocabulary, padding and longest
            text are those of the data.
        layout: of the tokens.

    Raises:
        ValueError, ConfigError: no texts, an unknown kind of model, a checkpoint that does not fit.
    """
    if len(input_shape) != 1:
        raise ValueError(f"it reads texts, not inputs of shape {input_shape}")
    settings = _settings(model_type, config, small, pretrained)
    if layout is not None:
        own = {"vocab_size": layout.vocabulary, "max_position_embeddings": input_shape[0] + 2}  # 2: RoBERTa's offset
        settings = (own if pretrained is None else {}) | settings | {"pad_token_id": layout.pad}
    model = _build("text", settings, pretrained, n_outputs)
    known, longest = model.config.vocab_size, getattr(model.config, "max_position_embeddings", None)
    if layout is not None and layout.vocabulary > known:
        raise ValueError(
            f"the data has {layout.vocabulary} tokens and the model knows {known}: give the tokenizer of its "
            "checkpoint by data.tokenizer="
        )
    if longest is not None and input_shape[0] > longest:
        raise ValueError(
            f"texts are up to {input_shape[0]} tokens long and the model reads {longest}: set data.max_length"
        )
    pad = layout.pad if layout is not None else model.config.pad_token_id
    return TextClassifier(model, 0 if pad is None else pad)


def _settings(
    model_type: str | None,
    config: Mapping[str, Any] | str | None,
    small: Mapping[str, Any] | None,
    pretrained: str | None,
) -> dict[str, Any]:
    if isinstance(config, str):
        path = Path(config)
        path = path / "config.json" if path.is_dir() else path
        try:
            config = dict(files.read_json(path))
        except (FileNotFoundError, UserError) as error:
            raise ConfigError([f"model.config={path} cannot be read: {error}"]) from None
    given = {key: value for key, value in (config or {}).items() if key not in OF_THE_FILE}
    settings = {**({} if pretrained else small or {}), **({"model_type": model_type} if model_type else {}), **given}
    if pretrained is None and not settings.get("model_type"):
        raise ValueError("it needs model.model_type, as in model.model_type=swin, or model.pretrained=<checkpoint>")
    return settings


def _plain(model: Any) -> dict[str, Any]:
    config = {key: value for key, value in model.config.to_dict().items() if key not in OF_THE_FILE}
    return {"model_type": config.pop("model_type"), "config": json.loads(json.dumps(config)), "small": {}}


def _build(kind: str, settings: dict[str, Any], pretrained: str | None, n_outputs: int) -> Any:
    """A model of transformers in float32, its head for so many outputs."""
    try:
        import transformers
    except ImportError:
        extra = "vision" if kind == "image" else "text"
        raise ConfigError([f"networks of transformers need an extra: make setup EXTRAS=dev,{extra}"]) from None
    task = "IMAGE" if kind == "image" else "SEQUENCE"
    built = getattr(transformers, f"MODEL_FOR_{task}_CLASSIFICATION_MAPPING")
    auto = getattr(transformers, f"AutoModelFor{task.title()}Classification")
    model_type = settings.pop("model_type", None)
    with quietly(transformers):
        if pretrained is not None:
            return _from_checkpoint(transformers, auto, built, model_type, settings, pretrained, n_outputs)
        known: Any = transformers.CONFIG_MAPPING
        if model_type not in known:
            raise ConfigError(
                [f"model.model_type {model_type!r} is unknown to transformers. {did_you_mean(str(model_type), known)}"]
            )
        if known[model_type] not in built:
            what = "image" if kind == "image" else "sequence"
            raise ConfigError([f"transformers has no {what} classifier of model_type {model_type!r}"])
        try:
            config: Any = known[model_type](**settings, num_labels=n_outputs)
            model = auto.from_config(config, trust_remote_code=False)
        except Exception as error:  # whatever a configuration's own checks raise
            raise ConfigError([f"model.config: {_first_line(error)}"]) from error
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # EfficientNet's scales are drawn near 0: hardly anything would pass
            module.reset_parameters()
    return model


def _from_checkpoint(
    transformers: Any,
    auto: Any,
    built: Any,
    model_type: str | None,
    settings: dict[str, Any],
    pretrained: str,
    n_outputs: int,
) -> Any:
    import torch

    folder = Path(pretrained)
    local = folder.exists() or pretrained.startswith((".", "/", "~")) or pretrained.count("/") > 1
    if local and not (folder / "config.json").is_file():
        raise ConfigError(
            [f"model.pretrained={pretrained} is no folder with a config.json, as save_pretrained leaves it"]
        )
    options = {"trust_remote_code": False, "local_files_only": local}
    try:
        config = transformers.AutoConfig.from_pretrained(pretrained, **options)
        if model_type not in (None, config.model_type):
            raise ConfigError([f"model.pretrained={pretrained} is a {config.model_type}, not a {model_type}"])
        if type(config) not in built:
            raise ConfigError(
                [f"model.pretrained={pretrained} is a {config.model_type}, of which there is no such classifier"]
            )
        model, found = auto.from_pretrained(
            pretrained,
            **options,
            **settings,
            num_labels=n_outputs,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
    except ConfigError:
        raise
    except Exception as error:  # OSError without network, ValueError for unknown types, errors of broken files
        where = "" if local else "; without a network, name a folder"
        raise ConfigError([f"model.pretrained={pretrained} cannot be loaded: {_first_line(error)}{where}"]) from error
    lost = sorted({*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])})
    lost = [name for name in lost if not any(part in OF_THE_HEAD for part in name.split("."))]
    if lost:
        raise ConfigError(
            [
                f"model.pretrained={pretrained} lacks weights of its own configuration: {', '.join(lost[:3])}"
                f"{' ...' if len(lost) > 3 else ''}; the network would start from chance there"
            ]
        )
    return model.train()  # the library hands checkpoints out in eval mode


def _image_form(folder: Path) -> dict[str, Any]:
    """Size, mean and standard deviation of a checkpoint's images, by its preprocessor_config.json where it has one."""
    found: dict[str, Any] = {"size": None, "mean": None, "std": None}
    path = folder / "preprocessor_config.json"
    if not folder.is_dir():
        from transformers.utils import cached_file

        with contextlib.suppress(OSError):
            path = Path(cached_file(str(folder), "preprocessor_config.json") or path)
    if not path.is_file():
        return found
    raw = files.read_json(path)
    with files.named(path):
        return _form_of(raw)


def _form_of(raw: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"size": None, "mean": None, "std": None}
    size = raw.get("crop_size") if raw.get("do_center_crop", True) and raw.get("crop_size") else raw.get("size")
    found["size"] = _pair(size)
    if raw.get("do_normalize", True) and raw.get("image_mean"):
        factor = 255 * raw.get("rescale_factor", 1 / 255) if raw.get("do_rescale", True) else 255.0
        # theirs is (pixel * rescale_factor - mean) / std; ours counts pixels from 0 to 1
        found["mean"] = tuple(value / factor for value in raw["image_mean"])
        found["std"] = tuple(value / factor for value in raw["image_std"])
    return found


def _pair(size: Any) -> tuple[int, int] | None:
    """(height, width) of what configurations write as a number, a pair or a set of keys."""
    if isinstance(size, Mapping):
        size = [size["height"], size["width"]] if "height" in size else size.get("shortest_edge")
    if isinstance(size, (list, tuple)):
        return int(size[0]), int(size[-1])
    return None if size is None else (int(size), int(size))


@contextlib.contextmanager
def quietly(transformers: Any) -> Iterator[None]:
    """Without the library's progress bars and reports, whose errors we raise ourselves."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0] or type(error).__name__

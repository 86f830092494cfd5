"""Builders of networks: plain PyTorch modules that don't know which activation they will get.

Every builder takes the shape of one input (without the batch) and the number of outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from adaptact.errors import ConfigError, did_you_mean
from adaptact.layouts import Columns, Layout, Pixels, Tokens
from adaptact.models.cnn import cnn
from adaptact.models.hugging_face import hf_image, hf_text
from adaptact.models.mlp import mlp
from adaptact.models.pixels import FromPixels
from adaptact.models.resnet import resnet
from adaptact.models.tabm import tabm
from adaptact.models.text_transformer import text_transformer
from adaptact.models.timm import timm

MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "resnet": resnet,
    "tabm": tabm,
    "text_transformer": text_transformer,
    "timm": timm,
    **dict.fromkeys(("hf_image", "efficientnet", "vit", "convnext", "hf_resnet"), hf_image),
    **dict.fromkeys(("hf_text", "bert"), hf_text),
}
# the layout that a builder asks for; others need none
READS: dict[Callable[..., nn.Module], type] = {
    mlp: Columns,
    tabm: Columns,
    hf_image: Pixels,
    hf_text: Tokens,
    text_transformer: Tokens,
}


def build(
    name: str, input_shape: tuple[int, ...], n_outputs: int, *, layout: Layout | None = None, **options: Any
) -> nn.Module:
    """A new network with freshly drawn weights.

    Args:
        layout: what the inputs mean, for the networks that ask for it.

    Raises:
        ConfigError: an unknown name, or an input that the network cannot read.
    """
    if name not in MODELS:
        raise ConfigError([f"model {name!r} is unknown. {did_you_mean(name, MODELS)}"])
    builder = MODELS[name]
    knows = builder in READS and isinstance(layout, READS[builder])
    if knows:
        options["layout"] = layout
    try:
        network = builder(input_shape, n_outputs, **options)
        pixels = None if knows or layout is None else layout.pixels
        return network if pixels is None else FromPixels(network, pixels)
    except ValueError as error:
        raise ConfigError([f"model={name}: {error}"]) from None


__all__ = ["MODELS", "READS", "build"]

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
from adaptact.models.mlp import mlp
from adaptact.models.pixels import FromPixels
from adaptact.models.resnet import resnet
from adaptact.models.tabm import tabm
from adaptact.models.text_transformer import text_transformer

MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "resnet": resnet,
    "tabm": tabm,
    "text_transformer": text_transformer,
}
# the layout that a builder asks for; others need none
READS: dict[str, type] = {"mlp": Columns, "tabm": Columns, "text_transformer": Tokens}


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
    knows = name in READS and isinstance(layout, READS[name])
    if knows:
        options["layout"] = layout
    try:
        network = MODELS[name](input_shape, n_outputs, **options)
        return FromPixels(network, layout) if isinstance(layout, Pixels) and not knows else network
    except ValueError as error:
        raise ConfigError([f"model={name}: {error}"]) from None


__all__ = ["MODELS", "READS", "build", "cnn", "mlp", "resnet", "tabm", "text_transformer"]

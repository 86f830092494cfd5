"""Activations by name. A fresh instance per call; unknown names are answered with the known ones."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from torch import nn

from adaptact.activations import modules

ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "pelu": modules.PELU,
    "swish": modules.Swish,
    "sswish": modules.SSwish,
    "sgblend": modules.SGBlend,
    "sgblend_authors": modules.SGBlendAuthors,
    "abu": modules.ABU,
    "nonlinearity_enhanced": modules.NonlinearityEnhanced,
    "scaled": modules.Scaled,
    "blend": modules.Blend,
}


def create(name: str, **options: Any) -> nn.Module:
    """A new activation module.

    Raises:
        ValueError: an unknown name, with the nearest and all known ones.

    >>> create("elu", alpha=0.5)
    ELU(alpha=0.5)
    """
    if name not in ACTIVATIONS:
        near = difflib.get_close_matches(name, ACTIVATIONS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown activation {name!r}.{hint} Known: {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name](**options)

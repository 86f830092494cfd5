"""Multilayer perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from torch import nn

NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def mlp(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    widths: Sequence[int] = (128, 128),
    dropout: float = 0.1,
    norm: Literal["none", "batch", "layer"] = "none",
) -> nn.Sequential:
    """Linear, normalisation, activation and dropout per hidden layer; inputs of any shape are flattened.

    Shape:
        (batch, *input_shape) in, (batch, n_outputs) out.

    >>> mlp((4,), 2, widths=(8,), dropout=0.0)
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """
    layers: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
    d_in = math.prod(input_shape)
    for width in widths:
        layers.append(nn.Linear(d_in, width))
        if norm != "none":
            layers.append(NORMS[norm](width))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        d_in = width
    return nn.Sequential(*layers, nn.Linear(d_in, n_outputs))

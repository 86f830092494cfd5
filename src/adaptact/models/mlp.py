"""Multilayer perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from torch import nn

from adaptact.models.columns import ColumnEncoder, Numeric

if TYPE_CHECKING:
    from adaptact.layouts import Columns

NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


def mlp(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    widths: Sequence[int] = (128, 128),
    depth: int | None = None,
    dropout: float = 0.1,
    norm: Literal["none", "batch", "layer"] = "none",
    numeric: Numeric = "plain",
    d_embedding: int = 16,
    layout: Columns | None = None,
) -> nn.Sequential:
    """Linear, normalisation, activation and dropout per hidden layer; inputs of any shape are flattened.

    Args:
        widths: units of each hidden layer.
        depth: number of hidden layers: the last width is repeated up to it. None takes the widths as they are.
        numeric, d_embedding: how a table's numbers enter: plain, periodic or piecewise-linear embeddings of a width.
        layout: of a table's rows: categories are embedded; None takes all inputs for plain numbers.

    Shape:
        (batch, *input_shape) in, (batch, n_outputs) out.

    Raises:
        ValueError: a depth below the number of widths; embeddings of numbers without a layout.

    >>> mlp((4,), 2, widths=(8,), dropout=0.0)
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """
    if depth is not None and depth < len(widths):
        raise ValueError(f"a depth of {depth} is less than the {len(widths)} widths")
    units = list(widths)
    units += units[-1:] * ((depth or 0) - len(units))
    if numeric != "plain" and layout is None:
        raise ValueError(f"numeric={numeric} is for the columns of data=table")
    layers: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
    d_in = math.prod(input_shape)
    if layout is not None:
        encoder = ColumnEncoder(layout, numeric, d_embedding)
        layers, d_in = [encoder], encoder.d_out
    for width in units:
        layers.append(nn.Linear(d_in, width))
        if norm != "none":
            layers.append(NORMS[norm](width))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        d_in = width
    return nn.Sequential(*layers, nn.Linear(d_in, n_outputs))

"""The input side of networks for tables: numbers, flags of missing cells, category codes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from adaptact.layouts import Columns

Numeric = Literal["plain", "periodic", "piecewise"]


def numeric_embeddings(columns: Columns, kind: Numeric, width: int) -> nn.Module | None:
    """Embeddings of numbers (Gorishniy et al. 2022, arXiv 2203.05556), each to ``width``; None for plain ones.

    They have no activation of their own: one more nonlinearity there would be a site that no other input side has.
    """
    if kind == "plain" or not columns.n_numeric:
        return None
    import rtdl_num_embeddings as rtdl

    if kind == "periodic":
        return rtdl.PeriodicEmbeddings(columns.n_numeric, width, activation=False, lite=False)
    if columns.bins is None:
        raise ValueError("numeric=piecewise needs the bins of a prepared table")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a column of two values has one bin, which is all it needs
        return rtdl.PiecewiseLinearEmbeddings(list(columns.bins), width, activation=False, version="B")


def split(x: Tensor, columns: Columns) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers, flags and codes of rows of shape (rows, n_numeric + n_flags + n_categorical); codes as int64."""
    numbers, flags, codes = x.split([columns.n_numeric, columns.n_flags, len(columns.cardinalities)], dim=1)
    return numbers, flags, codes.long()


def embedding_width(cardinality: int) -> int:
    """Of a category column: half its codes, at most 16.

    >>> [embedding_width(n) for n in (3, 8, 100)]
    [2, 4, 16]
    """
    return min(16, (cardinality + 1) // 2)


class ColumnEncoder(nn.Module):
    """(rows, columns) to (rows, d_out): numbers as they are or embedded, flags, an embedding per category column.

    The last code of a column, for what training has not, is embedded as zeros and is not learned.
    """

    def __init__(self, columns: Columns, numeric: Numeric = "plain", width: int = 16) -> None:
        super().__init__()
        self.columns = columns
        self.numeric = numeric_embeddings(columns, numeric, width)
        widths = [embedding_width(n) for n in columns.cardinalities]
        self.categories = nn.ModuleList(
            nn.Embedding(n, d, padding_idx=n - 1) for n, d in zip(columns.cardinalities, widths, strict=True)
        )
        for table in self.categories:
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight[: table.num_embeddings - 1], std=table.embedding_dim**-0.5)
        each = 1 if self.numeric is None else width
        self.d_out = each * columns.n_numeric + columns.n_flags + sum(widths)

    def forward(self, x: Tensor) -> Tensor:
        numbers, flags, codes = split(x, self.columns)
        if self.numeric is not None:
            numbers = self.numeric(numbers).flatten(1)
        embedded = [table(codes[:, place]) for place, table in enumerate(self.categories)]
        return torch.cat([numbers, flags, *embedded], dim=1)

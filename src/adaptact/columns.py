"""Layout of a table's prepared rows: what its preparation gives and its networks take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Columns:
    """Layout of a table's rows: numbers first, then flags (0 or 1), then category codes (whole numbers from 0).

    Args:
        cardinalities: codes of each category column; the last one is for what training has not.
        bins: per numeric column the bin edges for piecewise-linear embeddings, from the training part.
    """

    n_numeric: int
    n_flags: int
    cardinalities: tuple[int, ...]
    bins: tuple[Tensor, ...] | None = None

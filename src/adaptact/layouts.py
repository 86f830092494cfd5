"""What prepared inputs mean: what a preparation gives and its networks take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from adaptact.shapes import Between

if TYPE_CHECKING:
    from torch import Tensor


MOST = 10_000_000  # tokens, or codes of one column: beyond all that an embedding could hold
Token = Annotated[int, Between(0, MOST)]


@dataclass(frozen=True)
class Columns:
    """A table's rows: numbers first, then flags (0 or 1), then category codes (whole numbers from 0).

    Args:
        cardinalities: codes of each category column; the last one is for what training has not.
        bins: per numeric column the bin edges for piecewise-linear embeddings, from the training part.
    """

    n_numeric: int
    n_flags: int
    cardinalities: tuple[int, ...]
    bins: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class Pixels:
    """Images of shape (channels, height, width) as files keep them: whole numbers from 0 to 255.

    Args:
        mean, std: of the training pixels from 0 to 1, per channel or one for all; networks standardise by them.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.mean or len(self.mean) != len(self.std):
            raise ValueError("mean and std of pixels must be as many as each other")


@dataclass(frozen=True)
class Tokens:
    """Texts of shape (length,): token numbers, filled up with ``pad`` on the right.

    Args:
        vocabulary: how many tokens there are.
        unknown: number of a token that was not in training; of masked tokens too.
        special: numbers of further tokens that stand for no piece of a text, as the one that begins it.
    """

    vocabulary: Annotated[int, Between(2, MOST)]
    pad: Token = 0
    unknown: Token = 1
    special: tuple[Token, ...] = ()

    def __post_init__(self) -> None:
        if beyond := [number for number in (self.pad, self.unknown, *self.special) if number >= self.vocabulary]:
            raise ValueError(f"token {beyond[0]} is beyond the vocabulary of {self.vocabulary}")


Layout = Columns | Pixels | Tokens

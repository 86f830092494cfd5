"""What prepared inputs mean: what a preparation gives and its networks take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from adaptact.shapes import Between

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


MOST = 10_000_000  # tokens, or codes of one column: beyond all that an embedding could hold
Token = Annotated[int, Between(0, MOST)]
AT_ONCE = 256  # pictures that are measured at once


class Plain:
    """Plain numbers: what inputs are unless another layout says more, and what all layouts answer."""

    input_name = "features"  # in an exported model
    free_dimensions: tuple[str, ...] = ()  # beside the batch: those whose size may differ between batches

    def columns(self, width: int) -> Columns:
        """Return which of ``width`` features are numbers, flags and codes."""
        return Columns(width, 0, ())

    def example(self, shape: tuple[int, ...]) -> Tensor:
        """Return inputs without content of this shape (rows, ...) that a network can read."""
        import torch

        return torch.zeros(shape)

    def exported(self, x: Tensor) -> Tensor:
        """Return inputs as an exported network takes them."""
        return x

    def lengths(self, x: Tensor) -> Tensor | None:
        """Return the length of each input, (rows,) in int64 on the CPU; None where all are equally long."""
        return None

    def measures(self, x: Tensor) -> dict[str, np.ndarray]:
        """Return by name what can be measured on inputs that have no columns, (rows,) each."""
        return {}

    def changeable(self, x: Tensor) -> Tensor:
        """Return inputs in a type that can be disturbed."""
        return x.float()

    def masked(self, x: Tensor, hit: Tensor) -> Tensor:
        """Return inputs of which those that are ``hit`` are as if unknown, where they can be."""
        return x

    def disturbances(self, dimensions: int) -> tuple[str, ...]:
        """Name the ways to disturb such inputs, which have so many dimensions with the batch."""
        return ("noise", "covered") if dimensions == 4 else ("noise", "missing")

    def meaning(self, data_name: str) -> str:
        """Say in a sentence what the inputs of an exported model are."""
        return f"numbers as the data set {data_name!r} gives them, already scaled"

    @property
    def pixels(self) -> Pixels | None:
        """How a network that expects standardised images has to treat these inputs; None: it takes them as they are."""
        return None


@dataclass(frozen=True)
class Columns(Plain):
    """A table's rows: numbers first, then flags (0 or 1), then category codes (whole numbers from 0).

    Args:
        cardinalities: codes of each category column; the last one is for what training has not.
        bins: per numeric column the bin edges for piecewise-linear embeddings, from the training part.
    """

    n_numeric: int
    n_flags: int
    cardinalities: tuple[int, ...]
    bins: tuple[Tensor, ...] | None = None

    def columns(self, width: int) -> Columns:
        return self

    def meaning(self, data_name: str) -> str:
        return "a row as preparation says: numbers, flags, codes"


@dataclass(frozen=True)
class Pixels(Plain):
    """Images of shape (channels, height, width) as files keep them: whole numbers from 0 to 255.

    Args:
        mean, std: of the training pixels from 0 to 1, per channel or one for all; networks standardise by them.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    input_name = "pixels"

    def __post_init__(self) -> None:
        if not self.mean or len(self.mean) != len(self.std):
            raise ValueError("mean and std of pixels must be as many as each other")

    def measures(self, x: Tensor) -> dict[str, np.ndarray]:
        """Return light and contrast of each picture."""
        import torch

        light, contrast = [], []
        for piece in x.split(AT_ONCE):
            pixels = piece.flatten(2).float() / 255
            light.append(pixels.mean(dim=2))
            contrast.append(pixels.mean(dim=1).std(dim=1))
        channels = torch.cat(light).double().T.numpy()
        found = {f"brightness of channel {number}": values for number, values in enumerate(channels, start=1)}
        return {**found, "contrast": torch.cat(contrast).double().numpy()}

    def meaning(self, data_name: str) -> str:
        return "pixels from 0 to 255; the model standardises them by itself"

    @property
    def pixels(self) -> Pixels:
        return self


@dataclass(frozen=True)
class Tokens(Plain):
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

    input_name = "tokens"
    free_dimensions = ("length",)

    def __post_init__(self) -> None:
        if beyond := [number for number in (self.pad, self.unknown, *self.special) if number >= self.vocabulary]:
            raise ValueError(f"token {beyond[0]} is beyond the vocabulary of {self.vocabulary}")

    def example(self, shape: tuple[int, ...]) -> Tensor:
        """Return texts of unknown words."""
        import torch

        return torch.full(shape, self.unknown, dtype=torch.int32)

    def exported(self, x: Tensor) -> Tensor:
        return x.long()  # as tokenizers give them

    def lengths(self, x: Tensor) -> Tensor:
        return (x != self.pad).sum(dim=1).cpu()

    def measures(self, x: Tensor) -> dict[str, np.ndarray]:
        """Return the length of each text and its share of unknown tokens."""
        lengths = self.lengths(x)
        unknown = (x == self.unknown).sum(dim=1) / lengths.clamp(min=1)
        return {"length in tokens": lengths.double().numpy(), "unknown tokens": unknown.double().numpy()}

    def changeable(self, x: Tensor) -> Tensor:
        return x

    def masked(self, x: Tensor, hit: Tensor) -> Tensor:
        """Return texts with unknown tokens where they are ``hit``; padding and special tokens stay."""
        import torch

        kept = torch.tensor([self.pad, *self.special], dtype=x.dtype)
        return torch.where(hit & ~torch.isin(x, kept), self.unknown, x)

    def disturbances(self, dimensions: int) -> tuple[str, ...]:
        return ("masked",)

    def meaning(self, data_name: str) -> str:
        return f"token numbers below {self.vocabulary}, filled up with {self.pad} on the right"


Layout = Columns | Pixels | Tokens
PLAIN = Plain()

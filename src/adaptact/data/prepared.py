"""Prepared data: what every reader gives and every network takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from adaptact import config
from adaptact.data.positive import Positive
from adaptact.layouts import Layout

if TYPE_CHECKING:  # torch is imported late: a wrong file is answered without that wait
    import pandas as pd
    from torch import Tensor

    from adaptact.data.table.profile import Watched
    from adaptact.data.table.reading import Format
    from adaptact.data.table.roles import Roles
    from adaptact.data.tally import Tally

Task = Literal["classification", "regression"]
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Part:
    """Rows of one split: ``x`` of shape (rows, *input_shape), ``y`` (rows,): int64 classes or float32 values.

    Networks take ``x`` as it is kept here: float32 for plain numbers and tables, uint8 for :class:`Pixels`, int32 for
    :class:`Tokens`.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class SourceRows:
    """Rows named by the file they came from and their place in it, whatever columns or settings a run uses.

    Args:
        sources: SHA-256 of the bytes of each file.
        source: (rows,): index into ``sources``.
        row: (rows,): number of the row in its file, from 0.
    """

    sources: tuple[str, ...]
    source: np.ndarray
    row: np.ndarray

    @classmethod
    def of_file(cls, digest: str, row: np.ndarray) -> SourceRows:
        """Rows of one file."""
        return cls((digest,), np.zeros(len(row), dtype=np.int64), np.asarray(row, dtype=np.int64))

    @classmethod
    def of_files(cls, digests: Sequence[str]) -> SourceRows:
        """Files that are a row each, as pictures are."""
        return cls(tuple(digests), np.arange(len(digests)), np.zeros(len(digests), dtype=np.int64))


class Preparation(Protocol):
    """What turned raw rows into tensors; kept with the run, so that new rows can be treated alike."""

    def save(self, folder: Path) -> None: ...


class RowPreparation(Preparation, Protocol):
    """A preparation of rows that files have, so that a file can be scored.

    Args:
        watched: columns with the profile of their training rows, against which later rows are held.
        time_column: the one of them that says when a row was.
        needed: names of the columns without which a file cannot be scored.
    """

    target: str
    labels: list[str]
    task: str
    center: float
    scale: float
    form: Format

    @property
    def roles(self) -> Roles: ...
    @property
    def needed(self) -> list[str]: ...
    @property
    def layout(self) -> Layout: ...
    @property
    def width(self) -> int: ...
    @property
    def watched(self) -> list[Watched]: ...
    @property
    def time_column(self) -> Watched | None: ...
    def transform(self, frame: pd.DataFrame) -> Tensor: ...
    def chunks(self, source: str, options: config.Rows, key: str) -> Iterator[pd.DataFrame]:
        """Read a file, or what else has such rows, in pieces."""

    def look_at(self, frame: pd.DataFrame, source: str, tally: Tally) -> None:
        """Note what is odd about rows that are to be scored."""


@dataclass(frozen=True)
class Prepared:
    """A data set, split and prepared with what was learned on its training part alone.

    Args:
        labels: class names in the order of their numbers, as written in the source; empty for regression.
        center, scale: the target is (value - center) / scale; 0 and 1 for classification.
        fingerprint: SHA-256 of the source, the same wherever and whenever it is read.
        notes: what the reader decided and a person should know.
        layout: what the inputs mean; None where all are plain numbers.
        texts: of texts what stood in each row before it became tokens, by part; empty for other inputs.
        test_groups: (rows,): number of the group of each test row, where the split kept groups together.
        positive: the class to be found; None unless there are two.
        test_rows: where each test row came from.
    """

    name: str
    task: Task
    parts: dict[str, Part]
    fingerprint: str
    labels: list[str] = field(default_factory=list)
    center: float = 0.0
    scale: float = 1.0
    preparation: Preparation | None = None
    notes: list[str] = field(default_factory=list)
    layout: Layout | None = None
    texts: dict[str, list[str]] = field(default_factory=dict)
    test_groups: np.ndarray | None = None
    positive: Positive | None = None
    test_rows: SourceRows | None = None

    @property
    def positive_number(self) -> int:
        """Number of the class to be found; 1 where none was chosen."""
        return 1 if self.positive is None else self.positive.number

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.parts["train"].x.shape[1:])

    @property
    def n_outputs(self) -> int:
        return len(self.labels) if self.task == "classification" else 1


def fingerprint(pieces: Iterable[bytes | np.ndarray]) -> str:
    """SHA-256 of the pieces in their order."""
    digest = hashlib.sha256()
    for piece in pieces:
        whole = piece if isinstance(piece, bytes) else np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data
        digest.update(whole)
    return digest.hexdigest()


def standardize(y: np.ndarray) -> tuple[float, float]:
    """Center and scale of a regression target; a constant target has scale 1."""
    spread = float(y.std())
    return float(y.mean()), spread if spread > 0 else 1.0


def classes(y: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(y.astype(np.int64))


def values(y: np.ndarray, center: float, scale: float) -> Tensor:
    import torch

    return torch.from_numpy(((y - center) / scale).astype(np.float32))

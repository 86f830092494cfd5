"""A kind of data: all that others ask of one, in one class per kind.

Each kind is a folder (or a file) of its own here, with a class ``Kind``; the options name its module, which is imported
when it is asked for. A kind of one's own files is a :class:`FileKind`, and ``check-data`` looks at it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import numpy as np

from adaptact import config
from adaptact.data.costs import two_classes
from adaptact.data.findings import INFO, Finding, unusable
from adaptact.data.prepared import Prepared, RowPreparation
from adaptact.errors import ConfigError, DataError

Options = TypeVar("Options", bound=config.Data)


@dataclass(frozen=True)
class Check:
    """The result of a look at data before the training.

    Args:
        name: of the data, in short.
        path: of the data, as it was typed.
        report: the content of ``data_report.json``.
        samples: by class pictures to show, uint8 of shape (channels, height, width).
    """

    name: str
    path: str
    report: dict[str, Any]
    samples: dict[str, list[np.ndarray]] = field(default_factory=dict)


class DataKind(ABC, Generic[Options]):
    """Data that has been chosen by ``data=``.

    ``read`` gives what ``findings`` and ``prepare`` take: rows that are split, before anything is learned from them.

    Args:
        trust: the package whose code may be run to read the data.
    """

    has_rows = True  # False: there is nothing to learn from

    def __init__(self, options: Options, trust: str | None = None) -> None:
        self.options, self.trust = options, trust

    @abstractmethod
    def read(self) -> Any:
        """Read and split the data.

        Raises:
            DataError: whatever is wrong with it, with the way out.
        """

    def prepare(self, raw: Any) -> Prepared:
        """Turn what was read into tensors; all that is learned for that is learned on the training part."""
        return raw  # type: ignore[no-any-return]

    def findings(self, raw: Any) -> list[Finding]:
        """Return what a person should know about the data, the severe things first."""
        return []

    def warnings(self) -> list[Finding]:
        """Read the data anew and return the findings that are more than remarks."""
        return []

    def check(self) -> Check:
        """Look at the data before the training.

        Raises:
            ConfigError: data that is not made of one's own files.
            DataError: there is nothing at its path.
        """
        raise ConfigError(
            [
                f"check-data looks at tables, texts and folders of pictures, and data={self.options.name} is none of "
                "these: use data=table data.path=..., data=text data.path=... or data=image_folder data.root=..."
            ]
        )

    def shares_test(self, seeds: Sequence[Prepared]) -> bool:
        """Return True if the splits of all seeds have the same test rows.

        Args:
            seeds: the data of the first seed and of another one.
        """
        return False

    def row_preparation(self, folder: Path) -> RowPreparation | None:
        """Read what turns raw rows of a file into a network's inputs; None where there are no such rows."""
        return None

    def recipe(self, folder: Path) -> dict[str, Any] | None:
        """Read how raw rows become inputs as plain values that any language can follow; None where nothing does."""
        return None


class FileKind(DataKind[Options]):
    """Data of one's own files.

    Args:
        reader: the module that has ``read_and_split(options)`` and ``prepare(raw, options)``.
        checker: the module that has ``findings(raw, options)`` and ``report(raw, options)``.
    """

    reader: ModuleType
    checker: ModuleType

    def read(self) -> Any:
        return self.reader.read_and_split(self.options)

    def prepare(self, raw: Any) -> Prepared:
        prepared: Prepared = self.reader.prepare(raw, self.options)
        return prepared

    def findings(self, raw: Any) -> list[Finding]:
        found: list[Finding] = self.checker.findings(raw, self.options)
        return found

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the data, in short."""

    @property
    @abstractmethod
    def path(self) -> str:
        """Path of the data, as it was typed."""

    @property
    def target(self) -> str:
        """Name of what is predicted."""
        return self.options.predicts

    @abstractmethod
    def refuse_path(self) -> None:
        """Raise DataError where there is nothing at the path, so that there is nothing to report on."""

    def unusable(self, message: str) -> dict[str, Any]:
        """Return the report of data that could not be read or split at all."""
        return unusable(self.path, self.target, message)

    def samples(self, raw: Any) -> dict[str, list[np.ndarray]]:
        return {}

    def check(self) -> Check:
        self.refuse_path()
        samples: dict[str, list[np.ndarray]] = {}
        try:
            raw = self.read()
            two_classes(self.options, raw)
            report, samples = self.checker.report(raw, self.options), self.samples(raw)
        except DataError as error:
            report = self.unusable(str(error))
        return Check(self.name, self.path, report, samples)

    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings(self.read()) if finding.level != INFO]


def same_test(seeds: Sequence[Prepared], *, inputs: bool = False) -> bool:
    """Return True if the first and the last of these have test rows that look alike.

    Args:
        inputs: compare the inputs too, not only their shape and the targets.
    """
    first, last = seeds[0].parts["test"], seeds[-1].parts["test"]
    if first.x.shape != last.x.shape or not bool((first.y == last.y).all()):
        return False
    return not inputs or bool((first.x == last.x).all())

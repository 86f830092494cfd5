"""A table cut into consecutive windows of time: trained up to the end of one, scored on each that comes after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from adaptact import config
from adaptact.data.download import sha256
from adaptact.data.prepared import Prepared, fingerprint
from adaptact.data.splits import Rows, check
from adaptact.data.table.roles import date_format
from adaptact.data.table.splits import latest, moments
from adaptact.data.table.table import Cells, Raw, located, prepare, read_cells
from adaptact.errors import DataError

LEAST_ROWS = 10  # of a window: no metric of fewer says anything


@dataclass(frozen=True)
class Scheme:
    """How the windows are cut, and what an origin trains on.

    Args:
        windows: how many.
        by: "rows": equally many rows; "time": equal spans of time.
        history: windows back that are trained on; None: all.
        delay: an answer is known so long after its row, in days (or in the unit of a time column of numbers).
    """

    windows: int
    by: Literal["rows", "time"] = "rows"
    history: int | None = 1
    delay: float = 0.0

    @property
    def origins(self) -> range:
        """Windows after which a model is trained."""
        return range((self.history or 1) - 1, self.windows - 1)


def cut(when: np.ndarray, scheme: Scheme) -> np.ndarray:
    """The window of each row, from 0. Rows of one moment are never in two.

    Raises:
        DataError: a window with too few rows.

    >>> cut(np.array([3, 1, 2, 1]), Scheme(2)).tolist()
    Traceback (most recent call last):
    adaptact.errors.DataError: window 1 of 2 has 2 rows, fewer than 10: use fewer windows
    """
    if scheme.by == "rows":
        places = np.arange(1, scheme.windows) * len(when) / scheme.windows
        edges = np.sort(when)[np.round(places).astype(int)]
    else:
        edges = np.linspace(when.min(), when.max(), scheme.windows + 1)[1:-1]
    window = np.searchsorted(edges, when, side="right")
    for number, rows in enumerate(np.bincount(window, minlength=scheme.windows), start=1):
        if rows < LEAST_ROWS:
            way_out = "use fewer windows" + (" or by=rows" if scheme.by == "time" else "")
            raise DataError(f"window {number} of {scheme.windows} has {rows} rows, fewer than {LEAST_ROWS}: {way_out}")
    return window


def rows_of(when: np.ndarray, window: np.ndarray, origin: int, scheme: Scheme, val_size: float) -> Rows:
    """Row numbers of the parts: test is all that comes after the origin, validation the latest that is trained on.

    Raises:
        DataError: nothing is left to train on.
    """
    first = 0 if scheme.history is None else origin - scheme.history + 1
    known = when + scheme.delay <= when[window == origin + 1].min() if scheme.delay else np.ones(len(when), dtype=bool)
    trained = np.flatnonzero((window >= first) & (window <= origin) & known)
    val = latest(when[trained], round(val_size * len(trained))) if len(trained) else np.zeros(0, dtype=bool)
    if not len(trained) or val.all():
        why = f"with delay={scheme.delay:g} " if scheme.delay else ""
        raise DataError(f"{why}window {origin + 1} leaves no rows to train on: use fewer windows, or history=all")
    return {"train": trained[~val], "val": trained[val], "test": np.flatnonzero(window > origin)}


@dataclass(frozen=True)
class Windows:
    """A table that has been read and cut.

    Args:
        when: (rows,): days, or the time column's numbers.
        window: (rows,): number of each row's window, from 0.
        dated: whether the time column holds dates.
        source: SHA-256 of the file.
    """

    options: config.Table
    scheme: Scheme
    cells: Cells
    when: np.ndarray
    window: np.ndarray
    dated: bool
    source: str

    def rows(self, origin: int) -> Rows:
        """Row numbers of the parts of an origin.

        Raises:
            DataError: too few rows, or a class that a part lacks.
        """
        rows = rows_of(self.when, self.window, origin, self.scheme, self.options.val_size)
        try:
            check({part: rows[part] for part in ("train", "val")}, self.cells.y, self.cells.task, self.cells.labels)
        except DataError as error:
            raise DataError(f"trained up to window {origin + 1}: {error}; fewer windows or history=all help") from None
        return rows

    def test_window(self, origin: int) -> np.ndarray:
        """The window of each row of an origin's test part, in its order."""
        return self.window[self.window > origin]

    def prepared(self, origin: int) -> Prepared:
        """The data of an origin, prepared with what was learned on its training rows alone."""
        rows, cells = self.rows(origin), self.cells
        raw = Raw(
            cells.task,
            cells.labels,
            {part: cells.frame.iloc[index].reset_index(drop=True) for part, index in rows.items()},
            {part: cells.y[index] for part, index in rows.items()},
            cells.roles,
            cells.form,
            # not the file's alone: a run that is resumed as an ordinary one would be given other rows
            fingerprint([self.source.encode(), *rows.values()]),
            list(cells.notes),
            cells.positive,
        )
        return prepare(raw, self.options)

    def check(self) -> None:
        """Raise DataError for what is wrong with any window, before one is trained on."""
        for origin in self.scheme.origins:
            self.rows(origin)
        for number in range(self.scheme.origins[0] + 1, self.scheme.windows):
            lacking = set(range(len(self.cells.labels))) - set(self.cells.y[self.window == number])
            if lacking:
                label = self.cells.labels[min(lacking)]
                raise DataError(
                    f"class {label!r} has no row in window {number + 1} of {self.scheme.windows}: use fewer windows or "
                    "merge it with another class"
                )

    def describe(self) -> Iterator[dict[str, Any]]:
        """Number (from 1), rows, first and last moment of each window, and how long it is until the next begins."""
        starts = [float(self.when[self.window == number].min()) for number in range(self.scheme.windows)]
        for number, begin in enumerate(starts):
            mine = self.when[self.window == number]
            yield {
                "window": number + 1,
                "rows": len(mine),
                "start": self._text(begin),
                "end": self._text(float(mine.max())),
                "length": (starts[number + 1] if number + 1 < len(starts) else float(mine.max())) - begin,
            }

    def _text(self, moment: float) -> str:
        if not self.dated:
            return f"{moment:.10g}"
        stamp = pd.Timestamp("1900-01-01") + pd.Timedelta(days=moment)
        return stamp.strftime("%Y-%m-%d" if moment == int(moment) else "%Y-%m-%d %H:%M:%S")


def read_windows(options: config.Table, scheme: Scheme) -> Windows:
    """Read a table and cut it by ``data.time``.

    Raises:
        DataError: whatever is wrong with the file or its windows.
    """
    assert options.time is not None
    options = located(options)
    cells = read_cells(options)
    column = cells.frame[options.time]
    when = moments(column)
    dated = date_format(column.dropna()) is not None
    return Windows(options, scheme, cells, when, cut(when, scheme), dated, sha256(Path(options.path)))

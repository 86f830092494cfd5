"""Rows of tables that are to be scored: read in pieces, and held against the training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import pandas as pd

from adaptact import config
from adaptact.data.table.cell_values import numbers
from adaptact.data.table.profile import PSI_LARGE, Watched, psi, unseen
from adaptact.data.table.reading import chunks
from adaptact.data.table.roles import Roles, dates
from adaptact.data.tally import Tally
from adaptact.errors import DataError

MOST_UNREADABLE = 0.5  # of the cells of a chunk: beyond, a column has another type than in training
DRIFT_ROWS = 50_000


def frames_of(source: str, options: config.Rows, roles: Roles, key: str) -> Iterator[pd.DataFrame]:
    """Read a table in pieces."""
    known = {column.name for column in roles.columns}
    return (frame for frame, _ in chunks(source, options, known, key=key))


def keep(frame: pd.DataFrame, tally: Tally) -> None:
    """Keep the first rows to tell at the end what has drifted."""
    if sum(map(len, tally.kept)) < DRIFT_ROWS:
        tally.kept.append(frame)


def note_drift(watched: Iterable[Watched], tally: Tally) -> None:
    """Note the columns whose kept rows differ from the training rows."""
    if not tally.kept:
        return
    look = pd.concat(tally.kept, ignore_index=True)
    for column, known in watched:
        value = psi(known, look[column.name], column)
        slack = 20 * (1 / max(1, len(look)) + 1 / max(1, known["rows"]))  # few rows scatter
        if value is not None and value > PSI_LARGE + slack:
            tally.drift[column.name] = value


def look_at(cells: pd.Series, watched: Watched, source: str, tally: Tally) -> None:
    """Note the cells of a column that training has not seen, or that cannot be read.

    Raises:
        DataError: a column of another type than in training.
    """
    column, known = watched
    if column.role == "categorical":
        if new := unseen(known, cells):
            tally.unseen.setdefault(column.name, Counter()).update(new)
        return
    values = dates(cells, column.format or "") if column.role == "date" else numbers(cells, column.decimal)
    bad = values.isna() & cells.notna()
    if not bad.any():
        return
    if bad.sum() > MOST_UNREADABLE * cells.notna().sum():
        kind = "dates" if column.role == "date" else "numbers"
        raise DataError(
            f"input={source}: column {column.name!r} held {kind} in training, but here it holds {cells[bad].iloc[0]!r}"
        )
    tally.unreadable[column.name] += int(bad.sum())

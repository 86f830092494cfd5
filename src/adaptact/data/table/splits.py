"""Rows of a table for training, validation and test. Repeated rows and groups never stand in two parts."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from adaptact import config
from adaptact.data.prepared import Task
from adaptact.data.splits import Rows, by_units, check, connected
from adaptact.data.table.cell_values import as_text, numbers, texts
from adaptact.data.table.roles import Roles, date_format, dates
from adaptact.errors import DataError


def split_table(
    frame: pd.DataFrame,
    y: np.ndarray,
    task: Task,
    labels: list[str],
    options: config.Rows,
    roles: Roles,
    twins: np.ndarray | None = None,
) -> tuple[Rows, list[str]]:
    """Row numbers of train, val and test (those without a file of their own), and what a person should know.

    Args:
        twins: (rows,) the same number for rows that are to stay together; by default as :func:`repeated` says.

    Raises:
        DataError: a split that leaves a part or a class of it empty.
    """
    if options.time is not None:
        rows = by_time(frame[options.time], options)
        notes = [_time_note(frame[options.time], rows)]
    else:
        twins = repeated([frame], y, roles) if twins is None else twins
        rows, notes = _by_units(frame, y, task, labels, options, twins)
    check(rows, y, task, labels)
    return rows, notes


def repeated(frames: Collection[pd.DataFrame], y: np.ndarray, roles: Roles) -> np.ndarray:
    """A number per row of all frames, the same for rows equal in the target and all columns but identifiers."""
    compared = [column.name for column in roles.columns if column.role not in {"identifier", "drop", "constant"}]
    digests = np.concatenate([row_hash(frame, compared) for frame in frames])
    return pd.factorize(_mixed(digests, pd.util.hash_array(y)))[0]


def row_hash(frame: pd.DataFrame, names: Collection[str]) -> np.ndarray:
    """(rows,) uint64, the same for rows whose cells in these columns are; column by column, without a copy of all."""
    digest = np.zeros(len(frame), dtype=np.uint64)
    for name in names:
        cells = frame[name]
        if pd.api.types.is_numeric_dtype(cells):  # a number is the same in a file of float32 and in one of integers
            cells = cells.astype(np.float64) + 0.0  # and -0.0 is 0.0
        elif pd.api.types.is_datetime64_any_dtype(cells):
            cells = cells.astype("datetime64[us]")  # nor does a day depend on the unit in which a file has it
        digest = _mixed(digest, pd.util.hash_pandas_object(cells, index=False).to_numpy())
    return digest


def _mixed(digest: np.ndarray, more: np.ndarray) -> np.ndarray:
    return digest * np.uint64(0x9E3779B97F4A7C15) + more  # an odd number: nothing of what was there is lost


def _by_units(
    frame: pd.DataFrame, y: np.ndarray, task: Task, labels: list[str], options: config.Rows, twins: np.ndarray
) -> tuple[Rows, list[str]]:
    notes = []
    spare = len(y) - len(np.unique(twins))
    if spare:
        notes.append(f"{spare} rows repeat another one; rows that are equal stand in the same part")
    units = twins
    if options.group is not None:
        groups = group_numbers(frame[options.group])
        units = connected(groups, twins)
        if len(np.unique(units)) < len(np.unique(groups)):
            notes.append(f"some groups of {options.group!r} share equal rows and are kept together")
    own = {part for part, path in (("val", options.val_path), ("test", options.test_path)) if path}
    grouped = None if options.group is None else f"data.group={options.group}"
    return by_units(units, y, task, labels, options, own=own, grouped=grouped), notes


def group_numbers(column: pd.Series) -> np.ndarray:
    """A number per group; a row without one is a group of its own."""
    codes = pd.factorize(column)[0].astype(np.int64)
    missing = codes < 0
    codes[missing] = codes.max(initial=-1) + 1 + np.arange(missing.sum())
    return codes


def groups_of(frame: pd.DataFrame, group: str | None) -> np.ndarray | None:
    """:func:`group_numbers` of the column that names groups, as one would have typed its cells; None without one."""
    return None if group is None or group not in frame.columns else group_numbers(texts(frame[group]))


def moments(column: pd.Series, key: str = "data.time") -> np.ndarray:
    """A time column as numbers that can be ordered.

    Raises:
        DataError: a cell that is neither a date nor a number.
    """
    if (format := date_format(column.dropna())) is not None:
        found = dates(column, format)
        values = ((found - pd.Timestamp("1900-01-01")) / pd.Timedelta(days=1)).to_numpy(np.float64, na_value=np.nan)
    else:
        values = numbers(column).to_numpy()
    if np.isnan(values).any():
        odd = column[np.isnan(values)]
        what = "are blank" if odd.isna().all() else f"are neither dates nor numbers, as {odd.dropna().iloc[0]!r}"
        raise DataError(f"{key}={column.name}: {len(odd)} cells {what}; mend them or name another column")
    return values


def latest(when: np.ndarray, count: int) -> np.ndarray:
    """Which rows are the latest ``count``, at least one, and all of the moment at which they begin.

    >>> latest(np.array([1, 3, 2, 2]), 2).tolist()
    [False, True, True, True]
    """
    return when >= np.sort(when)[min(len(when) - 1, len(when) - count)]


def by_time(column: pd.Series, options: config.Rows) -> Rows:
    """Test: the latest rows; validation: the latest of the others. Rows of one moment stay together."""
    when = moments(column)
    order = np.sort(when)
    left = len(when)
    parts: Rows = {}
    upper = np.inf
    wanted = {} if options.test_path else {"test": options.test_size}
    wanted |= {} if options.val_path else {"val": options.val_size}
    for part, share in wanted.items():
        cut = order[max(0, min(left - 1, left - round(share * len(when))))]
        parts[part] = np.flatnonzero((when >= cut) & (when < upper))
        left, upper = int((when < cut).sum()), cut
    train = np.flatnonzero(when < upper)
    if not len(train):
        raise DataError(f"data.time={options.time} leaves no earlier rows to train on: its values are too few")
    return {"train": train, **parts}


def _time_note(column: pd.Series, rows: Rows) -> str:
    when = moments(column)
    latest = {part: column.iloc[index[np.argmax(when[index])]] for part, index in rows.items()}
    return f"split by {column.name!r}: " + ", ".join(f"{part} up to {as_text(latest[part])}" for part in rows)

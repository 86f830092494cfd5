"""A company's table: one row per case, one column to predict. Read, check, split, prepare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adaptact import config
from adaptact.data.download import sha256
from adaptact.data.positive import Positive, choose
from adaptact.data.prepared import Part, Prepared, RowPreparation, SourceRows, Task, classes, standardize, values
from adaptact.data.splits import check
from adaptact.data.table import targets
from adaptact.data.table.cell_values import excel_note, take_columns, texts
from adaptact.data.table.reading import EXCEL, Format, read
from adaptact.data.table.roles import Roles, as_roles, infer_roles
from adaptact.data.table.splits import moments, split_table
from adaptact.errors import DataError, did_you_mean
from adaptact.memory import give_back
from adaptact.records import project_root

KEYS = {"train": "data.path", "val": "data.val_path", "test": "data.test_path"}


@dataclass(frozen=True)
class Raw:
    """A table that has been read and split, before anything is learned from it.

    Args:
        frames: cells of each part, without the target: numbers, moments or text, as by their roles.
        y: per part each row's class number (int64) or value (float64).
        positive: the class to be found; None unless there are two.
        test_rows: where each test row came from; None where only one file's rows are known, as in a back-test.
    """

    task: Task
    labels: list[str]
    frames: dict[str, pd.DataFrame]
    y: dict[str, np.ndarray]
    roles: Roles
    form: Format
    fingerprint: str
    notes: list[str]
    positive: Positive | None = None
    test_rows: SourceRows | None = None


@dataclass(frozen=True)
class Cells:
    """One file that has been read, its rows in the file's order. As :class:`Raw`, before the split.

    Args:
        decimal: mark of the target's numbers.
        row: (rows,): number of each row in its file; rows without a target are not here.
    """

    task: Task
    labels: list[str]
    frame: pd.DataFrame
    y: np.ndarray
    roles: Roles
    form: Format
    decimal: str
    notes: list[str]
    positive: Positive | None
    row: np.ndarray


def prepare(raw: Raw, options: config.Table) -> Prepared:
    """Fit the preparation on the training part and bring all parts through it; the frames of ``raw`` are used up.

    Raises:
        DataError: numbers beyond what can be scaled.
    """
    from adaptact.data.table.preparation import (
        TablePreparation,  # slow imports: not before the table is known to be good
    )

    give_back()
    center, scale = standardize(raw.y["train"]) if raw.task == "regression" else (0.0, 1.0)
    preparation = TablePreparation.fit(
        raw.frames["train"], raw.roles, options, raw.form, labels=raw.labels, task=raw.task, center=center, scale=scale
    )
    groups = lasting_groups(raw.frames["test"], options.group, raw.test_rows)
    parts = {}
    for part in KEYS:
        y = values(raw.y[part], center, scale) if raw.task == "regression" else classes(raw.y[part])
        parts[part] = Part(preparation.transform(raw.frames.pop(part)), y)
        give_back()
    for tensors in parts.values():
        columns = dict(
            zip([*preparation.numeric, options.target], [*tensors.x.T[: len(preparation.numeric)], tensors.y])
        )
        for name, column in columns.items():
            if not column.isfinite().all():
                raise DataError(
                    f"column {name!r} of {options.path} has numbers that are too large to be scaled: blank them, they "
                    "count as missing"
                )
    return prepared_rows(raw, options, parts, (center, scale), preparation, test_groups=groups)


def prepared_rows(
    raw: Raw,
    options: config.Rows,
    parts: dict[str, Part],
    scaling: tuple[float, float],
    preparation: RowPreparation,
    **more: Any,
) -> Prepared:
    """Put together data that has a row per case; ``scaling`` is the centre and scale of the target."""
    about: dict[str, Any] = {"notes": raw.notes, "layout": preparation.layout, "positive": raw.positive, **more}
    name = name_of(options.path)
    known = raw.fingerprint, raw.labels, *scaling, preparation
    return Prepared(name, raw.task, parts, *known, test_rows=raw.test_rows, **about)


def lasting_groups(frame: pd.DataFrame, name: str | None, rows: SourceRows | None) -> np.ndarray | None:
    """Numbers of the groups that rows belong to, the same for a group in whatever part or split; None without a column.

    Args:
        rows: where the rows came from: a row without a group is one of its own.

    Shape:
        (rows,) int64.
    """
    if name is None or name not in frame.columns:
        return None
    cells = texts(frame[name])
    numbers = (pd.util.hash_array(cells.fillna("").to_numpy(dtype=object)) >> np.uint64(1)).astype(np.int64)
    return np.where(cells.isna().to_numpy(), -1 - (np.arange(len(cells)) if rows is None else rows.row), numbers)


def name_of(path: str) -> str:
    return Path(path).name.split(".")[0] or "table"


def read_and_split(options: config.Table) -> Raw:
    """The table and its parts, as cells."""
    options = located(options)
    given = {part: path for part, path in zip(KEYS, (options.path, options.val_path, options.test_path)) if path}
    cells = read_cells(options)
    task, labels, roles, form, notes = cells.task, cells.labels, cells.roles, cells.form, list(cells.notes)
    rows, more = split_table(cells.frame, cells.y, task, labels, options, roles)
    notes += more
    frames = cut(cells.frame, rows)
    give_back()
    ys = {part: cells.y[index] for part, index in rows.items()}
    like_first = replace(options, header="true" if form.header else "false")
    test_rows = SourceRows.of_file(sha256(Path(options.path)), cells.row[rows["test"]]) if "test" in rows else None
    for part in ("val", "test"):
        if part in given:
            frames[part], ys[part], row = other_file(given[part], part, like_first, cells, notes)
            if part == "test":
                test_rows = SourceRows.of_file(sha256(Path(given[part])), row)
            # a class may be absent from a test file: what it lacks cannot be mended by splitting in another way
            check({part: np.arange(len(ys[part]))}, ys[part], task if part == "val" else "regression", labels)
    notes.append(f"{Path(options.path).name} was read as {form}")
    digest = sha256(Path(options.path)) if len(given) == 1 else digest_of(given)
    return Raw(task, labels, frames, ys, roles, form, digest, notes, cells.positive, test_rows)


def cut(frame: pd.DataFrame, rows: dict[str, np.ndarray]) -> dict[str, pd.DataFrame]:
    """The rows of each part; ``frame`` is used up column by column, so that a large table is not there twice."""
    columns: dict[str, dict[str, pd.Series]] = {part: {} for part in rows}
    names, given = list(frame.columns), take_columns(frame)
    for name in names:
        cells = given.pop(name)
        for part, index in rows.items():
            columns[part][name] = cells.iloc[index].reset_index(drop=True)
    return {
        part: pd.DataFrame(found, index=pd.RangeIndex(len(rows[part])), columns=names, copy=False)
        for part, found in columns.items()
    }


def located(options: config.Table) -> config.Table:
    """The options with the sample's path as it is on this machine: of the clone, or of the copy in a wheel."""
    if not isinstance(options, config.Sample):
        return options
    packaged = Path(__file__).resolve().parents[2] / "sample" / Path(options.path).name
    return replace(options, path=str(packaged if packaged.is_file() else project_root() / options.path))


def read_cells(options: config.Table) -> Cells:
    """The first file, its target encoded, before it is split.

    Raises:
        DataError: an unreadable file, a missing column, a target that cannot be learned, an odd cell of time.
    """
    frame, form = read(options.path, options, {options.target})
    return cells_of(frame, form, options, lambda columns: infer_roles(columns, options, excel=form.encoding == EXCEL))


def cells_of(
    frame: pd.DataFrame, form: Format, options: config.Rows, roles_of: Callable[[pd.DataFrame], Roles]
) -> Cells:
    """A file as it was read, its target encoded, its columns as what ``roles_of`` says; ``frame`` is used up."""
    check_columns(frame, options, form)
    notes: list[str] = []
    frame, target, row = without_blank_targets(frame, options, options.path, notes)
    if form.encoding == EXCEL and (note := excel_note(target)):
        notes.append(note)
    decimal = targets.mark(target, options)
    target = targets.one_spelling(target, decimal)
    task = targets.infer_task(target, options, decimal)
    labels = targets.find_labels(target, options, decimal) if task == "classification" else []
    y = targets.encode(target, labels, decimal, options.path)
    positive = choose(labels, y, options.positive, options.target)
    roles = roles_of(frame)
    notes += [column.note for column in roles.columns if column.note]
    if options.time is not None:
        moments(frame[options.time])  # says what is odd about a cell, before that counts as missing
    return Cells(task, labels, as_roles(frame, roles), y, roles, form, decimal, notes, positive, row)


def digest_of(paths: dict[str, str]) -> str:
    from adaptact.data.prepared import fingerprint

    return fingerprint([sha256(Path(path)).encode() for path in paths.values()])


def other_file(
    path: str, part: str, options: config.Table, first: Cells, notes: list[str]
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Cells, targets and row numbers of a part's own file, its columns in the order of the first file."""
    columns = [options.target, *(column.name for column in first.roles.columns)]
    frame, _ = read(path, options, set(columns), KEYS[part])
    frame, y, row = rows_like_first(frame, path, part, columns, options, first, notes)
    return as_roles(frame, first.roles), y, row


def rows_like_first(
    frame: pd.DataFrame,
    path: str,
    part: str,
    columns: list[str],
    options: config.Rows,
    first: Cells,
    notes: list[str],
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Cells, targets as in the first file, and row numbers of another file; ``frame`` is used up.

    Raises:
        DataError: one of ``columns`` is missing, or a target that the first file has not.
    """
    if missing := [name for name in columns if name not in frame.columns]:
        raise DataError(f"{KEYS[part]}={path} has no column {missing[0]!r}. {did_you_mean(missing[0], frame.columns)}")
    frame, target, row = without_blank_targets(frame, options, path, notes)
    return frame, targets.encode(targets.one_spelling(target, first.decimal), first.labels, first.decimal, path), row


def without_blank_targets(
    frame: pd.DataFrame, options: config.Rows, path: str, notes: list[str]
) -> tuple[pd.DataFrame, pd.Series, np.ndarray]:
    """The other columns, the target and the row numbers, of the rows that have a target; ``frame`` loses it."""
    target = frame.pop(options.target)
    known = target.notna()
    row = np.flatnonzero(known)
    if known.all():
        return frame, target, row
    notes.append(f"{int((~known).sum())} rows of {Path(path).name} without a value of {options.target!r} were left out")
    return frame[known].reset_index(drop=True), target[known].reset_index(drop=True), row


def check_columns(frame: pd.DataFrame, options: config.Rows, form: Format) -> None:
    """Raise DataError for a column that is named but not there, or a target that is to split its own rows."""
    for key in ("group", "time"):
        if getattr(options, key) == options.target:
            raise DataError(f"data.{key} names the target {options.target!r}: the rows cannot be split by the answer")
    for key in ("target", "group", "time", *config.TABLE_ROLES):
        named = getattr(options, key, None)
        for name in [named] if isinstance(named, str) else named or []:
            if name not in frame.columns:
                way_out = "" if form.header else " No header was found; if there is one, set data.header=true."
                raise DataError(
                    f"data.{key}: {options.path} has no column {name!r}. {did_you_mean(name, frame.columns)}{way_out}"
                )

"""A company's table: a CSV file with a header, one row per case, one column to predict."""

from __future__ import annotations

import csv
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd

from adaptact import config
from adaptact.data.parts import Part, Prepared, Task, classes, fingerprint, split_rows, standardize, values
from adaptact.errors import DataError, did_you_mean

MISSING = {"", "?", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"}
MOST_CLASSES = 20  # a numeric target with more distinct values is a quantity
IDENTIFIER_SHARE = 0.95


def load(options: config.Table) -> Prepared:
    """Read, check, split, prepare: everything that is learned is learned on the training part.

    Raises:
        DataError: an unreadable file, a missing column, a target or a split that cannot be trained on.
    """
    raw = read_bytes(options.path)
    frame = parse(raw, options.path)
    check_columns(frame, options)
    notes: list[str] = []
    target = frame.pop(options.target)
    known = target.notna()
    if not known.all():
        notes.append(f"{int((~known).sum())} rows without a value of {options.target!r} were left out")
        frame, target = frame[known], target[known]
    target = one_spelling(target)
    task = infer_task(target, options)
    roles = infer_roles(frame, options, notes)
    labels, y = encode_target(target, task, options)
    rows = split_rows(
        y, task, val_size=options.val_size, test_size=options.test_size, seed=options.split_seed, labels=labels
    )
    from adaptact.data.preparation import TablePreparation  # slow imports: not before the table is known to be good

    preparation = TablePreparation.fit(frame.iloc[rows["train"]], roles, options, labels)
    center, scale = standardize(y[rows["train"]]) if task == "regression" else (0.0, 1.0)
    y_tensor = values(y, center, scale) if task == "regression" else classes(y)
    parts = {part: Part(preparation.transform(frame.iloc[index]), y_tensor[index]) for part, index in rows.items()}
    if not all(tensor.isfinite().all() for part in parts.values() for tensor in (part.x, part.y)):
        raise DataError(
            f"{options.path} has numbers that are too large to be scaled: blank them, they count as missing"
        )
    name = Path(options.path).name.split(".")[0] or "table"
    return Prepared(name, task, parts, fingerprint([raw]), labels, center, scale, preparation, notes)


def read_bytes(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"data.path={path} cannot be read: {error.strerror}") from None


def parse(raw: bytes, path: str) -> pd.DataFrame:
    """Every cell as text, without the blanks around it; missing-value marks become NaN."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start}): save it as UTF-8 (in Excel: CSV UTF-8)"
        ) from None
    try:
        frame = pd.read_csv(
            StringIO(text),
            sep=separator(text),
            header=None,  # pandas would rename what stands twice, and take extra cells of a row for an index
            dtype=object,
            keep_default_na=False,
            skipinitialspace=True,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise DataError(f"{path} is no readable CSV table: {str(error).strip().rpartition('C error: ')[2]}") from None
    names = frame.iloc[0].str.strip()
    frame = frame.iloc[1:].reset_index(drop=True)
    frame.columns = pd.Index([name or f"Unnamed: {number}" for number, name in enumerate(names)], dtype=object)
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise DataError(f"{path} has two columns called {repeated[0]!r}: rename one")
    if frame.empty:
        raise DataError(f"{path} has a header but no rows")
    return frame.apply(lambda column: column.str.strip().where(lambda s: ~s.isin(MISSING), np.nan))


def separator(text: str) -> str:
    """The most frequent of comma, semicolon, tab and bar in the header, outside quotes."""
    header = re.sub(r'"[^"]*"', "", text[: 1 << 16]).lstrip().split("\n", 1)[0]
    return max(",;\t|", key=header.count)


def check_columns(frame: pd.DataFrame, options: config.Table) -> None:
    for key in ("target", "drop", "numeric", "categorical"):
        named = getattr(options, key)
        for name in [named] if isinstance(named, str) else named:
            if name not in frame.columns:
                raise DataError(
                    f"data.{key}: {options.path} has no column {name!r}. {did_you_mean(name, frame.columns)}"
                )


def infer_roles(frame: pd.DataFrame, options: config.Table, notes: list[str]) -> dict[str, list[str]]:
    """Column names by role: numeric, categorical. Constant columns and identifiers are left out, with a note."""
    roles: dict[str, list[str]] = {"numeric": [], "categorical": []}
    for name in frame.columns:
        column = frame[name].dropna()
        if name in options.drop:
            continue
        if name in options.numeric:
            if _as_numbers(column) is None:
                wrong = next(v for v in column if _as_numbers(pd.Series([v])) is None)
                raise DataError(f"data.numeric: column {name!r} has values that are no numbers, as {wrong!r}")
            roles["numeric"].append(name)
        elif name in options.categorical:
            roles["categorical"].append(name)
        elif column.nunique() <= (0 if column.empty else 1) and not frame[name].isna().any():
            notes.append(f"column {name!r} has one value only and was left out")
        elif column.empty:
            notes.append(f"column {name!r} is empty and was left out")
        elif _as_numbers(column) is not None:
            roles["numeric"].append(name)
        elif column.nunique() > options.max_categories and (odd := odd_among_numbers(column)) is not None:
            numbers = pd.to_numeric(frame[name], errors="coerce").astype(float)
            numbers = numbers.where(np.isfinite(numbers))
            if numbers.notna().sum() > 0.5 * len(column):
                count = int(column.index.isin(numbers.index[numbers.isna()]).sum())
                notes.append(
                    f"column {name!r} has {count} cells that are no numbers, such as {odd!r}: they count as missing"
                )
                frame[name] = numbers
                roles["numeric"].append(name)
            else:
                notes.append(
                    f"column {name!r} was left out: it seems to hold numbers, but written as {odd!r}; write plain "
                    "numbers, or keep it as text with data.categorical=[...]"
                )
        elif len(column) > 20 and column.nunique() > IDENTIFIER_SHARE * len(column):
            notes.append(f"column {name!r} looks like an identifier and was left out; data.categorical=[...] keeps it")
        else:
            roles["categorical"].append(name)
            if column.nunique() > options.max_categories:
                notes.append(
                    f"column {name!r} has {column.nunique()} different texts, of which the rarer ones share a slot; "
                    "if they are dates or quantities, turn them into numbers"
                )
    if not any(roles.values()):
        because = "".join(f"; {note}" for note in notes)
        raise DataError(f"{options.path} has no column to predict {options.target!r} from{because}")
    return roles


def _as_numbers(column: pd.Series) -> pd.Series | None:
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers if np.isfinite(numbers.astype(float)).all() else None


def one_spelling(target: pd.Series) -> pd.Series:
    """1 and 1.0, or TRUE and true, are one label: the spelling that comes first."""
    numbers = _as_numbers(target)
    if numbers is not None and numbers.nunique() < target.nunique():
        return target.groupby(numbers).transform("first")
    if set(target.str.lower()) <= {"true", "false"}:
        return target.groupby(target.str.lower()).transform("first")
    return target


def odd_among_numbers(column: pd.Series) -> str | None:
    """A value that keeps a column of numbers from being one (a unit, a thousands separator, a dash); None elsewhere."""
    plain = column.str.normalize("NFKC").str.replace(r"[,¥\\円%\s]", "", regex=True).str.replace("−", "-")
    if np.isfinite(pd.to_numeric(plain, errors="coerce").astype(float)).mean() <= 0.5:
        return None
    return next(value for value in column if _as_numbers(pd.Series([value])) is None)


def infer_task(target: pd.Series, options: config.Table) -> Task:
    distinct, numeric = target.nunique(), _as_numbers(target) is not None
    if distinct < 2:
        raise DataError(f"the target {options.target!r} has {distinct} value: nothing to learn; name another column")
    if options.task == "auto":
        return "regression" if numeric and distinct > MOST_CLASSES else "classification"
    if options.task == "regression" and not numeric:
        wrong = next(v for v in target if _as_numbers(pd.Series([v])) is None)
        raise DataError(
            f"data.task=regression: the target {options.target!r} has values that are no numbers, as {wrong!r}"
        )
    return options.task


def encode_target(target: pd.Series, task: Task, options: config.Table) -> tuple[list[str], np.ndarray]:
    """Labels as written, in sorted order (numbers by size), and each row's number or value."""
    if task == "regression":
        return [], pd.to_numeric(target).to_numpy(dtype=np.float64)
    labels = sorted(target.unique(), key=float if _as_numbers(target) is not None else str)
    if len(labels) > len(target) / 2:
        raise DataError(
            f"the target {options.target!r} has {len(labels)} different labels in {len(target)} rows: "
            "too many classes; if it is a quantity, write plain numbers"
        )
    return labels, target.map({label: i for i, label in enumerate(labels)}).to_numpy(dtype=np.int64)

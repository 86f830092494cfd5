"""What each column of a table is for: number, category, date, free text, identifier, constant."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import yaml

from adaptact import config
from adaptact.data.table.cell_values import (
    as_text,
    decimal_mark,
    excel_note,
    is_plain,
    loses_digits,
    numbers,
    take_columns,
    texts,
)
from adaptact.errors import DataError, did_you_mean
from adaptact.shapes import Shaped

Role = Literal["numeric", "categorical", "date", "text", "identifier", "constant", "drop"]
IDENTIFIER_SHARE = 0.95
SAMPLE = 200
DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y年%m月%d日",
    "%Y年%m月",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%d-%m-%Y",
    "%d-%b-%Y",
    "%Y-%m",
    "%Y/%m",
    "%Y.%m.%d",
    "%Y%m%d",  # only where a column is said to hold dates: else it is a number
)


@dataclass(frozen=True)
class Column:
    """One column: its role, how its cells are read, and why where a person should know."""

    name: str
    role: Annotated[str, Shaped(Role)]
    decimal: Annotated[str, Shaped(Literal[".", ","])] = "."
    format: str | None = None  # of dates
    note: str = ""


@dataclass
class Roles:
    """Roles of all columns but the target, in the file's order."""

    columns: list[Column] = field(default_factory=list)

    def names(self, *roles: str) -> list[str]:
        return [column.name for column in self.columns if column.role in roles]

    @property
    def used(self) -> list[str]:
        return self.names("numeric", "categorical", "date")

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def given_roles(options: config.Table, names: list[str]) -> dict[str, str]:
    """Column -> role, from the lists of the configuration and the YAML file.

    Raises:
        DataError: a column that is not there, a file that does not hold such lists.
    """
    given = {name: role for role in config.TABLE_ROLES for name in getattr(options, role)}
    sources = dict.fromkeys(given, "")
    for role, columns in roles_file(options.roles).items() if options.roles is not None else ():
        for name in columns:
            if sources.setdefault(name, role) not in {"", role}:
                raise DataError(f"data.roles={options.roles}: column {name!r} is named twice: choose one role")
            given.setdefault(name, role)
    for name, role in given.items():
        if name not in names:
            key = f"data.roles={options.roles}" if sources[name] else f"data.{role}"
            raise DataError(f"{key}: {options.path} has no column {name!r}. {did_you_mean(name, names)}")
    if options.group is not None:  # the test part has other groups
        given.setdefault(options.group, "drop")
    return given


def roles_file(path: str) -> dict[str, list[str]]:
    """Lists of column names by role. Every scalar is a name: 2024 and yes are texts, a tag builds nothing.

    Raises:
        DataError: whatever is wrong with the file.
    """
    try:
        plain = yaml.load(Path(path).read_text(encoding="utf-8-sig"), yaml.BaseLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"data.roles={path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(plain, dict) or not all(_is_list_of_names(columns) for columns in plain.values()):
        raise DataError(f"data.roles={path} must hold lists of column names by role, as numeric: [a, b]")
    for role in plain:
        if role not in config.TABLE_ROLES:
            raise DataError(f"data.roles={path}: role {role!r} is unknown. {did_you_mean(role, config.TABLE_ROLES)}")
    return {role: columns or [] for role, columns in plain.items()}


def _is_list_of_names(columns: object) -> bool:
    """The empty text stands for a role with nothing behind it."""
    return columns == "" or (isinstance(columns, list) and all(isinstance(name, str) for name in columns))


def infer_roles(frame: pd.DataFrame, options: config.Table, *, excel: bool = False) -> Roles:
    """Roles of all columns of ``frame`` (without the target): as given, else by their cells.

    Args:
        excel: the cells come from a spreadsheet, which keeps 15 digits of a number.

    Raises:
        DataError: a given role that the cells contradict, or nothing left to learn from.
    """
    given = given_roles(options, [*frame.columns, options.target])
    marks = {name: decimal_mark(frame[name]) for name in frame.columns} if options.decimal == "auto" else {}
    ambiguous = "," if "," in marks.values() and "." not in marks.values() else "."
    columns = []
    for name in frame.columns:
        decimal = options.decimal if options.decimal != "auto" else marks[name] or ambiguous
        column = _column(frame[name], name, given.get(name), decimal, options)
        if excel and not column.note and column.role in {"numeric", "categorical", "identifier"}:
            column = replace(column, note=excel_note(frame[name]))
        columns.append(column)
    roles = Roles(columns)
    if not roles.used:
        because = "".join(f"; {column.note}" for column in columns if column.note)
        raise DataError(f"{options.path} has no column to predict {options.target!r} from{because}")
    return roles


def as_roles(frame: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """Cells as what their columns are: numbers, datetime64, or text for all else. To do so again changes nothing.

    Numbers of a file that has numbers stay as wide as they are: as float64 a large table would take twice the memory.
    ``frame`` is used up column by column, for the same reason.
    """

    def column(cells: pd.Series, column: Column) -> pd.Series:
        if column.role == "numeric":
            finite = pd.api.types.is_numeric_dtype(cells) and (cells.isna() | np.isfinite(cells)).all()
            return cells if finite else numbers(cells, column.decimal)
        if column.role == "date":
            return dates(cells, column.format or "%Y-%m-%d")
        return texts(cells)

    given, index = take_columns(frame), frame.index
    # each column for itself: one block of all would be a second copy of a large table
    return pd.DataFrame({c.name: column(given.pop(c.name), c) for c in roles.columns}, index=index, copy=False)


def _column(cells: pd.Series, name: str, given: str | None, decimal: str, options: config.Table) -> Column:
    known = cells.dropna()
    if given == "numeric":
        values = numbers(known, decimal)
        if values.isna().any():
            odd = as_text(known[values.isna()].iloc[0])
            raise DataError(f"data.numeric: column {name!r} has values that are no numbers, as {odd!r}")
        note = ""
        if loses_digits(known, values):
            note = (
                f"column {name!r} has whole numbers of 16 digits or more, and as numbers they lose the last: "
                f"{known.nunique()} different values become {values.nunique()}; leave it out of data.numeric"
            )
        return Column(name, "numeric", decimal, note=note)
    if given == "date":
        format = date_format(known)
        if format is None:
            raise DataError(f"data.date: column {name!r} has values that are no dates, as {_first(known)!r}")
        return Column(name, "date", decimal, format)
    if given is not None:
        return Column(name, given, decimal)
    if known.empty:
        return Column(name, "constant", note=f"column {name!r} is empty and was left out")
    distinct = known.nunique()
    if distinct == 1 and len(known) == len(cells):
        return Column(name, "constant", note=f"column {name!r} has one value only and was left out")
    some = numbers(known.iloc[:: max(1, len(known) // SAMPLE)], decimal)
    values = numbers(known, decimal) if some.notna().any() else pd.Series(np.nan, index=known.index)
    share = values.notna().mean()
    if share > 0.5 and loses_digits(known, values):
        return _long_numbers(name, known[values.notna()], decimal)
    if share == 1.0:
        if _counts_up(name, values):
            return Column(name, "identifier", decimal, note=f"column {name!r} numbers the rows and was left out")
        return Column(name, "numeric", decimal)
    if distinct == 1:
        return Column(name, "categorical", decimal)
    if (format := date_format(known)) is not None:
        return Column(name, "date", decimal, format, _odd_note(name, known[dates(known, format).isna()], "dates"))
    if share > 0.5 and distinct > options.max_categories:
        return Column(name, "numeric", decimal, note=_odd_note(name, known[values.isna()], "numbers"))
    if distinct > options.max_categories and _is_prose(known):
        note = f"column {name!r} is free text and was left out; data.categorical=[...] keeps it as categories"
        return Column(name, "text", decimal, note=note)
    if len(known) > 20 and distinct > IDENTIFIER_SHARE * len(known):
        note = f"column {name!r} looks like an identifier and was left out; data.categorical=[...] keeps it"
        return Column(name, "identifier", decimal, note=note)
    note = ""
    if distinct > options.max_categories:
        note = (
            f"column {name!r} has {distinct} different texts, of which the rarer ones share a slot; "
            "if they are dates or quantities, turn them into numbers"
        )
    return Column(name, "categorical", decimal, note=note)


def _long_numbers(name: str, known: pd.Series, decimal: str) -> Column:
    """Whole numbers that float64 cannot tell apart: names of things, no quantities."""
    what = f"column {name!r} has whole numbers of 16 digits or more, of which numbers would lose the last"
    distinct = known.nunique()
    if len(known) > 20 and distinct > IDENTIFIER_SHARE * len(known):
        note = f"{what}: it counts as an identifier and was left out; data.categorical=[...] keeps it"
        return Column(name, "identifier", decimal, note=note)
    note = (
        f"{what}: they count as {distinct} categories; data.drop=[...] leaves them out, data.numeric=[...] rounds them"
    )
    return Column(name, "categorical", decimal, note=note)


def _odd_note(name: str, odd: pd.Series, what: str) -> str:
    if odd.empty:
        return ""
    return f"column {name!r} has {len(odd)} cells that are no {what}, such as {_first(odd)!r}: they count as missing"


def _is_prose(known: pd.Series) -> bool:
    """Three words or more, or long and in a script that does not part its words."""
    sample = [as_text(cell) for cell in known.iloc[:: max(1, len(known) // SAMPLE)]]
    words = np.mean([len(cell.split()) for cell in sample])
    length = np.mean([len(cell) for cell in sample])
    return bool(words >= 3 or (length > 20 and np.mean([not cell.isascii() for cell in sample]) > 0.5))


def _first(cells: pd.Series) -> str:
    return as_text(cells.iloc[0]) if len(cells) else ""


def _counts_up(name: str, values: pd.Series) -> bool:
    """A column without a proper name, or called id, that numbers the rows."""
    whole = len(values) > 20 and (values.diff().dropna() == 1).all()
    named = name.lower().startswith("unnamed") or name.lower().strip("_ ") in {
        "id",
        "index",
        "no",
        "no.",
        "番号",
        "row",
    }
    return bool(whole and named)


def date_format(known: pd.Series) -> str | None:
    """The first format that reads 99 % of the cells as dates of the years 1900 to 2100; None for other columns."""
    if pd.api.types.is_datetime64_any_dtype(known):
        return "%Y-%m-%d" if (known == known.dt.normalize()).all() else "%Y-%m-%d %H:%M:%S"
    if is_plain(known) or known.empty:
        return None
    sample = known.iloc[:: max(1, len(known) // SAMPLE)]
    if sample.astype(str).str.contains(r"\d").mean() < 0.99:
        return None
    for format in DATE_FORMATS:
        if dates(sample, format).notna().mean() > 0.98 and dates(known, format).notna().mean() >= 0.99:
            return format
    return None


def dates(cells: pd.Series, format: str) -> pd.Series:
    """datetime64, NaT where a cell is missing or no date of the years 1900 to 2100."""
    found = cells
    if not pd.api.types.is_datetime64_any_dtype(cells):
        found = pd.to_datetime(texts(cells), format=format, errors="coerce").dt.tz_localize(None)
    years = found.dt.year
    return found.where((years >= 1900) & (years <= 2100))


def calendar_parts(column: Column, *, elapsed: bool = True) -> list[str]:
    """What a date column tells: month, day, weekday (0 is Monday), hour, year, days (since 2000), as its format has it.

    Year and elapsed days are left out with ``elapsed=False``: split by time, all later rows lie outside what was seen.
    """
    format = column.format or "%Y-%m-%d"
    parts = ["month", "day", "weekday"] if "%d" in format else ["month"]
    parts += ["hour"] if "%H" in format else []
    return parts + (["year", "days"] if elapsed else [])


def calendar(cells: pd.Series, column: Column, *, elapsed: bool = True) -> dict[str, np.ndarray]:
    """:func:`calendar_parts` of a date column as float64 columns "name (part)", NaN where missing."""
    found = dates(cells, column.format or "%Y-%m-%d")
    values = {
        "month": found.dt.month,
        "day": found.dt.day,
        "weekday": found.dt.day_of_week,
        "hour": found.dt.hour,
        "year": found.dt.year,
        "days": (found - pd.Timestamp("2000-01-01")) / pd.Timedelta(days=1),
    }
    return {
        f"{column.name} ({part})": values[part].to_numpy(dtype=np.float64, na_value=np.nan)
        for part in calendar_parts(column, elapsed=elapsed)
    }

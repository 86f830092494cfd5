"""What each column of a table is for: number, category, date, free text, identifier, constant."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from adaptact import config
from adaptact.data.reading import decimal_mark, numbers
from adaptact.errors import DataError, did_you_mean

IDENTIFIER_SHARE = 0.95
DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y年%m月%d日",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%Y-%m",
    "%Y/%m",
    "%Y.%m.%d",
)
DROPPED = ("identifier", "constant", "text", "drop")


@dataclass(frozen=True)
class Column:
    """One column: its role, how its cells are read, and why where a person should know."""

    name: str
    role: str  # numeric, categorical, date, text, identifier, constant, drop
    decimal: str = "."
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
        return next(column for column in self.columns if column.name == name)


def given_roles(options: config.Table, names: list[str]) -> dict[str, str]:
    """Column -> role, from the lists of the configuration and the YAML file.

    Raises:
        DataError: a column that is not there, a file that does not hold such lists.
    """
    lists: dict[str, list[Any]] = {role: list(getattr(options, role)) for role in config.TABLE_ROLES}
    if options.roles is not None:
        try:
            plain = yaml.safe_load(Path(options.roles).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise DataError(f"data.roles={options.roles} cannot be read: {' '.join(str(error).split())}") from None
        if not isinstance(plain, dict) or not all(isinstance(v, list) for v in plain.values()):
            raise DataError(f"data.roles={options.roles} must hold lists of column names by role, as numeric: [a, b]")
        for role, columns in plain.items():
            if role not in config.TABLE_ROLES:
                raise DataError(
                    f"data.roles={options.roles}: role {role!r} is unknown. "
                    f"{did_you_mean(str(role), config.TABLE_ROLES)}"
                )
            lists[role] += [str(name) for name in columns if not any(str(name) in names for names in lists.values())]
    for role, columns in lists.items():
        for name in columns:
            if name not in names:
                raise DataError(f"data.{role}: {options.path} has no column {name!r}. {did_you_mean(name, names)}")
    given = {name: role for role, columns in lists.items() for name in columns}
    if options.group is not None:  # the test part has other groups
        given.setdefault(options.group, "drop")
    return given


def infer_roles(frame: pd.DataFrame, options: config.Table) -> Roles:
    """Roles of all columns of ``frame`` (without the target): as given, else by their cells.

    Raises:
        DataError: a given role that the cells contradict, or nothing left to learn from.
    """
    given = given_roles(options, [*frame.columns, options.target])
    marks = {name: decimal_mark(frame[name]) for name in frame.columns} if options.decimal == "auto" else {}
    ambiguous = "," if "," in marks.values() and "." not in marks.values() else "."
    columns = []
    for name in frame.columns:
        decimal = options.decimal if options.decimal != "auto" else marks[name] or ambiguous
        columns.append(_column(frame[name], name, given.get(name), decimal, options))
    roles = Roles(columns)
    if not roles.used:
        because = "".join(f"; {column.note}" for column in columns if column.note)
        raise DataError(f"{options.path} has no column to predict {options.target!r} from{because}")
    return roles


def _column(cells: pd.Series, name: str, given: str | None, decimal: str, options: config.Table) -> Column:
    known = cells.dropna()
    distinct = known.nunique()
    if given == "numeric":
        values = numbers(known, decimal)
        if values.isna().any():
            raise DataError(
                f"data.numeric: column {name!r} has values that are no numbers, as {known[values.isna()].iloc[0]!r}"
            )
        return Column(name, "numeric", decimal)
    if given == "date":
        format = date_format(known)
        if format is None:
            raise DataError(f"data.date: column {name!r} has values that are no dates, as {_first(known)!r}")
        return Column(name, "date", decimal, format)
    if given is not None:
        return Column(name, given, decimal)
    if known.empty:
        return Column(name, "constant", note=f"column {name!r} is empty and was left out")
    if distinct == 1 and not cells.isna().any():
        return Column(name, "constant", note=f"column {name!r} has one value only and was left out")
    if distinct == 1 and cells.isna().any():
        is_number = numbers(known, decimal).notna().all()
        return Column(name, "numeric" if is_number else "categorical", decimal)
    values = numbers(known, decimal)
    share = values.notna().mean()
    if share == 1.0:
        if _counts_up(name, values):
            return Column(name, "identifier", decimal, note=f"column {name!r} numbers the rows and was left out")
        return Column(name, "numeric", decimal)
    if (format := date_format(known)) is not None:
        return Column(name, "date", decimal, format)
    if share > 0.5 and distinct > options.max_categories:
        odd = known[values.isna()]
        note = (
            f"column {name!r} has {len(odd)} cells that are no numbers, such as {_first(odd)!r}: they count as missing"
        )
        return Column(name, "numeric", decimal, note=note)
    texts = known.astype(str)
    long = texts.str.len().mean()
    words = texts.str.count(r"\s").mean() + 1
    many = len(known) > 20 and distinct > IDENTIFIER_SHARE * len(known)
    if distinct > options.max_categories and (
        words >= 3 or (long > 20 and texts.map(lambda t: not t.isascii()).mean() > 0.5)
    ):
        note = f"column {name!r} is free text and was left out; data.categorical=[...] keeps it as categories"
        return Column(name, "text", decimal, note=note)
    if many:
        note = f"column {name!r} looks like an identifier and was left out; data.categorical=[...] keeps it"
        return Column(name, "identifier", decimal, note=note)
    note = ""
    if distinct > options.max_categories:
        note = (
            f"column {name!r} has {distinct} different texts, of which the rarer ones share a slot; "
            "if they are dates or quantities, turn them into numbers"
        )
    return Column(name, "categorical", decimal, note=note)


def _first(cells: pd.Series) -> Any:
    return cells.iloc[0] if len(cells) else ""


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
    if pd.api.types.is_numeric_dtype(known) or known.empty:
        return None
    sample = known.iloc[:: max(1, len(known) // 200)].astype(str)
    if not sample.str.contains(r"\d").mean() > 0.98:
        return None
    for format in DATE_FORMATS:
        if dates(sample, format).notna().mean() > 0.98 and dates(known, format).notna().mean() >= 0.99:
            return format
    return None


def dates(cells: pd.Series, format: str) -> pd.Series:
    """datetime64, NaT where a cell is missing or no date of the years 1900 to 2100."""
    found = pd.to_datetime(cells.astype(object).where(cells.notna(), None), format=format, errors="coerce")
    return found.where((found.dt.year >= 1900) & (found.dt.year <= 2100))


def calendar(cells: pd.Series, column: Column, *, elapsed: bool = True) -> dict[str, np.ndarray]:
    """Calendar parts of a date column as float64 columns, NaN where missing.

    Year and elapsed days are left out with ``elapsed=False``: split by time, all later rows lie outside what was seen.
    """
    found = dates(cells, column.format or "%Y-%m-%d")
    parts = {
        f"{column.name} (month)": found.dt.month,
        f"{column.name} (day)": found.dt.day,
        f"{column.name} (weekday)": found.dt.day_of_week,
    }
    if column.format and "%d" not in column.format:
        parts = {f"{column.name} (month)": found.dt.month}
    if column.format and "%H" in column.format:
        parts[f"{column.name} (hour)"] = found.dt.hour
    if elapsed:
        days = (found - pd.Timestamp("2000-01-01")) / pd.Timedelta(days=1)
        parts |= {f"{column.name} (year)": found.dt.year, f"{column.name} (days)": days}
    return {key: value.to_numpy(dtype=np.float64, na_value=np.nan) for key, value in parts.items()}

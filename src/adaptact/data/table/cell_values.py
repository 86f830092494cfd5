"""What the cells of a table mean: as text, as numbers in the ways people write them."""

from __future__ import annotations

import datetime
import re
import unicodedata
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from adaptact.data.limits import is_plain

SAMPLE = 5_000
EXACT = 2**53  # float64 tells whole numbers apart up to here
EXCEL_EXACT = 10**15  # Excel keeps 15 digits of a number
# the signs of which a written number is made; other cells need no closer look
NUMERIC = "[ \t\r\n\u00a0\u2007\u202f\u3000" + r"0-9０-９.,．，eE+＋\-－−▲△¥￥\\円$＄€£￡%％]+"
SIGNS = str.maketrans({**dict.fromkeys("¥\\円$€£%"), "−": "-", "▲": "-", "△": "-"})
THOUSANDS = {".": r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?", ",": r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?"}


def _only_decimal(mark: str, other: str) -> str:
    """Numbers in which ``mark`` cannot separate thousands: 1,5 or 0,125 or 1.250,375."""
    before = rf"\d{{1,3}}(?:{other}\d{{3}})+{mark}\d+|\d{{4,}}{mark}\d+|0{mark}\d+"
    return rf"[-+]?(?:\d*{mark}(?:\d{{1,2}}|\d{{4,}})|{before})(?:[eE][-+]?\d+)?"


ONLY = {",": _only_decimal(",", r"\."), ".": _only_decimal(r"\.", ",")}


def typed(cells: pd.Series) -> pd.Series:
    """Cells of Excel or Parquet as numbers or moments where all are, else as text."""
    if pd.api.types.is_datetime64_any_dtype(cells):
        return cells.dt.tz_localize(None)
    if pd.api.types.is_bool_dtype(cells):
        return texts(cells.astype(object))
    if pd.api.types.is_numeric_dtype(cells):
        return cells if isinstance(cells.dtype, np.dtype) else cells.astype(np.float64)
    kind = pd.api.types.infer_dtype(cells, skipna=True)
    if kind in {"integer", "floating", "mixed-integer-float", "decimal"}:
        found = pd.to_numeric(cells, errors="coerce")
        return found if found.dtype == np.int64 else found.astype(np.float64)
    if kind in {"datetime", "datetime64", "date"}:
        found = pd.to_datetime(cells.astype(object), errors="coerce", utc=True)
        return found.dt.tz_localize(None) if found.notna().sum() == cells.notna().sum() else texts(cells)
    return texts(cells)


def take_columns(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns of a frame, which is left without any: each can be freed as soon as it is used up.

    In one go: to pop them one by one takes a minute of a table of two thousand columns.
    """
    columns = {str(name): cells for name, cells in frame.items()}
    pd.DataFrame.__init__(frame, index=frame.index)
    return columns


def texts(cells: pd.Series) -> pd.Series:
    """Cells as one would have typed them, NaN where missing.

    >>> texts(pd.Series([1.0, 2.5, None])).tolist()
    ['1', '2.5', nan]
    """
    if isinstance(cells.dtype, pd.StringDtype):
        return cells
    if cells.dtype == object and pd.api.types.infer_dtype(cells, skipna=True) == "string":
        return cells
    if is_plain(cells):  # few numbers stand for many cells of labels: each is written once
        codes, kinds = pd.factorize(cells)
        each = np.array([*map(as_text, kinds), np.nan], dtype=object)
        return pd.Series(each[codes], index=cells.index, name=cells.name, dtype=object)
    written = [np.nan if missing else as_text(cell) for cell, missing in zip(cells, cells.isna(), strict=True)]
    return pd.Series(written, index=cells.index, name=cells.name, dtype=object)


def as_text(cell: Any) -> str:
    """A cell as one would have typed it."""
    if cell is None or cell is pd.NaT or (isinstance(cell, (float, np.floating)) and np.isnan(cell)):
        return ""
    if isinstance(cell, (float, np.floating)) and float(cell).is_integer() and abs(float(cell)) < 1e15:
        return str(int(cell))
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return str(cell.date())
    return str(cell)


def decimal_mark(column: pd.Series) -> str | None:
    """ "," where cells of text can only be read with a decimal comma, "." where only with a point, else None."""
    if is_plain(column):
        return None
    cells = column.dropna()
    cells = cells.iloc[:: max(1, len(cells) // SAMPLE)].astype(str)
    written = cells[cells.str.fullmatch(NUMERIC)]
    if len(written) <= len(cells) / 2:
        return None
    plain = pd.Series([_plain(cell) for cell in written], dtype=str)
    comma, point = (int(plain.str.fullmatch(ONLY[mark]).sum()) for mark in ",.")
    return None if comma == point == 0 else "," if comma > point else "."


def numbers(column: pd.Series, decimal: str = ".") -> pd.Series:
    """float64 values of a column of text, NaN where a cell is missing or no number.

    Full-width digits, currency and percent signs, blanks within and separators of thousands are understood.

    >>> numbers(pd.Series(["1,5", "1.250,25", None]), ",").tolist()
    [1.5, 1250.25, nan]
    >>> numbers(pd.Series(["1,500", "¥12,000", "0.5", "▲3"])).tolist()
    [1500.0, 12000.0, 0.5, -3.0]
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.Series(np.nan, index=column.index, name=column.name)
    if pd.api.types.is_numeric_dtype(column):
        values = column.astype(np.float64)
        return values if np.isfinite(values).all() else values.where(np.isfinite(values))
    values = _parsed(column)
    odd = column.notna().to_numpy() & (np.isnan(values) | (decimal == ","))
    odd[odd] = column[odd].astype(str).str.fullmatch(NUMERIC).to_numpy(bool)
    if odd.any():
        cells = pd.Series([_plain(cell) for cell in column[odd].to_numpy(object)], dtype=str)
        grouped = cells.str.fullmatch(THOUSANDS[decimal])
        cells = cells.where(~grouped, cells.str.replace("," if decimal == "." else ".", "", regex=False))
        cells = cells.str.replace(",", ".", regex=False) if decimal == "," else cells
        values[odd] = _parsed(cells)
    values[~np.isfinite(values)] = np.nan
    return pd.Series(values, index=column.index, name=column.name)


def loses_digits(cells: pd.Series, values: pd.Series) -> bool:
    """Whether whole numbers that float64 cannot tell apart are what a column is made of, as order numbers of 18 digits.

    That is: half of them are beyond 2^53, or two different ones become one; and some of them change.

    Args:
        values: :func:`numbers` of ``cells``.
    """
    large = values.abs() > EXACT
    if not large.any():
        return False
    distinct = pd.Series(cells[large].unique(), dtype=object)
    some = distinct.iloc[:: max(1, len(distinct) // SAMPLE)].map(_whole).dropna()
    if all(int(float(number)) == number for number in some):
        return False
    if large.sum() >= 0.5 * values.notna().sum():
        return True
    exact = distinct.map(_whole).dropna()
    return exact.map(float).nunique() < exact.nunique()


def _whole(cell: Any) -> int | None:
    """The whole number that a cell writes out digit by digit; None for other cells, as 1e20."""
    if isinstance(cell, (int, np.integer)):
        return int(cell)
    written = _plain(cell)
    if any(re.fullmatch(pattern, written) for pattern in THOUSANDS.values()):
        written = re.sub(r"[.,](?=\d{3}(?!\d))", "", written)
    match = re.fullmatch(r"([-+]?)0*(\d{1,400})(?:[.,]0*)?", written)
    return int(match[1] + match[2]) if match else None


def excel_note(cells: pd.Series) -> str:
    """What to know of a column of Excel that has numbers of 16 digits or more; empty for others."""
    if not pd.api.types.is_numeric_dtype(cells) or not (cells.abs() >= EXCEL_EXACT).any():
        return ""
    return (
        f"column {cells.name!r} has numbers of 16 digits or more, of which Excel keeps 15: the last are lost already; "
        "write identifiers as text in the sheet"
    )


def _parsed(cells: pd.Series) -> np.ndarray:
    """float64 numbers, NaN for all that is none; Arrow is forty times faster where nothing is odd."""
    try:
        found = pa.Array.from_pandas(cells, type=pa.string()).cast(pa.float64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowException, TypeError):
        found = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.array(found)  # one's own, to be changed


def _plain(cell: Any) -> str:
    return "".join(unicodedata.normalize("NFKC", str(cell)).split()).translate(SIGNS)

"""Reading a company's file: CSV and its relatives (plain or gzip'd), Excel, Parquet. Cells become text or numbers.

What is detected (encoding, separator, header) is reported, and can be set.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from adaptact import config
from adaptact.errors import DataError

MISSING = {"", "?", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>", "NaT"}
SEPARATORS = ",;\t|"
SAMPLE_BYTES = 1 << 18
SAMPLE_LINES = 60
CHUNK_ROWS = 50_000
JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff\u3000-\u3002\uff01-\uff5e]")

Open = Callable[[], IO[bytes]]


@dataclass(frozen=True)
class Format:
    """How a file is read. For Excel and Parquet only ``header`` counts."""

    encoding: str = "utf-8"
    separator: str = ","
    header: bool = True
    skip: int = 0  # lines before the table

    def __str__(self) -> str:
        name = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}.get(self.separator, repr(self.separator))
        skipped = f", {self.skip} line(s) above the table left out" if self.skip else ""
        header = "header" if self.header else "no header (columns are numbered from 0)"
        return f"{self.encoding}, {name}, {header}{skipped}"


def chunks(
    path: str, options: config.Table, known: set[str] | None = None, rows: int = CHUNK_ROWS, key: str = "data.path"
) -> Iterator[tuple[pd.DataFrame, Format]]:
    """Pieces of a table in their order: every text cell trimmed, marks of missing values NaN, names unique.

    Args:
        path: .csv, .tsv, .txt (also .gz), .xlsx, .xls, .parquet; anything else is read as CSV.
        known: names of columns that a header has; they tell whether there is one.
        key: what the user typed to name the file, for messages.

    Raises:
        DataError: a file that cannot be read, or no table in it.
    """
    suffix = Path(path.lower().removesuffix(".gz")).suffix
    marks = MISSING | set(options.missing)
    try:
        if suffix in {".xlsx", ".xls", ".xlsm"}:
            pieces = excel(path, options, known)
        elif suffix in {".parquet", ".pq"}:
            pieces = parquet(path, rows)
        else:
            pieces = text(_opener(path), path, options, known, rows)
        empty = True
        for frame, form in pieces:
            empty = empty and frame.empty
            yield clean(frame, marks), form
    except OSError as error:
        raise DataError(f"{key}={path} cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error) as error:
        raise DataError(f"{key}={path} is a damaged gzip file: {error}") from None
    if empty:
        raise DataError(f"{path} has a header but no rows")


def read(
    path: str, options: config.Table, known: set[str] | None = None, key: str = "data.path"
) -> tuple[pd.DataFrame, Format]:
    """The whole table, as by :func:`chunks`."""
    pieces = list(chunks(path, options, known, key=key))
    return pd.concat([frame for frame, _ in pieces], ignore_index=True), pieces[0][1]


def _opener(path: str) -> Open:
    with Path(path).open("rb") as file:  # also says at once what is wrong with the path
        packed = file.read(2) == b"\x1f\x8b"
    return lambda: gzip.open(path, "rb") if packed else Path(path).open("rb")  # type: ignore[return-value]


def clean(frame: pd.DataFrame, marks: set[str]) -> pd.DataFrame:
    def column(cells: pd.Series) -> pd.Series:
        if not pd.api.types.is_string_dtype(cells) or pd.api.types.is_numeric_dtype(cells):
            return cells
        cells = cells.str.strip()
        return cells.mask(cells.isin(marks))

    return frame.apply(column) if len(frame.columns) else frame


# --- text --------------------------------------------------------------------------------------------------------


def text(
    opened: Open, path: str, options: config.Table, known: set[str] | None = None, rows: int = CHUNK_ROWS
) -> Iterator[tuple[pd.DataFrame, Format]]:
    form = detect(opened, path, options, known)
    names: pd.Index | None = None
    try:
        with opened() as raw:
            reader = pd.read_csv(
                io.TextIOWrapper(raw, encoding=form.encoding, newline=""),
                sep=form.separator,
                header=None,  # pandas would rename what stands twice, and take extra cells of a row for an index
                dtype=str,
                keep_default_na=False,
                skipinitialspace=True,
                skiprows=form.skip,
                chunksize=rows,
            )
            for frame in reader:
                if names is None:
                    names = column_names(frame.iloc[0] if form.header else None, len(frame.columns), path)
                    frame = frame.iloc[int(form.header) :]
                frame.columns = names
                yield frame.reset_index(drop=True), form
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not {form.encoding} text (byte {error.start} of a block): set data.encoding=cp932 (Japanese "
            "Windows), cp1252 (western Windows) or utf-8"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise DataError(f"{path} is no readable CSV table: {str(error).strip().rpartition('C error: ')[2]}") from None


def column_names(header: pd.Series | None, n_columns: int, path: str) -> pd.Index:
    """Trimmed names of the header, or numbers from 0.

    Raises:
        DataError: a name that stands twice.
    """
    if header is None:
        return pd.Index([str(number) for number in range(n_columns)], dtype=object)
    stripped = ["" if pd.isna(name) else str(name).strip() for name in header]
    names = pd.Index([name or f"Unnamed: {number}" for number, name in enumerate(stripped)], dtype=object)
    repeated = names[names.duplicated()]
    if len(repeated):
        raise DataError(f"{path} has two columns called {repeated[0]!r}: rename one")
    return names


def detect(opened: Open, path: str, options: config.Table, known: set[str] | None) -> Format:
    """Encoding, separator, lines above the table, and whether it has a header; what is set is taken as set."""
    encoding = detect_encoding(opened, path) if options.encoding == "auto" else options.encoding
    with opened() as raw:
        sample = raw.read(SAMPLE_BYTES)
    try:
        shown = sample.decode(codecs.lookup(encoding).name, errors="ignore")
    except LookupError:
        raise DataError(f"data.encoding={encoding} is unknown: use auto, utf-8, cp932 or cp1252") from None
    if "\x00" in shown:
        raise DataError(f"{path} is no text: it has null bytes; save it as CSV, Excel (.xlsx) or Parquet")
    if len(sample) == SAMPLE_BYTES:
        shown = shown[: shown.rfind("\n") + 1] or shown
    separator = detect_separator(shown) if options.separator == "auto" else options.separator.replace("\\t", "\t")
    if len(separator) != 1:
        raise DataError(f"data.separator={options.separator!r} must be one character, as in ; or \\t")
    lines = first_lines(shown, separator)
    skip = junk_lines(lines)
    header = options.header == "true"
    if options.header == "auto":
        header = has_header(lines[skip:], known or set())
    return Format(encoding, separator, header, skip)


def detect_encoding(opened: Open, path: str) -> str:
    """utf-8 (with or without a byte order mark), utf-16 with one, else cp932 or cp1252 by what they would read as."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with opened() as raw:
        start = raw.read(4)
        if start[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
            return "utf-16"
        raw.seek(0)
        before = b""
        while block := raw.read(1 << 20):
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                break
            before = block
        else:
            try:
                decoder.decode(b"", final=True)
                return "utf-8-sig" if start[:3] == codecs.BOM_UTF8 else "utf-8"
            except UnicodeDecodeError:
                block = before
        sample = block + raw.read(1 << 20)
    if start[:2] == b"PK":
        raise DataError(f"{path} is a zip file, not text: if it is an Excel table, its name must end in .xlsx")
    controls = sum(sample.count(bytes([code])) for code in {*range(9), *range(14, 27), *range(28, 32)})
    if controls > len(sample) / 100:
        raise DataError(f"{path} is no text: save it as CSV, Excel (.xlsx) or Parquet")
    if _reads_as_japanese(sample):
        return "cp932"
    try:
        sample.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:
        return "latin-1"


def _reads_as_japanese(sample: bytes) -> bool:
    """Western text misread as cp932 has single odd signs that swallow the ASCII letter behind them.

    Japanese comes in runs, or in letters whose second byte is no ASCII either.
    """
    try:
        decoded = sample.decode("cp932")
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 2:  # else only the last letter is cut
            return False
        decoded = sample[: error.start].decode("cp932")
    runs = re.findall(r"[^\x00-\x7f]+", decoded)
    likely = sum(
        len(JAPANESE.findall(run)) if len(run) > 1 else run.encode("cp932")[-1] > 0x7F and bool(JAPANESE.match(run))
        for run in runs
    )
    return likely > 0.5 * sum(map(len, runs))


def first_lines(text: str, separator: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    lines: list[list[str]] = []
    try:
        for line in reader:
            lines.append(line)
            if len(lines) == SAMPLE_LINES:
                break
    except csv.Error:  # a cell beyond all limits: pandas will say it
        pass
    return lines


def detect_separator(text: str) -> str:
    """The one of comma, semicolon, tab and bar that cuts most lines into the same number of cells, and into most."""

    def score(separator: str) -> tuple[float, int]:
        counts = [len(line) for line in first_lines(text, separator) if line]
        if not counts:
            return 0.0, 0
        usual = max(set(counts), key=lambda n: (counts.count(n), n))
        return (counts.count(usual) / len(counts) if usual > 1 else 0.0), usual

    scores = {separator: score(separator) for separator in SEPARATORS}
    steady = {s: found for s, found in scores.items() if found[0] >= 0.9}
    best = max(steady or scores, key=lambda s: (scores[s][1], scores[s][0]) if steady else scores[s])
    return best if scores[best][1] > 1 else ","


def junk_lines(lines: list[list[str]]) -> int:
    """Titles and remarks above the table: leading lines with one cell where the table has several."""
    counts = [len(line) for line in lines if line]
    if not counts:
        return 0
    usual = max(set(counts), key=counts.count)
    if usual < 3:
        return 0
    return next((number for number, line in enumerate(lines) if len([c for c in line if c]) > 1), 0)


def has_header(lines: list[list[str]], known: set[str]) -> bool:
    """Whether the first line has names: a known one, or no number above a column of numbers."""
    lines = [line for line in lines if any(cell.strip() for cell in line)]
    if not lines:
        return True
    first = [cell.strip() for cell in lines[0]]
    if known & set(first) or len(lines) == 1:
        return True
    if known and all(name.isdigit() for name in known):
        return False
    for number, cell in enumerate(first):
        below = [line[number].strip() for line in lines[1:] if len(line) > number and line[number].strip()]
        if _is_number(cell) and below and sum(map(_is_number, below)) > 0.8 * len(below):
            return False
    return True


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+[.,]?\d*|[.,]\d+)(e[-+]?\d+)?", cell, re.IGNORECASE) is not None


# --- other kinds -------------------------------------------------------------------------------------------------


def excel(path: str, options: config.Table, known: set[str] | None) -> Iterator[tuple[pd.DataFrame, Format]]:
    with Path(path).open("rb"):
        pass
    sheet: Any = options.sheet if options.sheet is not None else 0
    try:
        frame = pd.read_excel(path, sheet_name=sheet, header=None, dtype=object)
    except ImportError as error:
        raise DataError(f"{path} needs a package that is not installed: {error}") from None
    except Exception as error:  # openpyxl and zipfile raise many kinds for a broken file
        why = f"there is no sheet {sheet!r}" if "Worksheet" in str(error) else str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read as an Excel table: {why}") from None
    frame = frame.dropna(how="all").dropna(how="all", axis=1).reset_index(drop=True)
    if frame.empty:
        raise DataError(f"{path} has no cells in its sheet {sheet!r}")
    cells = frame.map(as_text).astype(str)
    lines = cells.head(SAMPLE_LINES).to_numpy().tolist()
    skip = junk_lines([[cell for cell in line if cell] for line in lines])
    cells, lines = cells.iloc[skip:], lines[skip:]
    form = Format("Excel", "", has_header(lines, known or set()) if options.header == "auto" else False, skip)
    form = replace(form, header=True) if options.header == "true" else form
    names = column_names(cells.iloc[0] if form.header else None, len(cells.columns), path)
    cells = cells.iloc[int(form.header) :].reset_index(drop=True)
    cells.columns = names
    yield cells, form


def as_text(cell: Any) -> str:
    """A spreadsheet's cell as one would have typed it."""
    if cell is None or (isinstance(cell, float) and np.isnan(cell)) or cell is pd.NaT:
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return str(cell)


def parquet(path: str, rows: int) -> Iterator[tuple[pd.DataFrame, Format]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with Path(path).open("rb"):
        pass
    try:
        file = pq.ParquetFile(path)
        names = column_names(pd.Series(file.schema_arrow.names), len(file.schema_arrow.names), path)
        for batch in file.iter_batches(rows):
            frame = batch.to_pandas(ignore_metadata=True)
            for name in frame.columns:
                if pd.api.types.is_bool_dtype(frame[name]) or not pd.api.types.is_numeric_dtype(frame[name]):
                    frame[name] = frame[name].map(as_text).astype(str)
            frame.columns = names
            yield frame, Format("Parquet", "")
    except pa.ArrowException as error:
        raise DataError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None


THOUSANDS = {".": r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?", ",": r"[-+]?\d{1,3}(?:\.\d{3})+(?:,\d*)?"}
COMMA_DECIMAL = r"[-+]?(?:\d+,(?:\d{1,2}|\d{4,})|0,\d+|\d{1,3}(?:\.\d{3})+,\d+)"


def decimal_mark(column: pd.Series) -> str | None:
    """ "," where a cell of text can only be read with a decimal comma, "." where only with a point, else None."""
    if pd.api.types.is_numeric_dtype(column):
        return None
    cells = _plain(column.dropna())
    if cells.str.fullmatch(COMMA_DECIMAL).any():
        return ","
    point = cells.str.contains(".", regex=False) & ~cells.str.fullmatch(THOUSANDS[","])
    return "." if (point & pd.to_numeric(cells, errors="coerce").notna()).any() else None


def numbers(column: pd.Series, decimal: str = ".") -> pd.Series:
    """float64 values of a column of text, NaN where a cell is missing or no number.

    Full-width digits, currency and percent signs, blanks within and separators of thousands are understood.

    >>> numbers(pd.Series(["1,5", "1.250,25", None]), ",").tolist()
    [1.5, 1250.25, nan]
    >>> numbers(pd.Series(["1,500", "¥12,000", "0.5"])).tolist()
    [1500.0, 12000.0, 0.5]
    """
    if pd.api.types.is_numeric_dtype(column):
        return column.astype(np.float64).where(np.isfinite)
    found = pd.to_numeric(column, errors="coerce").astype(np.float64)
    odd = column.notna() & (found.isna() | (decimal == ","))
    if odd.any():
        cells = _plain(column[odd])
        grouped = cells.str.fullmatch(THOUSANDS[decimal])
        cells = cells.where(~grouped, cells.str.replace("," if decimal == "." else ".", "", regex=False))
        cells = cells.str.replace(",", ".", regex=False) if decimal == "," else cells
        found = found.where(~odd, pd.to_numeric(cells, errors="coerce").astype(np.float64).reindex(found.index))
    return found.where(np.isfinite(found))


def _plain(cells: pd.Series) -> pd.Series:
    return cells.str.normalize("NFKC").str.replace(r"[¥\\円$€£%\s]", "", regex=True).str.replace("−", "-")

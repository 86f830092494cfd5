"""Reading a company's file: CSV and its relatives (plain or gzip'd), Excel, Parquet. Cells become text or numbers.

What is detected (encoding, separator, header) is reported, and can be set.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypedDict

import pandas as pd

from adaptact import config
from adaptact.data import limits
from adaptact.data.table.cell_values import EXACT, as_text, is_plain, numbers, typed  # noqa: F401 (numbers: for those who read)
from adaptact.errors import DataError

MISSING = {"", "?", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>", "NaT"}
SEPARATORS = ",;\t|"
SAMPLE_BYTES = 1 << 18
BLOCK_BYTES = 1 << 20
SAMPLE_LINES = 60
CHUNK_ROWS = 50_000
EXCEL = "Excel"  # in place of an encoding
JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff\u3000-\u3002\uff01-\uff9f]")
SHIFT_JIS = {"shift_jis", "shift-jis", "sjis", "shiftjis"}  # Windows writes cp932 and calls it so

Open = Callable[..., IO[bytes]]  # opened(), or opened(separator)

csv.field_size_limit(SAMPLE_BYTES)  # of that module, which else stops at half of it; limits.py has those that count


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
        return f"{self.encoding}, {f'{name}, ' if self.separator else ''}{header}{skipped}"


class PreparationFile(TypedDict):
    """Keys that the JSON files of all preparations have: the target, its scale, and the format of the table."""

    schema: int
    target: str
    labels: list[str]
    task: Literal["classification", "regression"]
    center: float
    scale: float
    form: Format


def chunks(
    path: str,
    options: config.Rows,
    known: set[str] | None = None,
    rows: int | None = CHUNK_ROWS,
    key: str = "data.path",
) -> Iterator[tuple[pd.DataFrame, Format]]:
    """Pieces of a table in their order: every text cell trimmed, marks of missing values NaN, names unique.

    Args:
        path: .csv, .tsv, .txt (also .gz), .xlsx, .xls, .parquet; anything else is read as CSV.
        known: names of columns that a header has; they tell whether there is one.
        rows: of a piece; None leaves it to the kind of file, of which all is to be kept.
        key: what the user typed to name the file, for messages.

    Raises:
        DataError: a file that cannot be read, is beyond one of the limits, or has no table in it.
    """
    suffix = Path(path.lower().removesuffix(".gz")).suffix
    where = f"{key}={path}"
    marks = MISSING | set(options.missing)
    try:
        if suffix in {".xlsx", ".xls", ".xlsm"}:
            pieces = excel(path, options, known, where)
        elif suffix in {".parquet", ".pq"}:
            pieces = parquet(path, options, rows, where)
        else:
            opened = limits.Limits.of(path, where, options, whole=rows is None).opened
            pieces = text(opened, where, options, known, rows or CHUNK_ROWS)
        empty, first = True, 0
        for frame, form in pieces:
            empty = empty and frame.empty
            limits.check_columns(len(frame.columns), options, where)
            limits.check_cells(frame, options, where, first)
            first += len(frame)
            yield clean(frame, marks, options.text if isinstance(options, config.Text) else ()), form
    except OSError as error:
        raise DataError(f"{where} cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error) as error:
        raise DataError(f"{where} is a damaged gzip file: {error}") from None
    if empty:
        raise DataError(f"{where} has a header but no rows")


def read(
    path: str, options: config.Rows, known: set[str] | None = None, key: str = "data.path"
) -> tuple[pd.DataFrame, Format]:
    """The whole table, as by :func:`chunks`."""
    pieces = list(chunks(path, options, known, rows=None, key=key))
    frames, form = [frame for frame, _ in pieces], pieces[0][1]
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True), form


def clean(frame: pd.DataFrame, marks: set[str], texts: Collection[str] = ()) -> pd.DataFrame:
    """Trimmed cells, NaN where one is a mark of a missing value; in the columns ``texts`` a mark is a text."""

    def column(name: str, cells: pd.Series) -> pd.Series:
        if is_plain(cells):
            return cells
        cells = cells.str.strip()
        return cells.mask(cells.isin({""} if name in texts else marks))

    return pd.DataFrame({name: column(name, frame[name]) for name in frame.columns}, index=frame.index, copy=False)


# --- text --------------------------------------------------------------------------------------------------------


def text(
    opened: Open, path: str, options: config.Rows, known: set[str] | None = None, rows: int = CHUNK_ROWS
) -> Iterator[tuple[pd.DataFrame, Format]]:
    """Pieces of a text file, cells as they stand there; ``path`` is its name in messages."""
    form = detect(opened, path, options, known)
    names: pd.Index | None = None
    try:
        with opened() as raw:
            limits.check_first_row(raw, form.encoding, form.separator, form.skip, options, path)
        with opened(form.separator) as raw:
            reader = pd.read_csv(
                io.TextIOWrapper(raw, encoding=form.encoding, newline=""),
                sep=form.separator,
                header=None,  # pandas would rename what stands twice, and take extra cells of a row for an index
                dtype=str,
                keep_default_na=False,
                skipinitialspace=form.separator != " ",
                skiprows=form.skip,
                chunksize=rows,
            )
            for frame in reader:
                if names is None:
                    names = column_names(frame.iloc[0] if form.header else None, len(frame.columns), path)
                    frame = frame.iloc[int(form.header) :]
                frame.columns = names
                yield frame.reset_index(drop=True), form
    except UnicodeError:
        raise DataError(
            f"{path} is not {form.encoding} text: set data.encoding=cp932 (Japanese Windows), cp1252 (western Windows) "
            "or utf-8"
        ) from None
    except (ValueError, csv.Error) as error:  # pandas' ParserError and EmptyDataError are among them
        raise DataError(f"{path} is no readable CSV table: {str(error).strip().rpartition('C error: ')[2]}") from None


def column_names(header: Iterable[object] | None, n_columns: int, path: str) -> pd.Index:
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


def detect(opened: Open, path: str, options: config.Rows, known: set[str] | None) -> Format:
    """Encoding, separator, lines above the table, and whether it has a header; what is set is taken as set."""
    encoding = detect_encoding(opened, path) if options.encoding == "auto" else options.encoding
    encoding = "cp932" if encoding.lower() in SHIFT_JIS else encoding
    with opened() as raw:
        sample = raw.read(SAMPLE_BYTES)
    if encoding.lower() in {"utf-8", "utf8"} and sample.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    try:
        shown = sample.decode(encoding, errors="ignore")
    except (LookupError, ValueError):
        raise DataError(
            f"data.encoding={encoding} is unknown or does not fit: use auto, utf-8, cp932 or cp1252"
        ) from None
    if "\x00" in shown:
        raise DataError(f"{path} is no text: it has null bytes; save it as CSV, Excel (.xlsx) or Parquet")
    if len(sample) == SAMPLE_BYTES:
        shown = shown[: shown.rfind("\n") + 1] or shown
    separator = detect_separator(shown) if options.separator == "auto" else options.separator.replace("\\t", "\t")
    if len(separator) != 1 or separator in '"\r\n':
        raise DataError(f"data.separator={options.separator!r} must be one character, as in ; or \\t")
    lines = first_lines(shown, separator)
    skip = junk_lines(lines, known or set())
    header = options.header == "true"
    if options.header == "auto":
        header = has_header(lines[skip:], known or set())
    return Format(encoding, separator, header, skip)


def detect_encoding(opened: Open, path: str) -> str:
    """utf-8 (with or without a byte order mark), utf-16 with one, else cp932 or cp1252 by what they would read as."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    before = b""
    with opened() as raw:
        while True:
            block = raw.read(BLOCK_BYTES)
            if not before and block[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
                return "utf-16"
            if not before and block[:2] == b"PK":
                raise DataError(f"{path} is a zip file, not text: if it is an Excel table, its name must end in .xlsx")
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError:
                break
            if not block:
                return "utf-8"
            before = block
        sample = before + block + raw.read(BLOCK_BYTES)
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
        len(JAPANESE.findall(run))
        if len(run) > 1
        else run.encode("cp932")[-1] > 0x7F and run < "\uff61" and bool(JAPANESE.match(run))
        for run in runs
    )
    return likely > 0.5 * sum(map(len, runs))


def first_lines(text: str, separator: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=separator != " ")
    lines: list[list[str]] = []
    try:
        for line in reader:
            lines.append([cell.strip() for cell in line])
            if len(lines) == SAMPLE_LINES:
                break
    except csv.Error:  # a cell beyond all limits: pandas will say it
        pass
    return lines


def usual_width(lines: list[list[str]]) -> int:
    """The number of cells that most lines have, the larger one of two."""
    counts = Counter(len(line) for line in lines if line)
    return max(counts, key=lambda width: (counts[width], width), default=0)


def detect_separator(text: str) -> str:
    """The one of comma, semicolon, tab and bar that cuts nearly all lines into the same number of cells.

    Of several, the one that does so from the first line on (decimal commas are not in the header), a comma last.
    """

    def score(separator: str) -> tuple[bool, float, bool, int]:
        lines = [line for line in first_lines(text, separator) if line]
        usual = usual_width(lines)
        if usual < 2:
            return False, 0.0, False, 0
        share = sum(len(line) == usual for line in lines) / len(lines)
        odd_start = next(number for number, line in enumerate(lines) if len(line) == usual)
        steady = share >= 0.9
        return steady, -odd_start if steady else share, separator != ",", usual

    return max(SEPARATORS, key=score)  # the comma is the first of them, for a file without any


def junk_lines(lines: list[list[str]], known: set[str]) -> int:
    """Titles and remarks above the table: leading lines with fewer cells than the table has, or with one filled."""
    usual = usual_width(lines)
    for number, line in enumerate(lines):
        filled = [cell for cell in line if cell]
        title = len(filled) == 1 and usual > 2
        if known & set(line) or (filled and len(line) >= usual and not title):
            return number
    return 0


def has_header(lines: list[list[str]], known: set[str]) -> bool:
    """Whether the first line has names: known ones, or texts above numbers, or what never occurs below it."""
    lines = [line for line in lines if any(line)]
    if len(lines) < 2:
        return True
    first = lines[0]
    places = {str(number) for number in range(len(first))}
    numbered = bool(known) and known <= places
    if known & set(first) and not numbered:
        return True
    if len(first) > 1 and first == sorted(places, key=int):
        return True
    number_above, repeated, filled = False, 0, 0
    for place, cell in enumerate(first):
        below = [line[place] for line in lines[1:] if len(line) > place and line[place] not in MISSING]
        if cell in MISSING or not below:
            continue
        filled += 1
        repeated += cell in below
        if sum(map(_is_number, below)) > 0.8 * len(below):
            if not _is_number(cell):
                return True
            number_above = True
    if number_above or (numbered and not known & set(first)):
        return False
    return repeated <= filled / 2


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+(?:[.,]\d*)?|[.,]\d+)(e[-+]?\d+)?", cell, re.IGNORECASE) is not None


# --- other kinds -------------------------------------------------------------------------------------------------


def excel(path: str, options: config.Rows, known: set[str] | None, where: str) -> Iterator[tuple[pd.DataFrame, Format]]:
    with Path(path).open("rb") as file:
        head = file.read(1 << 16)
    sheet: Any = options.sheet if options.sheet is not None else 0
    try:
        if head[:2] == b"PK":
            limits.check_workbook(path, options, where)
        frame = pd.read_excel(path, sheet_name=sheet, header=None, dtype=object, engine="calamine")
    except DataError:
        raise
    except ImportError as error:
        raise DataError(f"{where} needs a package that is not installed: {error}") from None
    except BaseException as error:  # the reader and zipfile raise many kinds for a broken file
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # of a reader in Rust
            raise
        raise DataError(f"{where} cannot be read as an Excel table: {_why_not(error, head, sheet)}") from None
    frame = frame.dropna(how="all").dropna(how="all", axis=1)
    if frame.empty:
        raise DataError(f"{where} has no cells in its sheet {options.sheet or 1!r}")
    lines = [[as_text(cell).strip() for cell in line] for line in frame.head(SAMPLE_LINES).to_numpy()]
    skip = junk_lines(lines, known or set())
    header = options.header == "true"
    if options.header == "auto":
        header = has_header(lines[skip:], known or set())
    names = column_names(lines[skip] if header else None, len(frame.columns), where)
    cells = frame.iloc[skip + int(header) :].reset_index(drop=True)
    cells.columns = names
    typed_cells = pd.DataFrame({name: typed(cells[name]) for name in names}, index=cells.index)
    yield typed_cells, Format(EXCEL, "", header, skip)


def _why_not(error: BaseException, head: bytes, sheet: object) -> str:
    if "Worksheet" in str(error):
        return f"there is no sheet {sheet!r}"
    if head.startswith(b"\xd0\xcf\x11\xe0") and "EncryptedPackage".encode("utf-16-le") in head:
        return "it is protected by a password; save it without one"
    if head[:2] not in {b"PK", b"\xd0\xcf"} and head and b"\0" not in head:
        return "it is text, whatever its name says; save it as .xlsx in Excel, or as .csv"
    return (str(error).splitlines() or ["broken"])[0]


def parquet(path: str, options: config.Rows, rows: int | None, where: str) -> Iterator[tuple[pd.DataFrame, Format]]:
    """Pieces of so many rows, or all of them, read column by column: then no second copy is on the way."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with Path(path).open("rb"):
        pass
    try:
        limits.check_parquet(path, options, where, rows)
        file = pq.ParquetFile(path)
        own = file.schema_arrow.names
        names = column_names(own, len(own), where)
        if rows is None:
            columns = (_cells(file.read(columns=[name]).column(name)) for name in own)
            found = {name: typed(column.rename(name)) for name, column in zip(names, columns, strict=True)}
            yield pd.DataFrame(found, copy=False), Format("Parquet", "")
            return
        for batch in file.iter_batches(rows):
            found = {
                name: typed(_cells(column).rename(name)) for name, column in zip(names, batch.columns, strict=True)
            }
            yield pd.DataFrame(found, copy=False), Format("Parquet", "")
    except pa.ArrowException as error:
        raise DataError(f"{where} cannot be read as Parquet: {str(error).splitlines()[0]}") from None


def _cells(column: Any) -> pd.Series:
    """A column of Parquet for pandas, which would make float64 of whole numbers with blanks, and of decimals."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    blanks = pa.types.is_int64(kind) or pa.types.is_uint64(kind)
    if (blanks and column.null_count) or (pa.types.is_decimal(kind) and kind.scale <= 0 and kind.precision > 15):
        ends = pc.min_max(column).as_py().values()
        if any(abs(int(end)) > EXACT for end in ends if end is not None):
            column = column.cast(pa.string())
    return column.to_pandas()

"""Limits of a table's file, kept while it is read: a file of kilobytes can unpack to gigabytes, and one open quote can
turn a whole file into one cell.

Every limit is a key of the data, its message names that key. What is checked costs an honest file next to nothing:
bytes are looked at as they pass, in blocks, and never twice.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd

from adaptact import config, memory
from adaptact.errors import DataError

FREE_BYTES = (
    256 << 20
)  # unpacked, for which no ratio counts: they are read in seconds, and zeros pack well in honest files
BLOCK_BYTES = 1 << 20
TEXT_FACTOR = 1.5  # bytes of memory per byte of a text file; measured: 1.7 (long texts) to 2.6 (short numbers)
EXCEL_BYTES = 64  # of memory per cell of the rectangle that holds all cells; measured: 103 where they are numbers
REPEATED_BYTES = 1 << 30  # of text, if the longest of a column stood in all its rows: worth a look
PARQUET_BYTES = {"BOOLEAN": 1 / 8, "INT32": 1, "FLOAT": 4}  # of memory per cell, at least; of all others 8
LONGEST_HEADER = 64 << 20  # characters of the first row that are looked at
MARKS = b",;\t|\n\r"  # no cell goes on behind these, but in quotes
CELL_COLUMN = re.compile(rb"""r\s*=\s*["']([A-Za-z]{1,3})\d""")  # of where a cell of a sheet says that it stands
LATE_ROW = re.compile(rb"""r\s*=\s*["'][A-Za-z]{1,3}(\d{5,9})["']""")  # a long sheet needs no look at the others
EARLY_ROW = re.compile(rb"""r\s*=\s*["'][A-Za-z]{1,3}(\d{1,4})["']""")
ROW = re.compile(rb"<(?:\w+:)?row[\s/>]")
BARE_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")


def is_plain(cells: pd.Series) -> bool:
    """Return True for cells that are numbers or moments already, no text."""
    return pd.api.types.is_numeric_dtype(cells) or pd.api.types.is_datetime64_any_dtype(cells)


def gigabytes(size: float) -> str:
    return f"{size / (1 << 30):,.1f} GB"


def check_memory(needed: float, where: str) -> None:
    """Raise DataError where a table cannot fit into the memory that is free; nothing where that is not known."""
    there = memory.available()
    if there is not None and needed > there:
        raise DataError(
            f"{where} takes at least {gigabytes(needed)} of memory, and {gigabytes(there)} are free: leave out columns "
            "or rows, save it as Parquet, or use a machine with more memory"
        )


def check_columns(n_columns: int, options: config.Rows, where: str) -> None:
    """Raise DataError for more columns than data.max_columns."""
    if n_columns > options.max_columns:
        raise DataError(
            f"{where} has {n_columns:,} columns or more, beyond data.max_columns={options.max_columns}: is the "
            "separator right, or are rows and columns swapped? " + _way_out(where, f"data.max_columns={n_columns}")
        )


def check_cells(frame: pd.DataFrame, options: config.Rows, where: str, first: int = 0) -> None:
    """Raise DataError for a cell of more characters than data.max_cell; ``first`` rows stand before these."""
    for name, cells in frame.items():
        if is_plain(cells) or (isinstance(cells.dtype, pd.StringDtype) and cells.array.nbytes <= options.max_cell):
            continue
        lengths = cells.str.len()
        longest = lengths.max()
        if longest > options.max_cell:
            row = first + int(lengths.reset_index(drop=True).idxmax()) + 1
            raise DataError(
                f"{where}: the cell of row {row:,} in column {str(name)[:60]!r} has {int(longest):,} characters, "
                + _beyond(options, where, int(longest))
            )


def _beyond(options: config.Rows, where: str, length: int) -> str:
    asked = f"beyond data.max_cell={options.max_cell}: is there a quote sign that is never closed? "
    return asked + _way_out(where, f"data.max_cell={length}")


def _way_out(where: str, key: str) -> str:
    """``where`` begins with the key that names the file: only data.* stands beside other keys of the data."""
    if where.startswith("data."):
        return f"If it is meant: {key}"
    return f"If it is meant, train with {key}, which the run keeps; other jobs read files under the limits by default"


# --- text ----------------------------------------------------------------------------------------------------------


@dataclass
class Limits:
    """The limits that the bytes of one text file are read under.

    Args:
        packed: size of a gzip file; None for a plain one.
        whole: the table is kept in memory as a whole.
    """

    path: str
    where: str
    options: config.Rows
    packed: int | None
    whole: bool

    @classmethod
    def of(cls, path: str, where: str, options: config.Rows, *, whole: bool) -> Limits:
        with Path(path).open("rb") as file:  # also says at once what is wrong with the path
            packed = file.read(2) == b"\x1f\x8b"
        size = Path(path).stat().st_size
        if whole and not packed:
            check_memory(TEXT_FACTOR * size, where)
        return cls(path, where, options, size if packed else None, whole)

    def opened(self, separator: str = "") -> IO[bytes]:
        """The unpacked bytes; with a known ``separator`` an open quote is found too.

        Raises:
            DataError: while they are read, as soon as one of the limits is passed.
        """
        raw = (Path.open if self.packed is None else gzip.open)(Path(self.path), "rb")
        return io.BufferedReader(_Watched(raw, self, separator), BLOCK_BYTES)  # type: ignore[arg-type]

    def check_unpacked(self, unpacked: int) -> None:
        if self.packed is None:
            return
        check_ratio(unpacked, self.packed, self.options, self.where)
        if self.whole and unpacked > FREE_BYTES:
            check_memory(TEXT_FACTOR * unpacked, self.where)


def check_ratio(unpacked: int, packed: int, options: config.Rows, where: str) -> None:
    """Raise DataError for more unpacked bytes than data.max_ratio allows, once they are more than FREE_BYTES."""
    if unpacked > max(FREE_BYTES, options.max_ratio * packed):
        ratio = unpacked // max(1, packed)
        raise DataError(
            f"{where} unpacks to more than {unpacked >> 20:,} MB from {packed / (1 << 20):,.1f} MB, beyond "
            f"data.max_ratio={options.max_ratio:g}: who made it? Unpack it first. "
            + _way_out(where, f"data.max_ratio={max(2 * ratio, 1000)}")
        )


class _Watched(io.RawIOBase):
    """Bytes of a text file on their way: how many, how long without the end of a cell, a quote that stays open."""

    def __init__(self, raw: Any, limits: Limits, separator: str) -> None:
        self.raw, self.limits = raw, limits
        self.marks = MARKS + separator.encode()
        self.quotes = bool(separator)
        self.total = 0
        self.since_mark = 0
        self.opened_at: int | None = None  # place of an opening quote behind which there is none yet
        self.before = b"\n"  # the last bytes of the block before

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self.raw.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        block = self.raw.read(len(buffer))
        self.total += len(block)
        self.limits.check_unpacked(self.total)
        self._look(block)
        buffer[: len(block)] = block
        return len(block)

    def _look(self, block: bytes) -> None:
        most = self.limits.options.max_cell
        last = max(block.rfind(mark) for mark in (self.marks[i : i + 1] for i in range(len(self.marks))))
        self.since_mark = self.since_mark + len(block) if last < 0 else len(block) - last - 1
        # characters take up to four bytes: what is a little too long is found by check_cells
        if self.since_mark > 4 * most:
            raise self._too_long(self.since_mark // 4)
        if not self.quotes:
            return
        seen = self.before + block
        place = seen.rfind(b'"', 1, len(seen) - 1)  # with a byte on either side
        if place >= 0:
            opens = seen[place - 1] in self.marks and seen[place + 1] not in self.marks + b'"'
            self.opened_at = self.total - len(seen) + place if opens else None
        if self.opened_at is not None and self.total - self.opened_at > 4 * most:
            raise self._too_long((self.total - self.opened_at) // 4)
        self.before = seen[-2:]

    def _too_long(self, length: int) -> DataError:
        start = self.opened_at if self.opened_at is not None else self.total - self.since_mark
        return DataError(
            f"{self.limits.where}: a cell that begins at byte {start:,} has more than {length:,} characters, "
            + _beyond(self.limits.options, self.limits.where, 2 * length)
        )


def check_first_row(raw: IO[bytes], encoding: str, separator: str, skip: int, options: config.Rows, where: str) -> None:
    """Raise DataError for more columns than data.max_columns, before pandas makes an array of each."""

    def lines() -> Iterator[str]:
        with io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline="") as text:
            for _ in range(skip):
                text.readline(LONGEST_HEADER)
            left = LONGEST_HEADER
            while left > 0 and (line := text.readline(left)):
                left -= len(line)
                yield line

    reader = csv.reader(lines(), delimiter=separator, skipinitialspace=separator != " ")
    with contextlib.suppress(csv.Error):  # a cell beyond the limit of that module; pandas has none
        check_columns(len(next((line for line in reader if line), [])), options, where)


def check_text_file(file: Path, max_cell: int, key: str) -> None:
    """Raise DataError for a file of a folder of texts that surely has more characters than data.max_cell."""
    size = file.stat().st_size
    if size > 4 * max_cell:  # characters take up to four bytes
        raise DataError(
            f"{key}: {file} has {size:,} bytes, beyond data.max_cell={max_cell} characters: cut it into several files. "
            + _way_out(key, f"data.max_cell={size}")
        )


# --- Excel ---------------------------------------------------------------------------------------------------------


def check_workbook(path: str, options: config.Rows, where: str) -> None:
    """Unpack an .xlsx file once, keeping nothing: its reader has no limits, and allocates all that its cells span.

    Raises:
        DataError: it unpacks to too much, has a cell that is too long, or a rectangle of cells beyond the free memory.
    """
    size = Path(path).stat().st_size
    unpacked = 0
    with zipfile.ZipFile(path) as file:
        for member in file.infolist():
            member.file_size = 1 << 62  # what it says of itself counts for nothing: its bytes are counted
            sheet = Sheet(options, f"{where} ({member.filename})")
            with file.open(member) as stream:
                while block := stream.read(BLOCK_BYTES):
                    unpacked += len(block)
                    check_ratio(unpacked, size, options, where)
                    sheet.add(block)
            sheet.finish()
            if sheet.bare:
                with file.open(member) as stream:
                    sheet.count_bare(iter(lambda: stream.read(BLOCK_BYTES), b""))
            check_memory(
                EXCEL_BYTES * sheet.rows * sheet.columns,
                f"{sheet.where}, with {sheet.rows:,} rows and {sheet.columns:,} columns up to its last cell,",
            )


class Sheet:
    """The last row and column of a sheet's cells, from blocks of its XML."""

    def __init__(self, options: config.Rows, where: str) -> None:
        self.options, self.where = options, where
        self.rows = self.columns = 0
        self.bare = False  # there are cells that do not say where they stand
        self.rest = b""  # a tag that the end of a block cuts, or the text before the next one

    def add(self, block: bytes) -> None:
        seen = self.rest + block
        end = max(0, seen.rfind(b"<"))
        self.rest = seen[end:]
        if len(self.rest) > 4 * self.options.max_cell + BLOCK_BYTES:  # characters take up to four bytes
            raise DataError(
                f"{self.where}: a cell has more than {self.options.max_cell:,} characters, "
                + _beyond(self.options, self.where, len(self.rest))
            )
        self._look(seen[:end])

    def finish(self) -> None:
        self._look(self.rest)
        self.rest = b""

    def _look(self, seen: bytes) -> None:
        if b"<!DOCTYPE" in seen and "/media/" not in self.where:
            raise DataError(f"{self.where} declares entities (DOCTYPE), as no spreadsheet does: save it anew in Excel")
        columns = CELL_COLUMN.findall(seen)
        rows = LATE_ROW.findall(seen) or EARLY_ROW.findall(seen)
        if columns:
            self.columns = max(self.columns, *map(_column_number, set(columns)))
            self.rows = max(self.rows, *map(int, rows or [b"1"]))
        # counted first where it is cheap: few other tags begin like a cell's
        if seen.count(b"<c") + seen.count(b":c") > len(columns):
            self.bare = self.bare or len(BARE_CELL.findall(seen)) > len(columns)

    def count_bare(self, blocks: Iterator[bytes]) -> None:
        """Rows and cells as they follow each other, for those that do not say where they stand."""
        rows = in_row = most = 0
        rest = b""
        for block in blocks:
            seen = rest + block
            end = max(0, seen.rfind(b"<"))
            rest = seen[end:]
            for number, piece in enumerate(ROW.split(seen[:end])):
                rows += number > 0
                in_row = (0 if number else in_row) + len(BARE_CELL.findall(piece))
                most = max(most, in_row)
        self.rows, self.columns = max(self.rows, rows), max(self.columns, most)


def _column_number(letters: bytes) -> int:
    """A is 1, Z is 26, AA is 27."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + letter - 64
    return number


# --- Parquet -------------------------------------------------------------------------------------------------------


def check_parquet(path: str, options: config.Rows, where: str, rows: int | None) -> None:
    """Raise DataError where the file's own description is beyond a limit: columns, unpacked size, cells in memory.

    Args:
        rows: that are read at once; None for all of them.
    """
    import pyarrow.parquet as pq

    about = pq.read_metadata(path)
    check_columns(about.num_columns, options, where)
    chunks = [
        about.row_group(group).column(column)
        for group in range(about.num_row_groups)
        for column in range(about.num_columns)
    ]
    check_ratio(sum(chunk.total_uncompressed_size for chunk in chunks), Path(path).stat().st_size, options, where)
    share = 1.0 if rows is None else min(1.0, rows / max(1, about.num_rows))
    needed = sum(chunk.num_values * PARQUET_BYTES.get(chunk.physical_type, 8) for chunk in chunks)
    check_memory(share * needed, f"{where}, with {about.num_rows:,} rows,")
    repeated = {
        chunk.path_in_schema
        for chunk in chunks
        if chunk.physical_type == "BYTE_ARRAY" and chunk.num_values * chunk.total_uncompressed_size > REPEATED_BYTES
    }
    if repeated:
        _check_repeated(pq.ParquetFile(path, read_dictionary=sorted(repeated)), options, where, rows)


def _check_repeated(file: Any, options: config.Rows, where: str, rows: int | None) -> None:
    """Look at texts that Parquet keeps once for many rows before they are written out for each.

    A megabyte of text in a million rows is a file of a kilobyte.
    """
    import pyarrow.compute as pc

    for field in file.schema_arrow:
        if "dictionary<" not in str(field.type) or not _may_be_large(file, field.name):  # as it is, or nested
            continue
        total = 0
        for batch in file.iter_batches(rows or 1 << 16, columns=[field.name]):
            total = 0 if rows is not None else total
            for texts in _dictionaries(batch.column(0)):
                lengths = pc.fill_null(pc.binary_length(texts.dictionary), 0).cast("int64")
                longest = pc.max(lengths).as_py() or 0
                if longest > 4 * options.max_cell:  # characters take up to four bytes
                    raise DataError(
                        f"{where}: a cell of column {field.name[:60]!r} has {longest // 4:,} characters or more, "
                        + _beyond(options, where, longest)
                    )
                counts = pc.value_counts(texts.indices.drop_null())
                each = pc.multiply(lengths.take(counts.field(0)), counts.field(1))
                total += pc.sum(each).as_py() or 0
            check_memory(total, f"{where}, with the texts of column {field.name[:60]!r} written out,")


def _may_be_large(file: Any, name: str) -> bool:
    """Whether the longest text of the dictionaries of a column would be too much, if it stood in all rows."""
    import pyarrow.compute as pc

    total = 0
    for group in range(file.metadata.num_row_groups):
        about = file.metadata.row_group(group)
        values = sum(about.column(i).num_values for i in range(about.num_columns) if _belongs(about.column(i), name))
        for batch in file.iter_batches(
            1, row_groups=[group], columns=[name]
        ):  # its dictionary comes with the first row
            found = [
                pc.max(pc.binary_length(texts.dictionary)).as_py() or 0 for texts in _dictionaries(batch.column(0))
            ]
            total += values * max(found, default=0)
            break
    return total > REPEATED_BYTES


def _belongs(chunk: Any, name: str) -> bool:
    return chunk.path_in_schema == name or chunk.path_in_schema.startswith(f"{name}.")


def _dictionaries(array: Any) -> Iterator[Any]:
    """The dictionaries among an array of Arrow and what is nested in it."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        yield array
    elif pa.types.is_struct(array.type):
        for place in range(array.type.num_fields):
            yield from _dictionaries(array.field(place))
    elif pa.types.is_nested(array.type):
        yield from _dictionaries(array.values)

"""Files that unpack, or read, to far more than they are: refused by name, with the key that lets them in."""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adaptact import config, memory
from adaptact.data import limits
from adaptact.data.table import reading
from adaptact.data.text.text import read_folder
from adaptact.errors import DataError

Read = Callable[..., pd.DataFrame]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def write_and_read(content: bytes | None, name: str, **options: Any) -> pd.DataFrame:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        table = config.Table(name="table", path=str(tmp_path / name), target="y", **options)
        return reading.read(table.path, table, {"y"})[0]

    return write_and_read


# --- columns -------------------------------------------------------------------------------------------------------

WIDE = 30_001


def wide(separator: str = ",", length: int = 1) -> bytes:
    """A header of 30,001 names and two rows."""
    names = separator.join(f"c{i}".ljust(length, "x") for i in range(WIDE - 1)) + f"{separator}y\n"
    return (names + 2 * (separator.join("1" * WIDE) + "\n")).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    {
        "header.csv": wide(),
        "tabs.tsv": wide("\t"),
        "no_header.csv": 3 * (b",".join([b"1"] * WIDE) + b"\n"),
        "long_names.csv": wide(length=100),  # 3 MB: beyond what is looked at to detect separator and header
        "below_a_title.csv": b"Report\n\n" + wide(),
        "names_of_two_lines.csv": b",".join([b'"a\nb"'] * WIDE) + b"\n1\n",
        "packed.csv.gz": gzip.compress(wide()),
    }.items(),
)
def test_more_columns_than_allowed_are_refused_with_their_number(read: Read, name: str, content: bytes) -> None:
    with pytest.raises(
        DataError, match=rf"data\.path=.*{name} has [\d,]+ columns.* data\.max_columns=20000.*separator"
    ):
        read(content, name)


def test_more_columns_can_be_allowed(read: Read) -> None:
    assert read(b"a,b,c,y\n1,2,3,4\n", "t.csv", max_columns=4).shape == (1, 4)
    with pytest.raises(DataError, match=r"has 4 columns or more, beyond data\.max_columns=3.*data\.max_columns=4"):
        read(b"a,b,c,y\n1,2,3,4\n", "t.csv", max_columns=3)


def test_a_million_separators_in_a_later_row_are_refused_with_its_line(read: Read) -> None:
    with pytest.raises(DataError, match="line 3"):
        read(b"a,y\n1,0\n" + b"," * 1_000_000 + b"\n", "t.csv")


@pytest.mark.parametrize("suffix", ["parquet", "xlsx"])
def test_columns_of_other_kinds_of_files_count_too(read: Read, tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({f"c{i}": [1, 2] for i in range(12)})
    path = tmp_path / f"t.{suffix}"
    frame.to_parquet(path) if suffix == "parquet" else frame.to_excel(path, index=False)
    with pytest.raises(DataError, match=r"has 12 columns or more, beyond data\.max_columns=10"):
        read(None, path.name, max_columns=10)


# --- cells ---------------------------------------------------------------------------------------------------------

LONG = 5_000_000


@pytest.mark.parametrize(
    ("name", "content"),
    {
        "plain.csv": b"a,y\n1,0\n" + b"x" * LONG + b",1\n",
        "first.csv": b"x" * LONG + b",y\n1,0\n",
        "quoted.csv": b'a,y\n1,0\n"' + b"x,\n" * (LONG // 3) + b'",1\n',
        "open_quote.csv": b'a,b,y\n1,x,0\n1,"open,1\n' + b"1,abc,0\n" * (LONG // 8),
        "packed.csv.gz": gzip.compress(b"a,y\n" + b"0" * LONG),
        "wide_letters.csv": "a,y\n".encode("utf-16") + ("x" * LONG).encode("utf-16-le"),
    }.items(),
)
def test_a_cell_longer_than_allowed_is_refused(read: Read, name: str, content: bytes) -> None:
    with pytest.raises(
        DataError, match=rf"data\.path=.*{name}.* characters, beyond data\.max_cell=1000000.*quote sign"
    ):
        read(content, name)


def test_an_open_quote_is_found_before_the_file_has_been_read(tmp_path: Path) -> None:
    """Else all that comes after it is kept as one cell."""
    content = b'a,y\n"open,1\n' + b"1,0\n" * 4_000_000
    (tmp_path / "t.csv").write_bytes(content)
    table = config.Table(name="table", path=str(tmp_path / "t.csv"))
    blocks = 0
    with limits.Limits.of(table.path, "data.path=t.csv", table, whole=True).opened(",") as raw:
        error = None
        while error is None and blocks < len(content) >> 20:
            try:
                raw.read(1 << 20)
                blocks += 1
            except DataError as found:
                error = str(found)
    assert error is not None
    assert "a cell that begins at byte 4 " in error
    assert blocks < (len(content) >> 20) / 2


def test_signs_of_inches_and_closed_quotes_are_no_open_quotes(read: Read) -> None:
    rows = b"1,abc,0\n" * 600_000
    assert len(read(b'a,b,y\n1,5" pipe,0\n' + rows, "t.csv")) == 600_001
    assert len(read(b'a,b,y\n1,"5, pipe",0\n' + rows, "t.csv")) == 600_001
    assert len(read(b'a,b,y\n1,"x,",0\n' + rows, "t.csv")) == 600_001


def test_the_cell_that_is_too_long_is_named_by_row_and_column(read: Read) -> None:
    content = b"note,y\n" + b"short,1\n" * 60_000 + b"x" * 70_000 + b",0\n"
    assert len(read(content, "t.csv")) == 60_001
    with pytest.raises(DataError, match=r"row 60,001 in column 'note' has 70,000 characters, .*data\.max_cell=70000"):
        read(content, "t.csv", max_cell=20_000)
    assert len(read(content, "t.csv", max_cell=70_000)) == 60_001


def test_a_text_file_of_a_folder_is_a_cell(tmp_path: Path) -> None:
    for name, length in (("a", 10), ("b", 500)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text("x" * length)
    assert len(read_folder(str(tmp_path), max_cell=500)[0]) == 2
    with pytest.raises(
        DataError, match=r"data\.path: .*1\.txt has 500 bytes, beyond data\.max_cell=100 .*max_cell=500"
    ):
        read_folder(str(tmp_path), max_cell=100)


def test_a_number_of_many_digits_is_told_from_text_at_once() -> None:
    assert not reading._is_number("1" * 200_000 + "x")  # quadratic time would take minutes
    assert [*map(reading._is_number, ["1", "-1.", "+.5", "1,5e-3", "1.5.2", "e5", "."])] == [True] * 4 + [False] * 3


# --- packed files --------------------------------------------------------------------------------------------------


def test_a_gzip_file_that_unpacks_to_far_more_than_it_is_is_refused(read: Read) -> None:
    block = gzip.compress(b"1,0\n" * (1 << 18), 9)
    with pytest.raises(
        DataError, match=r"unpacks to more than \d+ MB from 0\.\d MB, beyond data\.max_ratio=100.*Unpack"
    ):
        read(gzip.compress(b"a,y\n") + block * 300, "bomb.csv.gz")


def test_the_ratio_can_be_allowed_and_small_files_are_free_of_it(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    content = gzip.compress(b"a,y\n" + b"1,0\n" * (1 << 20), 9)  # 4 MB, 250 times and more
    assert len(read(content, "t.csv.gz")) == 1 << 20
    monkeypatch.setattr(limits, "FREE_BYTES", 1 << 20)
    with pytest.raises(DataError, match=r"data\.max_ratio=100"):
        read(content, "t.csv.gz")
    assert len(read(content, "t.csv.gz", max_ratio=2000)) == 1 << 20


def test_a_table_beyond_the_free_memory_is_refused_before_it_is_read(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"a,y\n" + b"1,0\n" * 1000
    monkeypatch.setattr(memory, "available", lambda: 5000)
    with pytest.raises(DataError, match=r"data\.path=.* takes at least .* of memory, and .* are free: leave out"):
        read(content, "t.csv")
    table = config.Table(name="table", path=str(tmp_path / "t.csv"))
    assert sum(len(frame) for frame, _ in reading.chunks(table.path, table)) == 1000  # a piece at a time
    monkeypatch.setattr(memory, "available", lambda: None)
    assert len(read(content, "t.csv")) == 1000


def test_free_memory_is_that_of_the_machine_or_what_its_container_leaves(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable:   7 kB\n")
    assert memory._of_linux(tmp_path / "meminfo") == 7 << 10
    assert memory._of_linux(tmp_path / "none") is None
    assert memory._of_control_group(tmp_path) is None
    (tmp_path / "memory.current").write_text("600\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 100\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._of_control_group(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert memory._of_control_group(tmp_path) == 500
    free = memory.available()
    assert free is None or free > 0


# --- Excel ---------------------------------------------------------------------------------------------------------

HEADER = b'<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
MAIN = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def row(number: int, second: bytes = b"") -> bytes:
    cells = second or b'<c r="B%d"><v>%d</v></c>' % (number, number % 2)
    return b'<row r="%d"><c r="A%d"><v>%d</v></c>%s</row>' % (number, number, number % 7, cells)


ROWS = [row(number) for number in range(2, 60)]


def workbook(path: Path, sheet: Iterable[bytes], strings: Iterable[bytes] = (), doctype: bytes = b"") -> None:
    """A minimal .xlsx file from pieces of the XML of its sheet and of its shared strings."""
    office = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "/xl/workbook.xml": "sheet.main",
        "/xl/worksheets/sheet1.xml": "worksheet",
        "/xl/sharedStrings.xml": "sharedStrings",
    }
    types = "".join(f'<Override PartName="{part}" ContentType="{office}.{kind}+xml"/>' for part, kind in parts.items())
    content = f'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{types}</Types>'
    book = b'<workbook %s xmlns:r="%s"><sheets><sheet name="S" sheetId="1" r:id="a"/></sheets></workbook>'
    related = "".join(
        f'<Relationship Id="{name}" Type="{RELATIONS}/{kind}" Target="{target}"/>'
        for name, kind, target in (
            ("a", "worksheet", "worksheets/sheet1.xml"),
            ("b", "sharedStrings", "sharedStrings.xml"),
        )
    )
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("[Content_Types].xml", content)
        main = f'<Relationship Id="m" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
        file.writestr("_rels/.rels", f'<Relationships xmlns="{package}">{main}</Relationships>')
        file.writestr("xl/workbook.xml", book % (MAIN, RELATIONS.encode()))
        file.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{package}">{related}</Relationships>')
        with file.open("xl/worksheets/sheet1.xml", "w") as member:
            member.write(doctype + b"<worksheet %s><sheetData>" % MAIN)
            for piece in sheet:
                member.write(piece)
            member.write(b"</sheetData></worksheet>")
        with file.open("xl/sharedStrings.xml", "w") as member:
            member.write(doctype + b"<sst %s><si><t>a</t></si><si><t>y</t></si>" % MAIN)
            for piece in strings:
                member.write(piece)
            member.write(b"</sst>")


def test_the_workbook_of_these_tests_is_one(read: Read, tmp_path: Path) -> None:
    workbook(tmp_path / "t.xlsx", [HEADER, *ROWS])
    frame = read(None, "t.xlsx")
    assert list(frame.columns) == ["a", "y"]
    assert frame["a"].tolist() == [number % 7 for number in range(2, 60)]


@pytest.mark.parametrize("place", ["sheet", "strings"])
def test_a_workbook_that_unpacks_to_far_more_than_it_is_is_refused(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(limits, "FREE_BYTES", 1 << 22)
    many = [b"<si><t>x</t></si>" * 10_000] * 60 if place == "strings" else []
    blank = [b"<row/>" * 20_000] * 60 if place == "sheet" else []
    workbook(tmp_path / "t.xlsx", [HEADER, *ROWS, *blank], many)
    with pytest.raises(DataError, match=r"unpacks to more than 4 MB .*data\.max_ratio=100"):
        read(None, "t.xlsx")


def test_what_a_workbook_says_of_its_own_size_counts_for_nothing(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FREE_BYTES", 1 << 22)
    workbook(tmp_path / "t.xlsx", [HEADER, *ROWS], [b"<si><t>x</t></si>" * 10_000] * 60)
    with zipfile.ZipFile(tmp_path / "t.xlsx") as file:
        size = file.getinfo("xl/sharedStrings.xml").file_size.to_bytes(4, "little")
    content = (tmp_path / "t.xlsx").read_bytes()
    assert content.count(size) >= 1
    with pytest.raises(DataError, match=r"unpacks to more than"):
        read(content.replace(size, (99).to_bytes(4, "little")), "t.xlsx")


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        ([b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'], "1,048,576 rows and 16,384 columns"),
        ([b"<row><c s='1' r = 'XFD1048576'><v>1</v></c></row>"], "1,048,576 rows and 16,384 columns"),
        ([b"<row/>" * 70_000, b"<row>", b"<c><v>1</v></c>" * 16_000, b"</row>"], "70,060 rows and 16,000 columns"),
        ([b"<a:row/>" * 70_000, b"<a:row>", b"<a:c>1</a:c>" * 16_000, b"</a:row>"], "70,060 rows and 16,000 columns"),
    ],
)
def test_a_cell_far_off_takes_no_memory_for_all_that_lies_between(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[bytes], where: str
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 32 << 30)
    workbook(tmp_path / "t.xlsx", [HEADER, *ROWS, *rows])
    with pytest.raises(DataError, match=rf"sheet1\.xml\), with {where} up to its last cell, takes at least [\d,.]+ GB"):
        read(None, "t.xlsx")


def test_a_cell_far_below_is_no_reason_to_refuse_a_sheet(read: Read, tmp_path: Path) -> None:
    workbook(tmp_path / "t.xlsx", [HEADER, *ROWS, row(200_000)])
    assert len(read(None, "t.xlsx")) == 59


def test_a_cell_of_a_workbook_longer_than_allowed_is_refused(read: Read, tmp_path: Path) -> None:
    def inline(length: int) -> list[bytes]:
        text = b'<c r="B60" t="inlineStr"><is><t>%s</t></is></c>' % (b"x" * length)
        return [HEADER, *ROWS, row(60, text)]

    workbook(tmp_path / "t.xlsx", inline(20_000_000))
    with pytest.raises(DataError, match=r"sheet1\.xml\): a cell has more than 1,000,000 characters.*data\.max_cell="):
        read(None, "t.xlsx")
    workbook(tmp_path / "t.xlsx", inline(2_000_000))
    with pytest.raises(DataError, match=r"row 59 in column 'y' has 2,000,000 characters"):
        read(None, "t.xlsx")


LAUGHS = b'<!DOCTYPE l [<!ENTITY a "lol">%s]>' % b"".join(
    b'<!ENTITY %c "%s">' % (98 + i, (b"&%c;" % (97 + i)) * 10) for i in range(9)
)


@pytest.mark.parametrize("place", ["sheet", "strings"])
@pytest.mark.parametrize("kind", ["laughs", "file"])
def test_entities_of_a_workbook_are_neither_expanded_nor_read_from_files(
    read: Read, tmp_path: Path, place: str, kind: str
) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    own = b'<!DOCTYPE l [<!ENTITY j SYSTEM "%s">]>' % (tmp_path / "secret.txt").as_uri().encode()
    strings = [b"<si><t>&j;</t></si>"] if place == "strings" else []
    second = b'<c r="B60" t="s"><v>2</v></c>' if strings else b'<c r="B60" t="inlineStr"><is><t>&j;</t></is></c>'
    workbook(tmp_path / "t.xlsx", [HEADER, *ROWS, row(60, second)], strings, LAUGHS if kind == "laughs" else own)
    with pytest.raises(DataError, match=r"\.xml\) declares entities \(DOCTYPE\)") as caught:
        read(None, "t.xlsx")
    assert "secret" not in str(caught.value)


# --- Parquet -------------------------------------------------------------------------------------------------------


def test_a_parquet_file_of_few_bytes_and_many_rows_is_refused_before_it_is_read(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 1 << 30)
    table = pa.table({"a": np.zeros(1_000_000, dtype=np.int64), "y": np.zeros(1_000_000, dtype=np.int64)})
    with pq.ParquetWriter(tmp_path / "t.parquet", table.schema) as writer:
        for _ in range(80):
            writer.write_table(table)
    assert (tmp_path / "t.parquet").stat().st_size < 1 << 20
    with pytest.raises(DataError, match=r"with 80,000,000 rows, takes at least 1\.2 GB"):
        read(None, "t.parquet")


def test_pages_of_parquet_that_unpack_to_far_more_than_they_are_are_refused(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FREE_BYTES", 1 << 20)
    table = pa.table({"a": np.zeros(1_000_000), "y": np.zeros(1_000_000)})
    pq.write_table(table, tmp_path / "t.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(DataError, match=re.escape("data.max_ratio=100")):
        read(None, "t.parquet")


@pytest.mark.parametrize(
    ("length", "message"),
    [(5_000_000, r"column 'a' .*data\.max_cell=1000000"), (900_000, "with the texts of column 'a' written out, takes")],
)
def test_a_long_text_repeated_by_a_dictionary_is_refused(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, message: str
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 16 << 30)
    places = pa.array([None, *[0] * 99_999], pa.int32())  # the first row says nothing of the others
    texts = pa.DictionaryArray.from_arrays(places, ["x" * length])
    pq.write_table(pa.table({"a": texts, "y": np.zeros(100_000)}), tmp_path / "t.parquet", store_schema=False)
    assert (tmp_path / "t.parquet").stat().st_size < 1 << 20
    with pytest.raises(DataError, match=message):
        read(None, "t.parquet")


def test_a_long_text_repeated_within_lists_is_refused(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 16 << 30)
    texts = pa.DictionaryArray.from_arrays(np.zeros(100_000, dtype=np.int32), ["x" * 900_000])
    lists = pa.ListArray.from_arrays(np.arange(0, 100_001, 1000, dtype=np.int32), texts)
    rows = pa.StructArray.from_arrays([lists], ["b"])
    pq.write_table(pa.table({"a": rows, "y": np.zeros(100)}), tmp_path / "t.parquet", store_schema=False)
    with pytest.raises(DataError, match="with the texts of column 'a' written out, takes at least"):
        read(None, "t.parquet")

"""Files of every kind give the same cells; what is detected is right, can be set, and is said."""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from adaptact import config
from adaptact.data import load
from adaptact.data.table import reading
from adaptact.data.table.cell_values import decimal_mark, numbers, texts, typed
from adaptact.errors import DataError

ROWS = 90
Load = Callable[..., tuple[pd.DataFrame, reading.Format]]


@pytest.fixture
def read(tmp_path: Path) -> Load:
    def write_and_read(content: bytes | str, name: str = "t.csv", target: str = "y", **options: Any) -> Any:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        table = config.Table(name="table", path=str(tmp_path / name), target=target, **options)
        return reading.read(table.path, table, {target})

    return write_and_read


# --- kinds of files ------------------------------------------------------------------------------------------------


def mixed() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "日付": pd.date_range("2023-01-30", periods=ROWS, freq="9D"),
            "count": draw.integers(0, 900, ROWS),
            "price": [None if i % 8 == 0 else round(value, 3) for i, value in enumerate(draw.normal(0, 50, ROWS))],
            "region": [["東京", "大阪", None][i % 3] for i in range(ROWS)],
            "active": [i % 5 < 2 for i in range(ROWS)],
            "y": [["はい", "いいえ"][i % 7 % 2] for i in range(ROWS)],
        }
    )


WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "t.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "t.txt": lambda frame, path: frame.to_csv(path, index=False, sep=";"),
    "t.csv.gz": lambda frame, path: frame.to_csv(path, index=False, compression="gzip"),
    "packed_without_saying_so.csv": lambda f, path: path.write_bytes(gzip.compress(f.to_csv(index=False).encode())),
    "t.xlsx": lambda frame, path: frame.to_excel(path, index=False),
    "t.parquet": lambda frame, path: frame.to_parquet(path, index=False),
    "categories.parquet": lambda f, path: f.astype({"region": "category"}).to_parquet(path, index=False),
    "zones.parquet": lambda f, path: f.assign(日付=f["日付"].dt.tz_localize("Asia/Tokyo")).to_parquet(
        path, index=False
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same_data_as_csv(tmp_path: Path, name: str) -> None:
    frame = mixed()
    frame.to_csv(tmp_path / "plain.csv", index=False)
    WRITERS[name](frame, tmp_path / name)
    first, other = (
        load(config.Table(name="table", path=str(tmp_path / file), target="y")) for file in ("plain.csv", name)
    )
    assert first.input_shape == (2 + 5 + 1 + 2,)  # two numbers, five parts of the date, one flag, two categories
    assert other.labels == first.labels == ["いいえ", "はい"]
    for part in first.parts:
        assert torch.equal(first.parts[part].x, other.parts[part].x)
        assert torch.equal(first.parts[part].y, other.parts[part].y)


def test_a_time_of_day_in_excel_is_kept(tmp_path: Path) -> None:
    frame = mixed()
    frame["日付"] += pd.to_timedelta(np.arange(ROWS) % 24, unit="h")
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    data = load(config.Table(name="table", path=str(tmp_path / "t.xlsx"), target="y"))
    assert data.input_shape == (2 + 6 + 1 + 2,)  # the hour beside the five parts


def test_a_sheet_can_be_named_and_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as writer:
        pd.DataFrame({"note": ["nothing here"]}).to_excel(writer, sheet_name="読んで", index=False)
        mixed().to_excel(writer, sheet_name="売上", index=False)
    options = config.Table(name="table", path=str(path), target="y", sheet="売上")
    assert list(reading.read(str(path), options, {"y"})[0].columns) == list(mixed().columns)
    with pytest.raises(DataError, match=rf"data\.path={re.escape(str(path))} .*no sheet '在庫'"):
        reading.read(str(path), config.Table(name="table", path=str(path), target="y", sheet="在庫"))


def test_a_title_above_a_table_in_excel_is_left_out(tmp_path: Path) -> None:
    mixed().to_excel(tmp_path / "t.xlsx", index=False, startrow=3, startcol=1)
    import openpyxl

    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    book.active["A1"] = "売上報告 2024"
    book.save(tmp_path / "t.xlsx")
    options = config.Table(name="table", path=str(tmp_path / "t.xlsx"), target="y")
    frame, form = reading.read(options.path, options, {"y"})
    assert [name for name in frame.columns if not name.startswith("Unnamed")] == list(mixed().columns)
    assert (len(frame), form.skip) == (ROWS, 1)


def test_cells_of_excel_are_read_as_they_always_were(tmp_path: Path) -> None:
    """Values that earlier runs were trained on, by another reader: kind for kind and digit for digit."""
    import openpyxl

    day, moment, clock = datetime(2024, 1, 5), datetime(2024, 1, 5, 8, 30, 15), time(8, 30)
    span = timedelta(days=2, hours=1, minutes=3)
    cells: list[tuple[Any, str, Any]] = [  # as written, its format, as read
        ("007", "General", "007"),
        ("  x ", "General", "  x "),
        ("1e5", "General", "1e5"),
        (12, "General", 12),
        (12.0, "0.00", 12),
        (7, "000", 7),
        (12.5, '#,##0.00 "円"', 12.5),
        (0.123456789012345, "General", 0.123456789012345),
        (1e20, "General", 10**20),
        (-0.155, "0.0%", -0.155),
        (True, "General", True),
        (day, "yyyy-mm-dd", day),
        (day.date(), "yyyy-mm-dd", day),
        (moment, "yyyy-mm-dd hh:mm", moment),
        (45296, 'ggge"年"m"月"d"日"', day),
        (clock, "hh:mm", clock),
        (span, "[h]:mm:ss", span),
        (2.25, "# ?/?", 2.25),
        ("#N/A", "General", None),  # the error, not the text
        (None, "General", None),
    ]
    book = openpyxl.Workbook()
    for number, (value, form, _) in enumerate(cells, start=1):
        cell = book.active.cell(number, 2, value)
        cell.number_format = form
        cell.data_type = "e" if value == "#N/A" else cell.data_type
        book.active.cell(number, 1, "row")
    book.active.merge_cells("C1:D5")
    book.active["C1"] = "merged"
    book.create_sheet("hidden", 0).sheet_state = "hidden"
    book["hidden"]["A1"] = "first"
    book.save(tmp_path / "t.xlsx")
    frame = pd.read_excel(tmp_path / "t.xlsx", sheet_name=1, header=None, dtype=object, engine="calamine")
    for found, (_, _, expected) in zip(frame[1], cells, strict=True):
        assert (found, type(found)) == (expected, type(expected)) or (expected is None and pd.isna(found))
    assert frame[2].dropna().tolist() == ["merged"]
    options = config.Table(name="table", path=str(tmp_path / "t.xlsx"), header="false", sheet="Sheet")
    read = reading.read(options.path, options)[0]
    assert read["1"].dropna().tolist() == [
        *("007", "x", "1e5", "12", "12", "7", "12.5", "0.123456789012345", "100000000000000000000", "-0.155", "True"),
        *("2024-01-05", "2024-01-05", "2024-01-05 08:30:15", "2024-01-05", "08:30:00", "2 days, 1:03:00", "2.25"),
    ]
    assert reading.read(options.path, config.Table(name="table", path=options.path, header="false"))[0].shape == (1, 1)


# a table of five columns as Excel 97 to 2003 writes it (BIFF8), packed
XLS = (
    "eNrtWE1oE0EU/mZ/8keaJrUVW6GEgo3GFioe9NJGpdpTQ/Viq4L2J5RQSWqoh+rBas1REARB8VKoB0Hqz8F/QfHiQajoQRGERPHUk6Lgoc365m"
    "W2prVCA7ZQ2S/sm3lvZr73sjNvdnZfT4dyE3fq8liENugoWF64SmyCLq+tBEHtliWrdumhy3KwpuD10ES6TDyueOWWcyjnOw8Nt43nJIFPdB3B"
    "MOLpVCK8itjDMfQKGUMrSYFrZAmglqOqYtnPch3LW9zzCctdbLnAspX65sQhTMfi0Z1qFXdrDdwWgOS9z2M+sGUbavBSruIzF0Wxr4ndmWTv8T"
    "XWUG/4MQma0I5EKpGReiWuwwf0EJo7O5vb23OopsmexA8rDHy3s/pZ2LGvrl2A7D8X2t1/sXtoEhfbL2kGMAbrGCdJFn5EDNmiiW/dvvgsJYNH"
    "bc3U/iXxPm5S4qRPpkaoHM4k+xOU8ZnEYDKdoiU0Sn1ODN6M60BLyw5SIj3Ryz657fM2EVywTVRw+vhJDqCS6yFOoiB5m73x9U1nX1fsKFvG2H"
    "/xAbJJxgsLZ+UIGhzgFg6ZVi8Q5RFbWZ5j1o1cr2NZTX2obOyqUZV949znPLc2kp/tjLexSEl9M9WzM/sf1Gc/x7ZQfaojf6p66l1sAg30QBug"
    "8fI3jibRJK5ekXgYs0uhNpuPLGv/2Hg8WlDFbqmnZCXmZKoRQiyLmrw7Yl7T1L0qajpp+rxmkGYoZrGI+Sk2sK0Kd19IDhd7OaxJRjlaMJe8j6"
    "bmIc3gGCSTtgRTcSu9x0w+ZprRbSaNmVyKSWMmwUz6Ekw6Mz1ipgAznTZtJp2Z3IpJVzG1aeRZBkAr9Dd8cODAgQMHDhw4cLCiEHwYBR/gDHUE"
    "l4c+t/quM0dXwflM8t/iANL0G6GXyr1IUZnBaFnrZz1MYXOJZY6xvxdKHCTvGQyhj+MYKnv90suZKP0/yx4Y/HcpVK7/QjlxrrD/XzBk5c0="
)


def test_a_table_of_old_excel_is_read(read: Load) -> None:
    frame, form = read(zlib.decompress(base64.b64decode(XLS)), "t.xls")
    assert frame["日付"].tolist() == [pd.Timestamp(2024, 1, day) for day in (1, 2, 3)]
    assert frame[["count", "price"]].to_numpy().tolist() == [[1, 1.5], [2, 2.5], [3, 3.5]]
    assert frame["region"].tolist() == ["東京", "007", "大阪"]
    assert frame["y"].tolist() == ["False", "True", "False"]
    assert form == reading.Format("Excel", "")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<html><body><table><tr><td>1</td></tr></table></body></html>", "it is text, whatever its name says"),
        (b"a\tb\n1\t2\n", "it is text, whatever its name says"),
        (b"\xd0\xcf\x11\xe0" + bytes(600) + "EncryptedPackage".encode("utf-16-le"), "protected by a password"),
    ],
)
@pytest.mark.parametrize("name", ["t.xls", "t.xlsx"])
def test_what_is_no_excel_table_is_called_what_it_is(read: Load, name: str, content: bytes, why: str) -> None:
    with pytest.raises(DataError, match=rf"data\.path=.* cannot be read as an Excel table: .*{why}"):
        read(content, name)


@pytest.mark.parametrize("name", ["t.xlsx", "t.parquet", "t.csv.gz"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no", b"PAR1 no PAR1", b"\x1f\x8b no", b"a,y\n"], ids=repr)
def test_a_broken_file_is_refused_with_its_path_and_key(read: Load, tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(DataError, match=rf"data\.path={re.escape(str(tmp_path / name))} "):
        read(content, name)


def test_a_cut_gzip_file_is_refused(read: Load) -> None:
    whole = gzip.compress(mixed().to_csv(index=False).encode())
    with pytest.raises(DataError, match="damaged gzip"):
        read(whole[:-30], "t.csv.gz")


# --- encodings -----------------------------------------------------------------------------------------------------

TABLES = {
    "japanese": "顧客番号;地域;解約\n1;東京都;はい\n2;大阪府;いいえ\n3;北海道;はい\n",
    "japanese short": "性別,y\n男,1\n女,0\n",
    "half-width katakana": "ｶﾅ,y\nﾄｳｷｮｳ,1\nｵｵｻｶ,0\n",
    "japanese with signs": "品名,y\n①ネジ（大）,1\n㈱ボルト～,0\n",
    "french": "prénom,région,y\nHélène,Île-de-France,oui\nFrançois,Rhône,non\nZoë,Cœur,oui\n",
    "german": "Größe;Straße;y\n1,5;Müllerstraße;ja\n2,5;Königsallee;nein\nÄÖÜ;Übergröße;ja\n",
    "german capitals": "GRÖSSE;MÜLL;y\n1;ÄUSSERST ÖL;JA\n2;ÜBER;NEIN\n",
    "spanish": "año,niño,y\n1,señor,sí\n2,«qué»,no\n",
    "prices": "a,y\n5 €,1\n7 €,0\n",
    "ascii": "a,b,y\n1,2,x\n3,4,z\n",
}


def encodings() -> list[tuple[str, str, str]]:
    cases = []
    for name, text in TABLES.items():
        for encoding, found in (
            ("utf-8", "utf-8"),
            ("utf-8-sig", "utf-8"),
            ("utf-16", "utf-16"),
            ("cp932", "cp932"),
            ("cp1252", "cp1252"),
        ):
            try:
                text.encode(encoding)
            except UnicodeEncodeError:
                continue
            if name != "ascii" or encoding == "utf-8":
                cases.append((name, encoding, found))
    return cases


@pytest.mark.parametrize(("name", "encoding", "found"), encodings())
def test_the_encoding_is_found(read: Load, name: str, encoding: str, found: str) -> None:
    text = TABLES[name]
    separator = ";" if ";" in text else ","
    frame, form = read(text.encode(encoding))
    header, *rows = [line.split(separator) for line in text.splitlines()]
    assert form.encoding.removesuffix("-sig") == found
    assert list(frame.columns) == header
    assert frame.to_numpy().tolist() == rows


def test_the_encoding_of_a_long_file_is_found_where_the_first_letter_comes_late(read: Load) -> None:
    lines = ["id,region,y", *(f"{i},tokyo,1" for i in range(120_000)), *(f"{i},東京都,0" for i in range(2000))]
    frame, form = read("\n".join(lines).encode("cp932"))
    assert form.encoding == "cp932"
    assert frame["region"].iloc[-1] == "東京都"


@pytest.mark.parametrize("encoding", ["cp932", "shift_jis", "Shift-JIS", "utf-8"])
def test_an_encoding_can_be_set(read: Load, encoding: str) -> None:
    text = TABLES["japanese"] if encoding == "utf-8" else TABLES["japanese with signs"]  # signs of Windows alone
    content = ("\ufeff" + text).encode() if encoding == "utf-8" else text.encode("cp932")
    frame, _ = read(content, encoding=encoding)
    assert frame.columns[0] == text[: len(frame.columns[0])]
    assert frame.iloc[-1, -1] == text.strip()[-len(frame.iloc[-1, -1]) :]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_wrong_encoding_is_refused_with_the_way_out(read: Load, encoding: str) -> None:
    with pytest.raises(DataError, match=rf"data\.path=.* is not {encoding} text: set data\.encoding=cp932"):
        read(TABLES["japanese"].encode("cp932"), encoding=encoding)


@pytest.mark.parametrize("encoding", ["klingon", "hex", "rot13", "punycode", "utf-16", "a\x00b", ""])
def test_an_encoding_that_is_none_is_a_data_error(read: Load, encoding: str) -> None:
    with pytest.raises(DataError, match=r"data\.(encoding|path)="):
        read(TABLES["japanese"], encoding=encoding)


# --- separators, header, what stands above -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "separator", "columns"),
    [
        ("a;y\n1,5;2,5\n3,5;4,5\n" * 9, ";", 2),
        ("1,5;2,5\n" * 20, ";", 2),
        ("Preis, EUR;Menge, kg;y\n1,50;2,25;a\n", ";", 3),
        ("a,b,y\nx;1,2,3\nx;2,4,5\n" + "x;3,4,5\n" * 9, ",", 3),
        ("a|b|y\n1|2|3\n", "|", 3),
        ("a\tb c\ty\n1\t2, 3\t4\n", "\t", 3),
        ("y\n1\n2\n", ",", 1),
        ("text,y\n" + 'one, two; three; four,1\n"so; so",0\n' * 5, ",", 2),
    ],
)
def test_the_separator_is_found(text: str, separator: str, columns: int) -> None:
    assert reading.detect_separator(text) == separator
    assert reading.usual_width(reading.first_lines(text, separator)) == columns


def test_a_separator_can_be_set(read: Load) -> None:
    assert list(read("a b y\n1 2 3\n", separator=" ")[0].columns) == ["a", "b", "y"]
    assert list(read("a,b\ty\n1,2\t3\n", separator="\\t")[0].columns) == ["a,b", "y"]
    assert list(read("a:y\n1:3\n", separator=":")[0].columns) == ["a", "y"]


@pytest.mark.parametrize("separator", ["", ";;", '"', "\n"])
def test_a_separator_that_cannot_be_one_is_refused(read: Load, separator: str) -> None:
    with pytest.raises(DataError, match=r"data\.separator="):
        read("a,y\n1,2\n", separator=separator)


@pytest.mark.parametrize(
    ("text", "target", "header"),
    [
        ("39,Private,77516,<=50K\n50,?,83311,>50K\n38,Private,215646,<=50K\n", "3", False),
        ("p,x,s\ne,x,y\np,b,s\n" + "p,x,s\n" * 9, "0", False),
        ("1,2\n3,4\n5,6\n", "1", False),
        ("?,a\n2,b\n3,c\n4,a\n", "1", False),
        ("0,1,2\n5,x,7\n6,y,8\n", "2", True),
        ("age,job,pay\n39,a,1\n50,b,2\n", "pay", True),
        ("age,job,pay\n39,a,1\n50,b,2\n", "payy", True),
        ("name,2019,2020\na,1,2\nb,3,4\n", "2020", True),
        ("2019,2020,2021\n1,2,3\n3,4,5\n", "2020", True),
        ("name,1,2,sum\na,1,2,3\nb,1,3,4\n", "2", True),
        ("地域,解約\n東京,はい\n大阪,いいえ\n", "解約", True),
        ("y\n", "y", True),
    ],
)
def test_a_header_is_found_where_there_is_one(text: str, target: str, header: bool) -> None:
    assert reading.has_header(reading.first_lines(text, ","), {target}) is header


def test_without_a_header_columns_are_numbered_and_it_is_said(read: Load) -> None:
    text = "39, State-gov, <=50K\n50, Private, >50K\n38, Private, <=50K\n"
    frame, form = read(text, target="2")
    assert list(frame.columns) == ["0", "1", "2"]
    assert frame["1"].tolist() == ["State-gov", "Private", "Private"]
    assert str(form) == "utf-8, comma, no header (columns are numbered from 0)"


def test_whether_there_is_a_header_can_be_set(read: Load) -> None:
    text = "1,2\n3,4\n5,6\n"
    assert read(text, target="1", header="true")[0].to_numpy().tolist() == [["3", "4"], ["5", "6"]]
    assert list(read("a,y\n1,2\n", header="false")[0].columns) == ["0", "1"]
    with pytest.raises(DataError, match=r"no column 'y'.* 0, 1\. .*data\.header=true"):
        load(config.Table(name="table", path=str(_write(read, "1,2\n3,4\n")), target="y"))


def _write(read: Load, text: str) -> Path:
    """The path of a file that the fixture has written."""
    read(text)
    path = read.__closure__[0].cell_contents  # type: ignore[attr-defined]
    return Path(path) / "t.csv"


@pytest.mark.parametrize(
    "above",
    [
        "Sales report\n",
        "Sales report\n\n",
        '"Report, of\nMay"\n\n',
        "Report of 2024,,,\n",
        ",,,\n",
        "|1x3 Cross validator\n",
    ],
    ids=repr,
)
@pytest.mark.parametrize("separator", [",", ";"])
def test_lines_above_the_table_are_left_out(read: Load, above: str, separator: str) -> None:
    body = "a,b,c,y\n" + "".join(f"{i},{i}.5,x{i % 3},{i % 2}\n" for i in range(30))
    frame, form = read((above + body).replace(",", separator))
    assert list(frame.columns) == ["a", "b", "c", "y"]
    assert len(frame) == 30
    assert form.skip >= 1
    assert "above the table left out" in str(form)


def test_a_table_of_two_columns_loses_nothing(read: Load) -> None:
    frame, _ = read(",y\n" + "".join(f"{i},{i % 2}\n" for i in range(30)))
    assert list(frame.columns) == ["Unnamed: 0", "y"]
    assert len(frame) == 30
    assert len(read("Title\na,y\n1,2\n3,4\n")[0]) == 2


def test_further_marks_of_missing_values(read: Load) -> None:
    text = "a,b,y\nunknown,-,1\nx, unknown ,0\n"
    assert read(text)[0].isna().sum().sum() == 0
    frame, _ = read(text, missing=["unknown", "-"])
    assert frame.isna().to_numpy().tolist() == [[True, True, False], [False, True, False]]


def test_short_rows_have_missing_cells_and_long_ones_are_refused_with_their_line(read: Load) -> None:
    assert read("a,b,y\n1,2,3\n4,5\n")[0]["y"].isna().tolist() == [False, True]
    with pytest.raises(DataError, match=r"data\.path=.*line 3"):
        read("a,b,y\n1,2,3\n4,5,6,7\n")


def test_chunks_are_the_table_in_its_order(tmp_path: Path) -> None:
    frame = mixed()
    for name in ("t.csv", "t.parquet"):
        frame.to_csv(tmp_path / name, index=False) if name == "t.csv" else frame.to_parquet(tmp_path / name)
        options = config.Table(name="table", path=str(tmp_path / name), target="y")
        pieces = [piece for piece, _ in reading.chunks(options.path, options, {"y"}, rows=20)]
        assert max(map(len, pieces)) == 20
        whole = pd.concat(pieces, ignore_index=True)
        assert numbers(whole["count"]).tolist() == frame["count"].tolist()


def test_a_parquet_file_is_read_whole_as_it_is_in_pieces(tmp_path: Path) -> None:
    frame = mixed().assign(**{"a.b": 1.5, " cost ": np.arange(len(mixed()), dtype=np.float32)})
    frame["whole"] = pd.array([None, *range(1, len(frame))], dtype="Int64")
    frame["nested"] = [{"b": number} for number in range(len(frame))]
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=7)
    options = config.Table(name="table", path=str(tmp_path / "t.parquet"), target="y")
    whole, form = reading.read(options.path, options, {"y"})
    pieces = [piece for piece, _ in reading.chunks(options.path, options, {"y"}, rows=10)]
    assert str(form) == "Parquet, header"
    assert "cost" in whole.columns
    assert whole["cost"].dtype == np.float32  # half of what float64 takes
    pd.testing.assert_frame_equal(whole, pd.concat(pieces, ignore_index=True))


# --- cells ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "decimal", "value"),
    [
        ("1.5", ".", 1.5),
        ("1,5", ",", 1.5),
        ("1.234,5", ",", 1234.5),
        ("1,234.5", ".", 1234.5),
        ("1,234,567", ".", 1234567),
        ("1.234.567", ",", 1234567),
        ("0.123", ",", 0.123),
        ("¥1,200", ".", 1200),
        ("￥１，２００", ".", 1200),
        ("1200円", ".", 1200),
        ("$ 5", ".", 5),
        ("5,5 €", ",", 5.5),
        ("12 %", ".", 12),
        ("1 234 567", ".", 1234567),
        ("1\u202f234,5", ",", 1234.5),
        ("−3", ".", -3),
        ("▲1,000", ".", -1000),
        ("１２．５", ".", 12.5),
        ("1e3", ".", 1000),
        (".5", ".", 0.5),
        ("1,5", ".", np.nan),
        ("12,34,5", ".", np.nan),
        ("2024-01-05", ".", np.nan),
        ("5 kg", ".", np.nan),
        ("e", ".", np.nan),
        ("inf", ".", np.nan),
        ("1e999", ".", np.nan),
        ("True", ".", np.nan),
    ],
)
def test_numbers_as_people_write_them(cell: str, decimal: str, value: float) -> None:
    for column in (pd.Series([cell, None, "7"]), pd.Series([cell, None, "7"], dtype=object)):
        np.testing.assert_equal(numbers(column, decimal).tolist(), [value, np.nan, 7.0])


@pytest.mark.parametrize(
    ("cells", "mark"),
    [
        (["1,5", "2"], ","),
        (["0,125", "2,500"], ","),
        (["1.250,375"], ","),
        (["1.5", "1,500"], "."),
        (["1,250.5"], "."),
        (["0.125"], "."),
        (["1,500", "2,250"], None),
        (["1.500", "2.250"], None),
        (["1", "2"], None),
        (["1.25", "3.75", "1,5"], "."),
        (["red, blue", "1,5", "green"], None),
        (["", "a"], None),
    ],
)
def test_the_decimal_mark_is_told_by_cells_that_leave_no_choice(cells: list[str], mark: str | None) -> None:
    assert decimal_mark(pd.Series(cells)) == mark


def test_each_column_has_its_own_decimal_mark(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    plain = {
        "a": draw.normal(size=ROWS).round(2),
        "b": draw.normal(size=ROWS).round(3),
        "c": draw.integers(1000, 9999, ROWS),
    }
    y = [i % 2 for i in range(ROWS)]
    pd.DataFrame({**plain, "y": y}).to_csv(tmp_path / "plain.csv", index=False)
    shown = {
        "a": [f"{v:.2f}".replace(".", ",") for v in plain["a"]],
        "b": [f"{v:.3f}" for v in plain["b"]],
        "c": [f"{v:,}" for v in plain["c"]],
    }
    pd.DataFrame({**shown, "y": y}).to_csv(tmp_path / "shown.csv", index=False, sep=";")
    first, other = (
        load(config.Table(name="table", path=str(tmp_path / f"{n}.csv"), target="y")) for n in ("plain", "shown")
    )
    for part in first.parts:
        assert torch.equal(first.parts[part].x, other.parts[part].x)


def test_thousands_follow_the_mark_of_the_other_columns(read: Load, tmp_path: Path) -> None:
    rows = "".join(f"1.{i:03};{i},5;{i % 2}\n" for i in range(100, 160))
    _write(read, "big;small;y\n" + rows)
    data = load(config.Table(name="table", path=str(tmp_path / "t.csv"), target="y"))
    assert data.preparation.profile["big"]["quantiles"][0] == 1100  # type: ignore[union-attr]
    set_to_point = load(
        config.Table(name="table", path=str(tmp_path / "t.csv"), target="y", decimal=".", drop=["small"])
    )
    assert set_to_point.preparation.profile["big"]["quantiles"][0] == 1.1  # type: ignore[union-attr]


def test_cells_of_spreadsheets_become_what_one_would_have_typed() -> None:
    moments = [pd.Timestamp("2024-01-05"), pd.Timestamp("2024-01-05 08:30")]
    assert texts(pd.Series([1.0, "x", None, True, moments[0], moments[1]], dtype=object)).tolist()[:2] == ["1", "x"]
    assert texts(pd.Series([moments[0], moments[1], "x"], dtype=object)).tolist() == [
        "2024-01-05",
        "2024-01-05 08:30:00",
        "x",
    ]
    assert typed(pd.Series([1, 2, 3], dtype=object)).tolist() == [1, 2, 3]
    assert typed(pd.Series([1, None, 2.5], dtype=object)).dtype == np.float64
    assert typed(pd.Series([*moments, None], dtype=object)).tolist()[:2] == moments
    assert texts(pd.Series([2**60 + 1, 12345678])).tolist() == [str(2**60 + 1), "12345678"]

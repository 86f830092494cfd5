"""What a column is for: told by its cells, or by the person."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from adaptact import config
from adaptact.data import Prepared, load
from adaptact.data.table import reading
from adaptact.data.table.cell_values import texts
from adaptact.data.table.preparation import TablePreparation
from adaptact.data.table.roles import Column, Roles, as_roles, calendar, date_format, dates, infer_roles
from adaptact.errors import DataError

ROWS = 120
SENTENCES = [
    "機械の音が大きく、振動も前の日より強かったので止めた。",
    "朝から温度が高いままで、午後になっても下がらなかった。",
]


def table(**columns: list[Any]) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {"x": draw.normal(size=ROWS).round(3), **columns, "y": [["a", "b"][i % 3 % 2] for i in range(ROWS)]}
    )


def options_for(folder: Path, frame: pd.DataFrame, **options: Any) -> config.Table:
    frame.to_csv(folder / "t.csv", index=False)
    return config.Table(**{"name": "table", "path": str(folder / "t.csv"), "target": "y", **options})


def roles_of(data: Prepared) -> dict[str, str]:
    assert isinstance(data.preparation, TablePreparation)
    return {column.name: column.role for column in data.preparation.roles.columns}


def role_of(folder: Path, cells: list[Any], **options: Any) -> Column:
    data = load(options_for(folder, table(列=cells), **options))
    assert isinstance(data.preparation, TablePreparation)
    return data.preparation.roles["列"]


@pytest.mark.parametrize(
    ("cells", "role"),
    [
        ([f"{i % 17}" for i in range(ROWS)], "numeric"),
        ([f"¥{i:,}000" for i in range(ROWS)], "numeric"),
        ([f"{i}.5" if i % 9 else "不明" for i in range(ROWS)], "numeric"),
        (["yes" if i % 2 else "no" for i in range(ROWS)], "categorical"),
        (["true" if i % 2 else "" for i in range(ROWS)], "categorical"),
        ([f"town {i % 70}" for i in range(ROWS)], "categorical"),
        ([f"2024/{1 + i % 12}/{1 + i % 28}" for i in range(ROWS)], "date"),
        ([f"C-{i:05}" for i in range(ROWS)], "identifier"),
        ([f"call back because of case {i}" for i in range(ROWS)], "text"),
        ([SENTENCES[i % 2] + f"第{i}号" for i in range(ROWS)], "text"),
        (["one"] * ROWS, "constant"),
        ([""] * ROWS, "constant"),
    ],
)
def test_a_role_follows_from_the_cells(tmp_path: Path, cells: list[str], role: str) -> None:
    column = role_of(tmp_path, cells)
    assert column.role == role
    assert ("'列'" in column.note) == (
        role in {"identifier", "text", "constant"} or "不明" in cells or "town 1" in cells
    )


@pytest.mark.parametrize("name", ["id", "ID", "番号", "Unnamed: 0"])
def test_a_column_that_numbers_the_rows_is_an_identifier(tmp_path: Path, name: str) -> None:
    counting = [str(i) for i in range(ROWS)]
    frame = table(**{name: counting, "year": [str(1900 + i) for i in range(ROWS)]})
    roles = roles_of(load(options_for(tmp_path, frame)))
    assert (roles[name], roles["year"]) == ("identifier", "numeric")


def test_rows_with_other_roles_than_inferred(tmp_path: Path) -> None:
    ids, words = [f"C-{i:05}" for i in range(ROWS)], [f"a note on case {i}" for i in range(ROWS)]
    when = [f"2024010{1 + i % 9}" for i in range(ROWS)]
    frame = table(id=ids, words=words, when=when, code=[str(i % 4) for i in range(ROWS)])
    data = load(options_for(tmp_path, frame, categorical=["id", "code"], date=["when"], text=["x"], drop=["words"]))
    expected = {"x": "text", "id": "categorical", "words": "drop", "when": "date", "code": "categorical"}
    assert roles_of(data) == expected
    assert data.layout is not None
    assert data.layout.n_numeric == 5  # parts of the date
    assert data.layout.cardinalities[1] == 4 + 1


@pytest.mark.parametrize(("role", "message"), [("numeric", "no numbers, as 'p'"), ("date", "no dates, as 'p'")])
def test_a_role_that_the_cells_contradict_is_refused(tmp_path: Path, role: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"data\.{role}: column '列' has values that are {message}"):
        role_of(tmp_path, ["p", "q"] * (ROWS // 2), **{role: ["列"]})


# --- a file of roles -----------------------------------------------------------------------------------------------


def with_roles(folder: Path, text: str | bytes, **options: Any) -> Prepared:
    (folder / "roles.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    frame = table(
        **{
            "売上 (千円)": [str(i % 9) for i in range(ROWS)],
            "2024": [str(i % 5) for i in range(ROWS)],
            "yes": [str(i % 7) for i in range(ROWS)],
        }
    )
    return load(options_for(folder, frame, roles=str(folder / "roles.yaml"), **options))


def test_roles_from_a_file_are_obeyed(tmp_path: Path) -> None:
    text = "\ufeffcategorical:\n- 売上 (千円)\n- 2024\n- yes\ndrop:\n"
    roles = roles_of(with_roles(tmp_path, text))
    assert roles == {"x": "numeric", "売上 (千円)": "categorical", "2024": "categorical", "yes": "categorical"}


def test_lists_of_the_command_line_go_before_those_of_the_file(tmp_path: Path) -> None:
    roles = roles_of(with_roles(tmp_path, "categorical: ['2024', yes]", numeric=["2024"]))
    assert (roles["2024"], roles["yes"]) == ("numeric", "categorical")


DEEP = "a: " + "[" * 3000 + "]" * 3000
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "- x",
        "numeric: x",
        "numeric: {x: 1}",
        "numeric: [[x]]",
        "numeric: [x",
        "numeric: [nothing]",
        "numbers: [x]",
        "numeric: [x]\ncategorical: [x]",
        "numeric: [!!python/object/apply:os.system ['false']]",
        "? [a]\n: [x]",
        "numeric: [2024-99-99]",
        "numeric: [\x07]",
        b"\xff\xfe\x00",
        "numeric: [売上]".encode("cp932"),
        DEEP,
        LAUGHS,
    ],
    ids=lambda text: repr(text[:40]),
)
def test_a_broken_or_hostile_file_of_roles_is_refused_and_named(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(DataError, match=r"data\.roles=.*roles\.yaml"):
        with_roles(tmp_path, text)


def test_a_file_of_roles_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.roles=nowhere\.yaml cannot be read"):
        load(options_for(tmp_path, table(), roles="nowhere.yaml"))


# --- dates ---------------------------------------------------------------------------------------------------------

MOMENT = pd.Timestamp("2023-11-25 14:30:00")


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-25", "2023/11/25", "2023/11/5", "25.11.2023", "25/11/2023", "11/25/2023", "2023年11月25日",
        "2023年11月5日",
        "25-11-2023", "25-Nov-2023", "2023.11.25", "2023-11-25 14:30:00", "2023-11-25T14:30:00", "2023-11-25T14:30:00Z",
        "2023/11/25 14:30", "25.11.2023 14:30", "11/25/2023 14:30", "2023-11-25 14:30:00.123",
    ],
)  # fmt: skip
def test_dates_as_people_write_them(text: str) -> None:
    format = date_format(pd.Series([text, text]))
    assert format is not None
    (found,) = dates(pd.Series([text]), format)
    day = 5 if text in {"2023/11/5", "2023年11月5日"} else 25
    assert found.floor("s") == (MOMENT if "14:30" in text else pd.Timestamp(2023, 11, day))


def test_day_and_month_are_told_apart_by_days_beyond_twelve() -> None:
    assert date_format(pd.Series(["01/02/2023", "03/25/2023"])) == "%m/%d/%Y"
    assert date_format(pd.Series(["01/02/2023", "25/03/2023"])) == "%d/%m/%Y"


@pytest.mark.parametrize(
    "cells", [["12.5", "3.25"], ["1001-05", "7-12"], ["x"], ["10:30", "11:45"], ["2023-13-45"], []]
)
def test_what_is_no_date(cells: list[str]) -> None:
    assert date_format(pd.Series(cells, dtype=str)) is None


def test_the_calendar_parts_of_a_date() -> None:
    cells = pd.Series(["2000-01-03 06:00:00", None, "2024-02-29 23:00:00"])
    column = Column("d", "date", format="%Y-%m-%d %H:%M:%S")
    parts = calendar(cells, column)
    expected = {
        "d (month)": [1, np.nan, 2],
        "d (day)": [3, np.nan, 29],
        "d (weekday)": [0, np.nan, 3],
        "d (hour)": [6, np.nan, 23],
        "d (year)": [2000, np.nan, 2024],
        "d (days)": [2.25, np.nan, 8825 + 23 / 24],
    }
    assert list(parts) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(parts[name], values)
    assert not {"d (year)", "d (days)"} & set(calendar(cells, column, elapsed=False))
    assert list(calendar(pd.Series(["2024-02"]), Column("d", "date", format="%Y-%m"), elapsed=False)) == ["d (month)"]


def test_a_date_with_some_odd_cells_is_one_and_they_are_counted(tmp_path: Path) -> None:
    cells = [f"2024-01-{1 + i % 28:02}" for i in range(ROWS - 1)]
    column = role_of(tmp_path, [*cells, "someday"])
    assert column.role == "date"
    assert "1 cells that are no dates, such as 'someday'" in column.note


def test_a_column_that_is_called_like_a_part_of_a_date_stays_beside_it(tmp_path: Path) -> None:
    days = [f"2024-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(ROWS)]
    other = [str((i * 7) % 31) for i in range(ROWS)]
    plain = load(options_for(tmp_path, table(when=days, other=other)))
    named = load(options_for(tmp_path, table(**{"when": days, "when (month)": other})))
    assert torch.equal(plain.parts["train"].x, named.parts["train"].x)


def test_roles_of_numbers_and_moments_need_no_text() -> None:
    """As Parquet gives them."""
    frame = pd.DataFrame(
        {"n": [1.5, np.nan] * 30, "i": [1, 2] * 30, "d": pd.date_range("2024-01-01", periods=60), "c": [5.0] * 60}
    )
    roles = infer_roles(frame, config.Table(name="table", path="t.parquet", target="y"))
    assert [column.role for column in roles.columns] == ["numeric", "numeric", "date", "constant"]
    assert roles["d"].format == "%Y-%m-%d"
    with pytest.raises(KeyError, match="nothing"):
        roles["nothing"]


def test_numbers_stay_as_wide_as_they_are_and_their_frame_is_used_up() -> None:
    narrow = np.array([1.5, np.nan, 3.0], dtype=np.float32)
    frame = pd.DataFrame({"n": narrow, "i": [1, 2, 3], "odd": [1.0, np.inf, -np.inf], "t": ["1", "x", None]})
    roles = Roles([Column(name, "numeric") for name in frame.columns])
    found = as_roles(frame, roles)
    assert [str(dtype) for dtype in found.dtypes] == ["float32", "int64", "float64", "float64"]
    assert found["odd"].isna().tolist() == [False, True, True]
    assert found["t"].isna().tolist() == [False, True, True]
    assert frame.columns.empty
    pd.testing.assert_frame_equal(as_roles(found.copy(), roles), found)


# --- whole numbers that float64 cannot tell apart ------------------------------------------------------------------

FIRST = 202511280000000000


def long_numbers(distinct: int) -> list[str]:
    return [str(FIRST + i % distinct) for i in range(ROWS)]


@pytest.mark.parametrize(
    ("cells", "role"),
    [
        (long_numbers(ROWS), "identifier"),
        ([f"{FIRST + i:,}" for i in range(ROWS)], "identifier"),
        ([f"{FIRST + i}.0" for i in range(ROWS)], "identifier"),
        ([f"-{FIRST + i}" if i % 9 else "" for i in range(ROWS)], "identifier"),
        ([f"{FIRST + i}" if i % 9 else "unknown" for i in range(ROWS)], "identifier"),
        ([str(10**16 + 7919 * i) for i in range(ROWS)], "identifier"),  # half of them are exact
        (long_numbers(5), "categorical"),
        (long_numbers(90), "categorical"),
        ([str(FIRST + i % 3) if i % 4 == 0 else str(i % 7) for i in range(ROWS)], "categorical"),
        ([str((i % 50) * 10**17) for i in range(ROWS)], "numeric"),  # exact
        ([f"{i + 1}e17" for i in range(ROWS)], "numeric"),
        ([f"0.{FIRST + i}" for i in range(ROWS)], "numeric"),
        ([str(i % 7) if i else "12345678901234567891" for i in range(ROWS)], "numeric"),  # one slip of the keyboard
        ([str(2**53 - i) for i in range(ROWS)], "numeric"),
    ],
)
def test_numbers_that_would_lose_digits_are_identifiers_or_categories(
    tmp_path: Path, cells: list[str], role: str
) -> None:
    column = role_of(tmp_path, cells)
    assert column.role == role
    if role != "numeric":
        assert "has whole numbers of 16 digits or more" in column.note
        assert ("data.categorical=[...]" if role == "identifier" else "data.drop=[...]") in column.note


def test_no_digit_of_a_category_is_lost(tmp_path: Path) -> None:
    data = load(options_for(tmp_path, table(列=long_numbers(5))))
    assert isinstance(data.preparation, TablePreparation)
    assert data.preparation.cardinalities == [5 + 1]
    assert data.preparation.profile["列"]["categories"].keys() == {str(FIRST + i) for i in range(5)}


def test_who_wants_them_as_numbers_is_told_what_is_lost(tmp_path: Path) -> None:
    column = role_of(tmp_path, long_numbers(ROWS), numeric=["列"])
    assert column.role == "numeric"
    assert re.search(r"120 different values become \d; leave it out of data\.numeric", column.note)


@pytest.mark.parametrize(
    "cells",
    [
        [FIRST + i for i in range(ROWS)],
        [FIRST + i if i % 9 else None for i in range(ROWS)],
        [Decimal(FIRST + i) for i in range(ROWS)],
        [2**63 + 1 + i for i in range(ROWS)],
    ],
    ids=["int64", "with blanks", "decimal", "uint64"],
)
def test_numbers_of_parquet_keep_their_digits(tmp_path: Path, cells: list[Any]) -> None:
    kinds = {"int64": pa.int64(), "Decimal": pa.decimal128(20, 0)}
    kind = kinds["Decimal"] if isinstance(cells[0], Decimal) else pa.uint64() if cells[0] == 2**63 + 1 else pa.int64()
    frame = table()
    columns = {"x": frame["x"].tolist(), "列": pa.array(cells, kind), "y": frame["y"].tolist()}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    options = config.Table(name="table", path=str(tmp_path / "t.parquet"), target="y")
    for rows in (None, 50):
        pieces = [piece for piece, _ in reading.chunks(options.path, options, rows=rows)]
        read = pd.concat([texts(piece["列"]) for piece in pieces], ignore_index=True)
        assert [None if pd.isna(cell) else cell for cell in read] == [None if c is None else str(c) for c in cells]
    assert roles_of(load(options)) == {"x": "numeric", "列": "identifier"}


def test_numbers_of_which_excel_has_lost_digits_are_said(tmp_path: Path) -> None:
    table(列=[FIRST + 1000 * i for i in range(ROWS)], code=[str(FIRST + i) for i in range(ROWS)]).to_excel(
        tmp_path / "t.xlsx", index=False
    )
    data = load(config.Table(name="table", path=str(tmp_path / "t.xlsx"), target="y"))
    assert isinstance(data.preparation, TablePreparation)
    assert "of which Excel keeps 15" in data.preparation.roles["列"].note
    assert data.preparation.roles["code"].role == "identifier"  # text, as the message advises
    assert "Excel" not in data.preparation.roles["code"].note
    assert any("of which Excel keeps 15" in note for note in data.notes)

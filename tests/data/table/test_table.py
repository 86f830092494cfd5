"""A person's table: what is understood, what is refused, and that only training rows teach anything."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import QuantileTransformer

from adaptact import config
from adaptact.data import Prepared
from adaptact.data import load as load_any
from adaptact.data.splits import split_rows
from adaptact.data.table import reading
from adaptact.data.table.preparation import TablePreparation
from adaptact.data.table.reading import MISSING
from adaptact.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")

Columns = dict[str, list[str]]
N = 60


def columns(n: int = N) -> Columns:
    """Two numbers (one with gaps), two categories, two classes."""
    draw = np.random.default_rng(0)
    return {
        "age": [str(value) for value in draw.integers(18, 90, n)],
        "sales": ["" if i % 7 == 3 else f"{value:.2f}" for i, value in enumerate(draw.lognormal(3, 1, n))],
        "region": [["tokyo", "osaka", "kyoto", ""][i % 4] for i in range(n)],
        "plan": [["a", "b"][i % 5 % 2] for i in range(n)],
        "churn": [["yes", "no", "no"][i % 3] for i in range(n)],
    }


def text_of(cells: Columns, separator: str = ",") -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, lineterminator="\n")
    writer.writerow(cells)
    writer.writerows(zip(*cells.values(), strict=True))
    return file.getvalue()


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Prepared]:
    """Writes a table (columns, text or bytes) and loads it; keywords are keys of ``data.``."""

    def write_and_load(cells: Columns | str | bytes, **options: Any) -> Prepared:
        content = text_of(cells) if isinstance(cells, dict) else cells
        path = tmp_path / "my table.v2.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return load_any(config.Table(**{"name": "table", "path": str(path), "target": "churn", **options}))

    return write_and_load


Read = Callable[..., Prepared]


def preparation_of(data: Prepared) -> TablePreparation:
    assert isinstance(data.preparation, TablePreparation)
    return data.preparation


def parse(raw: bytes, path: str, known: str = "churn") -> pd.DataFrame:
    pieces = list(
        reading.text(lambda separator="": io.BytesIO(raw), path, config.Table(name="table", path=path), {known})
    )
    return reading.clean(pd.concat([frame for frame, _ in pieces], ignore_index=True), MISSING)


def roles_of(data: Prepared) -> dict[str, list[str]]:
    roles = preparation_of(data).roles
    return {"numeric": roles.names("numeric"), "categorical": roles.names("categorical")}


def frame_of(cells: Columns, known: str = "churn") -> pd.DataFrame:
    return parse(text_of(cells).encode("utf-8"), "some.csv", known)


def own_notes(data: Prepared) -> list[str]:
    """Notes without the last one, which says how the file was read."""
    *notes, form = data.notes
    assert form == "my table.v2.csv was read as utf-8, comma, header"
    return notes


def same_tensors(first: Prepared, second: Prepared, *parts: str) -> bool:
    tensors = [(first.parts[p].x, second.parts[p].x) for p in parts or first.parts]
    tensors += [(first.parts[p].y, second.parts[p].y) for p in parts or first.parts]
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in tensors)


# --- reading -----------------------------------------------------------------------------------------------------


def test_numbers_and_categories_are_told_apart(read: Read) -> None:
    data = read(columns())
    assert roles_of(data) == {"numeric": ["age", "sales"], "categorical": ["region", "plan"]}
    assert data.input_shape == (2 + 1 + 2,)  # numbers, gaps of sales, codes
    assert data.layout is not None
    assert (data.layout.n_numeric, data.layout.n_flags) == (2, 1)
    assert data.layout.cardinalities == (4 + 1, 2 + 1)  # regions with the blank one, plans; and the unseen
    assert data.name == "my table"
    assert data.task == "classification"
    assert data.labels == ["no", "yes"]
    assert sum(len(part) for part in data.parts.values()) == N
    assert sum(int(part.y.sum()) for part in data.parts.values()) == columns()["churn"].count("yes")


def test_every_mark_of_a_missing_value_is_one() -> None:
    marks = sorted(MISSING)
    assert {"", "?", "NA", "nan", "null"} <= set(marks)
    frame = frame_of({"a": [*marks, "0", "no"], "b": ["1"] * (len(marks) + 2)})
    assert frame["a"].isna().tolist() == [True] * len(marks) + [False, False]


def test_spaces_around_cells_and_names_do_not_matter(read: Read) -> None:
    plain = columns()
    spaced = "\n".join(
        " , ".join(f"  {cell}\u3000" for cell in line) + " "
        for line in [list(plain), *zip(*plain.values(), strict=True)]
    )
    assert same_tensors(read(plain), read(spaced))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_give_the_same_data(read: Read, separator: str) -> None:
    cells = columns() | {"region": [f"{cell},x" for cell in columns()["region"]]}
    assert same_tensors(read(cells), read(text_of(cells, separator)))


def test_separators_quotes_and_line_breaks_within_quotes_belong_to_the_cell() -> None:
    cells = {'a;b;c;d "e"': ['x, "y"', "two\nlines"], "n,1": ["1", "2"]}
    frame = frame_of(cells)
    assert list(frame.columns) == list(cells)
    assert frame.iloc[:, 0].tolist() == ['x, "y"', "two\nlines"]


def test_a_line_break_in_a_quoted_name_does_not_hide_the_separator() -> None:
    """Spreadsheets write such headers."""
    frame = parse('"売上\n(千円)";地域;解約\n1;東京;はい\n'.encode(), "some.csv")
    assert list(frame.columns) == ["売上\n(千円)", "地域", "解約"]


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(read: Read) -> None:
    text = text_of(columns())
    assert same_tensors(read(text), read("\ufeff" + text.replace("\n", "\r\n")))


ODD = [
    "売上 (千円)", "a.b", "x[0]", 'say "hi"', "it's", "{k}", "a,b", "=1+1", "$x ${y}", "numeric", "missing",
    "Unnamed: 0", "2024", "\\",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_any_name_of_a_column_works_as_number_category_and_target(read: Read, tmp_path: Path, name: str) -> None:
    new = {"age": name, "region": f"{name}{name}", "churn": f"{name}!"}
    renamed = {new.get(key, key): cells for key, cells in columns().items()}
    data = read(renamed, target=new["churn"], numeric=[name], categorical=[new["region"]], drop=["plan"])
    assert same_tensors(data, read(columns(), drop=["plan"]))
    preparation_of(data).save(tmp_path / "kept")
    again = TablePreparation.load(tmp_path / "kept")
    frame = frame_of(renamed, known=new["churn"])
    assert list(frame.columns) == list(renamed)
    assert torch.equal(again.transform(frame), preparation_of(data).transform(frame))


@pytest.mark.parametrize("header", ["age,age,churn", "age, age,churn", "age,age ,churn", '"age","age",churn'], ids=repr)
def test_a_name_that_stands_twice_is_refused(read: Read, header: str) -> None:
    rows = "".join(f"{i},{i + 1},{'yes' if i % 2 else 'no'}\n" for i in range(N))
    with pytest.raises(DataError, match=r"two columns called 'age'"):
        read(f"{header}\n{rows}")


@pytest.mark.parametrize(
    "rows",
    ["1,2,yes,\n" * 9, "1,2,yes,3\n" * 9, "1,2,yes,3\n" + "1,2,yes\n" * 9, "1,2,yes\n" * 9 + "1,2,yes,3\n"],
    ids=["commas at the end", "all", "the first", "the last"],
)
def test_rows_that_are_longer_than_the_header_never_move_into_other_columns(rows: str) -> None:
    try:
        frame = parse(f"a,b,churn\n{rows}".encode(), "some.csv")
    except DataError:
        return
    assert set(frame["a"]) == {"1"}
    assert set(frame["b"]) == {"2"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n  \n",
        b"\xef\xbb\xbf",
        b"age,churn\n",
        b'age,"churn\n1,yes\n',
        bytes(range(256)) * 4,
        b"\x00" * 50,
        "年齢,解約\n1,はい\n".encode("shift_jis"),
        "age,churn\n1,yes\n".encode("utf-16")[:-1],
        b"PK\x03\x04 this is a spreadsheet",
    ],
    ids=["empty", "blank", "mark", "header", "open quote", "bytes", "zeros", "shift_jis", "utf-16", "zip"],
)
def test_a_file_that_is_no_table_is_a_data_error_that_names_it(read: Read, content: bytes) -> None:
    with pytest.raises(DataError, match=r"my table\.v2\.csv"):
        read(content)


@pytest.mark.parametrize("path", ["missing.csv", "."])
def test_a_path_that_cannot_be_read_is_a_data_error_that_names_it(tmp_path: Path, path: str) -> None:
    with pytest.raises(DataError, match=re.escape(f"data.path={tmp_path / path} cannot be read: ")):
        load_any(config.Table(name="table", path=str(tmp_path / path), target="churn"))


@pytest.mark.parametrize("key", ["target", "drop", "numeric", "categorical"])
def test_a_column_that_is_not_there_is_answered_with_the_nearest(read: Read, key: str) -> None:
    with pytest.raises(DataError, match=rf"data\.{key}: .*no column 'regoin'. Did you mean 'region'\?"):
        read(columns(), **{key: "regoin" if key == "target" else ["age", "regoin"]})


# --- roles and task ----------------------------------------------------------------------------------------------


def test_roles_given_by_name_are_obeyed(read: Read) -> None:
    data = read(columns() | {"zip": [str(100 + i % 3) for i in range(N)]}, categorical=["zip"], drop=["age", "plan"])
    assert roles_of(data) == {"numeric": ["sales"], "categorical": ["region", "zip"]}
    identifier = columns() | {"id": [f"id-{i}" for i in range(N)]}
    assert "id" in roles_of(read(identifier, categorical=["id"]))["categorical"]
    constant = columns() | {"one": ["1"] * N}
    assert "one" in roles_of(read(constant, numeric=["one"]))["numeric"]


def test_a_value_that_is_no_number_is_shown_where_numbers_were_asked_for(read: Read) -> None:
    with pytest.raises(DataError, match=r"data\.numeric: column 'plan' .*'a'"):
        read(columns(), numeric=["age", "plan"])


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["x"] * N, "one value"),
        (["7"] * N, "one value"),
        ([f"id-{i}" for i in range(N)], "identifier"),
        (["?"] * N, "empty"),
    ],
    ids=["one text", "one number", "identifier", "empty"],
)
def test_columns_that_teach_nothing_are_left_out_with_a_note(read: Read, cells: list[str], reason: str) -> None:
    data = read(columns() | {"変な列": cells})
    assert same_tensors(data, read(columns()))
    (note,) = own_notes(data)
    assert "'変な列'" in note
    assert reason in note


def test_a_single_value_that_is_sometimes_missing_teaches_something(read: Read) -> None:
    half = ["1" if i % 2 else "" for i in range(N)]
    data = read(columns() | {"flag": half})
    assert own_notes(data) == []
    assert data.input_shape == (read(columns()).input_shape[0] + 2,)  # the number and its gaps


def test_without_a_column_to_predict_from_there_is_nothing_to_do(read: Read) -> None:
    with pytest.raises(DataError, match="no column to predict 'churn' from"):
        read({"churn": columns()["churn"], "one": ["1"] * N})


def test_rows_without_a_target_are_left_out_with_a_note(read: Read) -> None:
    cells = columns()
    cells["churn"][4] = cells["churn"][10] = " NA "
    data = read(cells)
    kept = {name: [cell for i, cell in enumerate(column) if i not in {4, 10}] for name, column in cells.items()}
    assert own_notes(data) == ["2 rows of my table.v2.csv without a value of 'churn' were left out"]
    assert same_tensors(data, read(kept))


@pytest.mark.parametrize(
    ("target", "task", "labels"),
    [
        (["b", "C", "a"], "classification", ["C", "a", "b"]),
        (["10", "9", "2"], "classification", ["2", "9", "10"]),
        (["1.50", "-2", "1e1"], "classification", ["-2", "1.50", "1e1"]),
        (["はい", "いいえ", "不明"], "classification", ["いいえ", "はい", "不明"]),
        ([str(i) for i in range(20)], "classification", [str(i) for i in range(20)]),
        ([str(i) for i in range(21)], "regression", []),
        ([f"{i / 7:.4f}" for i in range(N)], "regression", []),
        ([f"k{i}" for i in range(20)], "classification", sorted(f"k{i}" for i in range(20))),
    ],
    ids=lambda value: str(value)[:20],
)
def test_the_task_and_its_labels_follow_from_the_target(
    read: Read, target: list[str], task: str, labels: list[str]
) -> None:
    n = 5 * N
    data = read(columns(n) | {"churn": [target[i % len(target)] for i in range(n)]})
    assert (data.task, data.labels) == (task, labels)
    assert data.n_outputs == (len(labels) or 1)


def test_a_task_that_was_asked_for_is_obeyed(read: Read) -> None:
    counts = columns() | {"churn": [str(i % 4) for i in range(N)]}
    assert read(counts, task="regression").task == "regression"
    with pytest.raises(DataError, match=r"task=regression.*'(yes|no)'"):
        read(columns(), task="regression")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (["yes"] * N, "1 value"),
        ([""] * N, "the target 'churn'"),
        ([f"name {i % 40}" for i in range(N)], "too many classes"),
        (["yes", *["no"] * (N - 1)], "'yes' has 1 row"),
    ],
    ids=["constant", "empty", "names", "rare"],
)
def test_a_target_that_cannot_be_learned_is_refused(read: Read, target: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(columns() | {"churn": target})


def test_a_numeric_target_comes_back_in_its_own_unit(read: Read) -> None:
    prices = [f"{value:.0f}" for value in np.random.default_rng(1).uniform(1e6, 9e7, N)]
    data = read(columns() | {"churn": prices})
    restored = [value * data.scale + data.center for part in data.parts.values() for value in part.y.double().tolist()]
    assert sorted(restored) == pytest.approx(sorted(map(float, prices)), rel=1e-5)
    assert abs(data.parts["train"].y.mean().item()) < 1e-5
    assert abs(data.parts["train"].y.std(correction=0).item() - 1) < 1e-5


def test_the_fingerprint_is_that_of_the_file(read: Read) -> None:
    first = read(columns())
    assert re.fullmatch("[0-9a-f]{64}", first.fingerprint)
    assert read(columns(), split_seed=3, scaling="standard").fingerprint == first.fingerprint
    assert read(columns() | {"plan": ["c", *columns()["plan"][1:]]}).fingerprint != first.fingerprint


# --- preparing ---------------------------------------------------------------------------------------------------


def rows_of(cells: Columns, split_seed: int = 0) -> dict[str, np.ndarray]:
    y = np.array([sorted(set(cells["churn"])).index(label) for label in cells["churn"]])
    return split_rows(y, "classification", val_size=0.2, test_size=0.2, seed=split_seed)


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
def test_the_preparation_is_the_one_that_scikit_learn_fits_on_the_training_rows(read: Read, scaling: str) -> None:
    cells = columns(3 * N)
    data, rows = read(cells, scaling=scaling, split_seed=2), rows_of(cells, split_seed=2)
    numbers = pd.DataFrame({key: pd.to_numeric(pd.Series(cells[key])) for key in ("age", "sales")}).to_numpy(float)
    filled = SimpleImputer(strategy="median").fit(numbers[rows["train"]]).transform(numbers)
    train = filled[rows["train"]]
    if scaling == "standard":
        scaled = (filled - train.mean(0)) / train.std(0)
    else:
        transformer = QuantileTransformer(n_quantiles=10, output_distribution="normal", subsample=None)
        scaled = transformer.fit(train).transform(filled)
    codes = [np.unique(np.array(cells[key]), return_inverse=True)[1][:, None] for key in ("region", "plan")]
    expected = np.hstack([scaled, np.isnan(numbers[:, 1:]), *codes])
    for part, index in rows.items():
        np.testing.assert_allclose(data.parts[part].x.numpy(), expected[index], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
@pytest.mark.parametrize("part", ["val", "test"])
def test_training_tensors_know_nothing_of_held_out_rows(read: Read, scaling: str, part: str) -> None:
    cells = columns()
    before = read(cells, scaling=scaling)
    for row in rows_of(cells)[part]:
        cells["age"][row], cells["sales"][row] = str(1000 + row), "" if row % 2 else "-5e6"
        cells["region"][row], cells["plan"][row] = "nagoya", "z"
    after = read(cells, scaling=scaling)
    assert torch.equal(before.parts["train"].x, after.parts["train"].x)
    assert not torch.equal(before.parts[part].x, after.parts[part].x)


def test_gaps_that_only_held_out_rows_have_are_filled(read: Read) -> None:
    cells = columns()
    for row in rows_of(cells)["test"]:
        cells["age"][row] = ""
    data = read(cells)
    assert data.parts["test"].x.isfinite().all()
    assert data.input_shape == read(columns()).input_shape


def test_a_category_that_training_rows_lack_has_the_last_code(read: Read) -> None:
    unseen = frame_of({name: [cells[0]] for name, cells in columns().items()} | {"region": ["sapporo"]})
    common = preparation_of(read(columns()))
    assert common.cardinalities == [5, 3]
    assert common.transform(unseen)[0, 3:].tolist() == [4, 0]
    rare = [["tokyo", "osaka"][i % 2] if i % 10 else f"town-{i}" for i in range(N)]
    data = read(columns() | {"region": rare}, max_categories=3)
    assert preparation_of(data).cardinalities == [4, 3]  # two that are frequent, the rare ones, the unseen ones
    assert preparation_of(data).transform(unseen)[0, 3] == 3
    codes = preparation_of(data).transform(frame_of(columns() | {"region": rare}))[:, 3].tolist()
    by_region = {name: {code for code, cell in zip(codes, rare, strict=True) if cell == name} for name in set(rare)}
    assert (by_region["osaka"], by_region["tokyo"]) == ({0}, {1})
    assert {next(iter(found)) for name, found in by_region.items() if name.startswith("town")} == {2, 3}


def test_a_row_alone_is_prepared_as_among_others(read: Read) -> None:
    preparation, frame = preparation_of(read(columns())), frame_of(columns())
    together = preparation.transform(frame)
    alone = torch.cat([preparation.transform(frame.iloc[[i]]) for i in range(5)])
    torch.testing.assert_close(alone, together[:5])


# --- the real ones ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "target", "task", "rows"),
    [
        ("telco_churn/Telco-Customer-Churn.csv", "Churn", "classification", 7_043),
        ("california_housing/housing.csv", "median_house_value", "regression", 20_640),
    ],
)
def test_real_tables_are_read_as_they_are(datasets: Path, file: str, target: str, task: str, rows: int) -> None:
    data = load_any(config.Table(name="table", path=str(datasets / file), target=target))
    assert data.task == task
    assert sum(len(part) for part in data.parts.values()) == rows
    assert all(part.x.isfinite().all() for part in data.parts.values())
    if target == "Churn":
        assert data.labels == ["No", "Yes"]
        assert "TotalCharges" in roles_of(data)["numeric"]
        assert any("customerID" in note for note in data.notes)

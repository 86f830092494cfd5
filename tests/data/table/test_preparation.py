"""A preparation is kept as numbers and JSON, and a tampered one builds nothing and runs nothing."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.impute import SimpleImputer
from skops import io as skops_io

from adaptact import config, files
from adaptact.data import load
from adaptact.data.table import preparation
from adaptact.data.table.preparation import TablePreparation
from adaptact.data.table.reading import Format
from adaptact.data.table.roles import Column, Roles
from adaptact.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def rows() -> pd.DataFrame:
    """A number, one with gaps, two categories, two classes."""
    return pd.DataFrame(
        {
            "age": [str(18 + i * 7 % 61) for i in range(60)],
            "sales": [None if i % 7 == 3 else f"{i * 37 % 101}.5" for i in range(60)],
            "region": [["tokyo", "osaka", "kyoto", None][i % 4] for i in range(60)],
            "plan": [["a", "b"][i % 5 % 2] for i in range(60)],
            "churn": [["yes", "no", "no"][i % 3] for i in range(60)],
        }
    )


def prepared(folder: Path) -> TablePreparation:
    rows().to_csv(folder / "t.csv", index=False)
    preparation = load(config.Table(name="table", path=str(folder / "t.csv"), target="churn")).preparation
    assert isinstance(preparation, TablePreparation)
    return preparation


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    prepared(tmp_path).save(tmp_path / "preparation")
    return tmp_path / "preparation"


def test_a_preparation_survives_the_disk(saved: Path, tmp_path: Path) -> None:
    before, after = prepared(tmp_path), TablePreparation.load(saved)
    assert torch.equal(before.transform(rows()), after.transform(rows()))
    assert (after.roles, after.target, after.labels) == (before.roles, "churn", ["no", "yes"])
    assert (after.profile, after.form, after.layout.cardinalities) == (before.profile, before.form, (5, 3))


def test_a_saved_preparation_holds_numbers_and_json_and_no_pickle(saved: Path) -> None:
    assert sorted(os.listdir(saved)) == ["columns.json", "profile.json", "transformer.skops"]
    json.loads((saved / "columns.json").read_text(encoding="utf-8"))
    with zipfile.ZipFile(saved / "transformer.skops") as file:
        for name in file.namelist():
            if name.endswith(".npy"):
                np.load(io.BytesIO(file.read(name)), allow_pickle=False)
            else:
                json.loads(file.read(name))


class Malicious:
    """Leaves a mark wherever it comes to life."""

    marks: list[str] = []  # noqa: RUF012

    def __new__(cls) -> Malicious:
        cls.marks.append("made")
        return super().__new__(cls)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.marks.append("state")


def test_an_object_of_a_type_that_is_not_trusted_is_refused_unbuilt(saved: Path) -> None:
    skops_io.dump([Malicious()], saved / "transformer.skops")
    Malicious.marks.clear()
    with pytest.raises(DataError, match=re.escape(str(saved))):
        TablePreparation.load(saved)
    assert Malicious.marks == []


def test_a_schema_that_names_another_module_is_refused_and_the_module_not_imported(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil_module_of_a_test.py").write_text("from pathlib import Path\nPath('marked').write_text('run')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    change_schema(saved, lambda text: text.replace("sklearn.preprocessing._data", "evil_module_of_a_test"))
    with pytest.raises(DataError, match=re.escape(str(saved))):
        TablePreparation.load(saved)
    assert "evil_module_of_a_test" not in sys.modules
    assert not (tmp_path / "marked").exists()


def change_schema(folder: Path, change: Callable[[str], str]) -> None:
    path = folder / "transformer.skops"
    with zipfile.ZipFile(path) as file:
        contents = {name: file.read(name) for name in file.namelist()}
    before = contents["schema.json"].decode()
    assert change(before) != before
    contents["schema.json"] = change(before).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in contents.items():
            file.writestr(name, content)


SCHEMAS: dict[str, Callable[[str], str]] = {
    "no json": lambda text: text[:-20],
    "a list": lambda text: "[]",
    "a text": lambda text: '"x"',
    "empty": lambda text: "{}",
    "no node of that name": lambda text: text.replace('"DictNode"', '"NoSuchNode"'),
    "another node": lambda text: text.replace('"DictNode"', '"ListNode"'),
    "content of another kind": lambda text: text.replace('"content": {', '"content": "x", "was": {', 2),
    "a function": lambda text: text.replace('"ColumnTransformer"', '"_transform_one"'),
    "a class that is not there": lambda text: text.replace('"Pipeline"', '"NoSuchClass"'),
    "arrays that are not there": lambda text: text.replace(".npy", ".npz"),
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_tampered_schema_is_a_data_error(saved: Path, schema: str) -> None:
    change_schema(saved, SCHEMAS[schema])
    with pytest.raises(DataError, match=re.escape(str(saved))):
        TablePreparation.load(saved)


ARRAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "empty": lambda array: array[:0],
    "shorter": lambda array: array[:-1],
    "deeper": lambda array: array[..., None],
    "texts": lambda array: np.full(array.shape, "x"),
    "a number": lambda array: np.float64(7),  # type: ignore[return-value]
}


@pytest.mark.parametrize("damage", ARRAYS)
def test_a_fitted_step_that_cannot_be_applied_is_a_data_error(saved: Path, damage: str) -> None:
    transformer = skops_io.load(saved / "transformer.skops", trusted=preparation.TRUSTED)
    scaler = transformer.named_transformers_["numeric"][-1]
    name = "quantiles_" if hasattr(scaler, "quantiles_") else "mean_"
    setattr(scaler, name, ARRAYS[damage](getattr(scaler, name)))
    skops_io.dump(transformer, saved / "transformer.skops")
    with pytest.raises(DataError, match=re.escape(str(saved))):
        TablePreparation.load(saved)


@pytest.mark.parametrize(("key", "value"), [("role", "oracle"), ("decimal", "x"), ("format", "%Q")])
def test_a_column_that_cannot_be_read_as_said_is_a_data_error(saved: Path, key: str, value: str) -> None:
    plain = files.read_json(saved / "columns.json")
    for column in plain["roles"]:
        column[key] = value
        column["role"] = "date" if key == "format" else column["role"]
    files.write_json(saved / "columns.json", plain)
    with pytest.raises(DataError, match=re.escape(str(saved))):
        TablePreparation.load(saved)


@pytest.mark.parametrize("thing", [{"a": 1}, [1, 2], 3, SimpleImputer()], ids=["dict", "list", "number", "imputer"])
def test_a_harmless_object_that_is_no_preparation_is_a_data_error(saved: Path, thing: Any) -> None:
    skops_io.dump(thing, saved / "transformer.skops")
    with pytest.raises(DataError, match=re.escape(str(saved))):
        TablePreparation.load(saved)


@pytest.mark.parametrize("file", ["columns.json", "profile.json", "transformer.skops"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\x00", b"{}", b"[]", b"PK\x03\x04"], ids=repr)
def test_a_damaged_or_missing_file_of_a_preparation_is_a_data_error(
    saved: Path, file: str, content: bytes | None
) -> None:
    (saved / file).unlink()
    if content is not None:
        (saved / file).write_bytes(content)
    with pytest.raises(DataError, match=re.escape(str(saved))):
        TablePreparation.load(saved)


def test_of_a_very_large_table_some_rows_are_learned_from_and_no_category_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame = pd.DataFrame({"x": np.arange(1000.0), "word": ["a"] * 1000, "seldom": np.ones(1000)})
    frame.loc[501, "word"], frame.loc[503, "seldom"] = "b", np.nan
    roles = Roles([Column("x", "numeric"), Column("word", "categorical"), Column("seldom", "numeric")])
    monkeypatch.setattr(preparation, "MOST_ROWS", 100)
    some = preparation.some_rows(frame, roles)
    assert 100 <= len(some) <= 103
    assert {501, 503} <= set(some.index)
    assert some["x"].median() == pytest.approx(frame["x"].median(), abs=5)
    monkeypatch.setattr(preparation, "MOST_ROWS", 1000)
    assert preparation.some_rows(frame, roles) is frame


def test_rows_are_transformed_piece_by_piece_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=250), "word": ["a", "b", "a", "c", "d"] * 50})
    frame.loc[7, "x"] = np.nan
    roles = Roles([Column("x", "numeric"), Column("word", "categorical")])
    options = config.Table(name="table", path="t.csv", target="y")
    fitted = TablePreparation.fit(
        frame[frame.word != "d"], roles, options, Format(), labels=[], task="regression", center=0.0, scale=1.0
    )
    whole = fitted.transform(frame)
    monkeypatch.setattr(preparation, "PIECE", 60)
    assert torch.equal(fitted.transform(frame), whole)
    assert fitted.transform(frame.iloc[:0]).shape == (0, whole.shape[1])

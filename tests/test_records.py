"""What a run leaves behind: numbers that JSON takes, files that are whole, folders that are new."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptact import files, folders, records
from adaptact.errors import MachineError, UserError
from adaptact.records import Record

modest = settings(deadline=None, max_examples=200)

FORBIDDEN = set('<>:"/\\|?*') | {chr(code) for code in range(32)}  # in file names on Windows
BROKEN = {
    "cut short": b'{"schema": 1, "status": "fin',
    "empty": b"",
    "not text": b"\xff\xfe\x00\x93NUMPY",
    "a list": b"[1, 2]",
    "a number": b"3",
    "without a schema": b'{"status": "finished"}',
    "with a missing field": b'{"schema": 1, "status": "finished"}',
}


def a_record() -> Record:
    return Record(
        status="finished",
        reason=None,
        data={
            "name": "売上",
            "task": "classification",
            "rows": {"train": 6, "val": 2, "test": 2},
            "fingerprint": "0" * 64,
        },
        model={"name": "mlp", "parameters": 10, "activation_parameters": 3, "sites": 1},
        activation="sgblend",
        seed=0,
        monitor={"name": "val/accuracy", "mode": "max", "best": 0.5, "best_epoch": 2},
        metrics={"train": {"accuracy": 1.0}, "val": {"accuracy": 0.5}, "test": {"accuracy": 0.25}},
        stability={
            "nonfinite_steps": 0,
            "loss_spikes": 0,
            "grad_norm_max": 1.0,
            "grad_norm_median": 0.5,
            "grad_norm_cv": 0.1,
            "epochs_to_90pct": 2,
        },
        speed={"import_s": 1.0, "first_step_s": 2.0, "fit_s": 3.0, "train_samples_per_second": 4.0, "inference": None},
        layers=[{"name": "1", "kind": "SGBlend", "alpha": 0.5, "gap": 0.1, "alpha_channels": [0.4, 0.6]}],
        versions={"python": "3.11"},
        device="cpu",
    )


# --- finite ------------------------------------------------------------------------------------------------------


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [value]


@modest
@given(NESTED)
def test_finite_replaces_exactly_what_is_not_finite_at_any_depth(value: Any) -> None:
    json.dumps(files.finite(value), allow_nan=False)
    expected = [None if isinstance(v, float) and not math.isfinite(v) else v for v in leaves(value)]
    assert leaves(files.finite(value)) == expected


def test_finite_looks_into_tuples_and_makes_keys_text() -> None:
    assert files.finite({1: (math.inf, [{"a": -math.inf}])}) == {"1": [None, [{"a": None}]]}


# --- writing -----------------------------------------------------------------------------------------------------


def failing_fsync(monkeypatch: pytest.MonkeyPatch) -> str:
    def no_space(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    return "new"


def failing_rename(monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "in use by another program")

    monkeypatch.setattr(Path, "replace", refuse)
    return "new"


@pytest.mark.parametrize("failure", [failing_fsync, failing_rename])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    failure: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    files.write_text(path, "old")
    text = failure(monkeypatch)
    with pytest.raises(MachineError):
        files.write_text(path, text)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["config.yaml"]


def test_a_write_replaces_the_file_whole_and_lets_others_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write_text(path, "a much longer text that was there before")
    files.write_text(path, "解約")
    assert path.read_text(encoding="utf-8") == "解約"
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ["a"]


def test_json_and_yaml_hold_text_of_any_script_readably_and_in_order(tmp_path: Path) -> None:
    plain = {"b": "解約", "a": [1.5, None, True]}
    files.write_json(tmp_path / "x.json", plain | {"c": math.nan})
    files.write_yaml(tmp_path / "x.yaml", plain)
    written = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert "解約" in written
    assert list(json.loads(written).items()) == [*plain.items(), ("c", None)]
    assert "解約" in (tmp_path / "x.yaml").read_text(encoding="utf-8")
    assert list(yaml.safe_load((tmp_path / "x.yaml").read_text(encoding="utf-8")).items()) == list(plain.items())


# --- names and folders -------------------------------------------------------------------------------------------


@modest
@given(st.text(max_size=90) | st.text(alphabet='.- \u3000\t/:*?"<>|\\a売ｶﾞか\u3099=+_', max_size=90))
def test_a_safe_name_is_one_on_every_file_system(text: str) -> None:
    name = folders.safe_name(text)
    assert name
    assert not FORBIDDEN & set(name)
    assert name[-1] not in ". "
    assert name[0] not in ". -"
    assert len(name) <= 60
    assert name.encode("utf-8")
    assert folders.safe_name(name) == name


def test_a_safe_name_keeps_letters_and_composes_them() -> None:
    assert folders.safe_name("カ\u3099ス_売上 2026.é") == "ガス_売上-2026.é"
    assert folders.safe_name("../..") == "unnamed"


def make_folder(parent: Path) -> Path:
    return records.new_run_folder(parent, data="解約 /?", model="mlp", activation="sgblend", seed=3)


def test_run_folders_made_within_one_second_are_different(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda form: "20260101-000000")
    folders = [make_folder(tmp_path / "runs") for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        folders += pool.map(make_folder, [tmp_path / "runs"] * 20)
    assert len(set(folders)) == 40
    assert all(folder.is_dir() for folder in folders)
    assert folders[0].name == "20260101-000000-解約-mlp-sgblend-seed3"


def test_a_run_folder_says_when_and_what(tmp_path: Path) -> None:
    assert re.fullmatch(r"\d{8}-\d{6}-解約-mlp-sgblend-seed3", make_folder(tmp_path).name)


def test_a_long_japanese_name_of_a_data_set_fits_into_the_name_of_a_folder(tmp_path: Path) -> None:
    """255 bytes is what most file systems take; a Japanese letter has three."""
    kind = "nonlinearity_enhanced"
    assert records.new_run_folder(tmp_path, data="顧" * 80, model="resnet", activation=kind, seed=0).is_dir()


@pytest.mark.parametrize("below", [".", "deeper/still"])
def test_a_parent_that_cannot_hold_folders_is_a_user_error(tmp_path: Path, below: str) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match="output_dir="):
        make_folder(tmp_path / "runs" / below)


# --- the Record --------------------------------------------------------------------------------------------------


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    a_record().save(tmp_path)
    assert Record.load(tmp_path) == a_record()


def test_values_that_are_not_finite_are_null_in_the_file_and_none_afterwards(tmp_path: Path) -> None:
    record = a_record()
    record.metrics = {part: {"auroc": math.nan, "log_loss": math.inf} for part in record.metrics}
    record.layers[0]["alpha_channels"] = [math.nan, 0.5]
    record.save(tmp_path)
    text = (tmp_path / "result.json").read_text(encoding="utf-8")
    assert not re.search("NaN|Infinity", text)
    loaded = Record.load(tmp_path)
    assert loaded.metrics["test"] == {"auroc": None, "log_loss": None}
    assert loaded.layers[0]["alpha_channels"] == [None, 0.5]
    assert dataclasses.replace(loaded, metrics=record.metrics, layers=record.layers) == record


def test_a_saved_record_obeys_its_json_schema(tmp_path: Path) -> None:
    record = a_record()
    record.metrics["test"]["auroc"] = math.nan
    record.save(tmp_path)
    schema = json.loads(records.SCHEMA_FILE.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    plain = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    validator.validate(plain)
    for field in dataclasses.fields(Record):  # the schema asks for each of them
        assert list(validator.iter_errors({key: value for key, value in plain.items() if key != field.name}))


def test_a_folder_without_a_record_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "result").write_text("a file where a run folder was meant")
    for folder in (tmp_path, tmp_path / "missing", tmp_path / "result"):
        with pytest.raises(UserError, match=re.escape(str(folder))):
            Record.load(folder)


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_record_is_a_user_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "result.json").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "result.json"))):
        Record.load(tmp_path)


def test_a_record_with_a_field_that_nobody_knows_is_a_user_error(tmp_path: Path) -> None:
    a_record().save(tmp_path)
    plain = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    files.write_json(tmp_path / "result.json", plain | {"surprise": 1})
    with pytest.raises(UserError, match="surprise"):
        Record.load(tmp_path)


def test_a_record_whose_parts_have_different_metrics_is_a_user_error(tmp_path: Path) -> None:
    a_record().save(tmp_path)
    plain = files.read_json(tmp_path / "result.json")
    plain["metrics"]["test"]["\x1b[2J"] = plain["metrics"]["test"].popitem()[1]
    files.write_json(tmp_path / "result.json", plain)
    with pytest.raises(UserError, match="different metrics"):
        Record.load(tmp_path)


@pytest.mark.parametrize("schema", [2, 0, None, "1"])
def test_a_record_of_another_schema_is_a_user_error_that_names_both(tmp_path: Path, schema: Any) -> None:
    a_record().save(tmp_path)
    plain = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    files.write_json(tmp_path / "result.json", plain | {"schema": schema})
    with pytest.raises(UserError, match=f"schema {schema!r};.* schema 1"):
        Record.load(tmp_path)

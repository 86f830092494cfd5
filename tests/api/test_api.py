"""The package's functions: data frames in, typed results out, the same as the command line."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adaptact
from adaptact import files, records
from adaptact.api import inputs
from adaptact.api.inputs import configuration, keep_frame
from adaptact.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "FRAMES", tmp_path / "frames")  # absolute, so not below the project


@pytest.fixture
def frame() -> pd.DataFrame:
    """Customers: 解約 follows from the number of complaints, with some noise."""
    generator = np.random.default_rng(0)
    complaints = generator.integers(0, 6, 240)
    left = complaints + generator.normal(0, 1, 240) > 3
    return pd.DataFrame(
        {
            "年齢": generator.integers(20, 70, 240),
            "苦情": complaints,
            "地域": generator.choice(["東京", "大阪"], 240),
            "解約": np.where(left, "はい", "いいえ"),
        }
    )


SMALL: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [8]},
    "trainer": {"max_epochs": 2, "accelerator": "cpu"},
    "logger": "none",
    "references": False,
}


def test_train_takes_a_data_frame_and_returns_the_record(frame: pd.DataFrame, tmp_path: Path) -> None:
    record = adaptact.train(frame, target="解約", activation="pelu", seed=3, output_dir=tmp_path / "runs", **SMALL)
    assert isinstance(record, records.Record)
    assert (record.status, record.activation, record.seed) == ("finished", "pelu", 3)
    assert record.data["rows"] == {"train": 144, "val": 48, "test": 48}
    assert record.folder is not None
    assert records.Record.load(record.folder) == record
    kept = Path(records.read_config(record.folder)["data"]["path"])
    assert kept.is_relative_to(tmp_path / "frames")
    pd.testing.assert_frame_equal(pd.read_parquet(kept), frame)


def test_the_same_frame_is_the_same_file_and_another_is_not(frame: pd.DataFrame) -> None:
    assert keep_frame(frame) == keep_frame(frame.copy()) != keep_frame(frame[:-1])


def test_an_index_that_means_something_becomes_a_column(frame: pd.DataFrame) -> None:
    dates = pd.date_range("2024-01-01", periods=len(frame), name="date")
    assert next(iter(pd.read_parquet(keep_frame(frame.set_index(dates))))) == "date"
    assert list(pd.read_parquet(keep_frame(frame[::2]))) == list(frame)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.to_numpy(), "not ndarray"),
        (lambda frame: frame.set_axis(["a", "b", "b", "c"], axis=1), "two columns of the name 'b'"),
        (lambda frame: frame.assign(odd=[1, "x"] * 120), "cells of one type"),
    ],
)
def test_a_frame_that_cannot_be_kept_is_refused(change: Any, message: str, frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match=message):
        keep_frame(change(frame))


def test_options_may_be_nested_and_of_numpy() -> None:
    words, changes = configuration("wine", None, {"seed": np.int64(2), "optimizer": {"lr": np.float32(0.5)}})
    assert words == ["data=wine"]
    assert changes == {"seed": 2, "optimizer": {"lr": 0.5}}


def test_a_wrong_option_is_answered_as_on_the_command_line() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'max_epochs'"):
        adaptact.train("wine", trainer={"max_epoch": 3})
    with pytest.raises(ConfigError, match="Did you mean 'sgblend'"):
        adaptact.train("wine", activation="sgblnd")


def test_compare_returns_typed_results_and_continues(frame: pd.DataFrame, tmp_path: Path) -> None:
    def compare() -> adaptact.Comparison:
        return adaptact.compare(
            frame,
            target="解約",
            activations=["gelu", "sgblend"],
            seeds=2,
            output_dir=tmp_path / "comparisons",
            compare={"workers": 1, "cost": [], "margin": 0.1},
            **{key: value for key, value in SMALL.items() if key not in {"logger", "references"}},
        )

    found = compare()
    assert list(found.verdicts) == ["sgblend"]
    assert found.verdicts["sgblend"] in {"adopt", "equivalent", "reject", "undecided"}
    assert found.report == files.read_json(found.folder / "report.json")
    assert found.report["margin"] == 0.1
    table = found.to_frame()
    assert table.loc["sgblend", "difference"] == found.report["candidates"][0]["mean_difference"]
    assert "解約" in found.page.read_text(encoding="utf-8")
    written = sorted((path, path.stat().st_mtime_ns) for path in found.folder.glob("*/seed*/result.json"))
    assert len(written) == 4
    again = compare()
    assert again.folder == found.folder
    assert sorted((path, path.stat().st_mtime_ns) for path in found.folder.glob("*/seed*/result.json")) == written


def test_compare_refuses_what_the_command_line_refuses() -> None:
    with pytest.raises(ConfigError, match="one seed says nothing"):
        adaptact.compare("wine", activations=["gelu", "sgblend"], seeds=1)
    with pytest.raises(ConfigError, match="Did you mean 'margin'"):
        adaptact.compare("wine", activations=["gelu", "sgblend"], compare={"margn": 1})


def test_predict_scores_a_frame_and_keeps_a_file_where_one_is_named(frame: pd.DataFrame, tmp_path: Path) -> None:
    record = adaptact.train(frame, target="解約", output_dir=tmp_path / "runs", **SMALL)
    assert record.folder is not None
    new = frame.drop(columns="解約").assign(extra=1)
    found = adaptact.predict(record.folder, new)
    assert len(found.to_frame()) == len(new)
    assert found.path is None
    assert any("'extra'" in note for note in found.notes)
    kept = adaptact.predict(record.folder, new, output=tmp_path / "scored.csv")
    assert kept.path == tmp_path / "scored.csv"
    assert list(kept.to_frame()["prediction"]) == list(found.to_frame()["prediction"])


def test_check_data_finds_a_leak_in_a_frame(frame: pd.DataFrame, tmp_path: Path) -> None:
    leaking = frame.assign(理由=np.where(frame["解約"] == "はい", "料金", ""))
    found = adaptact.check_data(leaking, target="解約", output_dir=tmp_path / "runs" / "train")
    assert found.verdict == "warnings"
    assert "理由" in set(found.to_frame().query("kind == 'leak'")["column"])
    assert found.page.is_relative_to(tmp_path)
    assert found.report == files.read_json(found.page.with_name("data_report.json"))
    missing = adaptact.check_data(frame, target="退会", output_dir=tmp_path / "runs" / "train")
    assert missing.verdict == "unusable"


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(adaptact, name) is not None for name in adaptact.__all__)

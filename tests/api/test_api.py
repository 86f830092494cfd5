"""The package's functions: data frames in, typed results out, the same as the command line."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import adaptact
from adaptact import records
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

"""``backtest`` through its command line, on a table whose answer turns with time."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adaptact.errors import UserError
from adaptact.jobs import backtest as job
from commands import command


def turning(path: Path, rows: int = 1200, *, turn: float = 2.5) -> Path:
    """The direction that decides turns by ``turn`` radians over a year."""
    random = np.random.default_rng(0)
    share = np.arange(rows) / rows
    x = random.normal(size=(rows, 2))
    angle = turn * share
    lean = x[:, 0] * np.cos(angle) + x[:, 1] * np.sin(angle) + random.normal(0, 0.3, rows)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.floor(share * 360), unit="D")
    frame = pd.DataFrame({"date": days.strftime("%Y/%m/%d"), "a": x[:, 0], "b": x[:, 1]})
    frame["late"] = np.where(lean > 0, "yes", "no")
    frame.to_csv(path, index=False)
    return path


def backtest(folder: Path, *words: str) -> tuple[Path, dict[str, Any]]:
    result = command("backtest", *words, f"output_dir={folder}")
    assert result.returncode == 0, result.stderr
    found = Path(result.stdout.splitlines()[-1])
    return found, json.loads((found / "backtest.json").read_text(encoding="utf-8"))


def trained(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.glob("*/window*/result.json")}


@pytest.mark.slow
def test_a_drift_is_found_kept_and_priced(tmp_path: Path) -> None:
    table = turning(tmp_path / "table.csv")
    words = ["activations=gelu,sgblend", "seeds=2", "windows=8", "data=table", f"data.path={table}", "data.target=late"]
    words += ["data.time=date", "model.widths=[16]", "data.batch_size=16", "optimizer.lr=0.01", "trainer.max_epochs=12"]
    words += ["value.cost_fp=10", "value.cost_fn=20", "value.decisions_per_year=1e5", "value.compute_per_hour=1"]
    words += ["value.retraining_cost=500", "value.retrainings_per_year=1"]
    folder, report = backtest(tmp_path / "out", *words)
    assert report["metric"] == "auroc"
    assert report["failures"] == []
    assert [window["rows"] for window in report["windows"]] == pytest.approx([150] * 8, abs=4)
    assert report["window_days"] == pytest.approx(45, abs=1)
    for arm in report["arms"]:
        lost = [row["aged_minus_fresh"]["mean"] for row in arm["ages"]]
        assert lost[1:5] == sorted(lost[1:5])
        assert 0.02 < lost[1] < 0.1 < lost[-1]
        assert arm["one_window_shown"]
        assert arm["decay"]["per_day"]["mean"] == pytest.approx(
            arm["decay"]["per_window"]["mean"] / report["window_days"]
        )
        assert arm["margin_reached"]["measured_age"] in {2, 3}
        assert 0 < arm["money"]["days"]["low"] < arm["money"]["days"]["best"] < 60
        assert arm["money"]["yearly"] < arm["money"]["yearly_now"]
    with (folder / "backtest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * sum(range(8))
    assert {(row["age"], row["window"]) for row in rows if row["trained_up_to_window"] == "6"} == {
        ("1", "7"),
        ("2", "8"),
    }
    oldest = [float(row["metric"]) for row in rows if row["arm"] == "gelu" and row["age"] == "7"]
    assert np.mean(oldest) == pytest.approx(report["arms"][0]["ages"][6]["metric"]["mean"])
    assert "gelu ages" in (folder / "backtest.md").read_text(encoding="utf-8")
    assert "悪化" in (folder / "backtest.ja.md").read_text(encoding="utf-8")
    assert (folder / "figures" / "ageing.svg").read_bytes().startswith(b"<?xml")
    before = trained(folder)
    lost_file = next(folder.glob("gelu/window1-seed0/windows.json"))
    lost_file.unlink()  # as where a run is killed at its very end
    _, again = backtest(tmp_path / "out", *words)
    changed = {name for name, when in trained(folder).items() if before[name] != when}
    assert changed == {"gelu/window1-seed0/result.json"}
    for key in ("windows", "slower"):
        assert again[key] == report[key]


@pytest.mark.slow
def test_the_sample_data(tmp_path: Path) -> None:
    words = ["data=sample", "data.time=inspection date", "data.group=null", "windows=4", "seeds=1", "activations=gelu"]
    folder, report = backtest(tmp_path, *words, "trainer.max_epochs=2", "delay=30", "history=all")
    assert report["windows"][0]["start"] == "2023-10-09"
    assert len(report["arms"][0]["ages"]) == 3
    assert report["arms"][0]["money"] is None
    assert "value.decisions_per_year" in (folder / "backtest.md").read_text(encoding="utf-8")


TABLE = ["data=table", "data.target=late", "data.path={table}"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data=wine"], "no time column"),
        (TABLE, "data.time is missing"),
        ([*TABLE, "data.time=date", "data.test_path={table}"], "data.test_path"),
        ([*TABLE, "data.time=data"], "'date'"),
        ([*TABLE, "data.time=date", "windows=2"], "windows must be at least 3"),
        ([*TABLE, "data.time=date", "windows=90"], "use fewer windows"),
        ([*TABLE, "data.time=date", "windows=8", "data.batch_size=200"], "trained up to window"),
        ([*TABLE, "data.time=date", "metric=rmse"], "this is a classification"),
        ([*TABLE, "data.time=date", "activations=gelu,sgblnd"], "'sgblend'"),
        (
            [*TABLE, "data.time=a", "value.per_unit_error=1", "value.decisions_per_year=1", "value.retraining_cost=1"],
            "needs dates",
        ),
        (["data=sample", "data.time=inspection date"], "data.group and data.time"),
    ],
)
def test_what_cannot_be_tested_is_refused_before_anything_is_written(
    tmp_path: Path, words: list[str], message: str
) -> None:
    table = turning(tmp_path / "table.csv", 300)
    with pytest.raises(UserError) as caught:
        job.run([*(word.format(table=table) for word in words), f"output_dir={tmp_path / 'out'}"])
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()

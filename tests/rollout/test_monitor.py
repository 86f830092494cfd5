"""What is said of a batch: status and reasons, quality, ranges of layers, the history."""

import csv
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn

from adaptact.callbacks.input_ranges import learn_ranges, leaving
from adaptact.errors import UserError
from adaptact.rollout import monitor_history
from adaptact.rollout.monitor import status_of, with_error
from adaptact.training.metrics import metric_of_arrays


def found(**more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "status": "ok",
        "rows": 100,
        "outcomes": 0,
        "tests": [{"kind": "distribution", "name": "a", "psi": 0.1, "alarm": False, "size": 0.1}],
        "quality": None,
        "ageing": None,
        "sites": [{"name": "net.1", "outside": 0.01}],
    }
    return plain | more


def test_drift_alone_is_a_reason_to_look_and_not_to_retrain() -> None:
    alarm = {"kind": "distribution", "name": "a", "psi": 3.0, "alarm": True}
    assert status_of(found(tests=[alarm])) == ("watch", ["drift"])
    assert status_of(found()) == ("ok", [])
    assert status_of(found(quality={"shown": True})) == ("retrain", ["quality"])
    assert status_of(found(tests=[alarm], quality={"shown": False}, ageing={"due": False})) == ("watch", ["drift"])
    assert status_of(found(ageing={"due": True})) == ("retrain", ["age"])


def test_a_layers_range_is_that_of_its_training_inputs() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(1, 1, bias=False), nn.ReLU())
    nn.init.ones_(network[0].weight)
    x = torch.randn(4000, 1)
    ranges = learn_ranges(network, x.split(256))
    assert ranges["1"].low == pytest.approx(np.quantile(x.numpy(), 0.001), abs=1e-5)
    assert sum(ranges["1"].shares) == pytest.approx(0.998, abs=0.001)
    inside = leaving(network, [x[:100].clamp(-1, 1)], ranges)["1"]
    assert inside.outside.tolist() == [0.0] * 100
    beyond = leaving(network, [torch.tensor([[0.0], [50.0], [-50.0], [float("nan")]])], ranges)["1"]
    assert beyond.outside.tolist() == [0.0, 1.0, 1.0, 1.0]
    assert (beyond.shares[0], beyond.shares[-1]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))
    assert network.training


def test_all_channels_count_however_many_there_are() -> None:
    """Of 64 channels one is far larger; with every 64th element it would be all there is, or nothing."""
    network = nn.Sequential(nn.Identity(), nn.ReLU())
    x = torch.randn(6400, 64)
    x[:, 0] *= 100
    ranges = learn_ranges(network, [x])
    left = leaving(network, [x], ranges)["1"]
    assert left.outside.mean() == pytest.approx(0.002, abs=0.001)


def test_the_runs_of_two_arms_have_two_histories(tmp_path: Path) -> None:
    for arm in ("gelu", "sgblend"):
        (tmp_path / "poc" / arm / "seed0").mkdir(parents=True)
        (tmp_path / "poc" / arm / "seed0" / "result.json").write_text(arm)
    names = {monitor_history.folder_of(tmp_path / "poc" / arm / "seed0") for arm in ("gelu", "sgblend")}
    assert len(names) == 2
    assert all(name.startswith("poc-") for name in names)


def test_constant_inputs_have_no_range() -> None:
    network = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    nn.init.zeros_(network[0].weight)
    assert learn_ranges(network, [torch.randn(10, 1)]) == {}


def test_an_error_of_a_metric_is_that_of_a_bootstrap() -> None:
    random = np.random.default_rng(0)
    y = random.integers(2, size=300)
    p = 1 / (1 + np.exp(-(random.normal(size=300) + y)))
    answers = np.column_stack([1 - p, p])
    value, error = with_error("auroc", y, answers, None)
    drawn = [metric_of_arrays("auroc")(y[rows], answers[rows]) for rows in random.integers(300, size=(500, 300))]
    assert value == pytest.approx(metric_of_arrays("auroc")(y, answers))
    assert error == pytest.approx(np.std(drawn), rel=0.15)
    _, grouped = with_error("log_loss", np.tile(y, 2), np.tile(answers, (2, 1)), np.tile(np.arange(300), 2))
    assert grouped == pytest.approx(with_error("log_loss", y, answers, None)[1])


def add(folder: Path, digest: str, **more: Any) -> tuple[monitor_history.Entry, list[dict[str, str]]]:
    entry = monitor_history.place(folder, digest)
    one = found(**more) | {"batch": entry.number}
    before = monitor_history.read(folder)
    rows = monitor_history.with_row(before, monitor_history.row_of(entry, one, "=cmd.csv", digest))
    monitor_history.write(folder, rows, before, one)
    return entry, rows


def test_a_batch_is_counted_once_and_outcomes_may_come_later(tmp_path: Path) -> None:
    first, rows = add(tmp_path, "one")
    assert (first.number, first.again, len(rows)) == (1, False, 1)
    add(tmp_path, "two")
    quality = {"metric": "auroc", "now": 0.8, "interval": [0.7, 0.9], "before": 0.85, "shown": False}
    again, rows = add(tmp_path, "one", quality=quality, outcomes=50)
    assert (again.number, again.again) == (1, True)
    assert [row["batch"] for row in rows] == ["1", "2"]
    assert (rows[0]["value"], rows[1]["value"]) == ("0.8", "")
    with (tmp_path / monitor_history.FILE).open(encoding="utf-8-sig", newline="") as file:
        kept = list(csv.DictReader(file))
    assert kept == rows
    assert kept[0]["file"] == "'=cmd.csv"  # a spreadsheet would run it
    scalars = logged(tmp_path / "tensorboard")
    assert scalars["psi/a"] == [(1, pytest.approx(0.1)), (2, pytest.approx(0.1))]
    assert scalars["quality/auroc"] == [(1, pytest.approx(0.8))]
    add(tmp_path, "one", quality=quality, outcomes=50)
    assert monitor_history.place(tmp_path, "one").outcomes == 50
    assert logged(tmp_path / "tensorboard") == scalars


@pytest.mark.parametrize("killed_in", ["adaptact.rollout.monitor_history._scalars", "adaptact.files.write_bytes"])
def test_a_batch_whose_row_was_not_written_is_begun_again_with_its_scalars(tmp_path: Path, killed_in: str) -> None:
    with mock.patch(killed_in, side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        add(tmp_path, "one")
    assert add(tmp_path, "one")[0] == monitor_history.Entry(1, False, tmp_path / "batch0001")
    assert all(point == (1, pytest.approx(0.1)) for point in logged(tmp_path / "tensorboard")["psi/a"])


def logged(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize("content", ["other,columns\n1,2\n", "\x00\x01"])
def test_a_history_that_is_something_else_is_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / monitor_history.FILE).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="is broken"):
        monitor_history.place(tmp_path, "one")
    assert (tmp_path / monitor_history.FILE).read_text(encoding="utf-8") == content

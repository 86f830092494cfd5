"""Loggers and callbacks that a configuration chooses: what each writes, and what is refused."""

import csv
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import lightning as L
import pytest

from adaptact import config, records
from adaptact.errors import ConfigError, UserError
from adaptact.training.run import train

Make = Callable[..., config.Config]


class Counter(L.Callback):
    """Counts epochs, as a user's own callback."""

    made: ClassVar[list["Counter"]] = []

    def __init__(self, step: int = 1) -> None:
        self.epochs, self.step = 0, step
        Counter.made.append(self)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.epochs += self.step


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a package of the user's own, with the class above in it."""
    module: Any = ModuleType("own_package")
    module.Counter, module.number = Counter, lambda: 3
    monkeypatch.setitem(sys.modules, "own_package", module)
    return "own_package"


def test_csv_has_what_the_tensorboard_has(make_config: Make) -> None:
    _, folder = train(make_config({"logger.csv": True}))
    with (folder / "csv" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        columns = set(csv.DictReader(file).fieldnames or [])
    assert {"alpha/1", "gap/1", "grad_norm/total", "train/loss", "val/accuracy", "test/accuracy"} <= columns
    assert not (folder / "tensorboard").exists()


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_logger_that_is_not_installed_is_said_before_anything_is_written(
    name: str, make_config: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked: None if asked == name else find(asked))
    with pytest.raises(ConfigError, match=f"EXTRAS={name}, or pip install {name}"):
        train(make_config({f"logger.{name}": True}))
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_mlflow_keeps_a_database_on_this_machine(
    make_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setattr(records, "project_root", lambda: tmp_path)
    record, folder = train(make_config({"logger.mlflow": True}))
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'runs' / 'mlflow' / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("adaptact").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == folder.name
    assert run.data.params["optimizer.lr"] == "0.001"
    assert run.data.metrics["test/accuracy"] == pytest.approx(record.metrics["test"]["accuracy"])


@pytest.mark.slow
def test_a_server_of_mlflow_that_cannot_be_used_is_one_message(make_config: Make) -> None:
    pytest.importorskip("mlflow")
    with pytest.raises(UserError, match=r"logger=mlflow cannot be opened: .*nonsense"):
        train(make_config({"logger.mlflow": True, "logger.mlflow_uri": "nonsense://nowhere"}))


@pytest.mark.slow
def test_weights_and_biases_stay_offline_unless_asked(make_config: Make) -> None:
    pytest.importorskip("wandb")
    first, second = (train(make_config({"logger.wandb": True, "seed": seed}))[1] for seed in (0, 1))
    for folder in (first, second):
        (run,) = (folder / "wandb").glob("offline-run-*")
        assert list(run.glob("*.wandb"))


def test_callbacks_that_are_switched_off_write_nothing(make_config: Make) -> None:
    off = {"activation_monitor": False, "activations_csv": False, "curve_snapshots": False}
    record, folder = train(make_config({"callbacks": off, "logger.csv": True}))
    assert record.status == "finished"
    assert not (folder / "activations.csv").exists()
    assert "alpha/1" not in (folder / "csv" / "metrics.csv").read_text(encoding="utf-8")
    assert record.layers[0]["alpha"] is not None  # of the network at the end, which nobody switches off
    same, _ = train(make_config({"logger.csv": True}))
    assert same.metrics == record.metrics


def test_a_callback_of_the_users_own_takes_part(make_config: Make, package: str) -> None:
    given = {"counter": {"target": f"{package}.Counter", "step": 2}}
    train(make_config({"callbacks": given, "trust": package}))
    assert Counter.made[-1].epochs == 4


@pytest.mark.parametrize(
    ("given", "trusted", "message"),
    [
        ({"target": "own_package.Counter"}, False, "add trust=own_package"),
        ({"target": "own_package.Missing"}, True, "cannot be imported"),
        ({"target": "own_package.Counter", "steps": 2}, True, "unexpected keyword argument 'steps'"),
        ({"target": "own_package.number"}, True, "makes no lightning.Callback"),
        (False, True, "callbacks.counter is unknown"),
    ],
)
def test_a_callback_that_cannot_be_used_is_refused_before_anything_is_written(
    given: Any, trusted: bool, message: str, make_config: Make, package: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        train(make_config({"callbacks": {"counter": given}, "trust": package if trusted else None}))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["checkpoints", "metrics_csv", "stability", "random_state", "signals"])
def test_what_a_run_relies_on_cannot_be_switched_off(name: str, make_config: Make) -> None:
    with pytest.raises(ConfigError, match=f"callbacks.{name} cannot be switched off"):
        make_config({"callbacks": {name: False}})

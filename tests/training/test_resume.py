"""A run that is cut off at any moment and resumed ends as if it had never been."""

import csv
import itertools
import json
import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from adaptact import config, launcher, records
from adaptact.activations.cpu import kernels
from adaptact.callbacks.stability import StabilityMonitor
from adaptact.errors import ConfigError, UserError
from adaptact.training.checkpoints import AtomicCheckpointIO, load_checkpoint
from adaptact.training.run import train
from commands import in_a_child
from conftest import small_config

Make = Callable[..., config.Config]
EPOCHS = 5
# dropout and batch normalisation, so that every kind of state matters; a schedule; early stopping that counts
RUN = {
    "trainer.max_epochs": EPOCHS,
    "model.norm": "batch",
    "model.dropout": 0.3,
    "optimizer.lr": 0.01,
    "data.batch_size": 8,
    "logger.tensorboard": True,
    "logger.curves": False,
    "monitor": "val/log_loss",
}


def run(settings: config.Config) -> None:
    train(settings, quiet=True)


def run_until_step(settings: config.Config, step: int) -> None:
    """Train and kill this process at the end of a step."""
    ended = StabilityMonitor.on_train_batch_end

    def end_and_die(self: StabilityMonitor, trainer: L.Trainer, *args: Any) -> None:
        ended(self, trainer, *args)
        if trainer.global_step == step:
            os.kill(os.getpid(), signal.SIGKILL)

    StabilityMonitor.on_train_batch_end = end_and_die  # type: ignore[method-assign]
    run(settings)


def run_until_checkpoint(settings: config.Config, number: int) -> None:
    """Train and kill this process as soon as its ``number``-th checkpoint is on the disk."""
    save, seen = AtomicCheckpointIO.save_checkpoint, itertools.count(1)

    def save_and_die(self: AtomicCheckpointIO, *args: Any, **kwargs: Any) -> None:
        save(self, *args, **kwargs)
        if next(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    AtomicCheckpointIO.save_checkpoint = save_and_die  # type: ignore[method-assign]
    run(settings)


def run_until_call(settings: config.Config, number: int, counted: Path) -> None:
    """Train and kill this process at its ``number``-th call of a function; write how many there were where it ends."""
    seen = itertools.count(1)

    def count(*_: object) -> None:
        if next(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    run(settings)
    sys.setprofile(None)
    counted.write_text(str(next(seen)), encoding="utf-8")


def folder_of(settings: config.Config) -> Path | None:
    return next(Path(settings.output_dir).glob("*"), None)


def resume(folder: Path, *words: str) -> tuple[records.Record, Path]:
    return train(launcher.resumed([f"resume={folder}", *words]))


def state(folder: Path, name: str) -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def assert_same_run(folder: Path, reference: Path) -> None:
    for name in ("best", "last"):
        ours, theirs = state(folder, name), state(reference, name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs), name
    tables = []
    for each in (folder, reference):
        with (each / "metrics.csv").open(encoding="utf-8", newline="") as file:
            tables.append([{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)])
    assert tables[0] == tables[1]
    assert records.Record.load(folder).metrics == records.Record.load(reference).metrics
    assert records.Record.load(folder).stability == records.Record.load(reference).stability
    curves = []
    for each in (folder, reference):
        events = EventAccumulator(str(each / "tensorboard")).Reload()
        tags = sorted(tag for tag in events.Tags()["scalars"] if tag not in {"throughput", "hp_metric"})
        curves.append({tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags})
    assert curves[0] == curves[1]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody disturbs."""
    settings = small_config(tmp_path_factory.mktemp("reference"), RUN)
    assert in_a_child(run, settings) == 0
    return folder_of(settings) or pytest.fail("the run left no folder")


def resume_and_compare(folder: Path, reference: Path) -> None:
    assert in_a_child(run, launcher.resumed([f"resume={folder}"])) == 0
    assert_same_run(folder, reference)


@pytest.mark.parametrize("step", [3, 20, 41])  # of 70: in the first epoch, the second and the third
def test_a_killed_run_ends_as_if_undisturbed(make_config: Make, reference: Path, step: int) -> None:
    settings = make_config(RUN)
    assert in_a_child(run_until_step, settings, step) == -signal.SIGKILL
    folder = folder_of(settings)
    assert folder is not None
    assert not (folder / "result.json").exists()
    resume_and_compare(folder, reference)


@pytest.mark.slow
def test_a_run_killed_after_any_of_its_checkpoints_ends_as_if_undisturbed(tmp_path: Path, reference: Path) -> None:
    for number in itertools.count(1):
        settings = small_config(tmp_path / str(number), RUN)
        code = in_a_child(run_until_checkpoint, settings, number)
        if code == 0:  # it had fewer
            break
        assert code == -signal.SIGKILL
        folder = folder_of(settings)
        assert folder is not None
        resume_and_compare(folder, reference)
    assert number > 1 + EPOCHS + 1  # at the start, the last of each epoch, and the best of one epoch at least


@pytest.mark.slow
def test_twelve_kills_anywhere(tmp_path: Path, reference: Path) -> None:
    """At any call of a function from the start to the end of a run, whatever it is doing there."""
    counted = tmp_path / "counted"
    assert in_a_child(run_until_call, small_config(tmp_path / "whole", RUN), 0, counted) == 0
    calls = int(counted.read_text(encoding="utf-8"))
    rng = np.random.default_rng()
    resumed = 0
    while resumed < 12:
        number = int(rng.uniform(0.05, 0.95) * calls)
        settings = small_config(tmp_path / str(number), RUN)
        assert in_a_child(run_until_call, settings, number, counted) == -signal.SIGKILL
        folder = folder_of(settings)
        if folder is None or not (folder / "config.yaml").is_file() or (folder / "result.json").is_file():
            continue  # before it had a folder, or after it had its record: there is nothing to resume
        resume_and_compare(folder, reference)
        resumed += 1


@pytest.mark.parametrize("when", ["set-up", "first epoch"])
def test_an_interruption_before_the_first_validation_leaves_a_checkpoint(
    make_config: Make, monkeypatch: pytest.MonkeyPatch, reference: Path, when: str
) -> None:
    hook, step = ("on_train_start", 0) if when == "set-up" else ("on_train_batch_end", 3)
    real = getattr(StabilityMonitor, hook)

    def interrupt(self: StabilityMonitor, trainer: L.Trainer, *args: Any) -> None:
        real(self, trainer, *args)
        if trainer.global_step == step:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(StabilityMonitor, hook, interrupt)
        record, folder = train(make_config(RUN))
    assert record.status == "interrupted"
    assert load_checkpoint(folder / "checkpoints" / "last.ckpt")["global_step"] == 0
    record, _ = resume(folder)
    assert record.status == "finished"
    assert_same_run(folder, reference)


def test_a_run_is_resumed_twice_and_for_longer(make_config: Make) -> None:
    settings = make_config({**RUN, "optimizer.schedule": "constant", "trainer.max_epochs": 2})
    _, folder = train(settings)
    record, same = resume(folder, "trainer.max_epochs=4")
    assert same == folder
    assert record.status == "finished"
    longer = make_config({**RUN, "optimizer.schedule": "constant", "trainer.max_epochs": 4})
    _, reference = train(longer)
    assert all(torch.equal(a, b) for a, b in zip(state(folder, "last").values(), state(reference, "last").values()))
    with pytest.raises(UserError, match=r"finished after 4 epochs.*trainer.max_epochs=8"):
        resume(folder)


def test_a_run_goes_on_with_the_kernels_or_operators_that_it_began_with(
    make_config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernels.settle(compiling=True):
        pytest.skip("there is no C++ compiler")
    monkeypatch.setattr(kernels, "_library", None)
    with monkeypatch.context() as patch:
        patch.setenv("ADAPTACT_KERNELS", "0")
        _, folder = train(make_config({**RUN, "trainer.max_epochs": 2}))
    assert json.loads((folder / "environment.json").read_text())["kernels"] is False
    resume(folder, "trainer.max_epochs=3")
    assert json.loads((folder / "environment.json").read_text())["kernels"] is False
    assert not kernels._library
    _, folder = train(make_config({**RUN, "trainer.max_epochs": 2}))
    assert json.loads((folder / "environment.json").read_text())["kernels"] is True


def test_a_folder_that_was_moved_is_resumed_in_its_new_place(make_config: Make, tmp_path: Path) -> None:
    _, folder = train(make_config({**RUN, "trainer.max_epochs": 2}))
    moved = folder.rename(tmp_path / "elsewhere")
    _, same = resume(moved, "trainer.max_epochs=3")
    assert same == moved
    assert not folder.exists()


def test_only_epochs_and_loggers_may_change(make_config: Make) -> None:
    _, folder = train(make_config())
    with pytest.raises(ConfigError, match=r"optimizer.lr is fixed by the run"):
        launcher.resumed([f"resume={folder}", "optimizer.lr=1"])
    changed = launcher.resumed([f"resume={folder}", "trainer.max_epochs=9", "logger=tensorboard"])
    assert (changed.trainer.max_epochs, changed.logger.tensorboard) == (9, True)
    both = launcher.resumed([f"resume={folder}", "logger=[tensorboard,csv]"])
    assert (both.logger.tensorboard, both.logger.csv, both.logger.mlflow) == (True, True, False)
    with pytest.raises(ConfigError, match=r"trainer\.max_epochs must be at least 1"):
        launcher.resumed([f"resume={folder}", "trainer.max_epochs=-3"])


class Bomb:
    """Pickled, it would write a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("damage", ["truncated", "foreign", "pickle", "bomb", "schema", "other network", "other data"])
def test_a_checkpoint_that_cannot_be_resumed_is_one_message(make_config: Make, tmp_path: Path, damage: str) -> None:
    _, folder = train(make_config())
    path, marker = folder / "checkpoints" / "last.ckpt", tmp_path / "pwned"
    checkpoint = torch.load(path, weights_only=True)
    before = {p.name: p.read_bytes() for p in folder.glob("*.*")}
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "foreign":
        torch.save({"state_dict": {}}, path)
    elif damage == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": Bomb(marker)}))
    elif damage == "bomb":
        torch.save({**checkpoint, "extra": Bomb(marker)}, path)
    elif damage == "schema":
        torch.save({**checkpoint, "adaptact": {**checkpoint["adaptact"], "schema": 99}}, path)
    elif damage == "other network":
        torch.save({**checkpoint, "state_dict": {"network.0.weight": torch.zeros(2)}}, path)
    else:
        torch.save({**checkpoint, "adaptact": {**checkpoint["adaptact"], "fingerprint": "0" * 64}}, path)
    with pytest.raises(UserError) as caught:
        resume(folder, "trainer.max_epochs=4")
    assert str(path) in str(caught.value) or "data has changed" in str(caught.value)
    assert not marker.exists()
    assert {p.name: p.read_bytes() for p in folder.glob("*.*")} == before


def test_a_hostile_configuration_executes_nothing(make_config: Make, tmp_path: Path) -> None:
    _, folder = train(make_config())
    marker = tmp_path / "pwned"
    path = folder / "config.yaml"
    text = path.read_text(encoding="utf-8")
    hostile = {
        "a tag": text + f"\nextra: !!python/object/apply:os.system ['touch {marker}']\n",
        "a target": text.replace("kind: sgblend", f"kind: sgblend\n  _target_: os.system\n  command: touch {marker}"),
        "its own trust": text.replace("kind: sgblend", "kind: custom\n  target: os.system").replace(
            "trust: null", "trust: os"
        ),
        "not yaml": "a: [",
        "no keys": "- 1",
    }
    for content in hostile.values():
        path.write_text(content, encoding="utf-8")
        with pytest.raises(UserError):
            resume(folder, "trainer.max_epochs=4")
        assert not marker.exists()
    with pytest.raises(UserError, match="no run folder"):
        launcher.resumed([f"resume={tmp_path / '$(touch pwned)'}"])

"""Our loop over batches leaves what Lightning's leaves, and stands back where it is not enough."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor, nn

from adaptact import config, data
from adaptact.callbacks.activation_monitor import ActivationMonitor
from adaptact.data.loaders import DataModule
from adaptact.training import run
from adaptact.training.learner import Learner
from adaptact.training.loop import CALLED, NOT_CALLED, DirectLoop

Make = Callable[..., config.Config]
# what a run of every kind of state has: dropout, batch normalisation, a schedule, early stopping that counts
EVERYTHING = {"trainer.max_epochs": 4, "model.norm": "batch", "logger.tensorboard": True, "logger.curves": False}


@pytest.fixture
def steps_taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every step whether Lightning took it."""
    taken: list[bool] = []
    ours, theirs = DirectLoop.advance, _TrainingEpochLoop.advance

    def advance(self: DirectLoop, fetcher: Any) -> None:
        taken.append(False)
        ours(self, fetcher)

    def lightnings(self: DirectLoop, fetcher: Any) -> None:
        taken[-1] = True
        theirs(self, fetcher)

    monkeypatch.setattr(DirectLoop, "advance", advance)
    monkeypatch.setattr(_TrainingEpochLoop, "advance", lightnings)
    return taken


def checkpoint(settings: config.Config, folder: Path) -> Any:
    folder.mkdir()
    run.train(settings, folder=folder, quiet=True)
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def plain(value: Any) -> Any:
    """A checkpoint as values that can be compared, without times and places."""
    if isinstance(value, dict):
        return {plain(str(key)): plain(one) for key, one in value.items() if key not in {"training_s", "seconds"}}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, Tensor):
        return value.tolist()
    return Path(value).name if isinstance(value, str) else value


@pytest.mark.parametrize(
    "changes", [{}, {"trainer.precision": "bf16-mixed"}, {"activation_penalty": 0.1, "activation_warmup_epochs": 1}]
)
def test_a_run_is_the_same_to_the_last_bit_as_in_lightnings_loop(
    make_config: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps_taken: list[bool],
    changes: dict[str, Any],
) -> None:
    ours = checkpoint(make_config(EVERYTHING | changes), tmp_path / "ours")
    assert steps_taken
    assert not any(steps_taken)
    monkeypatch.setattr(DirectLoop, "is_enough", lambda self: False)
    theirs = checkpoint(make_config(EVERYTHING | changes), tmp_path / "theirs")
    assert any(steps_taken)
    assert ours["global_step"] > 10
    assert plain(ours) == plain(theirs)


class Counting(L.Callback):
    """Every hook of a step, in the order of its calls."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.calls: list[str] = []
        for name in names:
            setattr(type(self), name, lambda *_, name=name: self.calls.append(name))


@pytest.mark.parametrize(
    ("hooks", "lightning"), [(CALLED, False), (NOT_CALLED, True), ((*CALLED, NOT_CALLED[0]), True)]
)
def test_hooks_that_somebody_wrote_are_called(
    make_config: Make,
    monkeypatch: pytest.MonkeyPatch,
    steps_taken: list[bool],
    hooks: tuple[str, ...],
    lightning: bool,
) -> None:
    counting = type("Mine", (Counting,), {})(hooks)
    monkeypatch.setattr(run, "ActivationMonitor", lambda: counting)
    run.train(make_config(), quiet=True)
    steps = steps_taken.count(lightning)
    assert steps >= 10
    assert sorted(counting.calls) == sorted(hooks * steps)
    if not lightning:
        assert counting.calls[: len(hooks)] == list(hooks)


def test_what_a_module_or_a_callback_logs_in_a_step_is_logged(
    make_config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps_taken: list[bool]
) -> None:
    """As somebody would who adds a metric to the module."""
    step = run.Learner.training_step

    def logging(self: Learner, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss = step(self, batch, batch_idx)
        self.log("train/mine", loss, on_step=True, on_epoch=True)
        return loss

    class Mine(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
            pl_module.log("train/batch", float(trainer.global_step))

        def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            seen.append({name: value.item() for name, value in trainer.callback_metrics.items() if "train/" in name})

    seen: list[dict[str, float]] = []
    monkeypatch.setattr(run.Learner, "training_step", logging)
    monkeypatch.setattr(run, "ActivationMonitor", Mine)
    checkpoint(make_config(EVERYTHING), tmp_path / "ours")
    assert not any(steps_taken)
    monkeypatch.setattr(DirectLoop, "is_enough", lambda self: False)
    checkpoint(make_config(EVERYTHING), tmp_path / "theirs")
    assert set(seen[0]) == {"train/mine", "train/mine_step", "train/mine_epoch", "train/batch"}
    assert seen[0] == seen[1]


def test_hooks_of_an_object_are_called_too(make_config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(run, "ActivationMonitor", lambda: LambdaCallback(on_train_batch_end=lambda *_: calls.append(1)))
    run.train(make_config(), quiet=True)
    assert len(calls) >= 10


def test_batches_from_elsewhere_take_lightnings_step(make_config: Make, steps_taken: list[bool]) -> None:
    run.train(make_config({"data.resident": "false"}), quiet=True)
    assert all(steps_taken)


def scaled() -> MixedPrecision:
    return MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=2.0))


@pytest.mark.parametrize(
    ("more", "lightning"),
    [
        (dict, False),
        (lambda: {"accumulate_grad_batches": 2}, True),
        (lambda: {"plugins": [scaled()]}, True),
        (lambda: {"precision": "bf16-true"}, True),
    ],
)
def test_what_needs_more_takes_lightnings_step(
    tmp_path: Path, steps_taken: list[bool], more: Callable[[], dict[str, Any]], lightning: bool
) -> None:
    prepared = data.load(config.Bundled(name="wine", batch_size=16))
    trainer = L.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, default_root_dir=tmp_path, **more()
    )
    trainer.fit_loop.epoch_loop = DirectLoop(trainer)
    learner = Learner(nn.Linear(13, 3), task="classification", optimizer=config.Optimizer())
    trainer.fit(learner, DataModule(prepared, config.Bundled(name="wine", batch_size=16), 0))
    assert steps_taken
    assert all(taken is lightning for taken in steps_taken)


def test_a_module_that_changes_a_step_takes_lightnings(
    make_config: Make, monkeypatch: pytest.MonkeyPatch, steps_taken: list[bool]
) -> None:
    seen = []
    monkeypatch.setattr(run.Learner, "on_after_backward", lambda self: seen.append(1))
    run.train(make_config(), quiet=True)
    assert all(steps_taken)
    assert len(seen) >= 10


def test_the_monitor_of_activations_needs_no_more_than_what_is_called() -> None:
    assert not any(getattr(ActivationMonitor, name) is not getattr(L.Callback, name) for name in NOT_CALLED)

"""Runs that end otherwise than planned: interrupted, diverged, on a full disk."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from adaptact import config, data, launcher, records
from adaptact.__main__ import main
from adaptact.callbacks.nonfinite import first_nonfinite_layer
from adaptact.callbacks.stability import StabilityMonitor
from adaptact.config import Optimizer
from adaptact.data import Part
from adaptact.surgery import param_groups
from adaptact.training.learner import Learner
from adaptact.training.run import train
from commands import in_a_child

Make = Callable[..., config.Config]


def run_signalled(number: signal.Signals, times: int, out: Path) -> None:
    """``adaptact train`` in this process, which gets the signal in the middle of its second epoch."""
    ended = StabilityMonitor.on_train_batch_end

    def end_and_signal(self: StabilityMonitor, trainer: L.Trainer, *args: Any) -> None:
        ended(self, trainer, *args)
        if trainer.current_epoch == 1 and args[-1] == 1:
            for _ in range(times):
                os.kill(os.getpid(), number)

    StabilityMonitor.on_train_batch_end = end_and_signal  # type: ignore[method-assign]
    words = ["data=wine", "activation=sgblend", "trainer.max_epochs=50", "trainer.accelerator=cpu"]
    with (out.parent / "stderr").open("w", encoding="utf-8") as file, contextlib.redirect_stderr(file):
        sys.exit(main(["train", *words, f"output_dir={out}"]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_run_is_recorded_and_can_be_resumed(tmp_path: Path, number: signal.Signals, times: int) -> None:
    code = in_a_child(run_signalled, number, times, tmp_path / "runs")
    stderr = (tmp_path / "stderr").read_text(encoding="utf-8")
    assert code == 128 + number, stderr
    assert "Traceback" not in stderr
    (folder,) = (tmp_path / "runs").glob("*")
    record = records.Record.load(folder)
    assert record.status == "interrupted"
    assert number.name in str(record.reason)
    assert record.metrics["test"] == {}  # the test rows stay unseen until the end
    done = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] + 1
    resumed, _ = train(launcher.resumed([f"resume={folder}", f"trainer.max_epochs={done + 1}"]))
    assert resumed.status == "finished"
    assert resumed.metrics["test"]["accuracy"] > 0.3


def test_signals_are_given_back(make_config: Make) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    train(make_config())
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def with_a_bad_row(settings: config.Config, value: float) -> data.Prepared:
    prepared = data.load(settings.data)
    x = prepared.parts["train"].x.clone()
    x[0, 0] = value
    return replace(prepared, parts={**prepared.parts, "train": Part(x, prepared.parts["train"].y)})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_bad_batch_is_skipped_and_counted_and_named(make_config: Make, value: float) -> None:
    changes = {"trainer.max_epochs": 4, "model.norm": "batch", "optimizer.weight_decay": 0.0}
    settings = make_config({**changes, "optimizer.lr": 0.01})
    record, folder = train(settings, prepared=with_a_bad_row(settings, value))
    assert record.status == "finished"
    assert record.stability["nonfinite_steps"] == 4  # once an epoch
    assert record.stability["first_nonfinite"] is not None
    assert record.metrics["test"]["accuracy"] > 0.5
    stored = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.isfinite(tensor).all() for tensor in stored.values())


def test_a_skipped_step_leaves_weights_and_moments_alone() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    learner = Learner(network, task="classification", optimizer=Optimizer(gradient_clip=1.0))
    optimizer = torch.optim.AdamW(param_groups(network, 0.1, 0.1), lr=0.1, fused=True)
    for bad in (False, True):
        learner.training_step((torch.ones(1, 2), torch.tensor([0])), 0).backward()
        if bad:
            network[0].weight.grad[0, 0] = float("inf")
            before = [p.clone() for p in network.parameters()]
            moments = [v.clone() for s in optimizer.state.values() for v in s.values()]
        learner.configure_gradient_clipping(optimizer)
        optimizer.step()
        optimizer.zero_grad()
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    after = [v for s in optimizer.state.values() for v in s.values()]
    assert all(torch.equal(a, b) for a, b in zip(moments, after, strict=True))


def test_deciding_about_a_step_never_waits_for_the_device() -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    learner = Learner(network, task="classification", optimizer=Optimizer(gradient_clip=1.0))
    optimizer = torch.optim.AdamW(param_groups(network, 0.1, 0.1), lr=0.1, fused=True)
    seen: list[str] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    learner.training_step((torch.ones(1, 2), torch.tensor([0])), 0).backward()
    with Watch():
        learner.configure_gradient_clipping(optimizer)
        optimizer.step()
    assert seen
    assert not [name for name in seen if "_local_scalar_dense" in name or "is_nonzero" in name]


def test_too_many_bad_steps_end_the_run_as_diverged(make_config: Make) -> None:
    changes = {"optimizer.lr": 1e30, "optimizer.warmup_epochs": 0.0, "trainer.max_epochs": 50, "max_nonfinite_steps": 5}
    record, folder = train(make_config({**changes, "logger.tensorboard": True}))
    assert record.status == "diverged"
    assert "steps in a row" in str(record.reason)
    assert "it began in" in str(record.reason)
    assert record.stability["nonfinite_steps"] > 5
    assert len((folder / "metrics.csv").read_text(encoding="utf-8").splitlines()) < 20
    for name in ("config.yaml", "environment.json", "result.json", "checkpoints/last.ckpt"):
        assert (folder / name).is_file()


class Overflow(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 1e38 * 1e38


class Root(nn.Module):
    """Finite forward, infinite gradient at 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 0).sqrt() + x


@pytest.mark.parametrize(("layer", "expected"), [(Overflow(), "2"), (Root(), "1"), (nn.Identity(), None)])
def test_the_layer_where_it_began_is_named(layer: nn.Module, expected: str | None) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), layer, nn.Linear(2, 2))
    learner = Learner(network, task="classification", optimizer=Optimizer())
    assert first_nonfinite_layer(learner, (torch.ones(1, 2), torch.tensor([0]))) == expected


def test_a_full_disk_is_one_message_and_what_was_written_stays(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    words = ["train", "data=wine", "trainer.max_epochs=2", "logger=none", f"output_dir={out}"]
    environment = {k: v for k, v in os.environ.items() if k != "MAKEFLAGS"} | {"OMP_NUM_THREADS": "1"}

    def small_files_only() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    result = subprocess.run(
        [sys.executable, "-m", "adaptact", *words],
        env=environment,
        preexec_fn=small_files_only,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 2
    assert "File too large" in result.stderr
    assert "Traceback" not in result.stderr
    (folder,) = out.glob("*")
    assert (folder / "config.yaml").read_text(encoding="utf-8")
    assert not list((folder / "checkpoints").iterdir())  # nothing half-written, no temporary file
    record, _ = train(launcher.resumed([f"resume={folder}"]))
    assert record.status == "finished"

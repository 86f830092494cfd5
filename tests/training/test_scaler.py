"""A gradient scaler that searches its scale: the steps that it skips are its own, not the network's."""

import math
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import nn

from adaptact import SGBlend, data
from adaptact.callbacks.stability import StabilityMonitor
from adaptact.config import Bundled, Optimizer
from adaptact.data.loaders import DataModule
from adaptact.training.learner import Learner


class Root(nn.Module):
    """Finite forward, a gradient that is no number."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * 0).sqrt() + x


def fit(
    folder: Path, *, value: float | None = None, layer: nn.Module | None = None
) -> tuple[Learner, StabilityMonitor]:
    """Train the wine data on a CPU in 16-mixed with a scale so large that the first steps overflow."""
    torch.manual_seed(0)
    prepared = data.load(Bundled(name="wine", batch_size=16))
    if value is not None:
        prepared.parts["train"].x[:] = value
    network = nn.Sequential(nn.Linear(13, 16), nn.BatchNorm1d(16), layer or SGBlend(), nn.Linear(16, 3))
    learner = Learner(network, task="classification", optimizer=Optimizer(lr=0.01, warmup_epochs=0))
    stability = StabilityMonitor(every_n_steps=4, batch_size=16, max_nonfinite_steps=20)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=10_000)
    trainer = L.Trainer(
        max_epochs=20,
        accelerator="cpu",
        plugins=[MixedPrecision("16-mixed", "cpu", scaler=scaler)],
        callbacks=[stability],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        num_sanity_val_steps=0,
    )
    trainer.fit(learner, DataModule(prepared, Bundled(name="wine", batch_size=16), 0))
    return learner, stability


def test_steps_that_the_scaler_skips_are_counted_apart(tmp_path: Path) -> None:
    learner, stability = fit(tmp_path)
    summary = stability.summary([0.5], "max")
    assert summary["scaler_skipped_steps"] > 20  # more in a row than max_nonfinite_steps allows a network
    assert summary["nonfinite_steps"] == 0
    assert summary["first_nonfinite"] is None
    assert stability.diverged is None
    assert all(torch.isfinite(tensor).all() for tensor in learner.state_dict().values())
    assert len(stability.losses) > 2 * summary["scaler_skipped_steps"]
    assert stability.losses[-1] < 0.5 * stability.losses[0]  # it went on and learned
    assert math.isfinite(summary["grad_norm_max"])


def test_a_network_that_diverges_does_so_under_a_scaler_too(tmp_path: Path) -> None:
    learner, stability = fit(tmp_path, value=float("nan"))
    assert stability.diverged is not None
    assert "the input" in stability.diverged
    assert stability.scaler_skipped_steps == 0
    assert all(torch.isfinite(tensor).all() for tensor in learner.state_dict().values())


def test_a_gradient_that_no_scale_mends_ends_the_run(tmp_path: Path) -> None:
    """The loss is finite and the scale falls below 1: that is no search any more."""
    _, stability = fit(tmp_path, layer=Root())
    assert stability.diverged is not None
    assert "it began in 1" in stability.diverged
    assert stability.scaler_skipped_steps == pytest.approx(40, abs=4)  # from 2**40 to 1, to a logging interval
    assert len(stability.losses) < 80

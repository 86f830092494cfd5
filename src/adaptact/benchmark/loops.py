"""The loops that the group ``loop`` compares, from a bare one to what users run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim.lr_scheduler import LambdaLR

from adaptact import config
from adaptact.data import Prepared
from adaptact.data.loaders import DataModule
from adaptact.surgery import param_groups
from adaptact.training.build import build_network
from adaptact.training.learner import Learner, learning_rate_factor
from adaptact.training.run import train


def bare(settings: config.Config, prepared: Prepared, device: str, *, recipe: bool = False) -> dict[str, float]:
    """What one would write by hand: forward, loss, backward, step. Nothing is watched.

    Args:
        recipe: also clip gradients and schedule the learning rate, as ``train`` does by default.
    """
    network = build_network(settings, prepared.input_shape, prepared.n_outputs, prepared.layout).to(device).train()
    o = settings.optimizer
    groups = param_groups(network, o.lr, o.weight_decay, o.activation_lr_scale)
    optimizer = torch.optim.AdamW(groups, lr=o.lr, fused=True)
    schedule = LambdaLR(optimizer, learning_rate_factor(10_000, 100, o.schedule))
    x, y = prepared.parts["train"].x.to(device), prepared.parts["train"].y.to(device)
    size = settings.data.batch_size
    assert len(x) % size != 1  # a batch of one row would be left out by train
    took = 0.0
    for _ in range(settings.trainer.max_epochs):
        begun = time.perf_counter()
        for rows in torch.randperm(len(x)).split(size):
            rows = rows.to(device)
            optimizer.zero_grad()
            cross_entropy(network(x[rows]), y[rows]).backward()
            if recipe:
                for group in groups:
                    clip_grad_norm_(group["params"], o.gradient_clip or float("inf"))
            optimizer.step()
            if recipe:
                schedule.step()
        if device == "cuda":
            torch.cuda.synchronize()
        took += time.perf_counter() - begun
    return _rate(settings, prepared, took)


class Timer(L.Callback):
    """Time from the start of each epoch to the end of its last step."""

    took = 0.0

    def on_train_epoch_start(self, *args: Any) -> None:
        self.begun = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx + 1 == trainer.num_training_batches:
            self.took += time.perf_counter() - self.begun


def lightning_alone(settings: config.Config, prepared: Prepared, device: str) -> dict[str, float]:
    """The same network, rows and step in Lightning's trainer, without any of what ``train`` watches and keeps."""
    network = build_network(settings, prepared.input_shape, prepared.n_outputs, prepared.layout)
    learner = Learner(network, task=prepared.task, optimizer=settings.optimizer)
    timer = Timer()
    trainer = L.Trainer(
        max_epochs=settings.trainer.max_epochs,
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        callbacks=[timer],
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(learner, DataModule(prepared, settings.data, settings.seed))
    return _rate(settings, prepared, timer.took)


def watched(settings: config.Config, prepared: Prepared) -> dict[str, float]:
    """``train`` as users run it, TensorBoard included; the time of its training steps, without validation."""
    with tempfile.TemporaryDirectory() as folder:
        settings.references, settings.logger.curves = False, False
        record, _ = train(settings, prepared=prepared, folder=Path(folder), quiet=True)
    rate = record.speed["train_samples_per_second"] or float("nan")
    return {"p50_ms": 1e6 / rate, "samples_per_second": rate}


def _rate(settings: config.Config, prepared: Prepared, took: float) -> dict[str, float]:
    rows = len(prepared.parts["train"]) * settings.trainer.max_epochs
    return {"p50_ms": 1e6 * took / rows, "samples_per_second": rows / took}

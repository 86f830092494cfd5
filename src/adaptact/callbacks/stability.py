"""How steadily a run trained: losses and gradient norms of every step, spikes, non-finite steps, throughput."""

from __future__ import annotations

import time
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

SPIKE_WINDOW = 50
SPIKE_MIN_STEPS = 20
SPIKE_DEVIATIONS = 6.0
SPIKE_FACTOR = 1.5


class StabilityMonitor(L.Callback):
    """Keeps the loss and gradient norm of every step on the device and fetches them once per logging interval.

    Logs ``train/loss``, ``train/activation_penalty`` (only where there is one), ``lr``, ``throughput`` (training rows
    per second) every ``every_n_steps`` steps. After the fit ``losses`` and ``norms`` hold one value per step.
    """

    def __init__(self, every_n_steps: int, batch_size: int) -> None:
        self.every_n_steps, self.batch_size = every_n_steps, batch_size
        self.losses: list[float] = []
        self.norms: list[float] = []
        self.first_step_at: float | None = None
        self.training_s = 0.0
        self._pending: list[tuple[Tensor, Tensor]] = []
        self._epoch_started = self._interval_started = 0.0
        self._epoch_rows: list[int] = []

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._epoch_started = self._interval_started = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._pending.append((pl_module.task_loss, pl_module.grad_norms["total"]))
        if self.first_step_at is None:
            self.first_step_at = time.time()
        last = batch_idx + 1 == trainer.num_training_batches
        if last:
            self.training_s += time.perf_counter() - self._epoch_started
        if (trainer.global_step % self.every_n_steps == 0 or last) and self._pending:
            self._fetch(trainer, pl_module)

    def _fetch(self, trainer: L.Trainer, pl_module: Any) -> None:
        pairs = torch.stack([torch.stack((loss.float(), norm.float())) for loss, norm in self._pending]).tolist()
        self.losses += [loss for loss, _ in pairs]
        self.norms += [norm for _, norm in pairs]
        now = time.perf_counter()
        rate = len(self._pending) * self.batch_size / max(1e-9, now - self._interval_started)
        self._pending, self._interval_started = [], now
        metrics = {"train/loss": self.losses[-1], "throughput": rate}
        metrics["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        if pl_module.activation_penalty:
            metrics["train/activation_penalty"] = pl_module.penalty.item()
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step - 1)

    def summary(self, monitored: list[float], mode: str) -> dict[str, Any]:
        """The "stability" of a record; ``monitored`` is the monitored metric after each epoch."""
        losses, norms = np.array(self.losses), np.array(self.norms)
        finite = norms[np.isfinite(norms)]
        return {
            "nonfinite_steps": int((~(np.isfinite(losses) & np.isfinite(norms))).sum()),
            "loss_spikes": int(loss_spikes(losses).sum()),
            "grad_norm_max": float(finite.max()) if len(finite) else None,
            "grad_norm_median": float(np.median(finite)) if len(finite) else None,
            "grad_norm_cv": float(finite.std() / finite.mean()) if len(finite) and finite.mean() > 0 else None,
            "epochs_to_90pct": epochs_to_share(monitored, mode, 0.9),
        }


def loss_spikes(losses: np.ndarray) -> np.ndarray:
    """Which steps are spikes, as booleans.

    A step is a spike if its loss is above 1.5 times the median of the 50 steps before it and above that median by
    more than 6 robust standard deviations (1.4826 times the median absolute deviation). Steps with fewer than 20
    finite ones before them are never spikes.
    """
    spikes = np.zeros(len(losses), dtype=bool)
    for step in range(SPIKE_MIN_STEPS, len(losses)):
        before = losses[max(0, step - SPIKE_WINDOW) : step]
        before = before[np.isfinite(before)]
        if len(before) < SPIKE_MIN_STEPS or not np.isfinite(losses[step]):
            continue
        middle = np.median(before)
        spread = 1.4826 * np.median(np.abs(before - middle))
        spikes[step] = losses[step] > max(SPIKE_FACTOR * middle, middle + SPIKE_DEVIATIONS * spread)
    return spikes


def epochs_to_share(monitored: list[float], mode: str, share: float) -> int | None:
    """Epochs until a metric first came within ``share`` of its best: best * share, or best / share for errors.

    >>> epochs_to_share([0.5, 0.86, 0.95, 0.9], "max", 0.9)
    2
    """
    finite = [value for value in monitored if np.isfinite(value)]
    if not finite:
        return None
    best = max(finite) if mode == "max" else min(finite)
    # a negative best (an r2 below 0) moves away from 0 when it gets worse
    slack = share if (mode == "max") == (best >= 0) else 1 / share
    for epoch, value in enumerate(monitored, start=1):
        if (value >= best * slack) if mode == "max" else (value <= best * slack):
            return epoch
    return None

"""How steadily a run trained: losses and gradient norms of every step, spikes, non-finite steps, throughput."""

from __future__ import annotations

import math
import time
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from adaptact.callbacks.nonfinite import first_nonfinite_layer, float_buffers
from adaptact.records import Stability

SPIKE_WINDOW = 50
SPIKE_MIN_STEPS = 20
SPIKE_DEVIATIONS = 6.0
SPIKE_FACTOR = 1.5


class StabilityMonitor(L.Callback):
    """Keeps the loss and gradient norm of every step on the device and fetches them once per logging interval.

    Every ``every_n_steps`` steps it logs ``train/loss``, ``loss_spikes`` (so far), ``lr``, ``throughput`` (rows
    per second) and, where there is one, ``train/activation_penalty``. After the fit ``losses`` and ``norms`` hold one
    value per step.
    """

    def __init__(self, every_n_steps: int, batch_size: int, max_nonfinite_steps: int) -> None:
        self.every_n_steps, self.batch_size = every_n_steps, batch_size
        self.max_nonfinite_steps = max_nonfinite_steps
        self.diverged: str | None = None
        self.scaler_skipped_steps = 0
        self.losses: list[float] = []
        self.norms: list[float] = []
        self.spikes = 0
        self.first_step_at: float | None = None
        self.training_s = 0.0
        self._pending: list[tuple[Tensor, Tensor]] = []
        self._batches: list[Any] = []
        self._good_buffers: list[Tensor] = []
        self._in_a_row = 0
        self._first_bad = ""
        self._epoch_started = self._interval_started = 0.0

    def state_dict(self) -> dict[str, Any]:
        keys = ("losses", "norms", "spikes", "training_s", "scaler_skipped_steps", "_in_a_row", "_first_bad")
        return {key: getattr(self, key) for key in keys}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        vars(self).update(state_dict)

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        self._good_buffers = [buffer.clone() for buffer in float_buffers(pl_module.network)]

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._epoch_started = self._interval_started = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self._pending.append((pl_module.task_loss, pl_module.grad_norms["total"]))
        self._batches.append(batch)  # references, until the next fetch: to find where a bad step began
        if self.first_step_at is None:
            self.first_step_at = time.time()
        last = batch_idx + 1 == trainer.num_training_batches
        if last:
            self.training_s += time.perf_counter() - self._epoch_started
        if (trainer.global_step % self.every_n_steps == 0 or last) and self._pending:
            self._fetch(trainer, pl_module)

    def _fetch(self, trainer: L.Trainer, pl_module: Any) -> None:
        losses, norms = (torch.stack(values).float() for values in zip(*self._pending, strict=True))
        pairs = torch.stack((losses, norms), dim=1).tolist()
        self.losses += [loss for loss, _ in pairs]
        self.norms += [norm for _, norm in pairs]
        self._look_for_divergence(trainer, pl_module, pairs)
        now = time.perf_counter()
        rate = len(self._pending) * self.batch_size / max(1e-9, now - self._interval_started)
        self._pending, self._batches, self._interval_started = [], [], now
        self.spikes += int(loss_spikes(np.array(self.losses[-SPIKE_WINDOW - len(pairs) :]))[-len(pairs) :].sum())
        metrics = {"train/loss": self.losses[-1], "throughput": rate, "loss_spikes": float(self.spikes)}
        metrics["lr"] = trainer.optimizers[0].param_groups[0]["lr"]
        if pl_module.activation_penalty:
            metrics["train/activation_penalty"] = pl_module.penalty.item()
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step - 1)

    def _look_for_divergence(self, trainer: L.Trainer, pl_module: Any, pairs: list[list[float]]) -> None:
        """Count non-finite steps, which the optimizer skipped, and end the run after too many in a row."""
        # A gradient scaler tries too large a scale now and then; below 1 it is the gradient that is too large.
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        searching = scaler is not None and scaler.get_scale() >= 1
        for (loss, norm), batch in zip(pairs, self._batches, strict=True):
            if math.isfinite(loss) and math.isfinite(norm):
                self._in_a_row = 0
                continue
            if searching and math.isfinite(loss):
                self.scaler_skipped_steps += 1
                continue
            self._in_a_row += 1
            if self._in_a_row == 1:
                where = first_nonfinite_layer(pl_module, batch)
                self._first_bad = f"it began in {where}" if where else "where it began could not be repeated"
            if self._in_a_row > self.max_nonfinite_steps and self.diverged is None:
                self.diverged = (
                    f"{self._in_a_row} steps in a row had a loss or gradient that is no number; {self._first_bad}"
                )
                trainer.should_stop = True
        with torch.no_grad():
            for buffer, good in zip(float_buffers(pl_module.network), self._good_buffers, strict=True):
                if torch.isfinite(buffer).all():
                    good.copy_(buffer)
                else:  # running statistics that met an overflow would stay NaN for good
                    buffer.copy_(good)

    def summary(self, monitored: list[float], mode: str) -> Stability:
        """The "stability" of a record; ``monitored`` is the monitored metric after each epoch."""
        losses, norms = np.array(self.losses), np.array(self.norms)
        finite = norms[np.isfinite(norms)]
        return {
            "nonfinite_steps": int((~(np.isfinite(losses) & np.isfinite(norms))).sum()) - self.scaler_skipped_steps,
            "scaler_skipped_steps": self.scaler_skipped_steps,
            "first_nonfinite": self._first_bad or None,
            "loss_spikes": self.spikes,
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
    losses = np.where(np.isfinite(losses), losses, np.nan)
    if np.fmax.reduce(losses, initial=-np.inf) <= SPIKE_FACTOR * np.fmin.reduce(losses, initial=np.inf):
        return spikes  # as of most calls: no median can be that low
    before = sliding_window_view(np.concatenate([np.full(SPIKE_WINDOW, np.nan), losses]), SPIKE_WINDOW)[: len(losses)]
    enough = np.isfinite(before).sum(axis=1) >= SPIKE_MIN_STEPS
    if enough.any():
        middle = row_medians(before[enough])
        spread = 1.4826 * row_medians(np.abs(before[enough] - middle[:, None]))
        spikes[enough] = losses[enough] > np.maximum(SPIKE_FACTOR * middle, middle + SPIKE_DEVIATIONS * spread)
    return spikes


def row_medians(values: np.ndarray) -> np.ndarray:
    """Median of the numbers in each row, NaN left out: ``np.nanmedian(values, axis=1)``, thirty times as fast."""
    ordered = np.sort(values, axis=1)  # NaN come last
    last = np.isfinite(values).sum(axis=1) - 1
    rows = np.arange(len(values))
    return (ordered[rows, last // 2] + ordered[rows, (last + 1) // 2]) / 2


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

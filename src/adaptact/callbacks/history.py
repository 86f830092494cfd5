"""metrics.csv: one row per epoch, on disk as soon as the epoch is over."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import lightning as L

from adaptact.callbacks.stability import StabilityMonitor


class History(L.Callback):
    """Writes ``metrics.csv`` and keeps its rows in ``rows``."""

    def __init__(self, path: Path, stability: StabilityMonitor) -> None:
        self.path, self.stability = path, stability
        self.rows: list[dict[str, Any]] = []
        self._started = time.perf_counter()
        self._losses_before = 0

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        losses = self.stability.losses[self._losses_before :]
        self._losses_before = len(self.stability.losses)
        row: dict[str, Any] = {
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "seconds": round(time.perf_counter() - self._started, 3),
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "train/loss": sum(losses) / len(losses) if losses else None,
        }
        row |= {k: v.item() for k, v in sorted(trainer.callback_metrics.items()) if k.startswith("val/")}
        with self.path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if not self.rows:
                writer.writeheader()
            writer.writerow(row)
        self.rows.append(row)

    def monitored(self, name: str) -> list[float]:
        return [float(row[name]) for row in self.rows if name in row]

"""metrics.csv: one row per epoch, on disk as soon as the epoch is over."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

import lightning as L

from adaptact import files
from adaptact.callbacks.stability import StabilityMonitor


class History(L.Callback):
    """Writes ``metrics.csv`` and keeps its rows in ``rows``, also in the checkpoint.

    After a resume the file has the rows of the checkpoint and no more: what came after it is done again.
    """

    def __init__(self, path: Path, stability: StabilityMonitor) -> None:
        self.path, self.stability = path, stability
        self.rows: list[dict[str, Any]] = []
        self._started = time.perf_counter()
        self._losses_before = 0
        self._restored = False

    @property
    def seconds(self) -> float:
        """Time of the fit up to the last epoch, over all processes that worked on it."""
        return self.rows[-1]["seconds"] if self.rows else 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "losses": self._losses_before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self._losses_before = state_dict["rows"], state_dict["losses"]
        self._started -= self.seconds
        self._restored = True

    def _text(self, rows: list[dict[str, Any]], *, header: bool) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
        if header and rows:
            writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._restored and trainer.is_global_zero:
            files.write_text(self.path, self._text(self.rows, header=True))

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
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
        if trainer.is_global_zero:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                file.write(self._text([row], header=not self.rows))
        self.rows.append(row)

    def monitored(self, name: str) -> list[float]:
        return [float(row[name]) for row in self.rows if name in row]

"""One line on stderr: how far, how good, how long yet."""

from __future__ import annotations

import sys
import time
from typing import Any

import lightning as L
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adaptact import terminal

REFRESH_S = 0.1
PLAIN_EVERY_S = 5.0


class ProgressLine(L.Callback):
    """A bar on a terminal; elsewhere a plain line per epoch, at most one in five seconds."""

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self._progress: Progress | None = None
        self._shown = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not sys.stderr.isatty():
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=terminal.console(stderr=True), auto_refresh=False)
        self._progress.start()
        self._progress.add_task(f"epoch 1/{trainer.max_epochs}", total=trainer.estimated_stepping_batches)

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        if self._progress is not None and time.monotonic() - self._shown > REFRESH_S:
            self._shown = time.monotonic()
            self._progress.update(self._progress.tasks[0].id, completed=trainer.global_step, refresh=True)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        value = trainer.callback_metrics.get(self.monitor)
        text = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        if value is not None:
            text += f"  {self.monitor} {value.item():.4f}"
        if self._progress is not None:
            self._progress.update(self._progress.tasks[0].id, description=text, refresh=True)
        elif time.monotonic() - self._shown > PLAIN_EVERY_S or trainer.current_epoch + 1 == trainer.max_epochs:
            self._shown = time.monotonic()
            print(text, file=sys.stderr, flush=True)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

"""Lightning's loop over the batches of an epoch, without the calls that nobody answers.

A step of a small network on a table takes one millisecond. Lightning calls some twenty hooks of the module and of each
callback in it, nearly all of them empty, which takes another half. Here the hooks that somebody has written are called,
in Lightning's order, and the same numbers come out bit by bit.

Loops are private to Lightning: ``pyproject.toml`` holds its minor version, and ``tests/training/test_loop.py``
compares the checkpoints that both loops leave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
from lightning.pytorch.loops.fetchers import _DataFetcher
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.strategies import SingleDeviceStrategy

from adaptact.data.loaders import ResidentLoader

CALLED = ("on_train_batch_start", "on_before_optimizer_step", "on_train_batch_end")  # of callbacks
NOT_CALLED = ("on_before_zero_grad", "on_before_backward", "on_after_backward")  # of callbacks and of the module
NOT_CALLED_OF_MODULE = (
    *CALLED,
    *NOT_CALLED,
    "backward",
    "lr_scheduler_step",
    "optimizer_step",
    "optimizer_zero_grad",
    "on_before_batch_transfer",
    "on_after_batch_transfer",
    "transfer_batch_to_device",
)


class DirectLoop(_TrainingEpochLoop):
    """Takes a step itself where a run needs no more than ``training_step``, clipping, an optimizer and a schedule.

    Else Lightning's step is taken: several processes, a gradient scaler, accumulated gradients, batches that are not
    on the device, hooks that are not called here.

    >>> trainer = L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    >>> trainer.fit_loop.epoch_loop = DirectLoop(trainer)
    """

    def __init__(self, trainer: L.Trainer) -> None:
        super().__init__(trainer, trainer.min_steps, trainer.max_steps)
        self.hooks: dict[str, list[Callable[..., None]]] | None = None  # None: Lightning's step is taken

    def on_run_start(self, data_fetcher: _DataFetcher) -> None:
        super().on_run_start(data_fetcher)
        callbacks: list[L.Callback] = self.trainer.callbacks  # type: ignore[attr-defined]
        written = {
            name: [getattr(callback, name) for callback in callbacks if overrides(callback, L.Callback, name)]
            for name in (*CALLED, *NOT_CALLED)
        }
        self.hooks = None if any(map(written.get, NOT_CALLED)) or not self.is_enough() else written

    def is_enough(self) -> bool:
        trainer: Any = self.trainer
        module, precision = trainer.lightning_module, trainer.precision_plugin
        autocast = isinstance(precision, MixedPrecision) and precision.scaler is None
        return (
            type(trainer.strategy) is SingleDeviceStrategy
            and (autocast or type(precision) is Precision)
            and isinstance(trainer.train_dataloader, ResidentLoader)
            and trainer.accumulate_grad_batches == 1
            and module.automatic_optimization
            and [schedule.interval for schedule in trainer.lr_scheduler_configs] == ["step"]
            and not any(overrides(module, L.LightningModule, name) for name in NOT_CALLED_OF_MODULE)
        )

    def advance(self, data_fetcher: _DataFetcher) -> None:
        if self.hooks is None or self.restarting:
            super().advance(data_fetcher)
            return
        trainer: Any = self.trainer
        module, optimizer, log = trainer.lightning_module, trainer.optimizers[0], trainer._logger_connector
        batches, done = self.batch_progress, self.automatic_optimization.optim_progress.optimizer

        batch, _, _ = next(data_fetcher)
        index = self.batch_idx + 1
        batches.is_last_batch = data_fetcher.done
        batch = trainer.datamodule.on_after_batch_transfer(batch, 0)
        batches.increment_ready()
        log.on_batch_start(batch)
        self._call("on_train_batch_start", batch, index)
        batches.increment_started()

        done.step.increment_ready()
        vars(module)["_current_fx_name"] = "training_step"  # where self.log() asks who called it
        with trainer.precision_plugin.train_step_context():
            loss = module.training_step(batch, index)
        done.zero_grad.increment_ready()
        done.zero_grad.increment_started()
        optimizer.zero_grad()
        done.zero_grad.increment_completed()
        loss.backward()
        self._call("on_before_optimizer_step", optimizer)
        module.configure_gradient_clipping(optimizer)
        optimizer.step()
        done.step.increment_completed()
        batches.increment_processed()

        self.scheduler_progress.increment_ready()
        trainer.lr_scheduler_configs[0].scheduler.step()
        self.scheduler_progress.increment_completed()
        self._call("on_train_batch_end", {"loss": loss.detach()}, batch, index)
        logged = bool(self._results)
        if logged:
            log.on_batch_end()
        self._results.batch = None
        batches.increment_completed()
        if logged:
            log.update_train_step_metrics()

    def _call(self, name: str, *arguments: Any) -> None:
        trainer: Any = self.trainer
        vars(trainer.lightning_module)["_current_fx_name"] = name
        for hook in (self.hooks or {})[name]:
            hook(trainer, trainer.lightning_module, *arguments)
        vars(trainer.lightning_module)["_current_fx_name"] = None

    def on_advance_end(self, data_fetcher: _DataFetcher) -> None:
        """Validation, schedules by metric, flushing of loggers: only where one of them may be due."""
        trainer: Any = self.trainer
        within = self.hooks is not None and trainer.val_check_batch == trainer.num_training_batches
        due = self.batch_progress.is_last_batch or trainer.should_stop or trainer.received_sigterm
        if within and not due and not trainer._logger_connector.should_update_logs:
            self._batches_that_stepped += 1
        else:
            super().on_advance_end(data_fetcher)


def overrides(of: object, base: type, name: str) -> bool:
    """Whether a hook is another than that of ``base``, by a class or on the object itself."""
    return getattr(getattr(of, name), "__func__", None) is not getattr(base, name)

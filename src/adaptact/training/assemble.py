"""From a configuration and its data to everything that a training needs."""

from __future__ import annotations

import contextlib
import copy
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import Logger
from lightning.pytorch.loggers.logger import DummyLogger
from torch import nn

from adaptact import config, files
from adaptact.activations import AdaptiveActivation
from adaptact.activations.cpu import kernels
from adaptact.callbacks.activation_monitor import ActivationMonitor
from adaptact.callbacks.activations_csv import ParameterHistory
from adaptact.callbacks.curves import CurveSnapshots
from adaptact.callbacks.metrics_csv import History
from adaptact.callbacks.progress import ProgressLine
from adaptact.callbacks.stability import StabilityMonitor
from adaptact.config import Mode
from adaptact.data import Prepared
from adaptact.data.loaders import DataModule
from adaptact.errors import ConfigError, UserError
from adaptact.records import ACTIVATIONS_FILE, ENVIRONMENT_FILE, METRICS_FILE
from adaptact.surgery import named_activations
from adaptact.training import hardware
from adaptact.training.build import build_network, resolved, with_positive
from adaptact.training.checkpoints import AtomicCheckpointIO, BestAndLast, RandomState
from adaptact.training.checks import check, monitored_metric
from adaptact.training.learner import Learner
from adaptact.training.loggers import check_installed, loggers
from adaptact.training.losses import balanced_weights
from adaptact.training.run_folder import batch_norm_notes, describe_run, open_folder
from adaptact.training.sharding import Sharded
from adaptact.training.signals import Signals
from adaptact.training.tensorboard import Board
from adaptact.trust import import_trusted


@dataclass
class Watchers:
    """Callbacks that every run has, as its record is made from what they saw."""

    stability: StabilityMonitor
    history: History
    checkpoints: BestAndLast
    snapshots: CurveSnapshots
    signals: Signals


@dataclass
class RunParts:
    """Everything that a training needs, made and not yet started.

    Args:
        settings: as given, with what the data and the network have decided ("auto", the positive class).
        starts: copies of the activations by site, as they were before the training.
        folder: of the run, described already.
        last: the checkpoint to go on from; None for a new run.
        monitor, mode: the metric that picks the best checkpoint, and "min" or "max".
        device: "cpu" or "gpu".
        first: of several processes, True in the one that writes.
    """

    settings: config.Config
    prepared: Prepared
    network: nn.Module
    starts: dict[str, nn.Module]
    learner: Learner
    module: DataModule
    watchers: Watchers
    loggers: list[Logger]
    trainer: L.Trainer
    folder: Path
    last: Path | None
    monitor: str
    mode: Mode
    device: str
    first: bool

    @property
    def board(self) -> Board | None:
        """The logger of TensorBoard, which takes pictures."""
        return next((logger for logger in self.loggers if isinstance(logger, Board)), None)

    @property
    def sharded(self) -> bool:
        return self.settings.trainer.strategy == "fsdp"


def assemble(
    settings: config.Config, prepared: Prepared, *, folder: Path | None = None, quiet: bool = False
) -> RunParts:
    """Build network, learner, data module, callbacks, loggers and trainer, and open the run folder.

    Args:
        folder: an empty run folder; by default a new one is made.
        quiet: say nothing on the screen, as one run of many.

    Raises:
        ConfigError, DataError, UserError: before anything is written.
    """
    device = hardware.accelerator(settings.trainer)
    precision = hardware.precision(settings.trainer, device)
    check(settings, prepared)
    check_installed(settings.logger)
    monitor, mode = monitored_metric(settings, prepared)
    network = build_network(settings, prepared.input_shape, prepared.n_outputs, prepared.layout)
    settings = resolved(with_positive(settings, prepared), network)
    compiled = device == "cpu" and _choose_kernels(settings, network)
    starts = {name: copy.deepcopy(activation) for name, activation in named_activations(network).items()}
    learner = make_learner(settings, prepared, network)
    own = own_callbacks(settings)
    several = settings.trainer.strategy != "auto"
    first = not several or os.environ.get("LOCAL_RANK", "0") == "0"
    folder, last = open_folder(settings, prepared, learner, folder)
    if first:
        notes = batch_norm_notes(network, device) if several else []
        describe_run(folder, settings, prepared, device, precision, notes, compiled=compiled, quiet=quiet)
    if settings.compile:
        network.compile()
    watchers = _watchers(settings, folder, monitor, mode)
    callbacks = _callbacks(settings, watchers, folder, prepared.fingerprint, show=first and not quiet)
    made = loggers(folder, settings, last) if first else []
    order_seed = settings.data.order_seed
    return RunParts(
        settings=settings,
        prepared=prepared,
        network=network,
        starts=starts,
        learner=learner,
        module=DataModule(prepared, settings.data, settings.seed if order_seed is None else order_seed),
        watchers=watchers,
        loggers=made,
        trainer=_trainer(settings, device, precision, [*callbacks, *own, watchers.checkpoints], made, folder),
        folder=folder,
        last=last,
        monitor=monitor,
        mode=mode,
        device=device,
        first=first,
    )


def make_learner(settings: config.Config, prepared: Prepared, network: nn.Module) -> Learner:
    """Wrap a network in the LightningModule that trains it as the configuration says."""
    weighted = settings.imbalance == "weights" and prepared.task == "classification"
    return Learner(
        network,
        task=prepared.task,
        optimizer=settings.optimizer,
        label_smoothing=settings.label_smoothing,
        activation_penalty=settings.activation_penalty,
        activation_warmup_epochs=settings.activation_warmup_epochs,
        center=prepared.center,
        scale=prepared.scale,
        positive=prepared.positive_number,
        class_weights=balanced_weights(prepared.parts["train"].y, prepared.n_outputs) if weighted else None,
        focal_gamma=settings.focal_gamma if settings.imbalance == "focal" else 0.0,
        finetune=settings.finetune,
    )


def own_callbacks(settings: config.Config) -> list[L.Callback]:
    """Make the callbacks of the user's own that ``callbacks.<name>.target`` names.

    Raises:
        ConfigError: a class that cannot be imported, that does not take its arguments, or that is no callback.
    """
    made = []
    for name, given in settings.callbacks.own.items():
        arguments = {key: value for key, value in given.items() if key != "target"}
        try:
            callback = import_trusted(given["target"], settings.trust)(**arguments)
        except ConfigError as error:
            raise ConfigError([f"callbacks.{name}.target {problem}" for problem in error.problems]) from error
        except Exception as error:  # whatever third-party code raises
            raise ConfigError([f"callbacks.{name}: {type(error).__name__}: {error}; debug=true shows where"]) from error
        if not isinstance(callback, L.Callback):
            raise ConfigError([f"callbacks.{name}.target={given['target']} makes no lightning.Callback"])
        made.append(callback)
    return made


def _watchers(settings: config.Config, folder: Path, monitor: str, mode: str) -> Watchers:
    stability = StabilityMonitor(settings.log_every_n_steps, settings.data.batch_size, settings.max_nonfinite_steps)
    return Watchers(
        stability=stability,
        history=History(folder / METRICS_FILE, stability),
        checkpoints=BestAndLast(folder / "checkpoints", monitor, mode),
        snapshots=CurveSnapshots(),
        signals=Signals(),
    )


def _callbacks(
    settings: config.Config, watchers: Watchers, folder: Path, fingerprint: str, *, show: bool
) -> list[L.Callback]:
    """Everything but the checkpoints, which come last: they keep the state of all others."""
    asked, pictures = settings.callbacks, settings.logger.tensorboard and settings.logger.curves
    callbacks: list[L.Callback] = [watchers.stability, watchers.history]
    callbacks += [ActivationMonitor()] if asked.activation_monitor else []
    callbacks += [watchers.signals]
    callbacks += [ParameterHistory(folder / ACTIVATIONS_FILE)] if asked.activations_csv else []
    callbacks += [watchers.snapshots] if asked.curve_snapshots and pictures else []
    callbacks += [ProgressLine(watchers.checkpoints.monitor or "")] if asked.progress and show else []
    callbacks += [RandomState(fingerprint)]
    if patience := settings.trainer.early_stopping_patience:
        stop: dict[str, Any] = {"patience": patience, "mode": watchers.checkpoints.mode}
        callbacks.append(EarlyStopping(watchers.checkpoints.monitor or "", **stop, check_on_train_epoch_end=False))
    return callbacks


def _trainer(
    settings: config.Config,
    device: str,
    precision: str,
    callbacks: list[L.Callback],
    made: list[Logger],
    folder: Path,
) -> L.Trainer:
    several, sharded = settings.trainer.strategy != "auto", settings.trainer.strategy == "fsdp"
    return L.Trainer(
        max_epochs=settings.trainer.max_epochs,
        accelerator=device,
        devices=settings.trainer.devices,
        strategy=Sharded() if sharded else settings.trainer.strategy,
        precision=precision,  # type: ignore[arg-type]
        # with shards it takes all processes to know a norm: each watches the same steps, one writes
        logger=made or (DummyLogger() if settings.logger.chosen else False),
        inference_mode=not sharded,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        default_root_dir=folder,
        log_every_n_steps=settings.log_every_n_steps,
        deterministic=settings.deterministic,
        sync_batchnorm=several and device == "gpu",  # torch has none for a CPU
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _choose_kernels(settings: config.Config, network: nn.Module) -> bool:
    """Decide whether activations run in compiled kernels, for all steps of the run and of its resumption alike."""
    if not any(isinstance(module, AdaptiveActivation) for module in network.modules()):
        return False
    used: bool | None = None
    if settings.resume is not None:
        with contextlib.suppress(FileNotFoundError, UserError):  # cut off before it was written, or broken
            used = files.read_json(Path(settings.resume) / ENVIRONMENT_FILE).get("kernels") is True
    return kernels.settle(compiling=True, use=used is not False)

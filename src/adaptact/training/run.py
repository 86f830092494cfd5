"""``train(config) -> Record``: one run from a configuration to a folder."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import shlex
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers.logger import DummyLogger
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from adaptact import config, data, files, records
from adaptact.activations import AdaptiveActivation
from adaptact.activations.cpu import kernels
from adaptact.callbacks.activation_monitor import ActivationMonitor
from adaptact.callbacks.activations_csv import ParameterHistory
from adaptact.callbacks.curves import CurveSnapshots
from adaptact.callbacks.metrics_csv import History
from adaptact.callbacks.progress import ProgressLine
from adaptact.callbacks.site_inputs import curves, describe_layers, observe
from adaptact.callbacks.stability import StabilityMonitor
from adaptact.data import Prepared
from adaptact.data.loaders import DataModule
from adaptact.data.text.padding import trimmed, without_padding
from adaptact.errors import UserError, machine_error
from adaptact.folders import refuse_links
from adaptact.outputs import Outputs
from adaptact.surgery import named_activations
from adaptact.training import finish, hardware, input_profile
from adaptact.training.build import build_network, resolved, seed_all, with_positive
from adaptact.training.checkpoints import (
    KEY,
    AtomicCheckpointIO,
    BestAndLast,
    RandomState,
    check_resumable,
    epochs_done,
    load_checkpoint,
)
from adaptact.training.checks import check, monitored_metric
from adaptact.training.input_spec import Interface
from adaptact.training.learner import Learner
from adaptact.training.loop import DirectLoop
from adaptact.training.losses import balanced_weights
from adaptact.training.references import references
from adaptact.training.sharding import Sharded, load_weights
from adaptact.training.signals import Interrupted, Signals
from adaptact.training.tensorboard import Board
from adaptact.training.threshold import decision_of_run

QUIET = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    ".*isinstance.treespec.*",
    ".*exists and is not empty.*",
    ".*sync_dist=True.*",
    ".*lr_scheduler.step.. before.*",  # where a gradient scaler skips the first step
)
WORTH_A_COMPILER = 200_000  # rows seen by a run, beyond which activations are compiled first, once per machine
OBSERVED_ROWS = 512  # validation rows over which gaps and histograms of inputs are taken at the end


def train(
    settings: config.Config,
    *,
    prepared: Prepared | None = None,
    folder: Path | None = None,
    started: float | None = None,
    import_s: float | None = None,
    quiet: bool = False,
) -> tuple[records.Record, Path]:
    """Train, evaluate the best checkpoint once on the test part, and leave a run folder.

    With ``settings.resume`` an earlier run continues in its folder, bit by bit as if it had never stopped (CPU).
    SIGINT and SIGTERM end it as "interrupted", too many non-finite steps in a row as "diverged".

    Args:
        settings: a checked configuration.
        prepared: the data of ``settings.data``, where it has been read already.
        folder: an empty run folder; by default a new one is made. All processes of a run share one.
        started: ``time.time()`` at the start of the process, for ``first_step_s``; by default now.
        import_s: seconds that imports took, for the record.
        quiet: say nothing on the screen, as one run of many.

    Returns:
        The record, as in ``result.json``, and the run folder.

    Raises:
        ConfigError, DataError, UserError: before anything is written.
    """
    how: dict[str, Any] = {"prepared": prepared, "started": started, "import_s": import_s, "quiet": quiet}
    if settings.resume is None:
        return _train(settings, folder=folder, **how)
    try:
        return _train(settings, folder=folder, **how)
    except Exception as error:  # whatever a checkpoint that was tampered with leads to
        if isinstance(error, UserError) or machine_error(error) is not None:
            raise
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{settings.resume} cannot be continued ({reason}); debug=true shows where") from error


def _train(
    settings: config.Config,
    *,
    prepared: Prepared | None,
    folder: Path | None,
    started: float | None,
    import_s: float | None,
    quiet: bool,
) -> tuple[records.Record, Path]:
    started = time.time() if started is None else started
    quiet_libraries()
    device = hardware.accelerator(settings.trainer)
    precision = hardware.precision(settings.trainer, device)
    prepared = prepared or data.load(settings.data, settings.trust, resumed=settings.resume is not None)
    check(settings, prepared)
    monitor, mode = monitored_metric(settings, prepared)
    network = build_network(settings, prepared.input_shape, prepared.n_outputs, prepared.layout)
    settings = resolved(with_positive(settings, prepared), network)
    compiled = with_kernels(settings, prepared, network) if device == "cpu" else False
    starts = {name: copy.deepcopy(activation) for name, activation in named_activations(network).items()}
    order = settings.seed if settings.data.order_seed is None else settings.data.order_seed
    module = DataModule(prepared, settings.data, order)
    learner = Learner(
        network,
        task=prepared.task,
        optimizer=settings.optimizer,
        label_smoothing=settings.label_smoothing,
        activation_penalty=settings.activation_penalty,
        activation_warmup_epochs=settings.activation_warmup_epochs,
        center=prepared.center,
        scale=prepared.scale,
        positive=prepared.positive_number,
        class_weights=balanced_weights(prepared.parts["train"].y, prepared.n_outputs)
        if settings.imbalance == "weights" and prepared.task == "classification"
        else None,
        focal_gamma=settings.focal_gamma if settings.imbalance == "focal" else 0.0,
        finetune=settings.finetune,
    )
    several, sharded = settings.trainer.strategy != "auto", settings.trainer.strategy == "fsdp"
    first = not several or os.environ.get("LOCAL_RANK", "0") == "0"  # of the processes the one that writes
    folder, last = open_folder(settings, prepared, learner, folder)
    if first:
        notes = batch_norm_notes(network, device) if several else []
        describe_run(folder, settings, prepared, device, precision, notes, compiled=compiled, quiet=quiet)
    if settings.compile:
        network.compile()
    stability = StabilityMonitor(settings.log_every_n_steps, settings.data.batch_size, settings.max_nonfinite_steps)
    history = History(folder / "metrics.csv", stability)
    checkpoints = BestAndLast(folder / "checkpoints", monitor, mode)
    snapshots, signals = CurveSnapshots(), Signals()
    callbacks: list[L.Callback] = [stability, history, ActivationMonitor(), signals]
    callbacks.append(ParameterHistory(folder / "activations.csv"))
    callbacks += [snapshots] if settings.logger.tensorboard and settings.logger.curves else []
    callbacks += [ProgressLine(monitor)] if first and not quiet else []
    callbacks += [RandomState(prepared.fingerprint), checkpoints]
    if patience := settings.trainer.early_stopping_patience:
        callbacks.append(EarlyStopping(monitor, patience=patience, mode=mode, check_on_train_epoch_end=False))
    logger = tensorboard_logger(folder, settings, last) if first else None
    trainer = L.Trainer(
        max_epochs=settings.trainer.max_epochs,
        accelerator=device,
        devices=settings.trainer.devices,
        strategy=Sharded() if sharded else settings.trainer.strategy,
        precision=precision,  # type: ignore[arg-type]
        # with shards it takes all processes to know a norm: each watches the same steps, one writes
        logger=logger or (DummyLogger() if settings.logger.tensorboard else False),
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
    trainer.fit_loop.epoch_loop = DirectLoop(trainer)
    seed_all(settings.seed)
    stopped: str | None = None
    try:
        trainer.fit(learner, module, ckpt_path=None if last is None else str(last), weights_only=True)
    except Interrupted as interruption:
        stopped = f"{interruption}; make train {shlex.quote(f'resume={folder}')} continues it"
    else:
        signals.restore()
    try:
        if stopped is None:
            trainer.strategy.barrier()  # the first process has written its last checkpoint
        best_epoch = load_best(learner, folder)
        parts = data.PARTS if stopped is None else ()
        metrics: dict[str, dict[str, float]] = {}
        predictions: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for part in parts:
            metrics[part] = finish.evaluate(trainer, learner, module, part)
            outputs, targets = finish.collected(learner)
            back = module.order_of(part).argsort()  # of texts, which are evaluated by length
            predictions[part] = (outputs.cpu()[back].numpy(), targets.cpu()[back].numpy())
        weights = next(network.parameters())
        like_weights = weights.device, weights.dtype
        together = stopped is None or not sharded  # interrupted processes don't wait for each other's shards
        observed = without_padding(prepared.parts["val"].x[:OBSERVED_ROWS], prepared.layout)
        inputs = observe(network, observed.to(*like_weights), starts) if together else {}
        known = input_profile.describe(network, prepared) if together and stopped is None else None
        monitored = history.monitored(monitor)
        status, reason = finish.outcome(monitored, stopped, stability.diverged)
        rows = len(prepared.parts["train"]) * len(history.rows)
        best = checkpoints.best_model_score
        record = records.Record(
            status=status,
            reason=reason,
            data={
                "name": prepared.name,
                "task": prepared.task,
                "rows": {part: len(prepared.parts[part]) for part in data.PARTS},
                "fingerprint": prepared.fingerprint,
                "labels": prepared.labels,
                "positive": None if prepared.positive is None else prepared.positive.label,
            },
            model=finish.describe_model(settings.model.name, network),
            activation=settings.activation.name,
            seed=settings.seed,
            monitor={
                "name": monitor,
                "mode": mode,
                "best": None if best is None else best.item(),
                "best_epoch": best_epoch,
            },
            metrics={part: metrics.get(part, {}) for part in data.PARTS},
            stability=stability.summary(monitored, mode),
            speed={
                "import_s": import_s,
                "first_step_s": None if stability.first_step_at is None else stability.first_step_at - started,
                "fit_s": history.seconds,
                "train_samples_per_second": rows / stability.training_s if stability.training_s else None,
                "inference": finish.measure_inference(
                    learner, trimmed(prepared.parts["test"].x[:1], prepared.layout).to(*like_weights)
                )
                if together
                else None,
            },
            layers=describe_layers(network, inputs, starts),
            versions=hardware.versions(),
            device=hardware.device_name(device),
            decision=decision_of_run(settings.data, prepared, predictions) if stopped is None else None,
            references=references(prepared) if settings.references and first and stopped is None else [],
        )
        if logger is not None and stopped is None and settings.logger.curves:
            finish.draw_pictures(folder, logger, learner, prepared, inputs, snapshots)
        if first:
            if "test" in predictions:
                outputs_of_run(predictions, prepared).save(folder)
                files.write_json(folder / "curves.json", curves(network, inputs, starts))
                input_profile.save(folder, known or {})
            record.save(folder)
        if logger is not None and stopped is None:
            # after the record, which ends the run: a resumed one would log this a second time
            final = {f"test/{name}": value for name, value in metrics["test"].items()}
            logger.log_hyperparams(finish.hyperparameters(settings), final)
            logger.save()
            logger.finalize("success")
    finally:
        signals.restore()
    return record, folder


def with_kernels(settings: config.Config, prepared: Prepared, network: nn.Module) -> bool:
    """Decide whether activations run in compiled kernels, for all steps of the run and of its resumption alike."""
    if not any(isinstance(module, AdaptiveActivation) for module in network.modules()):
        return False
    used: bool | None = None
    if settings.resume is not None:
        with contextlib.suppress(FileNotFoundError, UserError):  # cut off before it was written, or broken
            used = files.read_json(Path(settings.resume) / "environment.json").get("kernels") is True
    rows = len(prepared.parts["train"]) * settings.trainer.max_epochs
    return kernels.settle(compiling=rows >= WORTH_A_COMPILER or used is True, use=used is not False)


def open_folder(
    settings: config.Config, prepared: Prepared, learner: Learner, given: Path | None
) -> tuple[Path, Path | None]:
    """The given or a new run folder, or that of ``settings.resume`` with its last checkpoint.

    None for the checkpoint where the run stopped before it had one.

    Raises:
        UserError: nothing to resume, a checkpoint that is broken or belongs to something else, other data.
    """
    if settings.resume is None:
        return given or new_folder(settings, prepared), None
    folder = Path(settings.resume)
    refuse_links(folder, settings.follow_links)
    last = folder / "checkpoints" / "last.ckpt"
    if not last.is_file():  # stopped before the first step: it begins again
        (folder / "metrics.csv").unlink(missing_ok=True)
        return folder, None
    checkpoint = load_checkpoint(last)
    check_resumable(checkpoint, last)
    shapes = {name: tensor.shape for name, tensor in learner.state_dict().items()}
    if {name: tensor.shape for name, tensor in checkpoint["state_dict"].items()} != shapes:
        raise UserError(f"{last} does not fit the network of {folder / 'config.yaml'}: it is of another configuration")
    if checkpoint[KEY].get("fingerprint") != prepared.fingerprint:
        raise UserError(f"the data has changed since {folder} was trained: a resumed run would mix two data sets")
    if (folder / "result.json").is_file():
        record, done = records.Record.load(folder), epochs_done(checkpoint)
        if record.status in {"finished", "diverged"} and done >= settings.trainer.max_epochs:
            raise UserError(
                f"{folder} has {record.status} after {done} epochs: add trainer.max_epochs={2 * done} to go on"
            )
    return folder, last


def new_folder(settings: config.Config, prepared: Prepared) -> Path:
    return records.new_run_folder(
        records.project_root() / settings.output_dir,
        data=prepared.name,
        model=settings.model.name,
        activation=settings.activation.name,
        seed=settings.seed,
    )


def outputs_of_run(predictions: dict[str, tuple[np.ndarray, np.ndarray]], prepared: Prepared) -> Outputs:
    """Outputs and true values on test and validation rows, with where the test rows came from."""
    (test, y), (val, val_y) = predictions["test"], predictions["val"]
    more: dict[str, Any] = {"groups": prepared.test_groups}
    if prepared.test_rows is not None:
        known = prepared.test_rows
        more |= {"sources": np.array(known.sources, dtype=str), "source": known.source, "row": known.row}
    return Outputs(test, y, val, val_y, **more)


def load_best(learner: Learner, folder: Path) -> int | None:
    """Give the learner the weights of the best checkpoint and return its epoch; None where there is none yet."""
    path = folder / "checkpoints" / "best.ckpt"
    if not path.is_file():
        return None
    best = load_checkpoint(path)
    load_weights(learner, best["state_dict"])
    return best["epoch"]


def tensorboard_logger(folder: Path, settings: config.Config, last: Path | None) -> Board | None:
    """The logger of a run. After a resume, what was logged after the checkpoint is taken back: it comes again."""
    if not settings.logger.tensorboard:
        return None
    purge: dict[str, Any] = {}
    if settings.resume is not None:
        purge["purge_step"] = 0 if last is None else load_checkpoint(last)["global_step"]
    logger = Board(folder, name="", version="tensorboard", default_hp_metric=False, **purge)
    if settings.resume is None:
        text = (folder / "config.yaml").read_text(encoding="utf-8")
        logger.experiment.add_text("config", f"```yaml\n{text}\n```")
    return logger


def quiet_libraries() -> None:
    """Keep what does not concern a user of adaptact off the screen."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    for message in QUIET:
        warnings.filterwarnings("ignore", message=message)


def batch_norm_notes(network: nn.Module, device: str) -> list[str]:
    """What several processes change about batch normalisation."""
    if device == "gpu" or not any(isinstance(module, _BatchNorm) for module in network.modules()):
        return []
    return ["batch normalisation: on a CPU each process uses the statistics of its own share of a batch"]


TYPED_ANEW: dict[str, Any] = {"resume": None, "trust": None, "follow_links": False}


def describe_run(
    folder: Path,
    settings: config.Config,
    prepared: Prepared,
    device: str,
    precision: str,
    notes: list[str],
    *,
    compiled: bool,
    quiet: bool = False,
) -> None:
    """Write what is known before the first step: configuration, environment, what the network takes, preparation."""
    (folder / "checkpoints").mkdir(exist_ok=True)
    notes = [*prepared.notes, *notes]
    # trust is given by a person at the command line, never by a file.
    files.write_yaml(
        folder / "config.yaml", config.to_dict(settings) | {"resume": None, "trust": None, "follow_links": False}
    )
    environment = {
        "versions": hardware.versions(),
        "device": hardware.device_name(device),
        "precision": precision,
        "kernels": compiled,
        "notes": notes,
    }
    files.write_json(folder / "environment.json", environment)
    for note in [] if quiet else notes:
        print(f"note: {note}", file=sys.stderr)
    Interface.of(prepared).save(folder)
    if prepared.preparation is not None:
        prepared.preparation.save(folder / "preparation")

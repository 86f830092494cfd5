"""``train(config) -> Record``: one run from a configuration to a folder."""

from __future__ import annotations

import logging
import math
import time
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.image import imsave
from torch import nn

from adaptact import config, data, records
from adaptact.callbacks.curves import CurveSnapshots, draw_curve, to_image
from adaptact.callbacks.diagnostics import draw_confusion, draw_reliability
from adaptact.callbacks.history import History
from adaptact.callbacks.monitor import ActivationMonitor
from adaptact.callbacks.progress import ProgressLine
from adaptact.callbacks.sites import Inputs, describe_layers, eagerly, observe
from adaptact.callbacks.stability import StabilityMonitor
from adaptact.data import Prepared
from adaptact.data.module import DataModule
from adaptact.errors import ConfigError
from adaptact.surgery import named_activations
from adaptact.training import hardware
from adaptact.training.build import build_network, seed_all
from adaptact.training.learner import Learner

QUIET = (".*does not have many workers.*", ".*smaller than the logging interval.*", ".*isinstance.treespec.*")
OBSERVED_ROWS = 512  # validation rows over which gaps and histograms of inputs are taken at the end


def train(
    settings: config.Config, *, started: float | None = None, import_s: float | None = None
) -> tuple[records.Record, Path]:
    """Train, evaluate the best checkpoint once on the test part, and leave a run folder.

    Args:
        settings: a checked configuration.
        started: ``time.time()`` at the start of the process, for ``first_step_s``; by default now.
        import_s: seconds that imports took, for the record.

    Returns:
        The record, as in ``result.json``, and the run folder.

    Raises:
        ConfigError, DataError: before anything is written.
    """
    started = time.time() if started is None else started
    quiet_libraries()
    device = hardware.accelerator(settings.trainer)
    precision = hardware.precision(settings.trainer, device)
    prepared = data.load(settings.data)
    monitor, mode = monitored_metric(settings, prepared)
    network = build_network(settings, prepared.input_shape, prepared.n_outputs)
    module = DataModule(prepared, settings.data, settings.seed)
    folder = records.new_run_folder(
        records.project_root() / settings.output_dir,
        data=prepared.name,
        model=settings.model.name,
        activation=settings.activation.name,
        seed=settings.seed,
    )
    describe_run(folder, settings, prepared, device, precision)
    if settings.compile:
        network.compile()
    learner = Learner(
        network,
        task=prepared.task,
        optimizer=settings.optimizer,
        label_smoothing=settings.label_smoothing,
        activation_penalty=settings.activation_penalty,
        activation_warmup_epochs=settings.activation_warmup_epochs,
        center=prepared.center,
        scale=prepared.scale,
    )
    stability = StabilityMonitor(settings.log_every_n_steps, settings.data.batch_size)
    history = History(folder / "metrics.csv", stability)
    snapshots = CurveSnapshots()
    checkpoint = ModelCheckpoint(
        folder / "checkpoints", "best", monitor=monitor, mode=mode, save_last=True, enable_version_counter=False
    )
    callbacks: list[L.Callback] = [stability, history, ActivationMonitor(), ProgressLine(monitor), checkpoint]
    draw = settings.logger.tensorboard and settings.logger.curves
    callbacks += [snapshots] if draw else []
    if patience := settings.trainer.early_stopping_patience:
        callbacks.append(EarlyStopping(monitor, patience=patience, mode=mode))
    logger = None
    if settings.logger.tensorboard:
        logger = TensorBoardLogger(folder, name="", version="tensorboard", default_hp_metric=False)
        logger.experiment.add_text("config", f"```yaml\n{(folder / 'config.yaml').read_text(encoding='utf-8')}\n```")
    trainer = L.Trainer(
        max_epochs=settings.trainer.max_epochs,
        accelerator=device,
        devices=settings.trainer.devices,
        precision=precision,  # type: ignore[arg-type]
        logger=logger or False,
        callbacks=callbacks,
        default_root_dir=folder,
        log_every_n_steps=settings.log_every_n_steps,
        deterministic=settings.deterministic,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    seed_all(settings.seed)
    fit_started = time.perf_counter()
    trainer.fit(learner, module)
    fit_s = time.perf_counter() - fit_started
    best = torch.load(checkpoint.best_model_path, map_location="cpu", weights_only=True)
    learner.load_state_dict(best["state_dict"])
    metrics = {part: evaluate(trainer, learner, module, part) for part in data.PARTS}
    like_weights = next(network.parameters())
    inputs = observe(network, prepared.parts["val"].x[:OBSERVED_ROWS].to(like_weights))
    monitored = history.monitored(monitor)
    status, reason = outcome(monitored, metrics["test"])
    rows = len(prepared.parts["train"]) * len(history.rows)
    record = records.Record(
        status=status,
        reason=reason,
        data={
            "name": prepared.name,
            "task": prepared.task,
            "rows": {part: len(prepared.parts[part]) for part in data.PARTS},
            "fingerprint": prepared.fingerprint,
        },
        model=describe_model(settings.model.name, network),
        activation=settings.activation.name,
        seed=settings.seed,
        monitor={
            "name": monitor,
            "mode": mode,
            "best": None if checkpoint.best_model_score is None else checkpoint.best_model_score.item(),
            "best_epoch": best["epoch"],
        },
        metrics=metrics,
        stability=stability.summary(monitored, mode),
        speed={
            "import_s": import_s,
            "first_step_s": None if stability.first_step_at is None else stability.first_step_at - started,
            "fit_s": fit_s,
            "train_samples_per_second": rows / stability.training_s if stability.training_s else None,
            "inference": measure_inference(learner, prepared.parts["test"].x[:1].to(like_weights)),
        },
        layers=describe_layers(network, inputs),
        versions=hardware.versions(),
        device=hardware.device_name(device),
    )
    if logger is not None:
        if draw:
            draw_pictures(folder, logger, learner, prepared, inputs, snapshots)
        final = {f"test/{name}": value for name, value in metrics["test"].items()}
        logger.log_hyperparams(hyperparameters(settings), final)
        logger.save()
        logger.finalize("success")
    record.save(folder)
    return record, folder


def quiet_libraries() -> None:
    """Keep what does not concern a user of adaptact off the screen."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    for message in QUIET:
        warnings.filterwarnings("ignore", message=message)


def monitored_metric(settings: config.Config, prepared: Prepared) -> tuple[str, str]:
    """Name and mode of the metric that picks the best checkpoint.

    Raises:
        ConfigError: a metric of the other task.
    """
    known = config.METRICS[prepared.task]
    name = settings.monitor.removeprefix("val/")
    if name == "auto":
        two = "auroc" if len(prepared.labels) == 2 else "accuracy"
        name = two if prepared.task == "classification" else "rmse"
    if name not in known:
        raise ConfigError(
            [f"monitor=val/{name}: this is a {prepared.task}; it has {', '.join('val/' + k for k in known)}"]
        )
    return f"val/{name}", known[name]


def describe_run(folder: Path, settings: config.Config, prepared: Prepared, device: str, precision: str) -> None:
    """Write what is known before the first step: configuration, environment, preparation."""
    (folder / "checkpoints").mkdir()
    records.write_yaml(folder / "config.yaml", config.to_dict(settings))
    environment = {
        "versions": hardware.versions(),
        "device": hardware.device_name(device),
        "precision": precision,
        "notes": prepared.notes,
    }
    records.write_json(folder / "environment.json", environment)
    if prepared.preparation is not None:
        prepared.preparation.save(folder / "preparation")


def describe_model(name: str, network: nn.Module) -> dict[str, Any]:
    sites = named_activations(network)
    own = {id(p): p.numel() for module in sites.values() for p in module.parameters()}
    return {
        "name": name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "activation_parameters": sum(own.values()),
        "sites": len(sites),
    }


def evaluate(trainer: L.Trainer, learner: Learner, module: DataModule, part: str) -> dict[str, float]:
    """Metrics of a part with the weights that the learner has now."""
    learner.stage = part
    trainer.test(learner, module.evaluation(part), verbose=False)
    found = {name: value.item() for name, value in trainer.callback_metrics.items()}
    return {name.removeprefix(f"{part}/"): value for name, value in found.items() if name.startswith(f"{part}/")}


def outcome(monitored: list[float], test: dict[str, float]) -> tuple[str, str | None]:
    """Status of a run that came to its end."""
    if not monitored or not math.isfinite(monitored[-1]) or not all(map(math.isfinite, test.values())):
        if all(not math.isfinite(value) for value in monitored):
            return "diverged", "no epoch had a finite validation metric"
        if monitored and not math.isfinite(monitored[-1]):
            return "diverged", "the validation metric was not finite any more at the end"
    return "finished", None


@torch.inference_mode()
def measure_inference(learner: Learner, x: torch.Tensor, calls: int = 100) -> dict[str, float]:
    """Latency of one row, eagerly, in milliseconds: median and 95th percentile of ``calls`` calls after a warm-up."""
    learner.eval()
    times = []
    with eagerly(learner):
        for _ in range(calls + 10):
            begun = time.perf_counter()
            learner(x).cpu()
            times.append(1000 * (time.perf_counter() - begun))
    p50, p95 = np.percentile(times[10:], [50, 95])
    return {"batch_size": len(x), "p50_ms": p50, "p95_ms": p95, "samples_per_second": 1000 * len(x) / p50}


def draw_pictures(
    folder: Path,
    logger: TensorBoardLogger,
    learner: Learner,
    prepared: Prepared,
    inputs: dict[str, Inputs],
    snapshots: CurveSnapshots,
) -> None:
    """Curves of all sites, confusion matrix and reliability diagram: to TensorBoard and as files in ``figures/``."""
    sites = named_activations(learner.network)
    figures = {
        f"curve/{name}": draw_curve(
            name, sites[name], seen, [(epoch, state[name]) for epoch, state in snapshots.states]
        )
        for name, seen in inputs.items()
    }
    if prepared.task == "classification":
        probabilities, targets = (tensor.cpu().numpy() for tensor in learner.outputs.predictions())
        figures["confusion_matrix"] = draw_confusion(probabilities, targets, prepared.labels)
        figures["reliability"] = draw_reliability(probabilities, targets)
    (folder / "figures").mkdir()
    for tag, figure in figures.items():
        image = to_image(figure)
        logger.experiment.add_image(tag, image, learner.trainer.global_step, dataformats="HWC")
        imsave(folder / "figures" / f"{records.safe_name(tag)}.png", image)


def hyperparameters(settings: config.Config) -> dict[str, Any]:
    """Every key of the configuration as a dotted name, the choices of groups first; lists as text."""
    plain = config.to_dict(settings)
    flat: dict[str, Any] = {group: plain[group].pop("name") for group in config.GROUPS}
    for key, value in plain.items():
        for name, leaf in value.items() if isinstance(value, dict) else [("", value)]:
            flat[f"{key}.{name}" if name else key] = leaf if isinstance(leaf, (bool, int, float, str)) else str(leaf)
    return flat

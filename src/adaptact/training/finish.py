"""From a fitted network to its record: evaluation, files, pictures."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from torch import nn

from adaptact import data, files, records
from adaptact.callbacks.site_inputs import Inputs, curves, describe_layers, eagerly, observe
from adaptact.data.text.padding import trimmed, without_padding
from adaptact.records import CURVES_FILE
from adaptact.surgery import named_activations
from adaptact.training import hardware, input_profile
from adaptact.training.assemble import RunParts
from adaptact.training.learner import Learner
from adaptact.training.loggers import hyperparameters
from adaptact.training.pictures import draw_pictures
from adaptact.training.references import references
from adaptact.training.run_folder import load_best, outputs_of_run
from adaptact.training.threshold import decision_of_run

OBSERVED_ROWS = 512  # validation rows over which gaps and histograms of inputs are taken at the end


@dataclass
class Evaluation:
    """The best checkpoint on all parts; parts without an entry were not looked at.

    Args:
        best_epoch: from 0; None where no epoch ended.
        metrics: by part and name.
        predictions: by part, outputs and targets in the order of its rows.
        inputs: of activations, by site.
        profile: statistics of the network's inputs and of those of its activations; see ``input_profile``.
        inference: latency of one row; None where it was not measured.
    """

    best_epoch: int | None
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    predictions: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    inputs: dict[str, Inputs] = field(default_factory=dict)
    profile: dict[str, Any] | None = None
    inference: records.Inference | None = None


def finish(parts: RunParts, stopped: str | None, *, started: float, import_s: float | None) -> records.Record:
    """Evaluate the best checkpoint, and write the record and all that belongs to it.

    Args:
        stopped: the reason why the training was interrupted; then nothing is evaluated on data.
        started: ``time.time()`` at the start of the process.
        import_s: seconds that imports took.
    """
    complete = stopped is None
    if complete:
        parts.trainer.strategy.barrier()  # the first process has written its last checkpoint
    found = evaluate(parts, complete=complete)
    record = make_record(parts, found, stopped, started=started, import_s=import_s)
    if parts.board is not None and complete and parts.settings.logger.curves:
        draw_pictures(parts, found.inputs)
    if parts.first:
        if "test" in found.predictions:
            outputs_of_run(found.predictions, parts.prepared).save(parts.folder)
            files.write_json(parts.folder / CURVES_FILE, curves(parts.network, found.inputs, parts.starts))
            input_profile.save(parts.folder, found.profile or {})
        record.save(parts.folder)
    if complete:
        close_loggers(parts, record)  # after the record, which ends the run: a resumed one would log this a second time
    return record


def evaluate(parts: RunParts, *, complete: bool) -> Evaluation:
    """Load the best checkpoint and look at it, on the data of all parts if the training is ``complete``."""
    prepared, network = parts.prepared, parts.network
    found = Evaluation(load_best(parts.learner, parts.folder))
    for part in data.PARTS if complete else ():
        found.metrics[part] = metrics_of(parts, part)
        outputs, targets = collected(parts.learner)
        back = parts.module.order_of(part).argsort()  # of texts, which are evaluated by length
        found.predictions[part] = (outputs.cpu()[back].numpy(), targets.cpu()[back].numpy())
    if not complete and parts.sharded:  # interrupted processes don't wait for each other's shards
        return found
    weights = next(network.parameters())
    like_weights = weights.device, weights.dtype
    observed = without_padding(prepared.parts["val"].x[:OBSERVED_ROWS], prepared.layout)
    found.inputs = observe(network, observed.to(*like_weights), parts.starts)
    found.profile = input_profile.describe(network, prepared) if complete else None
    one = trimmed(prepared.parts["test"].x[:1], prepared.layout).to(*like_weights)
    found.inference = measure_inference(parts.learner, one)
    return found


def make_record(
    parts: RunParts, found: Evaluation, stopped: str | None, *, started: float, import_s: float | None
) -> records.Record:
    """Put together what is known of a run."""
    prepared, settings, watchers = parts.prepared, parts.settings, parts.watchers
    stability, history, best = watchers.stability, watchers.history, watchers.checkpoints.best_model_score
    monitored = history.monitored(parts.monitor)
    status, reason = outcome(monitored, stopped, stability.diverged)
    rows = len(prepared.parts["train"]) * len(history.rows)
    return records.Record(
        status=status,
        reason=reason,
        data={
            "name": prepared.name,
            "task": prepared.task,
            "rows": records.Rows(**{part: len(prepared.parts[part]) for part in data.PARTS}),  # type: ignore[typeddict-item]
            "fingerprint": prepared.fingerprint,
            "labels": prepared.labels,
            "positive": None if prepared.positive is None else prepared.positive.label,
        },
        model=describe_model(settings.model.name, parts.network),
        activation=settings.activation.name,
        seed=settings.seed,
        monitor={
            "name": parts.monitor,
            "mode": parts.mode,
            "best": None if best is None else best.item(),
            "best_epoch": found.best_epoch,
        },
        metrics={part: found.metrics.get(part, {}) for part in data.PARTS},
        stability=stability.summary(monitored, parts.mode),
        speed={
            "import_s": import_s,
            "first_step_s": None if stability.first_step_at is None else stability.first_step_at - started,
            "fit_s": history.seconds,
            "train_samples_per_second": rows / stability.training_s if stability.training_s else None,
            "inference": found.inference,
        },
        layers=describe_layers(parts.network, found.inputs, parts.starts),
        versions=hardware.versions(),
        device=hardware.device_name(parts.device),
        decision=decision_of_run(settings.data, prepared, found.predictions) if stopped is None else None,
        references=references(prepared) if settings.references and parts.first and stopped is None else [],
    )


def close_loggers(parts: RunParts, record: records.Record) -> None:
    """Log configuration and final metrics, and end each logger's run."""
    final = {f"test/{name}": value for name, value in record.metrics["test"].items()}
    chosen = hyperparameters(parts.settings)
    for logger in parts.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(chosen, final)  # with the metrics, for its table of runs
        else:
            logger.log_hyperparams(chosen)
            logger.log_metrics(final, step=parts.trainer.global_step)
        logger.save()
        logger.finalize("success")
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()  # else the next run of this process would go on in it


def describe_model(name: str, network: nn.Module) -> records.RunModel:
    sites = named_activations(network)
    own = {id(p): p.numel() for module in sites.values() for p in module.parameters() if p.requires_grad}
    return {
        "name": name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "trainable_parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "activation_parameters": sum(own.values()),
        "sites": len(sites),
    }


def metrics_of(parts: RunParts, part: str) -> dict[str, float]:
    """Compute the metrics of a part with the weights that the learner has now."""
    parts.learner.stage = part
    parts.trainer.test(parts.learner, parts.module.evaluation(part), verbose=False)
    found = {name: value.item() for name, value in parts.trainer.callback_metrics.items()}
    return {name.removeprefix(f"{part}/"): value for name, value in found.items() if name.startswith(f"{part}/")}


def collected(learner: Learner) -> tuple[torch.Tensor, torch.Tensor]:
    """Return predictions and targets of the part that was evaluated last."""
    assert learner.outputs.collected is not None
    return learner.outputs.collected


def outcome(monitored: list[float], stopped: str | None, diverged: str | None) -> tuple[records.Status, str | None]:
    """Return the status of a run and the reason for it; ``monitored`` is the monitored metric after each epoch."""
    if stopped is not None:
        return "interrupted", stopped
    if diverged is not None:
        return "diverged", diverged
    if not any(map(math.isfinite, monitored)):
        return "diverged", "no epoch had a finite validation metric"
    if not math.isfinite(monitored[-1]):
        return "diverged", "the validation metric was not finite any more at the end"
    return "finished", None


@torch.inference_mode()
def measure_inference(learner: Learner, x: torch.Tensor, calls: int = 100) -> records.Inference:
    """Measure the latency of one row, eagerly, after a warm-up: median and 95th percentile, in milliseconds."""
    learner.eval()
    times = []
    with eagerly():
        for _ in range(calls + 10):
            begun = time.perf_counter()
            learner(x).cpu()
            times.append(1000 * (time.perf_counter() - begun))
    p50, p95 = np.percentile(times[10:], [50, 95])
    return {"batch_size": len(x), "p50_ms": p50, "p95_ms": p95, "samples_per_second": 1000 * len(x) / p50}

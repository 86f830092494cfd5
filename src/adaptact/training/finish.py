"""From a fitted learner to its record and its pictures."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib import rc_context
from matplotlib.image import imsave
from torch import nn

from adaptact import config, folders, records
from adaptact.callbacks.curves import CurveSnapshots, draw_curve, to_image
from adaptact.callbacks.diagnostics import draw_confusion, draw_reliability
from adaptact.callbacks.site_inputs import Inputs, eagerly
from adaptact.data import Prepared
from adaptact.data.loaders import DataModule
from adaptact.fonts import east_asian_fonts
from adaptact.surgery import named_activations
from adaptact.training.learner import Learner


def describe_model(name: str, network: nn.Module) -> dict[str, Any]:
    sites = named_activations(network)
    own = {id(p): p.numel() for module in sites.values() for p in module.parameters() if p.requires_grad}
    return {
        "name": name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "trainable_parameters": sum(p.numel() for p in network.parameters() if p.requires_grad),
        "activation_parameters": sum(own.values()),
        "sites": len(sites),
    }


def evaluate(trainer: L.Trainer, learner: Learner, module: DataModule, part: str) -> dict[str, float]:
    """Metrics of a part with the weights that the learner has now."""
    learner.stage = part
    trainer.test(learner, module.evaluation(part), verbose=False)
    found = {name: value.item() for name, value in trainer.callback_metrics.items()}
    return {name.removeprefix(f"{part}/"): value for name, value in found.items() if name.startswith(f"{part}/")}


def collected(learner: Learner) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions and targets of the part that was evaluated last."""
    assert learner.outputs.collected is not None
    return learner.outputs.collected


def outcome(monitored: list[float], stopped: str | None, diverged: str | None) -> tuple[records.Status, str | None]:
    """Status of a run and the reason for it; ``monitored`` is the monitored metric after each epoch."""
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
def measure_inference(learner: Learner, x: torch.Tensor, calls: int = 100) -> dict[str, float]:
    """Latency of one row, eagerly, in milliseconds: median and 95th percentile of ``calls`` calls after a warm-up."""
    learner.eval()
    times = []
    with eagerly():
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
    with rc_context({"font.family": ["DejaVu Sans", *east_asian_fonts()]}):
        sites = named_activations(learner.network)
        figures = {
            f"curve/{name}": draw_curve(
                name, sites[name], seen, [(epoch, state[name]) for epoch, state in snapshots.states]
            )
            for name, seen in inputs.items()
        }
        if prepared.task == "classification":
            probabilities, targets = (tensor.cpu().numpy() for tensor in collected(learner))
            if np.isfinite(probabilities).all():
                figures["confusion_matrix"] = draw_confusion(probabilities, targets, prepared.labels)
                figures["reliability"] = draw_reliability(probabilities, targets)
        (folder / "figures").mkdir(exist_ok=True)
        for tag, figure in figures.items():
            image = to_image(figure)
            logger.experiment.add_image(tag, image, learner.trainer.global_step, dataformats="HWC")
            imsave(folder / "figures" / f"{folders.safe_name(tag)}.png", image)


def hyperparameters(settings: config.Config) -> dict[str, Any]:
    """Every key of the configuration as a dotted name, the choices of groups first; lists as text."""
    plain = config.to_dict(settings)
    flat: dict[str, Any] = {group: plain[group].pop("name") for group in config.GROUPS}
    for key, value in plain.items():
        for name, leaf in value.items() if isinstance(value, dict) else [("", value)]:
            flat[f"{key}.{name}" if name else key] = leaf if isinstance(leaf, (bool, int, float, str)) else str(leaf)
    return flat

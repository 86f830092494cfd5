"""Metrics of a whole part of the data, by torchmetrics. Names and meaning are the same everywhere in adaptact."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import torch
import torchmetrics.functional as TF
import torchmetrics.functional.classification as TFC
from torch import Tensor
from torch.nn.functional import nll_loss
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from adaptact import config

ECE_BINS = 15
LEAST_LOG = math.log(torch.finfo(torch.float32).tiny)  # for the log loss of a probability of exactly 0


class Outputs(Metric):
    """Collects the outputs and targets of a part, over all batches and processes.

    Args:
        task: "classification" (outputs: logits of shape (rows, classes)) or "regression" (outputs: (rows,)).
        center, scale: bring a regression target back to its own unit.
        positive: number of the class that the average precision of two classes is about.

    Attributes:
        collected: predictions and targets of the last part that was computed, of all processes.
    """

    full_state_update = False
    outputs: list[Tensor]
    targets: list[Tensor]

    def __init__(self, task: str, center: float = 0.0, scale: float = 1.0, positive: int = 1) -> None:
        super().__init__()
        self.task, self.center, self.scale, self.positive = task, center, scale, positive
        self.collected: tuple[Tensor, Tensor] | None = None
        self.add_state("outputs", default=[], dist_reduce_fx="cat")
        self.add_state("targets", default=[], dist_reduce_fx="cat")

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        self.outputs.append(outputs.detach())
        self.targets.append(targets)

    def predictions(self) -> tuple[Tensor, Tensor]:
        """Probabilities of shape (rows, classes) and class numbers; for regression values in the target's unit."""
        outputs, targets = dim_zero_cat(self.outputs), dim_zero_cat(self.targets)
        if self.task == "classification":
            return outputs.softmax(dim=1), targets
        return outputs.double() * self.scale + self.center, targets.double() * self.scale + self.center

    def compute(self) -> dict[str, Tensor]:
        predictions, targets = self.predictions()
        self.collected = (predictions, targets)  # here those of all processes are together
        if self.task == "regression":
            return regression_metrics(predictions, targets)
        # float32 rounds the probabilities of a confident network to 1, and its ranking is lost
        logs = dim_zero_cat(self.outputs).double().log_softmax(dim=1)
        found = classification_metrics(logs, targets, self.positive)
        return {name: value.float() for name, value in found.items()}


def classification_metrics(log_probabilities: Tensor, targets: Tensor, positive: int = 1) -> dict[str, Tensor]:
    """accuracy, f1_macro, auroc, average_precision (two classes: of ``positive``; more: macro one against the rest),
    log_loss (natural logarithm), ece (expected calibration error of the predicted class, 15 equal bins).

    A probability of exactly 0 (a logarithm of minus infinity) is a number as any other; only the log loss takes the
    smallest normal float32 in its place.

    Shape:
        (rows, classes) and (rows,). A metric that is not defined, as auroc where only one class occurs, is NaN; with a
        NaN among the probabilities all are.
    """
    probabilities = log_probabilities.exp()
    n_classes = probabilities.shape[1]
    if not probabilities.isfinite().all():
        return dict.fromkeys(config.METRICS["classification"], torch.tensor(float("nan"), device=targets.device))
    counts = torch.bincount(targets, minlength=n_classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics warns where a class is absent; NaN says it
        if n_classes == 2:
            auroc = TFC.binary_auroc(probabilities[:, 1], targets)
            precision = TFC.binary_average_precision(probabilities[:, positive], (targets == positive).long())
        else:
            auroc = TFC.multiclass_auroc(probabilities, targets, n_classes)
            precision = TFC.multiclass_average_precision(probabilities, targets, n_classes)
        undefined = torch.full_like(auroc, float("nan"))
        return {
            "accuracy": TFC.multiclass_accuracy(probabilities, targets, n_classes, average="micro"),
            "f1_macro": TFC.multiclass_f1_score(probabilities, targets, n_classes, average="macro"),
            "auroc": torch.where((counts > 0).all(), auroc, undefined),
            "average_precision": torch.where((counts > 0).all(), precision, undefined),
            "log_loss": nll_loss(log_probabilities.nan_to_num(neginf=LEAST_LOG), targets),
            "ece": calibration_error(probabilities, targets),
        }


def calibration_error(probabilities: Tensor, targets: Tensor) -> Tensor:
    """torchmetrics puts a confidence of exactly 1 into a 16th bin."""
    confidence, found = probabilities.max(dim=1)
    bins = (confidence * ECE_BINS).long().clamp(max=ECE_BINS - 1)
    excess = torch.zeros(ECE_BINS, dtype=confidence.dtype, device=confidence.device)
    excess.index_add_(0, bins, (found == targets).to(confidence.dtype) - confidence)
    return excess.abs().sum() / len(targets)


def regression_metrics(predictions: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """rmse and mae in the target's unit, r2. Shape: (rows,) both; r2 of fewer than two rows is NaN."""
    enough = len(targets) > 1
    return {
        "rmse": TF.mean_squared_error(predictions, targets, squared=False).float(),
        "mae": TF.mean_absolute_error(predictions, targets).float(),
        "r2": (1 - (predictions - targets).square().sum() / (targets - targets.mean()).square().sum()).float()
        if enough
        else torch.tensor(float("nan")),
    }


def metric_of_arrays(name: str, positive: int = 1) -> Callable[[np.ndarray, np.ndarray], float]:
    """A metric as ``f(targets, predictions)`` of arrays, signed so that higher is better.

    Args:
        positive: as in :func:`classification_metrics`.

    Shape:
        (rows,) and probabilities (rows, classes), or values (rows,) of both.
    """
    task = next(task for task, names in config.METRICS.items() if name in names)
    sign = 1 if config.METRICS[task][name] == "max" else -1

    def metric(targets: np.ndarray, predictions: np.ndarray) -> float:
        y, p = torch.from_numpy(targets), torch.from_numpy(predictions).double()
        found = regression_metrics(p, y) if task == "regression" else classification_metrics(p.log(), y, positive)
        return sign * found[name].item()

    return metric

"""One run of a back-test: trained up to the end of a window, scored on each window that comes after it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adaptact import config, files, records
from adaptact.comparison.one_run import run_planned
from adaptact.data import Prepared
from adaptact.data.table.time_windows import Scheme, Windows, read_windows
from adaptact.outputs import required_outputs
from adaptact.training.metrics import classification_metrics, regression_metrics
from adaptact.training.threshold import choose_threshold, cost_per_decision

Outputs = tuple[np.ndarray, np.ndarray]


def run_window(
    folder: str, settings: dict[str, Any], scheme: dict[str, Any], origin: int, run_hash: str, trust: str | None
) -> dict[str, Any]:
    """As :func:`run_planned`, on the windows up to ``origin``; metrics per later window go to ``windows.json``.

    A run that does not come to a good end is scored as a prediction that does not look at its input.
    """
    target = Path(folder)
    seen: list[Prepared] = []

    def read(options: config.Data, _: str | None) -> Prepared:
        seen.append(_windows(options.windowed(), Scheme(**scheme)).prepared(origin))
        return seen[0]

    def score(result: dict[str, Any]) -> None:
        if not seen or result["status"] == "interrupted":
            return
        options = config.from_dict({**settings, "trust": trust}).data.windowed()
        outputs, threshold = constant_outputs(seen[0], options)
        if result["status"] == "finished":
            outputs, threshold = trained_outputs(target)
        number = _windows(options, Scheme(**scheme)).test_window(origin)
        found = window_metrics(seen[0], outputs, number, options.costs, threshold)
        files.write_json(target / records.WINDOWS_FILE, found)

    return run_planned(folder, settings, run_hash, trust, read, score)


_READ: dict[str, Windows] = {}


def _windows(options: config.Table, scheme: Scheme) -> Windows:
    """The table, read once per process: all runs of a back-test cut it alike."""
    key = repr((replace(options, order_seed=None), scheme))
    if key not in _READ:
        _READ.clear()
        _READ[key] = read_windows(options, scheme)
    return _READ[key]


def trained_outputs(folder: Path) -> tuple[Outputs, float | None]:
    """(predictions, targets) on the test rows of a run, and its threshold for two classes."""
    found = required_outputs(folder)
    decision = records.Record.load(folder).decision
    return (found.predictions, found.targets), None if decision is None else decision["threshold"]


def constant_outputs(prepared: Prepared, options: config.Table) -> tuple[Outputs, float | None]:
    """Class shares, or the mean, of the training rows for every test row."""
    y, train_y = (prepared.parts[part].y.numpy() for part in ("test", "train"))
    if prepared.task == "regression":
        own, mean = (v.astype(np.float64) * prepared.scale + prepared.center for v in (y, train_y.mean()))
        return (np.full(len(y), mean), own), None
    shares = np.bincount(train_y, minlength=prepared.n_outputs) / len(train_y)
    costs, threshold = options.costs, None
    if costs is not None:
        number = prepared.positive_number
        val = prepared.parts["val"].y.numpy()
        threshold = choose_threshold(np.full(len(val), shares[number]), val == number, costs=costs)
    return (np.tile(shares, (len(y), 1)), y), threshold


def window_metrics(
    prepared: Prepared,
    outputs: Outputs,
    window: np.ndarray,
    costs: tuple[float, float] | None,
    threshold: float | None,
) -> list[dict[str, Any]]:
    """The "window" (from 0) and "metrics" of each window; with costs also the mean cost of a decision."""
    found = []
    positive = prepared.positive_number
    for number in np.unique(window):
        predictions, targets = (values[window == number] for values in outputs)
        metrics = metrics_of(prepared.task, predictions, targets, positive)
        if costs is not None and threshold is not None:
            sought = predictions[:, positive].astype(np.float64)
            metrics[records.COST] = cost_per_decision(sought, targets == positive, threshold, costs)
        found.append({"window": int(number), "metrics": metrics})
    return found


def metrics_of(task: str, predictions: np.ndarray, targets: np.ndarray, positive: int = 1) -> dict[str, float]:
    """All metrics of a task, from what a run says and what is true; ``positive``: as for classification_metrics."""
    p, y = torch.from_numpy(predictions).double(), torch.from_numpy(targets)
    if task == "regression":
        metrics = regression_metrics(p, y.double())
    else:
        # float32 holds how far a probability is from 0, not how far from 1: normalised anew, rows that round to 1 rank
        metrics = classification_metrics((p / p.sum(dim=1, keepdim=True)).log(), y, positive)
    return {name: value.item() for name, value in metrics.items()}

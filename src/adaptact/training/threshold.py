"""From probabilities to decisions: the threshold of a two-class model, chosen on validation rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from adaptact import config
from adaptact.data import Prepared

METRICS = ("accuracy", "f1", "balanced_accuracy", "mcc")


def rates(probabilities: np.ndarray, positives: np.ndarray, thresholds: np.ndarray) -> dict[str, np.ndarray]:
    """Confusion counts for each threshold: a row counts as positive if its probability is at least the threshold.

    Args:
        probabilities, positives: (rows,): of the positive class, and whether it is.

    Returns:
        tp, fp, fn, tn, each of the thresholds' shape, in float64.
    """
    ranked = np.sort(probabilities[positives])
    others = np.sort(probabilities[~positives])
    tp = len(ranked) - np.searchsorted(ranked, thresholds, side="left")
    fp = len(others) - np.searchsorted(others, thresholds, side="left")
    counts = {"tp": tp, "fp": fp, "fn": len(ranked) - tp, "tn": len(others) - fp}
    return {name: np.asarray(count, dtype=np.float64) for name, count in counts.items()}


def score(metric: str, counts: dict[str, np.ndarray]) -> np.ndarray:
    """One of :data:`METRICS`; where a ratio is not defined it is 0."""
    tp, fp, fn, tn = (counts[name] for name in ("tp", "fp", "fn", "tn"))

    def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.divide(above, below, out=np.zeros_like(above), where=below > 0)

    if metric == "accuracy":
        return ratio(tp + tn, tp + fp + fn + tn)
    if metric == "f1":
        return ratio(2 * tp, 2 * tp + fp + fn)
    if metric == "balanced_accuracy":
        return (ratio(tp, tp + fn) + ratio(tn, tn + fp)) / 2
    if metric == "mcc":
        return ratio(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))
    raise ValueError(f"metric {metric!r} is unknown; known: {', '.join(METRICS)}")


def candidates(probabilities: np.ndarray) -> np.ndarray:
    """All thresholds that decide differently: midway between neighbouring probabilities, and the two extremes."""
    distinct = np.unique(probabilities)
    return np.concatenate([[0.0], (distinct[1:] + distinct[:-1]) / 2, [np.nextafter(distinct[-1], 2.0)]])


def choose_threshold(
    probabilities: np.ndarray, positives: np.ndarray, metric: str = "f1", costs: tuple[float, float] | None = None
) -> float:
    """The threshold with the best metric, or the least cost (of a false alarm, of a missed case).

    Of several equally good ones the nearest to 0.5.

    >>> choose_threshold(np.array([0.1, 0.3, 0.4, 0.9]), np.array([False, False, True, True]))
    0.35
    """
    thresholds = candidates(probabilities)
    counts = rates(probabilities, positives, thresholds)
    value = score(metric, counts) if costs is None else -(costs[0] * counts["fp"] + costs[1] * counts["fn"])
    best = thresholds[value >= value.max() - 1e-12 * max(1.0, abs(value.max()))]
    return float(best[np.argmin(np.abs(best - 0.5))])


def cost_per_decision(
    probabilities: np.ndarray, positives: np.ndarray, threshold: float, costs: tuple[float, float]
) -> float:
    """Mean cost of a row that is decided by a threshold.

    Args:
        probabilities, positives: (rows,): as in :func:`rates`.
        costs: of a false alarm and of a missed case.

    >>> cost_per_decision(np.array([0.9, 0.8, 0.1, 0.2]), np.array([True, False, False, True]), 0.5, (1.0, 100.0))
    25.25
    """
    counts = rates(probabilities, positives, np.array([threshold]))
    return float((costs[0] * counts["fp"][0] + costs[1] * counts["fn"][0]) / len(positives))


def constant_cost(val: np.ndarray, test: np.ndarray, costs: tuple[float, float], share: float = 0.5) -> float:
    """Mean cost of a test row where every row has the same probability: all are flagged, or none.

    Args:
        val, test: (rows,): whether a row is positive; which of the two is cheaper is seen on the validation rows.
        share: the probability.
    """
    threshold = choose_threshold(np.full(len(val), share), val, costs=costs)
    return cost_per_decision(np.full(len(test), share), test, threshold, costs)


def decide(
    labels: list[str],
    parts: dict[str, tuple[np.ndarray, np.ndarray]],
    *,
    positive: int = 1,
    metric: str = "f1",
    costs: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """The "decision" of a record: the threshold chosen on validation, and what it does on validation and test.

    Args:
        parts: val and test, each (probabilities of shape (rows, 2), class numbers).
        positive: number of the class to be found.
    """
    number = positive
    pairs = {part: (p[:, number].astype(np.float64), y == number) for part, (p, y) in parts.items()}
    threshold = choose_threshold(*pairs["val"], metric, costs)
    decision: dict[str, Any] = {
        "positive": labels[number],
        "threshold": threshold,
        "chosen_for": metric if costs is None else "cost",
        "costs": None if costs is None else {"fp": costs[0], "fn": costs[1]},
    }
    for part, (p, positives) in pairs.items():
        counts = rates(p, positives, np.array([threshold]))
        decision[part] = {name: float(score(name, counts)[0]) for name in METRICS}
        decision[part] |= {name: int(count[0]) for name, count in counts.items()}
        if costs is not None:
            decision[part]["cost_per_row"] = cost_per_decision(p, positives, threshold, costs)
            share = float(positives.mean())
            decision[part] |= {"cost_all_flagged": costs[0] * (1 - share), "cost_none_flagged": costs[1] * share}
    return decision


def decision_of_run(options: config.Data, prepared: Prepared, predictions: dict[str, Any]) -> dict[str, Any] | None:
    """The decision of a run on two classes; None for other tasks and where predictions are no numbers."""
    if len(prepared.labels) != 2 or not all(np.isfinite(predictions[part][0]).all() for part in ("val", "test")):
        return None
    parts = {part: predictions[part] for part in ("val", "test")}
    positive = prepared.positive_number
    return decide(prepared.labels, parts, positive=positive, **options.decision)

"""Two runs on the same rows: far stronger than to split the rows between them."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from adaptact.comparison.paired_rows import HIGHER, RowDifference, difference
from adaptact.comparison.verdict import default_margin, judge
from adaptact.errors import ConfigError, DataError
from adaptact.export.trained_run import TableRun
from adaptact.rollout.expectations import acted_on
from adaptact.rollout.options import Shadow
from adaptact.rollout.outcomes import Outcomes, metric_of
from adaptact.training.metrics import metric_of_arrays

DECISIONS = "decisions"  # the share of right ones, at the threshold of each run
ALSO = ("accuracy", "log_loss", "auroc", "mae", "rmse")
MOST_LISTED = 1000  # disagreements in the file


def check_alike(runs: list[TableRun]) -> None:
    """Raise ConfigError for two runs that answer different questions."""
    first, second = runs
    for what, values in (
        ("task", [run.task for run in runs]),
        ("target", [run.preparation.target for run in runs]),
        ("classes", [run.labels for run in runs]),
    ):
        if values[0] != values[1]:
            raise ConfigError(
                [f"runs: {first.folder} and {second.folder} have different {what}, {values[0]} and {values[1]}"]
            )
    if first.folder.resolve() == second.folder.resolve():
        raise ConfigError([f"runs names {first.folder} twice: a run is no different from itself"])


def compare(
    runs: list[TableRun],
    answers: list[np.ndarray],
    outcomes: Outcomes | None,
    groups: np.ndarray | None,
    options: Shadow,
) -> dict[str, Any]:
    """The content of ``shadow.json``, as plain values.

    Raises:
        DataError: outcomes of which no metric can be taken.
    """
    metric = metric_of(runs[0], options.metric)
    chosen = [acted_on(run.record, each) for run, each in zip(runs, answers, strict=True)]
    apart = _apart(answers, chosen)
    found: dict[str, Any] = {
        "schema": 1,
        "baseline": str(runs[0].folder),
        "candidate": str(runs[1].folder),
        "names": [f"{run.record.activation} (seed {run.record.seed})" for run in runs],
        "task": runs[0].task,
        "positive": runs[0].record.positive,
        "rows": len(answers[0]),
        "outcomes": 0 if outcomes is None else len(outcomes.y),
        "metric": metric,
        "error": options.error,
        "disagreements": int((chosen[0] != chosen[1]).sum()) if runs[0].task == "classification" else None,
        "apart": {"mean": float(apart.mean()), "largest": float(apart.max())},
        "groups": None,
        "verdict": None,
        "difference": None,
        "others": [],
        "decided": None,
    }
    if outcomes is not None:
        mine = None if groups is None else groups[outcomes.known]
        found |= _judged(runs, answers, outcomes, mine, metric, options)
        found |= _decisions(runs, chosen, outcomes, mine, options.error, found["others"])
    return found


def _judged(
    runs: list[TableRun],
    answers: list[np.ndarray],
    outcomes: Outcomes,
    groups: np.ndarray | None,
    metric: str,
    options: Shadow,
) -> dict[str, Any]:
    """Judge by the metric that decides, and take the others beside it."""
    record = runs[0].record

    def taken(name: str) -> RowDifference:
        return difference(
            name,
            outcomes.y,
            *(each[outcomes.known] for each in answers),
            of_arrays=metric_of_arrays(name, record.positive_number),
            error=options.error,
            groups=groups,
        )

    try:
        main = taken(metric)
    except ValueError as error:
        raise DataError(f"input={options.input}: {error}") from None
    margin = options.margin if options.margin is not None else default_margin(metric, main.baseline)
    others = []
    for name in ALSO:
        slow = name == "auroc" and len(runs[0].labels) > 2  # a bootstrap of an expensive metric, for a side figure
        if name in record.metrics["test"] and name != metric and not slow:
            with contextlib.suppress(ValueError):
                others.append(plain(taken(name)))
    return {
        "groups": None if groups is None else len(np.unique(groups)),
        "margin": margin,
        "verdict": judge(main.interval, main.narrow, margin, least=0.0),
        "difference": plain(main),
        "better": "higher" if metric in HIGHER else "lower",
        "others": others,
    }


def _decisions(
    runs: list[TableRun],
    chosen: list[np.ndarray],
    outcomes: Outcomes,
    groups: np.ndarray | None,
    error: float,
    others: list[dict[str, Any]],
) -> dict[str, Any]:
    """Compare what would be acted on, by each run's threshold."""
    if runs[0].task != "classification":
        return {}
    known = [choice[outcomes.known] for choice in chosen]
    right = [choice == outcomes.y for choice in known]
    counted = {
        "both": int((right[0] & right[1]).sum()),
        "baseline_only": int((right[0] & ~right[1]).sum()),
        "candidate_only": int((right[1] & ~right[0]).sum()),
        "neither": int((~right[0] & ~right[1]).sum()),
    }
    if any(run.record.decision is not None for run in runs):
        acted = [np.eye(len(runs[0].labels))[choice] for choice in known]
        one = difference(
            "accuracy", outcomes.y, *acted, of_arrays=metric_of_arrays("accuracy"), error=error, groups=groups
        )
        others = [*others, plain(one) | {"metric": DECISIONS}]
    return {"decided": counted, "others": others}


def plain(found: RowDifference) -> dict[str, Any]:
    """As values for JSON."""
    return asdict(found) | {
        "interval": [found.interval.low, found.interval.high],
        "narrow": [found.narrow.low, found.narrow.high],
        "mean": found.interval.mean,
        "standard_error": found.interval.standard_error,
        "method": found.interval.method,
        "level": found.interval.level,
    }


def _apart(answers: list[np.ndarray], chosen: list[np.ndarray]) -> np.ndarray:
    """Per row by how much the two differ: half the sum over classes, or the distance of values."""
    if answers[0].ndim == 1:
        return np.abs(answers[1] - answers[0])
    return np.abs(answers[1] - answers[0]).sum(axis=1) / 2


def disagreements(
    runs: list[TableRun], frame: pd.DataFrame, answers: list[np.ndarray], outcomes: Outcomes | None
) -> pd.DataFrame:
    """The rows on which the two decide differently, or whose values are farthest apart: for people to look at.

    The farthest apart first, at most :data:`MOST_LISTED`: row number from 1, both answers, what came out, all cells.
    """
    chosen = [acted_on(run.record, each) for run, each in zip(runs, answers, strict=True)]
    apart = _apart(answers, chosen)
    classes = runs[0].task == "classification"
    rows = np.flatnonzero(chosen[0] != chosen[1]) if classes else np.arange(len(apart))
    rows = rows[np.argsort(-apart[rows], kind="stable")][:MOST_LISTED]
    labels = np.array(runs[0].labels, dtype=object)
    columns: dict[str, Any] = {"row": rows + 1}
    for name, choice, each in zip(("baseline", "candidate"), chosen, answers, strict=True):
        columns[name] = labels[choice[rows]] if classes else each[rows]
        if classes and len(labels) == 2:
            columns[f"{name}: probability of {runs[0].record.positive}"] = each[rows, runs[0].record.positive_number]
        elif classes:
            columns[f"{name}: probability"] = each[rows, choice[rows]]
    if outcomes is not None:
        y = np.full(len(frame), np.nan)
        y[outcomes.known] = outcomes.y
        columns["came out"] = ["" if np.isnan(value) else labels[int(value)] if classes else value for value in y[rows]]
    listed = pd.DataFrame(columns)
    cells = frame.iloc[rows].reset_index(drop=True)
    cells.columns = pd.Index([name if name not in listed.columns else f"{name} (column)" for name in cells.columns])
    return pd.concat([listed, cells], axis=1)

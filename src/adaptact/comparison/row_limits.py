"""Intervals over the rows of a finite test set: no interval over seeds is narrower.

Where all pairs have the same difference, or where one row more or less is worth more than the margin, the spread over
seeds says nothing: two networks that agree on 36 rows may differ by 5 % on the rows to come.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from adaptact.comparison.paired_rows import bonett_price_of_counts, difference
from adaptact.comparison.results import Result, readable_outputs
from adaptact.comparison.statistics import Interval
from adaptact.outputs import Outputs

COUNTED = {"accuracy", "f1_macro"}  # metrics that change in steps of a row
Metric = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class PairedRows:
    """The test rows of all pairs of runs, one pair after the other.

    Args:
        targets: (rows,); baseline, candidate: (rows, classes) or (rows,).
        unit: (rows,): a number per distinct row, or per group of rows that belong together.
        grouped: True if ``unit`` numbers groups.
    """

    targets: np.ndarray
    baseline: np.ndarray
    candidate: np.ndarray
    unit: np.ndarray
    grouped: bool


def row_worth(metric: str, n_test: float, margin: float) -> float | None:
    """How many margins one test row is worth; None for metrics that do not change in steps."""
    return 1 / n_test / margin if metric in COUNTED and n_test and margin else None


def limits(
    rows: PairedRows | None, metric: str, of_arrays: Metric | None, levels: tuple[float, float]
) -> tuple[Interval, Interval]:
    """Intervals over rows at two levels; infinite where the rows say nothing.

    Accuracy: Bonett and Price's interval. Each distinct row counts once, with its mean over the seeds: a row does not
    become two by being looked at twice. Other metrics, and groups: :func:`adaptact.comparison.paired_rows.difference`.
    """
    unknown = (_unknown(levels[0]), _unknown(levels[1]))
    if rows is None or of_arrays is None:
        return unknown
    if metric == "accuracy" and not rows.grouped:
        return _of_accuracy(rows, levels[0]), _of_accuracy(rows, levels[1])
    try:
        found = difference(
            metric,
            rows.targets,
            rows.baseline,
            rows.candidate,
            of_arrays=of_arrays,
            error=1 - levels[0],
            groups=rows.unit,
        )
    except ValueError:
        return unknown
    return found.interval, found.narrow


def paired_rows(pairs: Sequence[tuple[Result, Result]]) -> PairedRows | None:
    """The rows of pairs of finished runs (baseline, candidate); None where none can be read.

    Of runs of earlier versions, which did not record where their rows came from, rows at one place of the same targets
    count as the same.
    """
    pieces: list[tuple[np.ndarray, ...]] = []
    names: list[np.ndarray] = []
    grouped = False
    for theirs, ours in pairs:
        base, mine = readable_outputs(theirs.folder), readable_outputs(ours.folder)
        if base is None or mine is None or not np.array_equal(base.targets, mine.targets):
            continue
        pieces.append((base.targets, base.predictions, mine.predictions))
        grouped = grouped or base.groups is not None
        names.append(_names(base))
    if not pieces:
        return None
    targets, baseline, candidate = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    unit = np.unique(np.concatenate(names), return_inverse=True)[1]
    return PairedRows(targets, baseline, candidate, unit, grouped)


def _names(outputs: Outputs) -> np.ndarray:
    """Per row a name that other runs give to the same row, or to its group."""
    if outputs.groups is not None:
        return np.char.add("group ", outputs.groups.astype(str))
    if outputs.row is not None and outputs.source is not None and outputs.sources is not None:
        sources = np.array([str(source)[:16] for source in outputs.sources])
        return np.char.add(np.char.add(sources[outputs.source], " "), outputs.row.astype(str))
    rows = np.arange(len(outputs.targets)).astype(str)
    return np.char.add(f"{hash(outputs.targets.tobytes())} ", rows)


def _of_accuracy(rows: PairedRows, level: float) -> Interval:
    right = [outputs.argmax(axis=1) == rows.targets for outputs in (rows.baseline, rows.candidate)]
    times = np.bincount(rows.unit)
    won, lost = (
        np.bincount(rows.unit, weights=alone) / times for alone in (right[1] & ~right[0], right[0] & ~right[1])
    )
    return bonett_price_of_counts(float(won.sum()), float(lost.sum()), len(times), level)


def _unknown(level: float) -> Interval:
    return Interval(float("nan"), -np.inf, np.inf, level, "row-bootstrap", np.inf, np.inf, 0)

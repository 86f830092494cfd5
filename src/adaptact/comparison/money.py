"""The yearly value of each candidate of a comparison, from the same pairs as its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean
from typing import Any

import numpy as np

from adaptact.comparison.plan import Plan
from adaptact.comparison.results import Result, differences, readable_outputs
from adaptact.comparison.statistics import simultaneous
from adaptact.comparison.value import Value, yearly_value
from adaptact.training.threshold import choose_threshold, constant_cost, cost_per_decision

AMOUNTS = ("value", "computing", "break_even_decisions", "chance", "payback_years")
Key = tuple[int, int | None]  # seed and fold of a run


def values(
    plan: Plan,
    by_arm: dict[str, list[Result]],
    verdicts: dict[str, str],
    ratio: float | None,
    cost: dict[str, Any] | None,
    value: Value,
    positive: str | None,
) -> dict[str, Any]:
    """The "value" of ``report.json``.

    Args:
        verdicts: of each candidate; without "adopt" or "reject" no chance that it pays is given.
        positive: label of the class that costs of two classes are about.
    """
    level = simultaneous(plan.error, len(plan.candidates))
    costs = (cost or {}).get("arms", {})
    found = []
    for arm in plan.candidates:
        ours, theirs = by_arm[arm.name], by_arm[plan.baseline]
        savings, missing = _savings(plan, ours, theirs, value, positive)
        if missing:
            found.append({"activation": arm.name, **dict.fromkeys(AMOUNTS), "interval": [None, None]})
            found[-1] |= {"interval_level": level, "withheld": True, "missing_pairs": missing, "shown": False}
            continue
        hours = [fmean(_fit_hours(runs) or [0.0]) for runs in (ours, theirs)]
        latency = [costs[name]["latency"]["p50_ms"] if name in costs else 0.0 for name in (arm.name, plan.baseline)]
        one = yearly_value(
            savings,
            value,
            level=level,
            test_train_ratio=ratio,
            extra_fit_hours=hours[0] - hours[1],
            extra_answer_ms=latency[0] - latency[1],
        )
        shown = verdicts[arm.name] in {"adopt", "reject"}
        found.append({"activation": arm.name, "withheld": False, **one, "shown": shown})
        if not shown or one["interval"][0] == one["interval"][1]:  # without a spread there is no chance to speak of
            found[-1]["chance"] = None
    return {"given": asdict(value), "positive": positive, "candidates": found}


def _savings(
    plan: Plan, ours: Sequence[Result], theirs: Sequence[Result], value: Value, positive: str | None
) -> tuple[list[float], int]:
    """Per pair by how much a decision is cheaper with the candidate, and how many pairs could not be valued."""
    if value.per_unit_error is not None:
        pairs = differences(plan, ours, theirs, plan.metric)
        return [value.per_unit_error * gain for gain in pairs.values()], len(ours) - len(pairs)
    costs = (float(value.cost_fp or 0), float(value.cost_fn or 0))
    number = 1 if positive is None else list(plan.data["labels"]).index(positive)
    base = {_key(result): result for result in theirs}
    savings, missing = [], 0
    for mine in ours:
        pair = (base.get(_key(mine)), mine)
        found = None if pair[0] is None else _costs_of_pair((pair[0], mine), costs, number)
        missing += found is None
        savings += [] if found is None else [found[0] - found[1]]
    return savings, missing


def _costs_of_pair(pair: tuple[Result, Result], costs: tuple[float, float], number: int) -> tuple[float, float] | None:
    """Mean cost of a decision with the baseline and with the candidate; None where a run's answers cannot be read.

    As in the verdict, a run that did not come to a good end counts as a prediction that is always the same.
    """
    if all(result.failed for result in pair):
        return 0.0, 0.0  # both are that prediction
    arrays = [None if result.failed else readable_outputs(result.folder) for result in pair]
    known = next((found for found in arrays if found is not None and found.val_targets is not None), None)
    if known is None:
        return None
    val, test = np.asarray(known.val_targets) == number, np.asarray(known.targets) == number
    each = []
    for result, found in zip(pair, arrays, strict=True):
        if result.failed:
            each.append(constant_cost(val, test, costs))
            continue
        if found is None or found.predictions.ndim != 2 or found.val_predictions is None:
            return None
        sought = found.val_predictions[:, number].astype(np.float64)
        threshold = choose_threshold(sought, np.asarray(found.val_targets) == number, costs=costs)
        answers = found.predictions[:, number].astype(np.float64)
        each.append(cost_per_decision(answers, np.asarray(found.targets) == number, threshold, costs))
    return each[0], each[1]


def _key(result: Result) -> Key:
    return result.run.seed, result.run.fold


def _fit_hours(found: Sequence[Result]) -> list[float]:
    return [r.record.speed["fit_s"] / 3600 for r in found if r.record is not None]

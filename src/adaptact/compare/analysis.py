"""From a plan and its results to the content of ``report.json``: differences, intervals, verdicts, stability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from adaptact.compare.plan import Arm, Plan
from adaptact.compare.results import Result
from adaptact.compare.statistics import (
    Interval,
    effect_size,
    holm,
    paired_interval,
    probability_of_superiority,
    row_interval,
    sign_flip_p,
    simultaneous,
)
from adaptact.compare.value import Value, yearly_value
from adaptact.compare.verdict import Guardrails, decide, default_margin
from adaptact.config import METRICS
from adaptact.errors import UserError
from adaptact.training.decision import choose_threshold, rates

SCHEMA = 1
SCHEMA_FILE = Path(__file__).resolve().parents[1] / "schemas" / "report.json"
CLEARER = {"accuracy": "log_loss", "f1_macro": "log_loss"}  # separates better on few test rows
MODES = {name: mode for names in METRICS.values() for name, mode in names.items()}
STABILITY = ("loss_spikes", "nonfinite_steps", "grad_norm_cv", "grad_norm_max", "epochs_to_90pct")
MetricOf = Callable[[str], Callable[[np.ndarray, np.ndarray], float]]


def analyse(
    plan: Plan,
    found: Sequence[Result],
    *,
    cost: dict[str, Any] | None = None,
    references: Sequence[dict[str, Any]] = (),
    earlier_uses: Sequence[str] = (),
    metric_of: MetricOf | None = None,
    value: Value | None = None,
) -> dict[str, Any]:
    """The content of ``report.json``.

    Args:
        found: the results of all runs.
        cost: what :mod:`adaptact.training.cost` measured, by arm.
        references: what boosting and a linear model reach, one entry per split.
        metric_of: metrics as functions of arrays, for the uncertainty from the finite test set; None leaves it out.
        value: what errors cost; left out where it is not given.

    Raises:
        UserError: no run of the baseline has a score, so that there is no margin.
    """
    by_arm = {arm.name: [r for r in found if r.arm.name == arm.name and r.ended] for arm in plan.arms}
    margin = margin_of(plan, by_arm[plan.baseline])
    ratio = test_train_ratio(plan, found)
    costs = (cost or {}).get("arms", {})
    candidates = [
        _candidate(plan, arm, by_arm, margin, ratio, costs.get(arm.name, {}), metric_of) for arm in plan.candidates
    ]
    with_p = [c for c in candidates if c["p_value"] is not None]
    for candidate, adjusted in zip(with_p, holm([c["p_value"] for c in with_p]), strict=True):
        candidate["p_value_holm"] = adjusted
    return {
        "schema": SCHEMA,
        "baseline": plan.baseline,
        "metric": f"test/{plan.metric}",
        "mode": plan.mode,
        "margin": margin,
        "margin_rule": plan.margin_rule,
        "error": plan.error,
        "strict": plan.strict,
        "decided_at": plan.decided_at,
        "changes": plan.changes,
        "earlier_uses": list(earlier_uses),
        "seeds": plan.seeds,
        "folds": plan.folds,
        "vary": plan.vary,
        "limits": plan.limits,
        "data": plan.data,
        "candidates": candidates,
        "controls": [_control(plan, arm, by_arm, ratio) for arm in plan.controls if by_arm[arm.name]],
        "arms": [_arm(plan, arm, by_arm[arm.name]) for arm in plan.arms],
        "cost": cost,
        "robustness": [_robustness(plan, arm, by_arm, ratio) for arm in plan.arms if arm.role != "control"],
        "value": _values(plan, by_arm, ratio, cost, value) if value is not None and value.given else None,
        "references": _references(references, plan.metric),
        "failures": [
            {"arm": r.arm.name, "seed": r.run.seed, "fold": r.run.fold, "status": r.status, "reason": r.reason}
            for r in found
            if r.failed
        ],
        "missing_runs": sum(not r.ended for r in found),
        "made_with": _made_with(plan, found),
    }


def _made_with(plan: Plan, found: Sequence[Result]) -> dict[str, Any]:
    """Versions and devices that the runs name, and the hashes of plan and code."""
    known = [r.record for r in found if r.record is not None]
    versions = {name: version for record in known for name, version in record.versions.items()}
    devices = sorted({record.device for record in known})
    return {"versions": versions, "devices": devices, "code": plan.code, "plan": plan.hash}


def margin_of(plan: Plan, baseline: Sequence[Result]) -> float:
    if plan.margin is not None:
        return plan.margin
    scores = [s for r in baseline if (s := r.score(plan.metric)) is not None]
    if not scores:
        raise UserError(
            f"no run of the baseline {plan.baseline} has a test {plan.metric}: see the reasons above; "
            "give compare.margin= if the others are to be looked at"
        )
    return default_margin(plan.metric, fmean(scores))


def test_train_ratio(plan: Plan, found: Sequence[Result]) -> float | None:
    """n_test / n_train where the same rows are split anew for each pair; None where all pairs share the test rows."""
    if "split" not in plan.vary and plan.folds is None:
        return None
    rows = [r.record.data["rows"] for r in found if r.record is not None]
    return fmean(row["test"] / row["train"] for row in rows) if rows else None


def differences(
    plan: Plan, ours: Sequence[Result], theirs: Sequence[Result], metric: str, part: str = "test"
) -> dict[str, float]:
    """Per seed (and fold) how much better ``ours`` is than ``theirs``; pairs without two scores are left out."""
    sign = 1 if MODES[metric] == "max" else -1
    base = {(r.run.seed, r.run.fold): r.score(metric, part) for r in theirs}
    pairs = {}
    for r in ours:
        a, b = r.score(metric, part), base.get((r.run.seed, r.run.fold))
        if a is not None and b is not None:
            pairs[f"seed{r.run.seed}" + ("" if r.run.fold is None else f"-fold{r.run.fold}")] = sign * (a - b)
    return pairs


def _candidate(
    plan: Plan,
    arm: Arm,
    by_arm: dict[str, list[Result]],
    margin: float,
    ratio: float | None,
    cost: dict[str, Any],
    metric_of: MetricOf | None,
) -> dict[str, Any]:
    ours, theirs = by_arm[arm.name], by_arm[plan.baseline]
    pairs = differences(plan, ours, theirs, plan.metric)
    values = list(pairs.values())
    number = len(plan.candidates)
    guardrails = Guardrails(
        failures=sum(r.failed for r in ours),
        runs=len(ours),
        baseline_failures=sum(r.failed for r in theirs),
        baseline_runs=len(theirs),
        latency_ratio=_ratio(cost, "latency"),
        fit_time_ratio=_ratio(cost, "fit_time"),
        max_latency_ratio=plan.limits["latency_ratio"],
        max_fit_time_ratio=plan.limits["fit_time_ratio"],
    )
    seconds = [r.seconds for r in (*ours, *theirs) if r.seconds is not None]
    verdict = decide(
        values,
        margin=margin,
        error=plan.error,
        candidates=number,
        test_train_ratio=ratio,
        strict=plan.strict,
        guardrails=guardrails,
        seconds_per_pair=2 * fmean(seconds) if seconds else None,
    )
    p, smallest = sign_flip_p(values) if values else (None, None)
    level = simultaneous(plan.error, number)
    plain: dict[str, Any] = {
        "activation": arm.name,
        "pairs": len(values),
        "failures": guardrails.failures,
        "mean_difference": verdict.interval.mean,
        "interval": [verdict.interval.low, verdict.interval.high],
        "interval_level": level,
        "equivalence_interval": [verdict.narrow.low, verdict.narrow.high],
        "equivalence_level": verdict.narrow.level,
        "standard_error": verdict.interval.standard_error,
        "df": verdict.interval.df,
        "method": verdict.interval.method,
        "test_train_ratio": ratio,
        "p_value": p,
        "p_value_smallest": smallest,
        "p_value_can_decide": smallest is not None and smallest * number <= plan.error,
        "p_value_holm": None,
        "probability_of_superiority": probability_of_superiority(values),
        "effect_size": effect_size(values),
        "guardrails": {
            "latency_ratio": guardrails.latency_ratio,
            "fit_time_ratio": guardrails.fit_time_ratio,
            "failure_rate": guardrails.failure_rate,
            "baseline_failure_rate": guardrails.baseline_failure_rate,
        },
        "verdict": verdict.name,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "pairs_needed": verdict.pairs_needed,
        "seconds_needed": verdict.seconds_needed,
        "differences": pairs,
        "validation": _summary(list(differences(plan, ours, theirs, plan.metric, "val").values()), level, ratio),
        "row_interval": _row_interval(plan, ours, theirs, level, metric_of),
    }
    if plan.metric in CLEARER:
        clearer = CLEARER[plan.metric]
        plain["clearer"] = {
            "metric": clearer,
            **_summary(list(differences(plan, ours, theirs, clearer).values()), level, ratio),
        }
    return plain


def _summary(values: Sequence[float], level: float, ratio: float | None) -> dict[str, Any]:
    found = paired_interval(values, level=level, test_train_ratio=ratio)
    return {
        "mean_difference": found.mean,
        "interval": [found.low, found.high],
        "interval_level": level,
        "pairs": found.pairs,
        "method": found.method,
    }


def _row_interval(
    plan: Plan, ours: Sequence[Result], theirs: Sequence[Result], level: float, metric_of: MetricOf | None
) -> dict[str, Any] | None:
    """Uncertainty from the finite test set; only where all pairs share it."""
    if metric_of is None or "split" in plan.vary or plan.folds is not None:
        return None
    base = {r.run.seed: r for r in theirs if r.status == "finished"}
    pairs = [(base[r.run.seed], r) for r in ours if r.status == "finished" and r.run.seed in base]
    if not pairs:
        return None
    try:
        outputs = [(read_outputs(a.folder), read_outputs(b.folder)) for a, b in pairs]
        targets = outputs[0][0][0]
        baseline, candidate = (np.stack([pair[i][1] for pair in outputs]) for i in (0, 1))
        found: Interval = row_interval(targets, baseline, candidate, metric_of(plan.metric), level=level, resamples=200)
    except (OSError, ValueError, KeyError):
        return None
    return {"interval": [found.low, found.high], "standard_error": found.standard_error, "rows": found.pairs}


def read_outputs(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Targets (rows,) and predictions (rows, classes) or (rows,) of a run's test part."""
    with np.load(folder / "outputs.npz", allow_pickle=False) as file:
        return file["targets"], file["predictions"]


def _ratio(cost: dict[str, Any], what: str) -> float | None:
    measured = cost.get(what)
    return None if measured is None else float(measured["ratio"])


def _control(plan: Plan, arm: Arm, by_arm: dict[str, list[Result]], ratio: float | None) -> dict[str, Any]:
    """How much better the adaptive arm is than its control, with an interval of its own (not simultaneous)."""
    pairs = differences(plan, by_arm[str(arm.of)], by_arm[arm.name], plan.metric)
    baseline = differences(plan, by_arm[arm.name], by_arm[plan.baseline], plan.metric)
    return {
        "activation": arm.name,
        "of": arm.of,
        "control": arm.control,
        "adaptive_minus_control": _summary(list(pairs.values()), 1 - plan.error, ratio),
        "control_minus_baseline": _summary(list(baseline.values()), 1 - plan.error, ratio),
        "differences": pairs,
        "failures": sum(r.failed for r in by_arm[arm.name]),
    }


def _arm(plan: Plan, arm: Arm, found: Sequence[Result]) -> dict[str, Any]:
    """Metrics, stability and what was learned, over the seeds of one arm."""
    finished = [r.record for r in found if r.status == "finished" and r.record is not None]
    scores = [s for r in found if (s := r.score(plan.metric)) is not None]
    names = list(finished[0].metrics["test"]) if finished else []
    return {
        "activation": arm.name,
        "role": arm.role,
        "runs": len(found),
        "failures": sum(r.failed for r in found),
        "score": spread(scores),
        "metrics": {
            part: {n: spread([r.metrics[part][n] for r in finished if r.metrics[part][n] is not None]) for n in names}
            for part in ("train", "val", "test")
        },
        "generalisation_gap": spread(
            [
                r.metrics["train"][plan.metric] - r.metrics["test"][plan.metric]
                for r in finished
                if r.metrics["train"].get(plan.metric) is not None and r.metrics["test"].get(plan.metric) is not None
            ]
        ),
        "stability": {
            key: spread([r.stability[key] for r in finished if r.stability.get(key) is not None]) for key in STABILITY
        },
        "fit_s": spread([r.speed["fit_s"] for r in finished]),
        "parameters": finished[0].model["parameters"] if finished else None,
        "activation_parameters": finished[0].model["activation_parameters"] if finished else None,
        "layers": _layers([r.layers for r in finished]),
    }


def _layers(runs: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Per site the mean and spread over the runs of each parameter, of the gap and of how far it all moved."""
    if not runs:
        return []
    layers = []
    for i, first in enumerate(runs[0]):
        keys = [key for key, value in first.items() if isinstance(value, float)]
        values = {key: spread([run[i][key] for run in runs if run[i].get(key) is not None]) for key in keys}
        layers.append({"name": first["name"], "kind": first["kind"], **values})
    return layers


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Mean, standard deviation, least and greatest; None of nothing."""
    if not values:
        return None
    return {
        "mean": fmean(values),
        "sd": stdev(values) if len(values) > 1 else 0.0,
        "min": min(values),
        "max": max(values),
    }


def _references(found: Sequence[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """Mean test metric of each reference model over the splits."""
    scores: dict[str, list[float]] = {}
    for split in found:
        for reference in split["references"]:
            value = reference["metrics"]["test"].get(metric)
            if value is not None:
                scores.setdefault(reference["name"], []).append(value)
    return [{"name": name, "splits": len(values), "score": spread(values)} for name, values in scores.items()]


def _robustness(plan: Plan, arm: Arm, by_arm: dict[str, list[Result]], ratio: float | None) -> dict[str, Any]:
    """The metric under each disturbance, and how much better than the baseline's under the same one."""
    sign = 1 if plan.mode == "max" else -1
    base = {(r.run.seed, r.run.fold): r.robustness for r in by_arm[plan.baseline] if r.robustness}
    ours = {(r.run.seed, r.run.fold): r.robustness for r in by_arm[arm.name] if r.robustness}
    first = next(iter(ours.values()), {})
    rows = []
    for kind, strengths in first.items():
        for strength in strengths:
            scores = {key: found[kind][strength][plan.metric] for key, found in ours.items()}
            theirs = {key: found[kind][strength][plan.metric] for key, found in base.items()}
            known = {key: s for key, s in scores.items() if s is not None}
            pairs = [sign * (s - theirs[key]) for key, s in known.items() if theirs.get(key) is not None]
            row = {"kind": kind, "strength": strength, "score": spread(list(known.values()))}
            row["difference"] = None if arm.role == "baseline" else _summary(pairs, 1 - plan.error, ratio)
            rows.append(row)
    return {"activation": arm.name, "rows": rows}


def _values(
    plan: Plan, by_arm: dict[str, list[Result]], ratio: float | None, cost: dict[str, Any] | None, value: Value
) -> dict[str, Any]:
    """The yearly value of each candidate, from the same pairs as its verdict."""
    level = simultaneous(plan.error, len(plan.candidates))
    costs = (cost or {}).get("arms", {})
    found = []
    for arm in plan.candidates:
        if value.per_unit_error is not None:
            pairs = differences(plan, by_arm[arm.name], by_arm[plan.baseline], plan.metric)
            savings = [value.per_unit_error * d for d in pairs.values()]
        else:
            base = {(r.run.seed, r.run.fold): _cost_per_decision(r, value) for r in by_arm[plan.baseline]}
            ours = {(r.run.seed, r.run.fold): _cost_per_decision(r, value) for r in by_arm[arm.name]}
            savings = [
                theirs - mine
                for key, mine in ours.items()
                if mine is not None and (theirs := base.get(key)) is not None
            ]
        hours = [fmean(_fit_hours(by_arm[name]) or [0.0]) for name in (arm.name, plan.baseline)]
        latency = [costs[name]["latency"]["p50_ms"] if name in costs else 0.0 for name in (arm.name, plan.baseline)]
        one = yearly_value(
            savings,
            value,
            level=level,
            test_train_ratio=ratio,
            extra_fit_hours=hours[0] - hours[1],
            extra_answer_ms=latency[0] - latency[1],
        )
        found.append({"activation": arm.name, **one})
    return {"given": asdict(value), "candidates": found}


def _fit_hours(found: Sequence[Result]) -> list[float]:
    return [r.record.speed["fit_s"] / 3600 for r in found if r.record is not None]


def _cost_per_decision(result: Result, value: Value) -> float | None:
    """Of a two-class run: errors on the test rows at the threshold that costs least on the validation rows."""
    costs = (float(value.cost_fp or 0), float(value.cost_fn or 0))
    try:
        with np.load(result.folder / "outputs.npz", allow_pickle=False) as file:
            val, test = ((file[f"{p}predictions"][:, 1], file[f"{p}targets"] == 1) for p in ("val_", ""))
    except (OSError, ValueError, KeyError, IndexError):
        return None
    threshold = choose_threshold(val[0].astype(np.float64), val[1], costs=costs)
    counts = rates(test[0].astype(np.float64), test[1], np.array([threshold]))
    return float((costs[0] * counts["fp"][0] + costs[1] * counts["fn"][0]) / len(test[1]))

"""From a plan and its results to the content of ``report.json``: differences, intervals, verdicts, stability."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from adaptact.comparison.earlier_looks import EarlierLook
from adaptact.comparison.money import values
from adaptact.comparison.plan import Arm, Plan
from adaptact.comparison.results import Result, differences, readable_outputs
from adaptact.comparison.row_limits import Metric, limits, paired_rows, row_worth
from adaptact.comparison.statistics import (
    Interval,
    checked,
    effect_size,
    equivalence_level,
    holm,
    paired_interval,
    probability_of_superiority,
    row_interval,
    sign_flip_p,
    simultaneous,
)
from adaptact.comparison.statistics import spread as deviation
from adaptact.comparison.value import Value
from adaptact.comparison.verdict import Guardrails, Verdict, decide, default_margin
from adaptact.errors import UserError

SCHEMA = 1
SCHEMA_FILE = Path(__file__).resolve().parents[1] / "schemas" / "report.json"
CLEARER = {"accuracy": "log_loss", "f1_macro": "log_loss"}  # separates better on few test rows
STABILITY = ("loss_spikes", "nonfinite_steps", "grad_norm_cv", "grad_norm_max", "epochs_to_90pct")
ROUNDING = 4 * float(np.finfo(np.float32).eps)  # records keep metrics in float32: equal differences differ by this
MetricOf = Callable[[str, int], Metric]


def analyse(
    plan: Plan,
    found: Sequence[Result],
    *,
    cost: dict[str, Any] | None = None,
    references: Sequence[dict[str, Any]] = (),
    looks: Sequence[EarlierLook] = (),
    metric_of: MetricOf | None = None,
    value: Value | None = None,
    positive: str | None = None,
) -> dict[str, Any]:
    """The content of ``report.json``.

    Args:
        found: the results of all runs.
        cost: what :mod:`adaptact.training.timing` measured, by arm.
        references: what boosting and a linear model reach, one entry per split.
        metric_of: metrics as functions of arrays, for the uncertainty from the finite test set; None leaves it out.
        value: what errors cost; left out where it is not given.
        looks: earlier comparisons that had some of the same test rows.
        positive: label of the class that costs are about, where it is not that of the plan.

    Raises:
        UserError: no run of the baseline has a score, so that there is no margin.
    """
    by_arm = {arm.name: [r for r in found if r.arm.name == arm.name and r.ended] for arm in plan.arms}
    margin = margin_of(plan, by_arm[plan.baseline])
    ratio = test_train_ratio(plan, found)
    sought = positive_of(plan)
    of_arrays = None if metric_of is None else bound(metric_of, plan, sought)
    costs = (cost or {}).get("arms", {})
    candidates = [
        _candidate(plan, arm, by_arm, margin, ratio, costs.get(arm.name, {}), of_arrays) for arm in plan.candidates
    ]
    with_p = [c for c in candidates if c["p_value"] is not None]
    for candidate, adjusted in zip(with_p, holm([c["p_value"] for c in with_p]), strict=True):
        candidate["p_value_holm"] = adjusted
    verdicts = {candidate["activation"]: candidate["verdict"] for candidate in candidates}
    of_costs = positive or (sought or {}).get("label")
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
        "earlier_uses": [look.name for look in looks],
        "earlier_looks": [asdict(look) for look in looks],
        "seeds": plan.seeds,
        "folds": plan.folds,
        "vary": plan.vary,
        "limits": plan.limits,
        "data": plan.data,
        "positive": sought,
        "candidates": candidates,
        "controls": [_control(plan, arm, by_arm, ratio) for arm in plan.controls if by_arm[arm.name]],
        "arms": [_arm(plan, arm, by_arm[arm.name]) for arm in plan.arms],
        "cost": cost,
        "robustness": [_robustness(plan, arm, by_arm, ratio) for arm in plan.arms if arm.role != "control"],
        "value": values(plan, by_arm, verdicts, ratio, cost, value, of_costs)
        if value is not None and value.given
        else None,
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


def bound(metric_of: MetricOf, plan: Plan, sought: dict[str, Any] | None) -> Metric:
    """The metric that decides, as the records have it."""
    return metric_of(plan.metric, 1 if sought is None else list(plan.data["labels"]).index(sought["metric_of"]))


def positive_of(plan: Plan) -> dict[str, Any] | None:
    """The class to be found: "label", "other", "share" of the rows (None where it is not known) and "by".

    "metric_of" is the class that the average precision of the records is about: of earlier versions the second label.
    """
    labels = list(plan.data.get("labels") or [])
    if len(labels) != 2:
        return None
    if plan.data.get("positive") is not None:
        label = plan.data["positive"]["label"]
        return {**plan.data["positive"], "metric_of": label}
    typed = plan.arms[0].settings["data"].get("positive")
    label = typed or labels[1]
    by = "typed" if typed else "earlier"
    return {"label": label, "other": labels[1 - labels.index(label)], "share": None, "by": by, "metric_of": labels[1]}


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


def _candidate(
    plan: Plan,
    arm: Arm,
    by_arm: dict[str, list[Result]],
    margin: float,
    ratio: float | None,
    cost: dict[str, Any],
    metric: Metric | None,
) -> dict[str, Any]:
    ours, theirs = by_arm[arm.name], by_arm[plan.baseline]
    pairs = differences(plan, ours, theirs, plan.metric)
    gains, number = list(pairs.values()), len(plan.candidates)
    level, narrow_level = simultaneous(plan.error, number), equivalence_level(plan.error, number)
    finished = finished_pairs(ours, theirs)
    tested = _test_rows_of(finished)
    worth = row_worth(plan.metric, fmean(tested) if tested else 0, margin)
    limited = _limits(plan, gains, finished, worth, metric, (level, narrow_level))
    guardrails = _guardrails(plan, ours, theirs, cost)
    seconds = [r.seconds for r in (*ours, *theirs) if r.seconds is not None]
    verdict = decide(
        gains,
        margin=margin,
        rows=limited,
        error=plan.error,
        candidates=number,
        test_train_ratio=ratio,
        strict=plan.strict,
        guardrails=guardrails,
        seconds_per_pair=2 * fmean(seconds) if seconds else None,
    )
    plain: dict[str, Any] = {
        "activation": arm.name,
        "pairs": len(gains),
        "failures": guardrails.failures,
        **_of_verdict(verdict, level),
        "test_train_ratio": ratio,
        **_p_values(gains, plan.error, number),
        "probability_of_superiority": probability_of_superiority(gains),
        "effect_size": effect_size(gains),
        "guardrails": {
            "latency_ratio": guardrails.latency_ratio,
            "fit_time_ratio": guardrails.fit_time_ratio,
            "failure_rate": guardrails.failure_rate,
            "baseline_failure_rate": guardrails.baseline_failure_rate,
        },
        "differences": pairs,
        "validation": _summary(list(differences(plan, ours, theirs, plan.metric, "val").values()), level, ratio),
        "row_interval": _row_interval(plan, finished, level, metric),
        "over_pairs": _ends(
            paired_interval(gains, level=level, test_train_ratio=ratio),
            paired_interval(gains, level=narrow_level, test_train_ratio=ratio),
        ),
        "over_rows": None if limited is None else _ends(*limited),
        "row_worth": worth,
        "limited_by_rows": limited is not None
        and limited[0].method in {verdict.interval.method, verdict.narrow.method},
    }
    if plan.metric in CLEARER:
        clearer = CLEARER[plan.metric]
        plain["clearer"] = {
            "metric": clearer,
            **_summary(list(differences(plan, ours, theirs, clearer).values()), level, ratio),
        }
    return plain


def _guardrails(plan: Plan, ours: Sequence[Result], theirs: Sequence[Result], cost: dict[str, Any]) -> Guardrails:
    return Guardrails(
        failures=sum(r.failed for r in ours),
        runs=len(ours),
        baseline_failures=sum(r.failed for r in theirs),
        baseline_runs=len(theirs),
        latency_ratio=_ratio(cost, "latency"),
        fit_time_ratio=_ratio(cost, "fit_time"),
        max_latency_ratio=plan.limits["latency_ratio"],
        max_fit_time_ratio=plan.limits["fit_time_ratio"],
    )


def _of_verdict(verdict: Verdict, level: float) -> dict[str, Any]:
    """Give the verdict with the intervals that it was taken from."""
    return {
        "mean_difference": verdict.interval.mean,
        "interval": [verdict.interval.low, verdict.interval.high],
        "interval_level": level,
        "equivalence_interval": [verdict.narrow.low, verdict.narrow.high],
        "equivalence_level": verdict.narrow.level,
        "standard_error": verdict.interval.standard_error,
        "df": verdict.interval.df,
        "method": verdict.interval.method,
        "verdict": verdict.name,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "pairs_needed": verdict.pairs_needed,
        "seconds_needed": verdict.seconds_needed,
    }


def _p_values(gains: Sequence[float], error: float, candidates: int) -> dict[str, Any]:
    """Give the sign-flip p-value and the smallest one that so many pairs can have; Holm's comes with all candidates."""
    p, smallest = sign_flip_p(gains) if gains else (None, None)
    can_decide = smallest is not None and smallest * candidates <= error
    return {"p_value": p, "p_value_smallest": smallest, "p_value_can_decide": can_decide, "p_value_holm": None}


def _largest(pairs: Sequence[tuple[Result, Result]], metric: str) -> float:
    scores = [score for pair in pairs for result in pair if (score := result.score(metric)) is not None]
    return max(map(abs, scores), default=1.0)


def _ends(interval: Interval, narrow: Interval) -> dict[str, list[float]]:
    return {"interval": [interval.low, interval.high], "equivalence_interval": [narrow.low, narrow.high]}


def _limits(
    plan: Plan,
    gains: Sequence[float],
    finished: Sequence[tuple[Result, Result]],
    worth: float | None,
    metric: Metric | None,
    levels: tuple[float, float],
) -> tuple[Interval, Interval] | None:
    """Intervals over the test rows, where the spread over pairs says too little: none at all, or steps of a row."""
    constant = len(gains) > 1 and deviation(checked(gains)) <= ROUNDING * _largest(finished, plan.metric)
    if not constant and (worth is None or worth <= 1):
        return None
    rows = None if metric is None else paired_rows(finished)
    return limits(rows, plan.metric, metric, levels) if constant or rows is not None else None


def _test_rows_of(pairs: Sequence[tuple[Result, Result]]) -> list[int]:
    return [ours.record.data["rows"]["test"] for _, ours in pairs if ours.record is not None]


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
    plan: Plan, pairs: Sequence[tuple[Result, Result]], level: float, metric: Metric | None
) -> dict[str, Any] | None:
    """Uncertainty from the finite test set; only where all pairs share it."""
    if metric is None or "split" in plan.vary or plan.folds is not None:
        return None
    arrays = [(readable_outputs(base.folder), readable_outputs(ours.folder)) for base, ours in pairs]
    known = [(base, ours) for base, ours in arrays if base is not None and ours is not None]
    if not known:
        return None
    baseline, candidate = (np.stack([pair[i].predictions for pair in known]) for i in (0, 1))
    try:
        found: Interval = row_interval(known[0][0].targets, baseline, candidate, metric, level=level, resamples=200)
    except ValueError:
        return None
    return {"interval": [found.low, found.high], "standard_error": found.standard_error, "rows": found.pairs}


def finished_pairs(ours: Sequence[Result], theirs: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Finished runs of the baseline and of a candidate, pair by pair."""
    base = {(r.run.seed, r.run.fold): r for r in theirs if r.status == "finished"}
    return [(base[key], r) for r in ours if r.status == "finished" and (key := (r.run.seed, r.run.fold)) in base]


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
            part: {n: spread([v for r in finished if (v := r.metrics[part].get(n)) is not None]) for n in names}
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
            key: spread([value for r in finished if isinstance(value := dict(r.stability).get(key), (int, float))])
            for key in STABILITY
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
    by_site = [{layer["name"]: layer for layer in run} for run in runs]
    for first in runs[0]:
        sites = [run.get(first["name"], {}) for run in by_site]
        keys = [key for key, value in first.items() if isinstance(value, float)]
        values = {key: spread([v for site in sites if isinstance(v := site.get(key), float)]) for key in keys}
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

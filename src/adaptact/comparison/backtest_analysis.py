"""The numbers of a back-test's report, from its runs as they lie on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adaptact import records
from adaptact.comparison import backtest_ageing
from adaptact.comparison.backtest_ageing import DAYS_PER_YEAR, LEVEL, Economy, plain
from adaptact.comparison.backtest_options import AgeingCosts, Backtest, WindowRun
from adaptact.comparison.plan import Arm
from adaptact.comparison.results import Result

SCHEMA = 1
RELATIVE = {"log_loss", "rmse", "mae", "r2"}  # their margin is a share of the baseline's error


@dataclass(frozen=True)
class Ran:
    """A run and its metrics per window, as of :func:`adaptact.comparison.backtest_options.read_run`."""

    run: WindowRun
    result: Result
    windows: list[dict[str, Any]]


def rows_of(found: Sequence[Ran], metric: str, windows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of ``backtest.csv``: one per arm, seed, origin and window; windows are numbered from 1."""
    return [
        {
            "arm": ran.run.arm,
            "seed": ran.run.seed,
            "trained_up_to_window": ran.run.origin + 1,
            "window": one["window"] + 1,
            "age": one["window"] - ran.run.origin,
            "metric": one["metrics"][metric],
            "rows": windows[one["window"]]["rows"],
            "start": windows[one["window"]]["start"],
            "end": windows[one["window"]]["end"],
            "status": ran.result.status,
            **{f"test/{name}": value for name, value in one["metrics"].items()},
        }
        for ran in found
        for one in ran.windows
    ]


def matrix(found: Sequence[Ran], metric: str, windows: int, *, higher_is_better: bool) -> np.ndarray:
    """Losses of one arm; see :mod:`adaptact.comparison.backtest_ageing`."""
    scores: dict[tuple[int, int], list[float]] = {}
    for ran in found:
        for one in ran.windows:
            scores.setdefault((ran.run.origin, one["window"]), []).append(one["metrics"][metric])
    return backtest_ageing.losses_of(scores, windows, higher_is_better=higher_is_better)


def analyse(
    options: Backtest,
    arms: Sequence[Arm],
    found: Sequence[Ran],
    *,
    windows: Sequence[dict[str, Any]],
    dated: bool,
    metric: str,
    mode: str,
    data: dict[str, Any],
) -> dict[str, Any]:
    """The content of ``backtest.json``."""
    of = {arm.name: [ran for ran in found if ran.run.arm == arm.name] for arm in arms}
    count = options.windows
    losses = {name: matrix(mine, metric, count, higher_is_better=mode == "max") for name, mine in of.items()}
    margin = options.margin if options.margin is not None else default_margin(metric, losses[arms[0].name])
    length = float(np.mean([window["length"] for window in windows[:-1]]))  # the last one has no end
    days = length if dated else None
    return {
        "schema": SCHEMA,
        "metric": metric,
        "mode": mode,
        "margin": margin,
        "level": LEVEL,
        "data": data,
        "scheme": {"windows": count, "by": options.by, "history": options.history, "delay": options.delay},
        "windows": list(windows),
        "window_length": length,
        "window_days": days,
        "seeds": options.seeds,
        "baseline": arms[0].name,
        "arms": [describe(arm, of[arm.name], losses[arm.name], options, margin, days, mode) for arm in arms],
        "slower": [slower(arm.name, losses[arms[0].name], losses[arm.name]) for arm in arms[1:]],
        "failures": [
            {
                "arm": r.run.arm,
                "seed": r.run.seed,
                "window": r.run.origin + 1,
                "reason": r.result.reason or r.result.status,
            }
            for r in found
            if r.result.failed
        ],
    }


def default_margin(metric: str, baseline: np.ndarray) -> float:
    """0.005, or 1 % of the baseline's error on the windows right after training."""
    if metric not in RELATIVE:
        return 0.005
    mean = float(backtest_ageing.at_age(baseline, 1).mean())
    return 0.01 * abs(1 + mean if metric == "r2" else mean)  # the loss of r2 is -r2, its error 1 - r2


def describe(
    arm: Arm, found: Sequence[Ran], losses: np.ndarray, options: Backtest, margin: float, days: float | None, mode: str
) -> dict[str, Any]:
    """Everything about one arm."""
    rows = backtest_ageing.by_age(losses)
    rate = backtest_ageing.decay(losses)
    seconds = [ran.result.seconds for ran in found if ran.result.seconds and ran.result.status == "finished"]
    each = float(np.mean(seconds)) if seconds else None
    first = backtest_ageing.beyond_margin(rows, margin)
    reached = {key: margin / value if value > 0 else None for key, value in (("best", rate.mean), ("low", rate.high))}
    return {
        "activation": arm.name,
        "runs": len(found),
        "failures": sum(ran.result.failed for ran in found),
        "training_seconds": each,
        "ages": [{**row, "metric": _in_its_unit(row["loss"], mode)} for row in rows],
        "decay": {"per_window": plain(rate), "per_day": None if days is None else plain(rate, 1 / days)},
        "shown": bool(rate.low > 0),
        "one_window_shown": bool(len(rows) > 1 and rows[1]["aged_minus_fresh"]["low"] > 0),
        # windows beyond age 1 after which the line through all ages has lost the margin
        "margin_reached": {**reached, "high": margin / rate.low if rate.low > 0 else None, "measured_age": first},
        "money": money(found, losses, options.value, each, days, mode),
    }


def _in_its_unit(loss: dict[str, Any], mode: str) -> dict[str, Any]:
    if mode == "min":
        return loss
    return {**loss, "mean": -loss["mean"], "low": -loss["high"], "high": -loss["low"]}


def money(
    found: Sequence[Ran], losses: np.ndarray, value: AgeingCosts, seconds: float | None, days: float | None, mode: str
) -> dict[str, Any] | None:
    """When to retrain, where it is known what errors and retrainings cost."""
    if value.decisions_per_year is None or days is None:
        return None
    if value.per_unit_error is not None:
        costs = losses * value.per_unit_error
    else:
        costs = matrix(found, records.COST, len(losses), higher_is_better=False)
    once = value.retraining_cost + (value.compute_per_hour or 0.0) * (seconds or 0.0) / 3600
    economy = Economy(value.decisions_per_year, once, days, value.retrainings_per_year)
    return {
        **backtest_ageing.retraining(costs, economy),
        "decisions_per_window": value.decisions_per_year * days / DAYS_PER_YEAR,
    }


def slower(name: str, baseline: np.ndarray, candidate: np.ndarray) -> dict[str, Any]:
    """How much less a candidate loses per window of age than the baseline, on the same windows."""
    return {"activation": name, "by": plain(backtest_ageing.decay(baseline - candidate))}

"""One batch of new rows held against a run: what moved, what the network makes of it, how good it still is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor

from adaptact import files, records
from adaptact.callbacks.input_ranges import Leaving, leaving
from adaptact.comparison.paired_rows import HIGHER, LEAST_GROUPS, LEAST_OF_A_CLASS, RESAMPLES, contributions, drawn
from adaptact.comparison.statistics import holm
from adaptact.comparison.verdict import default_margin
from adaptact.data.table.profile import as_values
from adaptact.errors import UserError
from adaptact.export.predict_images import ImageRun
from adaptact.export.trained_run import TableRun
from adaptact.outputs import Outputs, required_outputs
from adaptact.records import BACKTEST_FILE
from adaptact.rollout.drift import Test, column_tests, distance_test, sample_test, smallest_shift
from adaptact.rollout.options import Monitor
from adaptact.rollout.outcomes import Outcomes, metric_of
from adaptact.training import input_profile
from adaptact.training.metrics import metric_of_arrays

LEAST_SHARE = 0.01  # of missing cells or values beyond the training, that matters
LEAST_OUTCOMES = 30  # known, for a judgement of quality
Run = TableRun | ImageRun


@dataclass(frozen=True)
class Batch:
    """New rows as a run takes them.

    Args:
        x: inputs of the network; answers: probabilities (rows, classes) or values (rows,).
        frame: cells by column, of a table.
        groups: (rows,): names of groups of rows that belong together.
    """

    x: Tensor
    answers: np.ndarray
    frame: pd.DataFrame | None = None
    outcomes: Outcomes | None = None
    groups: np.ndarray | None = None


def known_answers(folder: Path) -> Outputs:
    """Raises UserError where a run has none."""
    found = required_outputs(folder)
    return replace(found, predictions=found.predictions.astype(np.float64))


def examine(run: Run, batch: Batch, options: Monitor) -> dict[str, Any]:
    """Everything about one batch, as plain values.

    The chance of any alarm in ``options.batches`` batches without a change is at most ``options.false_alarms``, if rows
    are independent: each batch has its share of it. Half of that is kept for what outcomes say, the loss of quality and
    calibration, also where they come later; half is for everything else, corrected for the number of tests (Holm).
    """
    known = known_answers(run.folder)
    error = (1 - (1 - options.false_alarms) ** (1 / options.batches)) / 2
    judged = batch.outcomes is not None and len(batch.outcomes.y) >= LEAST_OUTCOMES
    quality = quality_of(run, batch, known, options) if judged else None
    kept = input_profile.read(run.folder)
    ranges = {name: site["range"] for name, site in kept["sites"].items()}
    left = leaving(run.network, input_profile.batches(run.network, batch.x, run.preparation.layout), ranges)
    tests = tests_of(run, batch, known, kept, left)
    adjusted = holm([test.p for test in tests])
    if judged and batch.answers.ndim == 2:  # shares the half of the quality: two looks, each at half of it
        tests.append(calibration_test(run, batch, known))
        adjusted.append(min(1.0, 2 * tests[-1].p))
    alarms = [test for test, p in zip(tests, adjusted, strict=True) if p <= error and matters(test, options.least)]
    rows, before = len(batch.x), int(run.record.data["rows"]["train"])
    if quality is not None:
        level = error / 2 if batch.answers.ndim == 2 else error
        quality["shown"] = bool(quality["p"] <= level and quality["loss"] >= quality["margin"])
    return {
        "rows": rows,
        "outcomes": 0 if batch.outcomes is None else len(batch.outcomes.y),
        "error": error,
        "tests": [
            asdict(test) | {"adjusted_p": p, "alarm": test in alarms} for test, p in zip(tests, adjusted, strict=True)
        ],
        "quality": quality,
        "calibration": calibration(run, batch),
        "shift_found": smallest_shift(rows, before, error / max(1, len(tests))),
        "sites": sites_of(kept, left),
    }


def tests_of(run: Run, batch: Batch, known: Outputs, kept: dict[str, Any], left: dict[str, Leaving]) -> list[Test]:
    """All that is tested but the quality."""
    found: list[Test] = []
    if batch.frame is not None:
        for column, profile in run.preparation.watched:
            found += column_tests(profile, batch.frame[column.name], column)
    for name, values in run.preparation.layout.measures(batch.x).items():
        if name in kept["measures"]:
            distance, p = distance_test(kept["measures"][name], values)
            found.append(Test("measure", name, distance, None, p))
    found += [
        sample_test("scores", name, before, now)
        for name, before, now in _scores(run.record, known.predictions, batch.answers)
    ]
    for name, site in left.items():
        _, p = distance_test(kept["sites"][name]["outside"], site.outside)
        found.append(Test("site", name, float(site.outside.mean()), float(kept["sites"][name]["mean"]), p))
    return found


def calibration_test(run: Run, batch: Batch, known: Outputs) -> Test:
    """Whether more or less came true of what was expected than on the test rows.

    A normal test of the means of outcome minus probability. Of each side the larger of two variances counts, the one
    seen and the one that the probabilities say: if no rare event came, the one seen says nothing.
    """
    assert batch.outcomes is not None
    sides = []
    for answers, y in ((batch.answers[batch.outcomes.known], batch.outcomes.y), (known.predictions, known.targets)):
        p, came = expected_and_came(run, answers, y)
        surplus = came - p
        sides.append((float(surplus.mean()), max(float((p * (1 - p)).mean()), float(surplus.var())) / len(y)))
    (now, one), (before, other) = sides
    p_value = float(2 * stats.norm.sf(abs(now - before) / np.sqrt(one + other)))
    return Test("calibration", "", now, before, p_value)


def expected_and_came(run: Run, answers: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per row a probability, of two classes that of the class to be found, else the largest; and if it came true."""
    if answers.shape[1] == 2:
        number = run.record.positive_number
        return answers[:, number], y == number
    return answers.max(axis=1), answers.argmax(axis=1) == y


def matters(test: Test, least: float) -> bool:
    """Whether a change is large enough to be spoken of; in a large batch everything is significant."""
    if test.kind in {"missing", "range", "site", "calibration"}:
        return abs(test.size - (test.expected or 0.0)) >= LEAST_SHARE
    return test.size >= least


def sites_of(kept: dict[str, Any], left: dict[str, Leaving]) -> list[dict[str, Any]]:
    """Per site its range, and the shares of its inputs in 40 bins of it, with what lies below and above."""
    return [
        {
            "name": name,
            "low": kept["sites"][name]["low"],
            "high": kept["sites"][name]["high"],
            "outside": float(site.outside.mean()),
            "outside_before": kept["sites"][name]["mean"],
            "shares": site.shares,
            "shares_before": kept["sites"][name]["shares"],
        }
        for name, site in left.items()
    ]


def _scores(record: records.Record, before: np.ndarray, now: np.ndarray) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Answers on test rows and now: values, the probability of the class to be found, or that of each class."""
    if before.ndim == 1:
        return [("", before, now)]
    if before.shape[1] == 2:
        number = record.positive_number
        return [(str(record.positive), before[:, number], now[:, number])]
    return [(str(label), before[:, place], now[:, place]) for place, label in enumerate(record.labels)]


def calibration(run: Run, batch: Batch) -> dict[str, Any] | None:
    """Of a classifier: what was expected and what came, in ten groups of rows by their probability, and the ECE."""
    if batch.outcomes is None or batch.answers.ndim == 1 or not len(batch.outcomes.y):
        return None
    answers, y = batch.answers[batch.outcomes.known], batch.outcomes.y
    expected, came = expected_and_came(run, answers, y)
    order = np.argsort(expected, kind="stable")
    groups = [part for part in np.array_split(order, min(10, max(1, len(y) // 20))) if len(part)]
    return {
        "of": run.record.positive,
        "expected": float(expected.mean()),
        "came": float(came.mean()),
        "ece": -metric_of_arrays("ece")(y, answers),
        "groups": [
            {"expected": float(expected[part].mean()), "came": float(came[part].mean()), "rows": len(part)}
            for part in groups
        ],
    }


def quality_of(run: Run, batch: Batch, known: Outputs, options: Monitor) -> dict[str, Any] | None:
    """The metric of this batch with its interval, and how probable a loss as large is without a change.

    Two samples: the batch, and the test rows of the run. Accuracy without groups: Fisher's exact test; else Student's t
    with both standard errors, of what each row contributes, or by bootstrap; with groups of their sums, and as many
    degrees of freedom as the fewer groups have.

    Returns:
        None where nothing can be said: one class, fewer than ten rows of a class for AUROC, fewer than ten groups.
    """
    assert batch.outcomes is not None
    metric = metric_of(run, options.metric)
    answers, y = batch.answers[batch.outcomes.known], batch.outcomes.y
    groups = None if batch.groups is None else batch.groups[batch.outcomes.known]
    theirs = known.groups if groups is not None else None
    units = [len(np.unique(some)) for some in (groups, theirs) if some is not None]
    if min(units, default=LEAST_GROUPS) < LEAST_GROUPS:
        return None
    counts = np.bincount(y, minlength=answers.shape[1]) if answers.ndim == 2 else None
    if metric == "auroc" and counts is not None and counts.min() < LEAST_OF_A_CLASS:
        return None
    now, error_now = with_error(metric, y, answers, groups, run.record.positive_number)
    before, error_before = with_error(metric, known.targets, known.predictions, theirs, run.record.positive_number)
    together = float(np.hypot(error_now, error_before))
    if not np.isfinite([now, before, together]).all():
        return None
    loss = (1 if metric in HIGHER else -1) * (before - now)
    law = stats.t(min(units) - 1) if units else stats.norm
    p = float(law.sf(loss / together)) if together > 0 else float(loss <= 0)
    if metric == "accuracy" and groups is None:
        right = [
            int((part.argmax(axis=1) == t).sum()) for part, t in ((answers, y), (known.predictions, known.targets))
        ]
        table = [[right[0], len(y) - right[0]], [right[1], len(known.targets) - right[1]]]
        p = float(stats.fisher_exact(table, alternative="less").pvalue)
    margin = options.margin if options.margin is not None else default_margin(metric, before)
    half, wide = (float(law.ppf(0.975)) * error for error in (error_now, together))
    return {
        "metric": metric,
        "now": now,
        "interval": [now - half, now + half],
        "before": before,
        "loss": loss,
        "loss_interval": [loss - wide, loss + wide],
        "p": p,
        "margin": margin,
        "rows": len(y),
    }


def with_error(
    metric: str, targets: np.ndarray, answers: np.ndarray, groups: np.ndarray | None, positive: int = 1
) -> tuple[float, float]:
    """A metric and its standard error; both NaN where it is not defined, as AUROC of one class."""
    found = contributions(metric, targets, answers)
    if found is not None:
        sums = found[1] if groups is None else np.bincount(np.unique(groups, return_inverse=True)[1], weights=found[1])
        units = len(sums)
        return found[0], float(np.sqrt(units / max(1, units - 1) * np.square(sums).sum())) / len(targets)
    of_arrays = metric_of_arrays(metric, positive)
    sign = 1 if metric in HIGHER else -1
    draw, values = np.random.default_rng(0), []
    for _ in range(RESAMPLES // 3):
        rows = drawn(draw, len(targets), groups)
        values.append(of_arrays(targets[rows], answers[rows]))
    values = [value for value in values if np.isfinite(value)]
    error = float(np.std(values, ddof=1)) if len(values) > RESAMPLES / 6 else float("nan")
    return sign * of_arrays(targets, answers), error


# --- what waiting costs -----------------------------------------------------------------------------------------


def ageing(run: Run, batch: Batch, folder: str | None) -> dict[str, Any] | None:
    """Of a back-test: the age of the model, what it loses at that age, and when retraining pays; None without one.

    Raises:
        UserError: no back-test there, or a broken one.
    """
    if folder is None:
        return None
    path = Path(folder) / BACKTEST_FILE
    path = path if path.is_file() else records.project_root() / "runs" / "backtest" / folder / BACKTEST_FILE
    try:
        plain = files.read_json(path)
    except FileNotFoundError:
        raise UserError(f"backtest={folder} holds no back-test: name the folder that make backtest printed") from None
    with files.named(path):
        return _ageing(plain, run, age_in_days(run, batch))


def _ageing(plain: dict[str, Any], run: Run, days: float | None) -> dict[str, Any]:
    arms = {arm["activation"]: arm for arm in plain["arms"]}
    arm = arms.get(run.record.activation) or plain["arms"][0]
    daily, money, window = arm["decay"]["per_day"], arm["money"], float(plain["window_days"] or 0.0)
    found: dict[str, Any] = {
        "metric": str(plain["metric"]),
        "activation": str(arm["activation"]),
        "shown": bool(arm["shown"]),
        "days": days,
        "lost": None if days is None or daily is None else float(daily["mean"]) * days,
        "best_days": None if money is None else float(money["days"]["best"]),
        "best_range": None if money is None else [money["days"]["low"], money["days"]["high"]],
        "per_month": None,
    }
    if money is not None and days is not None and window:
        found["per_month"] = float(money["ageing"]["mean"]) * (days / window) * 30 / 365.25
    found["due"] = bool(found["shown"] and days is not None and found["best_days"] and days >= found["best_days"])
    return found


def age_in_days(run: Run, batch: Batch) -> float | None:
    """From the last training row to the middle of this batch, by the column that the run was split by in time."""
    watched = run.preparation.time_column
    if watched is None or batch.frame is None or watched.column.name not in batch.frame.columns:
        return None
    column, profile = watched
    if column.role != "date" or not profile["quantiles"]:
        return None
    values = as_values(batch.frame[column.name], column)
    return float(np.nanmedian(values) - profile["quantiles"][-1]) if len(values) else None


def status_of(found: dict[str, Any]) -> tuple[str, list[str]]:
    """ok, watch or retrain, and the keys of the reasons.

    Drift alone is a reason to look, not to train: retrain is said where outcomes show a loss that matters, or a
    back-test says that a model of this age costs more than a retraining.
    """
    reasons = []
    if found["quality"] is not None and found["quality"]["shown"]:
        reasons.append("quality")
    if found["ageing"] is not None and found["ageing"]["due"]:
        reasons.append("age")
    if reasons:
        return "retrain", reasons
    alarms = [test for test in found["tests"] if test["alarm"]]
    return ("watch", ["drift"]) if alarms else ("ok", [])


def answers_of(run: Run, frame: pd.DataFrame | None, pixels: np.ndarray | None) -> tuple[Tensor, np.ndarray]:
    """Inputs of the network and what it says of them."""
    if isinstance(run, ImageRun):
        assert pixels is not None
        found = [run.answers(part) for part in np.array_split(pixels, max(1, len(pixels) // 256))]
        return torch.from_numpy(pixels), np.concatenate(found)
    assert frame is not None
    x = run.preparation.transform(frame)
    return x, run.answers(x)

"""The yearly value: about the right class, with failed runs in it, and silent where nothing is shown."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adaptact.comparison.analysis import analyse
from adaptact.comparison.plan import Plan
from adaptact.comparison.results import Result
from adaptact.comparison.value import Value
from adaptact.training.threshold import choose_threshold, constant_cost, cost_per_decision
from plans import result

Make = Callable[..., Plan]
VALUE = Value(cost_fp=1.0, cost_fn=100.0, decisions_per_year=1000.0)
POSITIVE = {"label": "defect", "other": "ok", "number": 0, "share": 0.3, "by": "typed"}


def plan_of(make_plan: Make, positive: dict[str, Any] | None = POSITIVE, **changes: Any) -> Plan:
    plan = make_plan("activations=gelu,silu seeds=3", **changes)
    plan.data |= {"labels": ["defect", "ok"], "positive": positive}
    return plan


def scored(plan: Plan, arm: str, seed: int, folder: Path, quality: float, status: str = "finished") -> Result:
    """A run that has answers on 200 validation and 200 test rows, class 0 in a third of them."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for prefix in ("val_", ""):
        y = (rng.random(200) < 2 / 3).astype(int)
        score = quality * (y - 0.5) + np.random.default_rng([seed, len(arm)]).normal(size=200)
        p = 1 / (1 + np.exp(-score))
        arrays |= {f"{prefix}targets": y, f"{prefix}predictions": np.stack([1 - p, p], axis=1)}
    target = folder / arm / str(seed)
    target.mkdir(parents=True, exist_ok=True)
    np.savez(target / "outputs.npz", **arrays)
    return replace(result(plan, arm, seed, 0.8 + quality / 100 + seed / 1000, status), folder=target)


def by_hand(folder: Path, number: int) -> float:
    with np.load(folder / "outputs.npz") as file:
        val, test = file["val_predictions"][:, number], file["predictions"][:, number]
        val_y, y = file["val_targets"] == number, file["targets"] == number
    threshold = choose_threshold(val, val_y, costs=(1.0, 100.0))
    flagged = test >= threshold
    return float(((flagged & ~y).sum() * 1.0 + (~flagged & y).sum() * 100.0) / len(y))


@pytest.mark.parametrize(("label", "number"), [("defect", 0), ("ok", 1)])
def test_costs_are_about_the_class_to_be_found(make_plan: Make, tmp_path: Path, label: str, number: int) -> None:
    other = {"defect": "ok", "ok": "defect"}[label]
    plan = plan_of(make_plan, {**POSITIVE, "label": label, "other": other, "number": number})
    found = [scored(plan, arm, seed, tmp_path, q) for arm, q in (("gelu", 1.0), ("silu", 3.0)) for seed in range(3)]
    report = analyse(plan, found, value=VALUE)
    expected = np.mean([by_hand(a.folder, number) - by_hand(b.folder, number) for a, b in zip(found[:3], found[3:])])
    (one,) = report["value"]["candidates"]
    assert one["per_decision"] == pytest.approx(expected)
    assert report["value"]["positive"] == report["positive"]["label"] == label
    asked = analyse(plan, found, value=VALUE, positive=other)["value"]
    assert asked["positive"] == other
    assert asked["candidates"][0]["per_decision"] != pytest.approx(expected)


def test_the_cost_of_the_record_and_that_of_the_money_are_one_function() -> None:
    p, y = np.array([0.9, 0.6, 0.4, 0.2]), np.array([True, False, True, False])
    assert cost_per_decision(p, y, 0.5, (2.0, 10.0)) == (2.0 + 10.0) / 4
    assert constant_cost(y, np.array([True, False, False, False]), (1.0, 10.0)) == 0.75  # all are flagged
    assert constant_cost(y, np.array([True, False, False, False]), (10.0, 1.0)) == 0.25  # none is


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_a_run_that_failed_counts_as_a_prediction_that_is_always_the_same(
    make_plan: Make, tmp_path: Path, status: str
) -> None:
    plan = plan_of(make_plan)
    found = [scored(plan, "gelu", seed, tmp_path, 2.0) for seed in range(3)]
    found += [scored(plan, "silu", seed, tmp_path, 3.0) for seed in range(2)]
    broken = scored(plan, "silu", 2, tmp_path, 3.0, status)  # a diverged one leaves its last good answers
    if status == "failed":
        (broken.folder / "outputs.npz").unlink()
    (one,) = analyse(plan, [*found, broken], value=VALUE)["value"]["candidates"]
    with np.load(found[2].folder / "outputs.npz") as file:
        constant = constant_cost(file["val_targets"] == 0, file["targets"] == 0, (1.0, 100.0))
    gains = [by_hand(found[i].folder, 0) - by_hand(found[3 + i].folder, 0) for i in range(2)]
    assert one["pairs"] == 3
    assert one["per_decision"] == pytest.approx(np.mean([*gains, by_hand(found[2].folder, 0) - constant]))


def test_two_that_failed_are_no_difference(make_plan: Make, tmp_path: Path) -> None:
    plan = plan_of(make_plan)
    found = [scored(plan, arm, seed, tmp_path, 2.0) for arm in ("gelu", "silu") for seed in range(2)]
    found += [result(plan, arm, 2, None, "failed") for arm in ("gelu", "silu")]
    (one,) = analyse(plan, found, value=VALUE)["value"]["candidates"]
    assert (one["pairs"], one["withheld"]) == (3, False)


def test_money_is_withheld_where_a_run_cannot_be_valued(make_plan: Make, tmp_path: Path) -> None:
    plan = plan_of(make_plan)
    found = [scored(plan, arm, seed, tmp_path, 2.0) for arm in ("gelu", "silu") for seed in range(3)]
    (found[-1].folder / "outputs.npz").unlink()
    (one,) = analyse(plan, found, value=VALUE)["value"]["candidates"]
    assert (one["withheld"], one["missing_pairs"], one["value"]) == (True, 1, None)


def test_no_chance_is_given_where_the_verdict_shows_no_difference(make_plan: Make, tmp_path: Path) -> None:
    plan = plan_of(make_plan, margin=0.9)
    found = [scored(plan, arm, seed, tmp_path, q) for arm, q in (("gelu", 1.0), ("silu", 3.0)) for seed in range(3)]
    assert found[0].record is not None
    found[0].record.metrics["test"]["accuracy"] += 0.001  # the differences have a spread
    report = analyse(plan, found, value=VALUE)
    assert report["candidates"][0]["verdict"] == "equivalent"
    (one,) = report["value"]["candidates"]
    assert (one["shown"], one["chance"]) == (False, None)


def test_runs_of_an_earlier_version_keep_the_class_that_they_had(make_plan: Make, tmp_path: Path) -> None:
    plan = plan_of(make_plan, None)
    found = [scored(plan, arm, seed, tmp_path, q) for arm, q in (("gelu", 1.0), ("silu", 3.0)) for seed in range(3)]
    report = analyse(plan, found, value=VALUE)
    assert report["positive"] == {"label": "ok", "other": "defect", "share": None, "by": "earlier", "metric_of": "ok"}
    assert report["value"]["positive"] == "ok"
    for arm in plan.arms:
        arm.settings["data"]["positive"] = "defect"  # typed: the threshold was about it, the average precision was not
    assert analyse(plan, found, value=VALUE)["positive"] | {"share": 0} == {
        "label": "defect",
        "other": "ok",
        "share": 0,
        "by": "typed",
        "metric_of": "ok",
    }

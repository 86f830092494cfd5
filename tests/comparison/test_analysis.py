"""From results to report.json: against SciPy, and what failures do."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from scipy import stats

from adaptact.comparison.analysis import SCHEMA_FILE, analyse
from adaptact.comparison.plan import Plan
from adaptact.comparison.results import Result, as_csv, table
from adaptact.errors import UserError
from adaptact.files import finite
from plans import result

Make = Callable[..., Plan]
BASE = [0.80, 0.82, 0.79, 0.81]


def results_of(plan: Plan, scores: dict[str, Sequence[float]]) -> list[Result]:
    return [result(plan, arm, seed, value) for arm, values in scores.items() for seed, value in enumerate(values)]


def checked(report: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = finite(report)
    jsonschema.validate(plain, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    return plain


def test_with_a_fixed_split_the_interval_is_the_paired_t_of_scipy(make_plan: Make) -> None:
    plan = make_plan(vary=["init", "order"])
    ours = [0.83, 0.83, 0.80, 0.86]
    (candidate,) = checked(analyse(plan, results_of(plan, {"gelu": BASE, "sgblend": ours})))["candidates"]
    expected = stats.ttest_rel(ours, BASE).confidence_interval(0.95)
    assert candidate["interval"] == pytest.approx([expected.low, expected.high])
    assert candidate["mean_difference"] == pytest.approx(np.mean(ours) - np.mean(BASE))
    assert (candidate["method"], candidate["test_train_ratio"]) == ("paired-t", None)
    assert list(candidate["differences"]) == ["seed0", "seed1", "seed2", "seed3"]


def test_with_new_splits_the_variance_is_that_of_nadeau_and_bengio(make_plan: Make) -> None:
    plan = make_plan()
    ours = [0.83, 0.83, 0.80, 0.86]
    (candidate,) = checked(analyse(plan, results_of(plan, {"gelu": BASE, "sgblend": ours})))["candidates"]
    d = np.subtract(ours, BASE)
    half = stats.t.ppf(0.975, 3) * d.std(ddof=1) * np.sqrt(1 / 4 + 30 / 100)
    assert candidate["interval"] == pytest.approx([d.mean() - half, d.mean() + half])
    assert candidate["test_train_ratio"] == pytest.approx(0.3)


def test_an_error_that_falls_is_an_improvement(make_plan: Make) -> None:
    plan = make_plan(metric="rmse", mode="min", margin=None, margin_rule="1 % of the baseline's error")
    report = checked(analyse(plan, results_of(plan, {"gelu": [10, 12, 11, 11], "sgblend": [9, 11, 10.5, 10]})))
    assert report["candidates"][0]["mean_difference"] == pytest.approx(0.875)
    assert report["margin"] == pytest.approx(0.11)


def test_a_run_that_diverged_scores_as_a_constant_prediction_and_breaks_the_guardrail(make_plan: Make) -> None:
    plan = make_plan()
    found = results_of(plan, {"gelu": BASE, "sgblend": [0.99, 0.99, 0.99]})
    found.append(result(plan, "sgblend", 3, None, "diverged"))
    report = checked(analyse(plan, found))
    (candidate,) = report["candidates"]
    assert candidate["differences"]["seed3"] == pytest.approx(0.4 - 0.81)
    assert (candidate["pairs"], candidate["failures"]) == (4, 1)
    assert (candidate["verdict"], candidate["rule"]) == ("reject", "guardrail-failures")
    assert report["failures"] == [{"arm": "sgblend", "seed": 3, "fold": None, "status": "diverged", "reason": None}]


def test_a_run_that_failed_before_its_data_was_read_is_no_pair_but_a_failure(make_plan: Make) -> None:
    plan = make_plan()
    found = results_of(plan, {"gelu": BASE, "sgblend": [0.9, 0.9, 0.9]})
    found.append(result(plan, "sgblend", 3, None, "failed", constant=None))
    (candidate,) = checked(analyse(plan, found))["candidates"]
    assert (candidate["pairs"], candidate["failures"], candidate["verdict"]) == (3, 1, "reject")


def test_a_baseline_that_fails_as_often_breaks_no_guardrail(make_plan: Make) -> None:
    plan = make_plan()
    found = results_of(plan, {"gelu": BASE[:3], "sgblend": BASE[:3]})
    found += [result(plan, arm, 3, None, "diverged") for arm in ("gelu", "sgblend")]
    (candidate,) = checked(analyse(plan, found))["candidates"]
    assert candidate["failures"] == 1
    assert (candidate["verdict"], candidate["interval"]) == ("undecided", [None, None])  # nothing is known of the rows


def test_all_runs_of_the_baseline_failed(make_plan: Make) -> None:
    plan = make_plan(margin=None)
    found = [result(plan, "gelu", seed, None, "failed", constant=None) for seed in range(4)]
    found += results_of(plan, {"sgblend": BASE})
    with pytest.raises(UserError, match=r"compare\.margin"):
        analyse(plan, found)
    plan = make_plan()
    (candidate,) = checked(analyse(plan, found))["candidates"]
    assert (candidate["pairs"], candidate["verdict"]) == (0, "undecided")


def test_limits_are_compared_with_what_was_measured(make_plan: Make) -> None:
    plan = make_plan("activations=gelu,sgblend seeds=4 compare.max_latency_ratio=1.2")
    found = results_of(plan, {"gelu": BASE, "sgblend": [0.9, 0.91, 0.9, 0.92]})
    timing = {"ratio": 1.5, "interval": [1.4, 1.6], "interval_level": 0.95, "p50_ms": 1.0}
    cost = {"arms": {"sgblend": dict.fromkeys(("fit_time", "latency", "throughput"), timing)}}
    (candidate,) = checked(analyse(plan, found, cost=cost))["candidates"]
    assert (candidate["verdict"], candidate["rule"]) == ("reject", "guardrail-latency")
    assert candidate["guardrails"]["latency_ratio"] == 1.5
    unmeasured = checked(analyse(plan, found))["candidates"][0]
    assert "could not be checked" in unmeasured["reason"]


def test_intervals_are_simultaneous_and_controls_are_no_candidates(make_plan: Make) -> None:
    plan = make_plan("activations=gelu,silu,sgblend seeds=4 compare.controls=true")
    scores = {arm.name: np.add(BASE, 0.001 * i) for i, arm in enumerate(plan.arms)}
    report = checked(analyse(plan, results_of(plan, scores)))
    assert [c["interval_level"] for c in report["candidates"]] == [0.975, 0.975]
    assert [c["control"] for c in report["controls"]] == ["frozen", "learned", "scale"]
    assert report["controls"][0]["adaptive_minus_control"]["mean_difference"] == pytest.approx(-0.001)
    assert report["controls"][0]["adaptive_minus_control"]["interval_level"] == 0.95


def test_the_rows_of_a_shared_test_set_are_drawn_anew(make_plan: Make, tmp_path: Path) -> None:
    plan = make_plan("activations=gelu,sgblend seeds=2", vary=["init", "order"])
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    found = []
    for arm, quality in (("gelu", 0.7), ("sgblend", 0.8)):
        for seed in range(2):
            right = rng.random(200) < quality
            p = np.where(right == (y == 1), 0.9, 0.1)
            folder = tmp_path / arm / str(seed)
            folder.mkdir(parents=True)
            np.savez(folder / "outputs.npz", targets=y, predictions=np.stack([1 - p, p], axis=1))
            value = float(np.mean((p > 0.5) == (y == 1)))
            one = result(plan, arm, seed, value)
            found.append(replace(one, folder=folder))

    def accuracy(name: str, positive: int) -> Callable[[np.ndarray, np.ndarray], float]:
        assert name == "accuracy"
        return lambda targets, outputs: float((outputs.argmax(axis=1) == targets).mean())

    (candidate,) = checked(analyse(plan, found, metric_of=accuracy))["candidates"]
    rows = candidate["row_interval"]
    assert rows["interval"][0] < candidate["mean_difference"] < rows["interval"][1]
    # of the mean over the seeds of the rows' differences, which are paired
    per_row = np.mean(
        [
            (b[1].argmax(axis=1) == y).astype(float) - (a[1].argmax(axis=1) == y)
            for a, b in (
                (read_outputs_of(found, "gelu", seed), read_outputs_of(found, "sgblend", seed)) for seed in range(2)
            )
        ],
        axis=0,
    )
    assert rows["standard_error"] == pytest.approx(per_row.std(ddof=1) / np.sqrt(200), rel=0.2)


def read_outputs_of(found: list[Result], arm: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    folder = next(r.folder for r in found if r.arm.name == arm and r.run.seed == seed)
    with np.load(folder / "outputs.npz") as file:
        return file["targets"], file["predictions"]


def test_the_table_of_runs_has_what_the_statistics_are_made_of(make_plan: Make) -> None:
    plan = make_plan()
    found = [result(plan, "gelu", 0, 0.8), result(plan, "gelu", 1, None, "diverged")]
    rows = table(found, "accuracy")
    assert [row["score"] for row in rows] == [0.8, 0.4]
    assert (rows[0]["n_train"], rows[0]["n_test"], rows[0]["test/accuracy"]) == (100, 30, 0.8)
    assert as_csv(rows).splitlines()[0].startswith("arm,role,seed,fold,status,score")


def test_runs_that_have_other_metrics_and_sites_than_the_first_are_left_out_of_those(make_plan: Make) -> None:
    """Of an earlier version, or of a file that was changed."""
    plan = make_plan()
    found = results_of(plan, {"gelu": BASE, "sgblend": BASE})
    last = found[-1].record
    assert last is not None
    for metrics in last.metrics.values():
        del metrics["log_loss"]
    last.layers[0]["alpha"] = "text"
    found[-2].record.layers.clear()  # type: ignore[union-attr]
    arm = checked(analyse(plan, found))["arms"][1]
    assert arm["metrics"]["test"]["log_loss"]["mean"] == 1.0
    assert (arm["layers"][0]["alpha"]["min"], arm["layers"][0]["alpha"]["max"]) == (0.5, 0.6)

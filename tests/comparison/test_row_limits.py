"""What few test rows let a comparison say: never a point as an interval."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adaptact import config, data
from adaptact.comparison.analysis import analyse
from adaptact.comparison.paired_rows import bonett_price, difference
from adaptact.comparison.plan import Plan
from adaptact.comparison.results import Result
from adaptact.comparison.row_limits import limits, paired_rows
from adaptact.comparison.statistics import Interval, wider
from adaptact.training.metrics import metric_of_arrays
from plans import result

Make = Callable[..., Plan]
LEVELS = (0.95, 0.9)


def answers(right: np.ndarray, y: np.ndarray) -> np.ndarray:
    p = np.where(right, y, 1 - y) * 0.8 + 0.1
    return np.stack([1 - p, p], axis=1)


def runs_of(plan: Plan, folder: Path, right: dict[str, np.ndarray], y: np.ndarray, **more: Any) -> list[Result]:
    """Finished runs whose answers on the test rows are right or wrong as said: {arm: (seeds, rows)}."""
    found = []
    for arm, of_seeds in right.items():
        for seed, each in enumerate(of_seeds):
            target = folder / arm / str(seed)
            target.mkdir(parents=True, exist_ok=True)
            np.savez(target / "outputs.npz", targets=y, predictions=answers(each, y), **more)
            one = result(plan, arm, seed, float(each.mean()))
            assert one.record is not None
            one.record.data["rows"]["test"] = len(y)
            found.append(replace(one, folder=target))
    return found


def test_networks_that_agree_on_36_rows_are_not_shown_to_be_equivalent(make_plan: Make, tmp_path: Path) -> None:
    plan = make_plan("activations=gelu,silu seeds=3", vary=["init", "order"])
    y = np.arange(36) % 2
    right = np.tile(np.arange(36) > 3, (3, 1))
    found = runs_of(plan, tmp_path, {"gelu": right, "silu": right}, y)
    report = analyse(plan, found, metric_of=metric_of_arrays)
    (candidate,) = report["candidates"]
    expected = bonett_price(right[0], right[0], 0.95)
    assert candidate["interval"] == pytest.approx([expected.low, expected.high])
    assert (candidate["verdict"], candidate["method"]) == ("undecided", "bonett-price")
    assert candidate["pairs_needed"] is None
    assert candidate["over_pairs"]["interval"] == [0, 0]
    assert candidate["over_rows"]["interval"] == candidate["interval"]
    assert candidate["row_worth"] == pytest.approx(1 / 36 / 0.005)  # 5.6 margins
    assert candidate["limited_by_rows"]


def test_without_answers_equal_scores_are_no_point(make_plan: Make) -> None:
    plan = make_plan("activations=gelu,silu seeds=3")
    found = [result(plan, arm, seed, 0.9) for arm in ("gelu", "silu") for seed in range(3)]
    (candidate,) = analyse(plan, found, metric_of=metric_of_arrays)["candidates"]
    assert candidate["verdict"] == "undecided"
    assert np.isinf(candidate["interval"]).all()


def test_equal_differences_that_float32_rounds_are_no_spread(make_plan: Make) -> None:
    plan = make_plan("activations=gelu,silu seeds=3", vary=["init", "order"])
    scores = {"gelu": (0.950, 0.960, 0.942), "silu": (0.951, 0.961, 0.943)}  # one row of 1,000 each
    found = [
        result(plan, arm, seed, float(np.float32(value)))
        for arm, values in scores.items()
        for seed, value in enumerate(values)
    ]
    (candidate,) = analyse(plan, found, metric_of=metric_of_arrays)["candidates"]
    assert candidate["verdict"] == "undecided"
    assert np.isinf(candidate["interval"]).all()


def test_many_rows_may_be_equivalent(make_plan: Make, tmp_path: Path) -> None:
    plan = make_plan("activations=gelu,silu seeds=3", vary=["init", "order"])
    y = np.arange(4000) % 2
    right = np.tile(np.arange(4000) > 300, (3, 1))
    found = runs_of(plan, tmp_path, {"gelu": right, "silu": right}, y)
    (candidate,) = analyse(plan, found, metric_of=metric_of_arrays)["candidates"]
    assert candidate["verdict"] == "equivalent"
    assert candidate["interval"][0] < 0 < candidate["interval"][1]  # no point


def test_a_row_that_is_looked_at_by_every_seed_is_one_row(make_plan: Make, tmp_path: Path) -> None:
    plan = make_plan("activations=gelu,silu seeds=4", vary=["init", "order"])
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    right = {"gelu": np.tile(rng.random(60) < 0.8, (4, 1)), "silu": np.tile(rng.random(60) < 0.8, (4, 1))}
    found = runs_of(plan, tmp_path, right, y)
    pairs = list(zip(found[:4], found[4:], strict=True))
    wide, narrow = limits(paired_rows(pairs), "accuracy", metric_of_arrays("accuracy"), LEVELS)
    alone = bonett_price(right["gelu"][0], right["silu"][0], 0.95)
    assert (wide.low, wide.high) == pytest.approx((alone.low, alone.high))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_rows_of_other_splits_are_told_apart_by_their_numbers(make_plan: Make, tmp_path: Path) -> None:
    plan = make_plan("activations=gelu,silu seeds=2")
    y = np.arange(20) % 2
    right = {"gelu": np.ones((2, 20), dtype=bool), "silu": np.ones((2, 20), dtype=bool)}
    known = {"sources": np.array(["f" * 64]), "source": np.zeros(20, dtype=int)}
    same = runs_of(plan, tmp_path / "same", right, y, **known, row=np.arange(20))
    other = [*same]
    for seed in (1, 3):  # the second seed of each arm has rows of its own
        np.savez(
            other[seed].folder / "outputs.npz",
            targets=y,
            predictions=answers(right["gelu"][0], y),
            **known,
            row=np.arange(20) + 20,
        )
    rows = paired_rows(list(zip(other[:2], other[2:], strict=True)))
    assert rows is not None
    assert len(np.unique(rows.unit)) == 40


def test_groups_that_rows_belong_to_are_what_counts(make_plan: Make, tmp_path: Path) -> None:
    plan = make_plan("activations=gelu,silu", seeds=[0])
    rng = np.random.default_rng(1)
    y, groups = rng.integers(0, 2, 120), np.arange(120) // 8
    right = {"gelu": rng.random((1, 120)) < 0.7, "silu": rng.random((1, 120)) < 0.8}
    found = runs_of(plan, tmp_path, right, y, groups=groups)
    wide, _ = limits(paired_rows([(found[0], found[1])]), "accuracy", metric_of_arrays("accuracy"), LEVELS)
    expected = difference(
        "accuracy",
        y,
        *(answers(right[arm][0], y) for arm in ("gelu", "silu")),
        of_arrays=metric_of_arrays("accuracy"),
        groups=groups,
    )
    assert (wide.low, wide.high, wide.method) == pytest.approx(
        (expected.interval.low, expected.interval.high, "clusters")
    )


def test_a_group_has_one_number_in_every_split(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    machine = np.repeat([f"M{i:02}" for i in range(40)], 5).astype(object)
    machine[[7, 90, 130]] = None  # groups of their own
    frame = pd.DataFrame({"m": machine, "x": rng.normal(size=200), "y": np.where(rng.random(200) < 0.5, "NG", "OK")})
    frame.to_csv(tmp_path / "t.csv", index=False)
    numbers: dict[int, set[str]] = {}
    for seed in range(3):
        options = config.Table(name="table", path=str(tmp_path / "t.csv"), target="y", group="m", split_seed=seed)
        prepared = data.load(options)
        assert prepared.test_groups is not None
        assert prepared.test_rows is not None
        for number, row in zip(prepared.test_groups, prepared.test_rows.row, strict=True):
            name = frame["m"].iloc[row]
            numbers.setdefault(int(number), set()).add(f"row {row}" if name is None else str(name))
    assert all(len(names) == 1 for names in numbers.values())
    assert len(numbers) == len(set().union(*numbers.values()))


def test_an_interval_is_only_ever_widened() -> None:
    pairs = Interval(0.0, -0.01, 0.03, 0.95, "paired-t", 0.01, 3, 4)
    rows = Interval(0.0, -0.02, 0.02, 0.95, "bonett-price", 0.01, np.inf, 40)
    found = wider(pairs, rows)
    assert (found.low, found.high, found.method) == (-0.02, 0.03, "bonett-price")
    assert wider(pairs, replace(rows, low=-0.001, high=0.001)) is pairs


def accuracy(targets: np.ndarray, outputs: np.ndarray) -> float:
    return float((outputs.argmax(axis=1) == targets).mean())


@pytest.mark.parametrize(("rows", "seeds"), [(20, 3), (36, 3), (100, 5)])
def test_simulated_wrong_equivalents_are_rare(make_plan: Make, tmp_path: Path, rows: int, seeds: int) -> None:
    """Two networks whose true accuracies differ by twice the margin, on few rows: 26 to 44 % wrong before."""
    rng = np.random.default_rng(rows)
    plan = make_plan(f"activations=gelu,silu seeds={seeds}", vary=["init", "order"], margin=0.01)
    wrong = 0
    for trial in range(60):
        y = rng.integers(0, 2, rows)
        hard = rng.random(rows)  # both are wrong where it is hard; one of them on a few rows more
        right = {"gelu": np.tile(hard > 0.05, (seeds, 1)), "silu": np.tile(hard > 0.07, (seeds, 1))}
        found = runs_of(plan, tmp_path / str(trial), right, y)
        # not metric_of_arrays: that of torchmetrics takes a thousand times as long for the same number
        wrong += analyse(plan, found, metric_of=lambda *_: accuracy)["candidates"][0]["verdict"] == "equivalent"
    assert wrong <= 3

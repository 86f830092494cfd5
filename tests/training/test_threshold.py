"""Thresholds against scikit-learn's metrics over every threshold there is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from adaptact.training.threshold import candidates, choose_threshold, decide, rates, score

REFERENCE = {
    "accuracy": metrics.accuracy_score,
    "f1": lambda y, p: metrics.f1_score(y, p, zero_division=0),
    "balanced_accuracy": lambda y, p: (
        (metrics.recall_score(y, p, zero_division=0) + metrics.recall_score(~y, ~p, zero_division=0)) / 2
    ),
    "mcc": metrics.matthews_corrcoef,
}
ROWS = st.lists(st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), min_size=1, max_size=30)


@given(ROWS, st.sampled_from(sorted(REFERENCE)))
def test_the_chosen_threshold_is_the_best_of_all(rows: list[tuple[float, bool]], metric: str) -> None:
    p, y = np.array([p for p, _ in rows]), np.array([y for _, y in rows])
    found = REFERENCE[metric](y, p >= choose_threshold(p, y, metric))
    every = [REFERENCE[metric](y, p >= threshold) for threshold in [*np.unique(p), 2.0]]
    assert found == pytest.approx(max(every))


@given(ROWS, st.floats(0, 100), st.floats(0, 100))
def test_costs_choose_the_cheapest(rows: list[tuple[float, bool]], fp: float, fn: float) -> None:
    p, y = np.array([p for p, _ in rows]), np.array([y for _, y in rows])

    def cost(threshold: float) -> float:
        above = p >= threshold
        return fp * (above & ~y).sum() + fn * (~above & y).sum()

    assert cost(choose_threshold(p, y, costs=(fp, fn))) == pytest.approx(min(map(cost, [*np.unique(p), 2.0])))


@given(ROWS, st.sampled_from(sorted(REFERENCE)))
def test_scores_are_those_of_scikit_learn(rows: list[tuple[float, bool]], metric: str) -> None:
    p, y = np.array([p for p, _ in rows]), np.array([y for _, y in rows])
    thresholds = candidates(p)
    ours = score(metric, rates(p, y, thresholds))
    assert ours == pytest.approx([REFERENCE[metric](y, p >= threshold) for threshold in thresholds])


def test_a_dear_missed_case_lowers_the_threshold() -> None:
    draw = np.random.default_rng(0)
    p = draw.uniform(size=5000)
    y = draw.uniform(size=5000) < p  # calibrated: the best threshold is fp / (fp + fn)
    assert choose_threshold(p, y, costs=(1.0, 9.0)) == pytest.approx(0.1, abs=0.05)
    assert choose_threshold(p, y, costs=(9.0, 1.0)) == pytest.approx(0.9, abs=0.05)


def test_the_label_to_find_may_be_the_first() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])
    y = np.array([0, 0, 1, 1])
    found = decide(["ja", "nein"], {"val": (p, y), "test": (p, y)}, positive=0, costs=(1.0, 2.0))
    assert found["positive"] == "ja"
    assert 0.3 < found["threshold"] <= 0.8
    assert found["test"]["tp"] == 2
    assert found["test"]["fp"] == 0
    assert found["test"]["cost_per_row"] == 0

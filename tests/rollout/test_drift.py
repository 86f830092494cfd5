"""Tests of one column against the training, held against scipy and by simulation."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from adaptact.data.table.profile import distribution, profile_column
from adaptact.data.table.roles import Column
from adaptact.rollout.drift import column_tests, distance_test, sample_test, smallest_shift

NUMBER = Column("x", "numeric")
WORD = Column("x", "categorical")


def p_of(kind: str, known: dict, cells: list | np.ndarray, column: Column) -> float:
    """The p-value of one kind of test."""
    found = column_tests(known, pd.Series(cells, name="x"), column)
    return next(test.p for test in found if test.kind == kind)


def test_the_distance_is_kolmogorov_and_smirnovs_where_all_values_are_kept() -> None:
    random = np.random.default_rng(0)
    before, now = random.normal(size=101), random.normal(0.4, 1, 60)  # 101 quantiles of 101 values are the values
    distance, p = distance_test(distribution(before), now)
    exact = stats.ks_2samp(before, now, method="asymp")
    assert distance <= exact.statistic + 1e-12
    assert distance == pytest.approx(exact.statistic, abs=1 / 60 + 1e-9)
    assert p == pytest.approx(exact.pvalue, rel=0.5)


def test_of_many_values_at_most_a_hundredth_of_the_distance_is_lost() -> None:
    random = np.random.default_rng(1)
    before, now = random.normal(size=20_000), random.normal(0.2, 1, 3000)
    distance, _ = distance_test(distribution(before), now)
    exact = stats.ks_2samp(before, now).statistic
    assert exact - 0.011 < distance <= exact + 1e-12


def test_missing_cells_are_fishers() -> None:
    known = profile_column(pd.Series([1.0] * 90 + [np.nan] * 10), NUMBER)
    p = p_of("missing", known, [1.0] * 30 + [np.nan] * 10, NUMBER)
    assert p == pytest.approx(stats.fisher_exact([[10, 30], [10, 90]]).pvalue)


def test_values_beyond_the_training_have_the_law_that_was_said() -> None:
    """The share of draws with a p-value at most 0.05 is at most that, and close where counts are not too coarse."""
    random = np.random.default_rng(2)
    hits = 0
    for _ in range(2000):
        before = random.normal(size=50)
        known = distribution(before) | {"rows": 50, "missing_share": 0.0, "role": "numeric"}
        hits += p_of("range", known, random.normal(size=200), NUMBER) <= 0.05
    assert 0.02 * 2000 < hits < 0.065 * 2000


def test_categories_are_pearsons() -> None:
    known = profile_column(pd.Series(["a"] * 500 + ["b"] * 300 + ["c"] * 200), WORD)
    p = p_of("distribution", known, ["a"] * 40 + ["b"] * 30 + ["c"] * 30, WORD)
    assert p == pytest.approx(stats.chi2_contingency([[40, 30, 30], [500, 300, 200]], correction=False).pvalue)


def test_a_category_that_training_has_not_is_named_and_counted() -> None:
    known = profile_column(pd.Series(["a"] * 500 + ["b"] * 500), WORD)
    found = column_tests(known, pd.Series(["a"] * 50 + ["new"] * 30, name="x"), WORD)[0]
    assert (found.examples, found.unseen) == (("new (30)",), 30 / 80)
    assert found.p < 1e-6


def test_rare_categories_do_not_alarm_by_chance() -> None:
    random = np.random.default_rng(3)
    law = np.r_[0.5, 0.3, np.full(40, 0.2 / 40)]
    names = np.array([f"c{n}" for n in range(42)], dtype=object)
    hits = 0
    for _ in range(500):
        known = profile_column(pd.Series(random.choice(names, 800, p=law)), WORD)
        hits += p_of("distribution", known, random.choice(names, 120, p=law), WORD) <= 0.05
    assert hits <= 0.05 * 500 + 3 * np.sqrt(0.05 * 0.95 * 500)


def test_a_date_may_be_later() -> None:
    column = Column("day", "date", format="%Y-%m-%d")
    known = profile_column(pd.Series(["2024-01-01", "2024-06-01"] * 50), column)
    later = pd.Series(["2026-01-01"] * 50, name="day")
    assert [test.kind for test in column_tests(known, later, column)] == ["missing"]


def test_a_column_without_a_value_is_a_missing_one() -> None:
    known = profile_column(pd.Series(np.arange(100.0)), NUMBER)
    found = column_tests(known, pd.Series([None] * 40, name="x", dtype=object), NUMBER)
    assert [test.kind for test in found] == ["missing"]
    assert found[0].p < 1e-20


def test_scores_are_two_samples() -> None:
    random = np.random.default_rng(4)
    before, now = random.beta(2, 5, 500), random.beta(2, 3, 200)
    found = sample_test("scores", "yes", before, now)
    assert found.p == pytest.approx(stats.ks_2samp(before, now, method="asymp").pvalue)
    assert found.psi is not None
    assert found.psi > 0.1
    assert sample_test("scores", "yes", before, before).psi == pytest.approx(0.0)


@pytest.mark.parametrize("rows", [200, 1000])
def test_the_shift_that_is_said_to_be_found_is_found(rows: int) -> None:
    """About 80 % of batches with a shift of that size: the formula is rough, and says so."""
    random = np.random.default_rng(5)
    before = distribution(random.normal(size=5000))
    shift = smallest_shift(rows, 5000, 0.001)
    hits = sum(distance_test(before, random.normal(shift, 1, rows))[1] <= 0.001 for _ in range(300))
    assert 0.65 * 300 < hits < 0.97 * 300

"""The simulation of docs/statistics.md with fewer replicates, and its verdicts against decide()."""

import numpy as np
import pytest
import simulation
from simulation import DIFFERENT, NULL, adopted, decided, fixed_split, normal_power, rows_of, truth_of

from adaptact.comparison.statistics import paired_interval, simultaneous
from adaptact.comparison.verdict import decide


def within(share: float, replicates: int) -> float:
    """Three Monte-Carlo standard errors."""
    return 3 * simulation.error_of(min(max(share, 0.01), 0.99), replicates)


@pytest.mark.parametrize("number", [0, 2, 5])
@pytest.mark.parametrize("margin", [0.0, 0.02])
def test_the_simulated_verdicts_are_those_of_decide(number: int, margin: float) -> None:
    scenario = NULL[number]
    values, _ = scenario.differences(4, 6, number)
    for seeds in (3, 6):
        some = values[:, :seeds]
        mean, half = simulation.halves(some, simultaneous(0.05, 5), scenario.ratio)
        adopt = adopted(some, scenario.ratio, margin=margin)
        done = decided(some, scenario.ratio, margin, 5)
        for r, c in np.ndindex(adopt.shape):
            found = decide(some[r, :, c], margin=margin, candidates=5, test_train_ratio=scenario.ratio)
            assert (found.name == "adopt") == adopt[r, c]
            # a margin of 0 has a point as its inside, which the simulation leaves out
            assert (found.name != "undecided") == done[r, c] or (margin == 0 and found.name == "equivalent")
            interval = paired_interval(some[r, :, c], level=simultaneous(0.05, 5), test_train_ratio=scenario.ratio)
            assert (interval.low, interval.high) == pytest.approx((mean[r, c] - half[r, c], mean[r, c] + half[r, c]))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(NULL)))
def test_without_a_true_difference_nothing_is_adopted(number: int) -> None:
    replicates = 1000
    for row in rows_of(NULL[number], replicates, number):
        assert max(*row.wrong, row.wrong_margin) <= 0.05
        assert min(row.coverage) >= 0.94 - within(0.94, replicates)
        if row.seeds == 20 and number == 0:
            assert row.wrong_plain[0] > 0.1  # what the Nadeau-Bengio variance is for
            assert row.wrong_unadjusted > 0.05  # and Bonferroni


@pytest.mark.slow
def test_true_differences_are_covered() -> None:
    truth, error = truth_of(DIFFERENT[0], 10_000, 20)
    assert error.max() < 0.002
    for row in rows_of(DIFFERENT[0], 1000, 30, truth):
        assert min(row.coverage) >= 0.94 - within(0.94, 1000)


@pytest.mark.slow
def test_power_is_as_the_formula_says() -> None:
    for row in normal_power(4000):
        assert row.simulated == pytest.approx(row.formula, abs=0.01 + within(row.formula, 4000))
        if "as many as needed" in row.what:
            assert row.simulated >= 0.8 - within(0.8, 4000)


@pytest.mark.slow
def test_a_fixed_test_set_is_about_the_seeds() -> None:
    found = fixed_split(60, 60)
    assert found.wrong_seeds_only <= 0.025 + within(0.025, 60)
    assert found.seeds_cover_these_rows >= 0.94 - within(0.94, 60)
    assert found.rows_cover_these_models >= 0.94 - within(0.94, 60)
    assert found.seeds_cover_everything < 0.9  # and not about other rows

"""Two arms: intervals against other implementations, and that early looks do not break a confidence sequence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import NormalIndPower

from adaptact.rollout.sample_size import Aim, fixed_power, of_rate, over_weeks, rows_needed, sequential_power
from adaptact.rollout.two_samples import (
    Arm,
    boundary,
    exact_p,
    fixed_interval,
    mismatch_p,
    ratio_of_quantile,
    sequence,
    tightest,
)


def rows(values: np.ndarray, first: int = 0) -> Arm:
    return Arm(np.asarray(values, dtype=np.float64), first + np.arange(len(values)))


def wilson(k: int, n: int, z: float) -> tuple[float, float]:
    p, mid = k / n, (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(n * p * (1 - p) + z * z / 4)
    return mid - half, mid + half


def test_rates_are_newcombes() -> None:
    """Method 10 of Newcombe (1998), written down from the paper."""
    k0, n0, k1, n1 = 48, 80, 56, 70
    found = fixed_interval(
        rows(np.repeat([1, 0], [k0, n0 - k0])), rows(np.repeat([1, 0], [k1, n1 - k1]), first=1000), 0.95
    )
    z = stats.norm.ppf(0.975)
    (l0, u0), (l1, u1) = wilson(k0, n0, z), wilson(k1, n1, z)
    p0, p1 = k0 / n0, k1 / n1
    assert found.low == pytest.approx(p1 - p0 - np.hypot(p1 - l1, u0 - p0))
    assert found.high == pytest.approx(p1 - p0 + np.hypot(u1 - p1, p0 - l0))
    assert found.method == "newcombe"


def test_numbers_are_welchs() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(0, 1, 40), random.normal(0.3, 2, 90)
    found = fixed_interval(rows(a), rows(b, first=1000), 0.9)
    low, high = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.9)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_rows_of_one_unit_count_once() -> None:
    values = np.random.default_rng(1).normal(size=50)
    doubled = Arm(np.tile(values, 2), np.tile(np.arange(50), 2))
    assert doubled.squared_error == pytest.approx(rows(values).squared_error)
    assert doubled.n_units == 50


def test_a_sequence_is_narrowest_where_it_was_planned() -> None:
    rho = tightest(1000, 0.05)
    width = {factor: float(boundary(1000, 0.05, factor * rho)) for factor in (0.5, 0.9, 1.0, 1.1, 2.0)}
    assert min(width, key=lambda factor: width[factor]) == 1.0
    assert width[1.0] > stats.norm.ppf(0.975)


def test_a_walk_without_drift_crosses_the_boundary_no_more_often_than_promised() -> None:
    """20,000 looks each; a fixed limit of 1.96 would be crossed by nearly all."""
    random = np.random.default_rng(2)
    crossed = naive = 0
    n = np.arange(1, 20_001)
    limit = boundary(n, 0.05, tightest(1000, 0.05))
    for _ in range(1000):
        z = np.abs(np.cumsum(random.normal(size=len(n)))) / np.sqrt(n)
        crossed += bool((z > limit).any())
        naive += bool((z[50:] > 1.96).any())
    assert crossed <= 50 + 2 * np.sqrt(50)
    assert naive > 500


def test_a_sequence_waits_for_enough_cases() -> None:
    assert np.isinf(sequence(rows(np.zeros(0)), rows(np.ones(500)), 0.05, 1000).standard_error)
    few = sequence(rows(np.zeros(10)), rows(np.ones(10), first=100), 0.05, 1000)
    assert np.isinf(few.high)
    rare = sequence(
        rows(np.repeat([1.0, 0.0], [90, 900])), rows(np.repeat([1.0, 0.0], [9, 90]), first=1000), 0.05, 1000
    )
    assert np.isinf(rare.high)  # of the one arm that is small nothing is known yet
    enough = sequence(
        rows(np.repeat([1.0, 0.0], [100, 400])), rows(np.repeat([1.0, 0.0], [200, 300]), first=1000), 0.05, 1000
    )
    assert 0 < enough.low < 0.2 < enough.high


def test_rows_needed_are_those_of_statsmodels() -> None:
    aim = Aim((2.0, 2.0), 0.25, share=0.2)
    solved = NormalIndPower().solve_power(effect_size=0.125, alpha=0.05, power=0.8, ratio=0.25)
    assert rows_needed(aim) == pytest.approx(solved * 1.25, rel=0.001)
    assert fixed_power(aim, np.array([rows_needed(aim)]))[0] == pytest.approx(0.8, abs=0.001)


def test_a_rate_cannot_become_better_than_all() -> None:
    with pytest.raises(ValueError, match="cannot become better"):
        of_rate(0.99, 0.02)
    assert of_rate(0.01, 0.005, better="lower").smallest == 0.005


def test_looking_every_day_takes_longer_for_the_same_power() -> None:
    aim = of_rate(0.8, 0.03)
    needed = rows_needed(aim)
    looks = np.linspace(needed / 50, 2 * needed, 100)
    sequential = sequential_power(aim, looks, needed)
    assert (np.diff(sequential) >= 0).all()
    assert sequential[49] < fixed_power(aim, looks)[49] < 0.82
    assert sequential[-1] > 0.75
    weeks = over_weeks(aim, needed / 10, daily=True)
    assert weeks["fixed"][9] == pytest.approx(0.8, abs=0.01)
    assert len(weeks["weeks"]) == 30


@given(st.integers(1, 500), st.integers(1, 500))
def test_a_mismatch_is_what_a_binomial_test_says(baseline: int, candidate: int) -> None:
    assert mismatch_p((baseline, candidate), 0.5) == pytest.approx(
        stats.binomtest(candidate, baseline + candidate).pvalue
    )


def test_grouped_rare_outcomes_wait_too() -> None:
    rare = Arm(np.repeat([1.0, 0.0], [4, 196]), np.arange(200) // 2)
    often = Arm(np.random.default_rng(4).integers(2, size=200).astype(float), 1000 + np.arange(200) // 2)
    assert np.isinf(fixed_interval(rare, often, 0.95).high)
    assert np.isfinite(fixed_interval(often, often, 0.95).high)


def test_outcomes_that_are_all_the_same_say_nothing_of_their_spread() -> None:
    assert np.isinf(fixed_interval(rows(np.full(50, 3.0)), rows(np.full(50, 3.0), first=100), 0.95).high)


def test_the_exact_p_value_is_fishers_and_scipys_permutation_test() -> None:
    a, b = rows(np.repeat([1.0, 0.0], [10, 90])), rows(np.repeat([1.0, 0.0], [22, 78]), first=1000)
    assert exact_p(a, b) == pytest.approx(stats.fisher_exact([[10, 90], [22, 78]]).pvalue)
    random = np.random.default_rng(5)
    x, y = random.lognormal(0, 1, 60), random.lognormal(0.35, 1, 40)

    def welch(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(stats.ttest_ind(first, second, equal_var=False, axis=axis).statistic)

    reference = stats.permutation_test(
        (y, x), welch, vectorized=True, n_resamples=9999, rng=random, alternative="greater"
    )
    assert exact_p(rows(x), rows(y, first=1000)) == pytest.approx(reference.pvalue, abs=0.04)
    assert exact_p(Arm(np.tile(x, 3), np.tile(np.arange(60), 3)), rows(y, first=1000)) == pytest.approx(
        exact_p(rows(x), rows(y, first=1000))
    )
    assert exact_p(rows(np.ones(30)), rows(np.ones(30), first=100)) == 1.0


def test_latency_is_a_ratio_of_quantiles() -> None:
    random = np.random.default_rng(3)
    base, slow = rows(random.gamma(4, 5, 2000)), rows(1.5 * random.gamma(4, 5, 2000), first=5000)
    ratio, low, high = ratio_of_quantile(base, slow, 0.95, widths=1.96)
    assert low < ratio < high
    assert low < 1.5 < high


def test_answers_of_one_unit_do_not_make_a_latency_sure() -> None:
    """40 units of 50 alike: the interval holds the true ratio of 1 in most draws, as rows by themselves would not."""
    held = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        base, other = (
            Arm(np.exp(np.repeat(random.normal(0, 0.3, 40), 50) + random.normal(0, 0.05, 2000)), np.arange(2000) // 50)
            for _ in range(2)
        )
        _, low, high = ratio_of_quantile(base, other, 0.9, widths=1.96, resamples=100)
        held += low <= 1 <= high
    assert held >= 0.8 * 60

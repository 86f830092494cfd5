"""Statistics against scipy, closed forms and properties."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from adaptact.comparison.statistics import (
    chance_of_decision,
    effect_size,
    equivalence_level,
    holm,
    paired_interval,
    pairs_needed,
    probability_of_superiority,
    row_interval,
    sign_flip_p,
    simultaneous,
)

DIFFERENCES = st.lists(st.integers(-1000, 1000).map(lambda n: n / 1000), min_size=3, max_size=12)
LEVELS = st.sampled_from([0.8, 0.9, 0.95, 0.99])
RATIOS = st.sampled_from([None, 0.1, 0.25, 1.0])


@given(DIFFERENCES, LEVELS)
def test_the_interval_is_that_of_scipy(values: list[float], level: float) -> None:
    found = paired_interval(values, level=level)
    if len(set(values)) == 1:
        return
    expected = stats.ttest_rel(values, np.zeros(len(values))).confidence_interval(level)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.method, found.df, found.pairs) == ("paired-t", len(values) - 1, len(values))


def test_resplits_widen_the_interval() -> None:
    values = np.random.default_rng(0).normal(size=10)
    plain, wide = paired_interval(values, level=0.9), paired_interval(values, level=0.9, test_train_ratio=0.25)
    assert wide.method == "nadeau-bengio"
    assert wide.standard_error == pytest.approx(math.sqrt((0.1 + 0.25) * values.var(ddof=1)))
    assert (wide.high - wide.mean) / (plain.high - plain.mean) == pytest.approx(math.sqrt(0.35 / 0.1))


@given(DIFFERENCES, LEVELS, RATIOS, st.sampled_from([0.001, 7.0, 1e5]))
def test_units_and_signs_do_not_matter(values: list[float], level: float, ratio: float | None, scale: float) -> None:
    one = paired_interval(values, level=level, test_train_ratio=ratio)
    other = paired_interval([-scale * value for value in values], level=level, test_train_ratio=ratio)
    assert (other.low, other.high) == pytest.approx((-scale * one.high, -scale * one.low), rel=1e-9, abs=1e-12 * scale)
    assert sign_flip_p(values) == pytest.approx(sign_flip_p([-value for value in values]))
    better, worse = (probability_of_superiority(side) for side in (values, [-value for value in values]))
    assert better is not None
    assert worse is not None
    assert better + worse == pytest.approx(1)


@given(DIFFERENCES, RATIOS, st.randoms())
def test_the_order_of_the_pairs_does_not_matter(values: list[float], ratio: float | None, random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = (paired_interval(v, level=0.95, test_train_ratio=ratio) for v in (values, shuffled))
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=1e-12)


@given(DIFFERENCES, RATIOS)
def test_a_higher_level_is_a_wider_interval(values: list[float], ratio: float | None) -> None:
    inner, outer = (paired_interval(values, level=level, test_train_ratio=ratio) for level in (0.9, 0.99))
    assert outer.low <= inner.low <= inner.mean <= inner.high <= outer.high


@pytest.mark.parametrize("values", [[], [0.3], [0.3, 0.3], [0.0, 0.0]])
def test_too_few_pairs_have_no_bounds(values: list[float]) -> None:
    found = paired_interval(values, level=0.95)
    assert (found.low, found.high, found.pairs) == (-math.inf, math.inf, len(values))


@pytest.mark.parametrize(
    ("value", "pairs", "expected"),
    [
        (0.0, 3, (0, 0)),
        (0.3, 5, (0, 0.6)),  # 2 ** -4 is above 0.05
        (-0.3, 5, (-0.6, 0)),
        (0.3, 6, (0.3, 0.3)),
        (0.7 - 0.6, 6, (0.1, 0.1)),
    ],
)
def test_equal_differences_have_a_defined_interval(value: float, pairs: int, expected: tuple[float, float]) -> None:
    noise = np.arange(pairs) * 1e-16 * value  # as subtracting scores leaves it
    for ratio in (None, 0.25):
        found = paired_interval(value + noise, level=0.95, test_train_ratio=ratio)
        assert (found.low, found.high) == pytest.approx(expected)
        assert found.standard_error == 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    for use in (
        lambda d: paired_interval(d, level=0.9),
        sign_flip_p,
        probability_of_superiority,
        effect_size,
        lambda d: pairs_needed(d, margin=0.1),
    ):
        with pytest.raises(ValueError, match="not a finite number"):
            use([0.1, value, 0.2])


def test_arguments_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="level"):
        paired_interval([0.1, 0.2], level=95)
    with pytest.raises(ValueError, match="rows of test"):
        paired_interval([0.1, 0.2], level=0.95, test_train_ratio=0)
    with pytest.raises(ValueError, match="one list"):
        paired_interval([[0.1, 0.2]], level=0.95)  # type: ignore[list-item]
    with pytest.raises(ValueError, match="candidates"):
        simultaneous(0.05, 0)
    with pytest.raises(ValueError, match="error"):
        equivalence_level(0.5, 1)
    with pytest.raises(ValueError, match="p-values"):
        holm([0.1, math.nan])


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
def test_sign_flips_are_counted(values: list[int]) -> None:
    sums = [abs(sum(s * v for s, v in zip(signs, values))) for signs in product((-1, 1), repeat=len(values))]
    expected = np.mean([total >= abs(sum(values)) for total in sums])
    p, smallest = sign_flip_p(values)
    assert p == pytest.approx(expected)
    assert smallest == pytest.approx(2.0 ** (1 - np.count_nonzero(values)) if any(values) else 1)
    assert p >= smallest - 1e-12


def test_six_pairs_cannot_decide_among_four() -> None:
    assert 4 * sign_flip_p([1, 2, 3, 4, 5, 6])[1] == 0.125


def test_many_pairs_draw_their_signs_always_alike() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, size=40)
    p, smallest = sign_flip_p(values)
    assert (p, smallest) == sign_flip_p(values)
    assert p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)
    assert sign_flip_p(np.ones(40)) == pytest.approx((smallest, smallest))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_at_least_the_value_and_keeps_the_order(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(value <= found <= 1 for value, found in zip(values, adjusted))
    assert min(adjusted) == pytest.approx(min(1, len(values) * min(values)))
    assert [adjusted[i] for i in np.argsort(values)] == sorted(adjusted)


def test_no_p_values_are_no_p_values() -> None:
    assert holm([]) == []


def test_effect_size_and_superiority() -> None:
    assert effect_size([1, 2, 3]) == pytest.approx(2)
    assert effect_size([-1, 0, 1]) == 0
    assert effect_size([0, 0, 0]) == 0
    assert effect_size([1, 1, 1]) is None
    assert effect_size([1]) is None
    assert probability_of_superiority([0, 0]) == 0.5
    assert probability_of_superiority([]) is None


def test_bootstrap_of_a_mean_is_its_closed_form() -> None:
    draw = np.random.default_rng(1)
    y = draw.normal(size=400)
    baseline, candidate = y + draw.normal(0, 1.0, size=(3, 400)), y + draw.normal(0, 0.9, size=(3, 400))

    def metric(y: np.ndarray, output: np.ndarray) -> float:
        return -float(np.mean(np.abs(y - output)))

    found = row_interval(y, baseline, candidate, metric, level=0.95, resamples=2000)
    per_row = (np.abs(y - baseline) - np.abs(y - candidate)).mean(axis=0)
    assert found.mean == pytest.approx(per_row.mean())
    assert found.standard_error == pytest.approx(per_row.std() / 20, rel=0.06)
    assert found.high - found.low == pytest.approx(2 * stats.norm.ppf(0.975) * found.standard_error)
    assert (found.method, found.pairs, found.df) == ("row-bootstrap", 400, math.inf)
    assert found == row_interval(y, baseline, candidate, metric, level=0.95, resamples=2000)
    opposite = row_interval(y, candidate, baseline, metric, level=0.95, resamples=2000)
    assert (opposite.low, opposite.high) == pytest.approx((-found.high, -found.low))


def test_bootstrap_takes_probabilities_and_leaves_out_rows_of_one_class() -> None:
    y = np.array([0, 0, 0, 0, 0, 1])
    draw = np.random.default_rng(2)
    outputs = draw.uniform(size=(2, 2, 6, 2))

    def auroc(y: np.ndarray, output: np.ndarray) -> float:
        return metrics.roc_auc_score(y, output[:, 1]) if len(set(y.tolist())) == 2 else math.nan

    found = row_interval(y, *outputs, auroc, level=0.9, resamples=50)
    assert 0 < found.standard_error < 1
    with pytest.raises(ValueError, match="same rows"):
        row_interval(y, outputs[0], outputs[1][:, :5], auroc, level=0.9)
    with pytest.raises(ValueError, match="finite"):
        row_interval(y[:5], outputs[0][:, :5], outputs[1][:, :5], auroc, level=0.9)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("ratio", [None, 0.05])
@pytest.mark.parametrize("mean", [-1.0, 0.0, 0.6, 1.5])
def test_the_chance_of_a_decision_is_what_happens(mean: float, ratio: float | None, strict: bool) -> None:
    draw = np.random.default_rng(3)
    n, margin, candidates, repeats = 9, 0.9, 2, 20000
    values = mean + draw.normal(size=(repeats, n)) + math.sqrt(ratio or 0) * draw.normal(size=(repeats, 1))
    found = values.mean(axis=1)
    error = values.std(axis=1, ddof=1) * math.sqrt(1 / n + (ratio or 0))
    wide, inner = (stats.t.ppf(1 - tail, n - 1) * error for tail in (0.0125, 0.025))
    adopt = (found - wide > margin) if strict else (found - wide > 0) & (found >= margin)
    decided = adopt | (found + wide < 0) | (np.abs(found) + inner < margin)
    chance = chance_of_decision(
        n, mean=mean, deviation=1.0, margin=margin, candidates=candidates, test_train_ratio=ratio, strict=strict
    )
    assert chance[0] == pytest.approx(decided.mean(), abs=0.012)


def test_pairs_needed_is_the_least_number_with_the_power() -> None:
    values = 1 + np.array([-1.0, 1.0, -1.0, 1.0])
    options = {"margin": 0.2, "candidates": 3}
    needed = pairs_needed(values, **options)
    assert needed is not None
    chances = chance_of_decision([needed - 1, needed], mean=1.0, deviation=values.std(ddof=1), **options)
    assert chances[0] < 0.8 <= chances[1]
    # Cohen's formula with the normal distribution is a little below
    simple = ((stats.norm.ppf(1 - 0.05 / 6) + stats.norm.ppf(0.8)) * values.std(ddof=1)) ** 2
    assert simple < needed < simple + 6


def test_more_pairs_do_not_always_help() -> None:
    values = 1 + np.array([-1.0, 1.0, -1.0, 1.0])
    assert pairs_needed(values, margin=0.2, test_train_ratio=0.25) is None  # 1.15 * sqrt(0.25) stays
    assert pairs_needed(values, margin=0.2, test_train_ratio=0.02) is not None
    assert pairs_needed(values, margin=1.0) is None  # at the edge
    assert pairs_needed([0.1], margin=0.2) is None


@pytest.mark.parametrize(
    ("values", "candidates", "expected"),
    [([0.0, 0.0], 1, 3), ([0.3, 0.3], 1, 6), ([0.3] * 3, 5, 8), ([0.0] * 2, 5, 3)],
)
def test_equal_differences_need_enough_signs(values: list[float], candidates: int, expected: int) -> None:
    assert pairs_needed(values, margin=0.2, candidates=candidates) == expected
    found = paired_interval([values[0]] * expected, level=simultaneous(0.05, candidates))
    assert found.low == found.high

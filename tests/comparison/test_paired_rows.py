"""Paired comparisons over rows, held against other implementations and closed forms."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from adaptact.comparison.paired_rows import auroc_placements, bonett_price, difference, mcnemar_p
from adaptact.training.metrics import metric_of_arrays


def classifiers(rows: int = 300, *, seed: int = 0, lift: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets and the probabilities of two related models, the second the better one."""
    random = np.random.default_rng(seed)
    y = random.integers(2, size=rows)
    shared = random.normal(size=rows) + y
    found = []
    for extra in (0.0, lift):
        p = 1 / (1 + np.exp(-(shared + extra * y + random.normal(0, 0.5, rows) - 0.5)))
        found.append(np.column_stack([1 - p, p]))
    return y, found[0], found[1]


def naive_delong(y: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Difference of areas and its variance, from all pairs of a positive and a negative row, as in the paper."""
    ten, one = [], []
    for scores in (a, b):
        x, z = scores[y == 1], scores[y == 0]
        psi = (x[:, None] > z[None, :]) + 0.5 * (x[:, None] == z[None, :])
        ten.append(psi.mean(axis=1))
        one.append(psi.mean(axis=0))
    areas = [part.mean() for part in ten]
    s10, s01 = np.cov(ten), np.cov(one)
    s = s10 / len(ten[0]) + s01 / len(one[0])
    return areas[1] - areas[0], s[0, 0] + s[1, 1] - 2 * s[0, 1]


def test_mcnemar_is_that_of_statsmodels() -> None:
    random = np.random.default_rng(1)
    a, b = random.random(80) < 0.7, random.random(80) < 0.8
    table = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
    assert mcnemar_p(a, b) == pytest.approx(mcnemar(table, exact=True).pvalue)
    assert mcnemar_p(a, a) == 1.0


def test_the_interval_of_paired_proportions_is_bonett_and_prices_formula() -> None:
    a = np.repeat([True, True, False, False], [40, 4, 11, 5])
    b = np.repeat([True, False, True, False], [40, 4, 11, 5])
    found = bonett_price(a, b, 0.95)
    p12, p21, n = 12 / 62, 5 / 62, 60
    half = stats.norm.ppf(0.975) * np.sqrt((p12 + p21 - (p12 - p21) ** 2) / (n + 2))
    assert (found.low, found.high) == (pytest.approx(p12 - p21 - half), pytest.approx(p12 - p21 + half))
    assert found.mean == pytest.approx(7 / 60)


@pytest.mark.parametrize("seed", range(3))
def test_auroc_is_delongs(seed: int) -> None:
    y, a, b = classifiers(seed=seed)
    a, b = a.round(2), b.round(2)  # with ties
    found = difference("auroc", y, a, b, of_arrays=metric_of_arrays("auroc"))
    mean, variance = naive_delong(y, a[:, 1], b[:, 1])
    assert found.interval.mean == pytest.approx(mean)
    assert found.interval.standard_error == pytest.approx(np.sqrt(variance), rel=1e-6)
    assert found.interval.method == "delong"
    assert auroc_placements(y == 1, a[:, 1])[y == 1].mean() == pytest.approx(metric_of_arrays("auroc")(y, a))


def test_errors_are_a_paired_t_test() -> None:
    random = np.random.default_rng(2)
    y = random.normal(size=60)
    a, b = y + random.normal(0, 1.0, 60), y + random.normal(0, 0.8, 60)
    found = difference("mae", y, a, b, of_arrays=metric_of_arrays("mae"))
    reference = stats.ttest_rel(np.abs(a - y), np.abs(b - y))
    low, high = reference.confidence_interval(0.95)
    assert found.p_value == pytest.approx(reference.pvalue)
    assert (found.interval.low, found.interval.high) == (pytest.approx(low), pytest.approx(high))
    assert found.interval.mean == pytest.approx(found.baseline - found.candidate)  # positive is better


def test_rmse_agrees_with_a_bootstrap() -> None:
    random = np.random.default_rng(3)
    y = random.normal(size=400)
    a, b = y + random.normal(0, 1.0, 400), y + random.normal(0, 0.8, 400)
    found = difference("rmse", y, a, b, of_arrays=metric_of_arrays("rmse"))
    drawn = []
    for _ in range(2000):
        rows = random.integers(400, size=400)
        drawn.append(metric_of_arrays("rmse")(y[rows], b[rows]) - metric_of_arrays("rmse")(y[rows], a[rows]))
    assert found.interval.standard_error == pytest.approx(np.std(drawn), rel=0.1)
    assert found.interval.mean == pytest.approx(metric_of_arrays("rmse")(y, b) - metric_of_arrays("rmse")(y, a))


@pytest.mark.parametrize("metric", ["accuracy", "auroc", "log_loss"])
def test_groups_of_one_row_change_nothing_and_doubled_rows_add_no_evidence(metric: str) -> None:
    y, a, b = classifiers(120)
    alone = difference(metric, y, a, b, of_arrays=metric_of_arrays(metric), groups=np.arange(120))
    twice = difference(
        metric,
        np.tile(y, 2),
        np.tile(a, (2, 1)),
        np.tile(b, (2, 1)),
        of_arrays=metric_of_arrays(metric),
        groups=np.tile(np.arange(120), 2),
    )
    assert twice.interval.standard_error == pytest.approx(alone.interval.standard_error, rel=0.01)
    assert twice.interval.mean == pytest.approx(alone.interval.mean)
    assert alone.interval.method == "clusters"


def test_metrics_that_are_no_sum_are_bootstrapped_over_rows_or_groups() -> None:
    y, a, b = classifiers(200)
    found = difference("f1_macro", y, a, b, of_arrays=metric_of_arrays("f1_macro"))
    assert found.interval.method == "row-bootstrap"
    assert found.interval.mean == pytest.approx(metric_of_arrays("f1_macro")(y, b) - metric_of_arrays("f1_macro")(y, a))
    grouped = difference("f1_macro", y, a, b, of_arrays=metric_of_arrays("f1_macro"), groups=np.arange(200) // 10)
    assert grouped.interval.pairs == 20


def test_one_row_or_one_group_says_nothing() -> None:
    y, a, b = classifiers(10)
    with pytest.raises(ValueError, match="at least two"):
        difference("accuracy", y[:1], a[:1], b[:1], of_arrays=metric_of_arrays("accuracy"))
    with pytest.raises(ValueError, match="at least two"):
        difference("accuracy", y, a, b, of_arrays=metric_of_arrays("accuracy"), groups=np.zeros(10))


@pytest.mark.parametrize("positives", [1, 5, 9])
def test_with_few_positives_auroc_decides_nothing(positives: int) -> None:
    random = np.random.default_rng(positives)
    y = np.r_[np.ones(positives, dtype=np.int64), np.zeros(90, dtype=np.int64)]
    a, b = (np.column_stack([1 - p, p]) for p in random.random((2, 90 + positives)))
    assert np.isinf(difference("auroc", y, a, b, of_arrays=metric_of_arrays("auroc")).interval.high)


def test_models_that_never_differ_and_few_groups_are_not_equivalent() -> None:
    y, a, b = classifiers(40)
    same = difference("log_loss", y, a, a, of_arrays=metric_of_arrays("log_loss"))
    assert (same.interval.mean, same.interval.high, same.p_value) == (0.0, np.inf, 1.0)
    few = difference("accuracy", y, a, b, of_arrays=metric_of_arrays("accuracy"), groups=np.arange(40) % 4)
    assert np.isinf(few.interval.high)


def test_one_class_has_no_auroc() -> None:
    _, a, b = classifiers(10)
    with pytest.raises(ValueError, match="auroc is not defined"):
        difference("auroc", np.ones(10, dtype=np.int64), a, b, of_arrays=metric_of_arrays("auroc"))


@pytest.mark.parametrize("metric", ["accuracy", "auroc", "log_loss"])
def test_intervals_hold_what_they_promise(metric: str) -> None:
    """95 % intervals of models that do not differ contain 0 in at least 92 % of 400 draws."""
    inside = 0
    for seed in range(400):
        y, a, b = classifiers(100, seed=seed, lift=0.0)
        found = difference(metric, y, a, b, of_arrays=metric_of_arrays(metric))
        inside += found.interval.low <= 0 <= found.interval.high
    assert inside >= 0.92 * 400


def test_a_probability_of_zero_leaves_every_metric_a_number() -> None:
    y, a, b = classifiers(200)
    b = np.round(b)  # as of a network that is sure of everything
    for metric in ("accuracy", "log_loss", "auroc", "average_precision", "f1_macro", "ece"):
        found = difference(metric, y, a, b, of_arrays=metric_of_arrays(metric))
        assert np.isfinite([found.baseline, found.candidate, found.interval.low, found.interval.high]).all()

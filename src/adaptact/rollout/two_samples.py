"""Two arms of other rows each: the difference of a mean, fixed in advance or valid at every look.

Plain numbers in, plain numbers out. A difference is candidate minus baseline, in the outcome's own sign.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from adaptact.comparison.statistics import Interval

LEAST_UNITS = 20  # of an arm, for any interval
LEAST_EVENTS = 10  # units with a yes, and with a no, in each arm, where an interval rests on a standard error
PERMUTATIONS = 999
MOST_PERMUTED = 50_000  # units
MOST_DRAWN = 50_000  # rows of an arm in a bootstrap
LEAST_IN_SEQUENCE = 100  # units of an arm with numbers, which may be skewed


@dataclass(frozen=True)
class Arm:
    """The outcomes of one arm. Rows of one unit (identifier or group) are not independent of each other.

    Args:
        values: (rows,) in float64.
        units: (rows,): the number of each row's unit.
    """

    values: np.ndarray
    units: np.ndarray

    @property
    def n_units(self) -> int:
        return len(np.unique(self.units))

    @property
    def mean(self) -> float:
        return float(self.values.mean()) if len(self.values) else float("nan")

    @property
    def squared_error(self) -> float:
        """Variance of the mean: of sums within units, so that rows of one unit may depend on each other."""
        if not len(self.values):
            return float("inf")
        deviations = self.values - self.mean
        sums = np.bincount(np.unique(self.units, return_inverse=True)[1], weights=deviations)
        n = len(sums)
        return float(n / max(1, n - 1) * np.square(sums).sum()) / len(deviations) ** 2

    @property
    def yes_or_no(self) -> bool:
        return bool(np.isin(self.values, (0.0, 1.0)).all())

    @property
    def binary(self) -> bool:
        """Yes or no, one row per unit."""
        return self.yes_or_no and self.n_units == len(self.values)

    @property
    def events(self) -> int:
        """Units with a yes, or those with a no, whichever are fewer."""
        return min(len(np.unique(self.units[self.values == kind])) for kind in (0.0, 1.0))


def fixed_interval(baseline: Arm, candidate: Arm, level: float) -> Interval:
    """For one look, at a time or number of rows set in advance.

    Yes-or-no outcomes of one row per unit: Newcombe's, Statistics in Medicine 17 (1998), method 10, by statsmodels. All
    else: Welch's t, with the variance of sums within units.

    >>> ones = lambda k, n: Arm(np.repeat([1.0, 0.0], [k, n - k]), np.arange(n))
    >>> found = fixed_interval(ones(10, 100), ones(25, 100), 0.95)
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
    (0.15, 0.045, 0.253)
    """
    mean = candidate.mean - baseline.mean
    squares = (baseline.squared_error, candidate.squared_error)
    error = float(np.sqrt(sum(squares)))
    units = baseline.n_units + candidate.n_units
    arms = (baseline, candidate)
    if baseline.binary and candidate.binary:
        low, high = confint_proportions_2indep(
            candidate.values.sum(),
            len(candidate.values),
            baseline.values.sum(),
            len(baseline.values),
            method="newcomb",
            compare="diff",
            alpha=1 - level,
        )
        return Interval(mean, float(low), float(high), level, "newcombe", error, np.inf, units)
    sizes = (baseline.n_units, candidate.n_units)
    below = sum(square**2 / max(1, size - 1) for square, size in zip(squares, sizes, strict=True))
    df = error**4 / below if below > 0 else np.inf
    half = float(stats.t.ppf((1 + level) / 2, df)) * error
    few = all(arm.yes_or_no for arm in arms) and min(arm.events for arm in arms) < LEAST_EVENTS
    if few or error == 0:
        half = np.inf
    return Interval(mean, mean - half, mean + half, level, "welch-t", error, float(df), units)


def exact_p(baseline: Arm, candidate: Arm) -> float:
    """Two-sided p-value, no approximation where the arms do not differ at all; it stands beside the interval, which is.

    Yes or no, one row per unit: Fisher's exact test. All else: a permutation test of Welch's t of the units' means, of
    :data:`PERMUTATIONS` random ones, the same each time; beyond :data:`MOST_PERMUTED` units Welch's t itself.
    """
    if baseline.binary and candidate.binary:
        table = [[arm.values.sum(), (1 - arm.values).sum()] for arm in (baseline, candidate)]
        return float(stats.fisher_exact(np.array(table, dtype=np.int64)).pvalue)
    means = [_unit_means(arm) for arm in (baseline, candidate)]
    seen = stats.ttest_ind(means[1], means[0], equal_var=False)
    if len(means[0]) + len(means[1]) > MOST_PERMUTED or not np.isfinite(seen.statistic):
        return float(np.nan_to_num(seen.pvalue, nan=1.0))
    together, n = np.concatenate(means), len(means[1])
    draw, extreme = np.random.default_rng(0), 1
    total, squares = together.sum(), np.square(together).sum()
    for _ in range(PERMUTATIONS):
        chosen = draw.permutation(together)[:n]
        part, part_squares = chosen.sum(), np.square(chosen).sum()
        sides = ((part, part_squares, n), (total - part, squares - part_squares, len(together) - n))
        variance = sum((q - s * s / k) / (k - 1) / k for s, q, k in sides)
        difference = abs(part / n - (total - part) / (len(together) - n))
        extreme += int(difference >= abs(seen.statistic) * np.sqrt(max(0.0, variance)))
    return extreme / (PERMUTATIONS + 1)


def _unit_means(arm: Arm) -> np.ndarray:
    numbers = np.unique(arm.units, return_inverse=True)[1]
    return np.bincount(numbers, weights=arm.values) / np.bincount(numbers)


def tightest(planned_units: float, error: float) -> float:
    """The parameter rho of :func:`boundary` with which the sequence is narrowest at so many units.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and asymptotic confidence
    sequences, Annals of Statistics 52 (2024), equation 24 and below.
    """
    inner = -2 * np.log(error)
    return float(np.sqrt((inner + np.log(inner + 1)) / planned_units))


def boundary(units: float | np.ndarray, error: float, rho: float) -> np.ndarray:
    """How many standard errors a confidence sequence reaches to either side after so many units.

    Robbins' normal mixture: the z-statistic of a mean without effect leaves it, at any time at all, with a probability
    of at most ``error``. At a fixed time it would be 1.96 for 0.05; here about 3.

    >>> [round(float(boundary(n, 0.05, tightest(1000, 0.05))), 2) for n in (100, 1000, 10000)]
    [3.86, 3.04, 3.24]
    """
    n = np.asarray(units, dtype=np.float64) * rho**2
    return np.asarray(np.sqrt((n + 1) / n * (np.log(n + 1) - 2 * np.log(error))))


def sequence(baseline: Arm, candidate: Arm, error: float, planned_units: float) -> Interval:
    """An interval that may be looked at every day: it holds at all looks together with probability 1 - ``error``.

    It is asymptotic, as every interval from a standard error, and infinite where an arm has fewer than
    :data:`LEAST_EVENTS` units of either kind, or of numbers fewer than :data:`LEAST_IN_SEQUENCE` units.

    Args:
        planned_units: at which it is narrowest; set before the first look.
    """
    units = baseline.n_units + candidate.n_units
    mean = candidate.mean - baseline.mean
    scatter = float(np.sqrt(baseline.squared_error + candidate.squared_error))
    arms = (baseline, candidate)
    if all(arm.yes_or_no for arm in arms):
        few = min(arm.events for arm in arms) < LEAST_EVENTS
    else:
        few = min(arm.n_units for arm in arms) < LEAST_IN_SEQUENCE
    half = np.inf if few or scatter == 0 else float(boundary(units, error, tightest(planned_units, error))) * scatter
    return Interval(mean, mean - half, mean + half, 1 - error, "confidence-sequence", scatter, np.inf, units)


def ratio_of_quantile(
    baseline: Arm, candidate: Arm, quantile: float, *, widths: float, resamples: int = 300
) -> tuple[float, float, float]:
    """Candidate / baseline of a quantile, as of latency, with its interval: so many standard errors of its logarithm.

    The error is that of a bootstrap over units. Of very many rows the units of the first :data:`MOST_DRAWN` are drawn.
    """
    draw = np.random.default_rng(0)

    def logs(arm: Arm) -> np.ndarray:
        values, units = arm.values[:MOST_DRAWN], np.unique(arm.units[:MOST_DRAWN], return_inverse=True)[1]
        order = np.argsort(units, kind="stable")
        members = np.split(order, np.cumsum(np.bincount(units))[:-1])
        alone = len(members) == len(values)
        found = []
        for _ in range(resamples):
            chosen = draw.integers(len(members), size=len(members))
            rows = chosen if alone else np.concatenate([members[unit] for unit in chosen])
            found.append(np.quantile(values[rows], quantile))
        return np.log(np.array(found)) * np.sqrt(len(values) / len(arm.values))

    middle = float(np.log(np.quantile(candidate.values, quantile) / np.quantile(baseline.values, quantile)))
    error = float(np.hypot(np.std(logs(baseline), ddof=1), np.std(logs(candidate), ddof=1)))
    low, middle, high = np.exp([middle - widths * error, middle, middle + widths * error])
    return float(middle), float(low), float(high)


def mismatch_p(counts: tuple[int, int], share: float) -> float:
    """p-value of as many units in the two arms (baseline, candidate) if ``share`` of them go to the candidate."""
    return float(stats.binomtest(counts[1], sum(counts), share).pvalue) if sum(counts) else 1.0

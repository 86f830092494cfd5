"""Paired comparisons: plain numbers in, plain numbers out. docs/statistics.md explains the choices and tests them.

A difference is candidate minus baseline of one pair (same seed, same split), signed so that positive is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Method = Literal[
    "paired-t",
    "nadeau-bengio",
    "row-bootstrap",
    "jackknife",
    "bonett-price",
    "delong",
    "clusters",
    "welch-t",
    "newcombe",
    "confidence-sequence",
]

MOST_PAIRS = 1000
"""Beyond so many pairs :func:`pairs_needed` does not look."""

EXACT_PAIRS = 16
"""Up to so many pairs all 2 ** n changes of sign are tried."""

_EQUAL = 1e-9  # a standard deviation below this share of the largest difference is rounding, not spread


@dataclass(frozen=True)
class Interval:
    """A mean difference and the interval around it.

    Attributes:
        level: The share of such intervals that contain the true difference; of this interval alone.
        method: paired-t and nadeau-bengio: over pairs. row-bootstrap: over the rows of one test set.
            jackknife: over windows of time. The others, of a roll-out, are said in adaptact.rollout.
        df: Degrees of freedom of Student's t; inf means the normal distribution.
        pairs: How many differences the mean is of; for all that is over rows, how many rows.
    """

    mean: float
    low: float
    high: float
    level: float
    method: Method
    standard_error: float
    df: float
    pairs: int


def wider(interval: Interval, rows: Interval) -> Interval:
    """The interval over pairs, at least as far on both sides as that over rows."""
    low, high = min(interval.low, rows.low), max(interval.high, rows.high)
    if (low, high) == (interval.low, interval.high):
        return interval
    return Interval(
        interval.mean,
        low,
        high,
        interval.level,
        rows.method,
        max(interval.standard_error, rows.standard_error),
        interval.df,
        interval.pairs,
    )


def checked(differences: Sequence[float] | np.ndarray) -> np.ndarray:
    """The differences as a vector of float64.

    Raises:
        ValueError: If one of them is not finite. Say what a failed run scores before.
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"differences must be one list of numbers, not of shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("a difference is not a finite number; give a failed run a score, or leave its pair out")
    return values


def spread(values: np.ndarray) -> float:
    """The standard deviation of at least two numbers; exactly 0 where they are equal but for rounding."""
    deviation = float(np.std(values, ddof=1))
    return 0.0 if deviation <= _EQUAL * float(np.abs(values).max()) else deviation


def variance_factor(pairs: int | np.ndarray, test_train_ratio: float | None) -> float | np.ndarray:
    """What the variance of the differences is multiplied with to get that of their mean: 1/n, or 1/n + n_test/n_train.

    Raises:
        ValueError: If the ratio is not above 0.
    """
    if test_train_ratio is None:
        return 1.0 / pairs
    if not (np.isfinite(test_train_ratio) and test_train_ratio > 0):
        raise ValueError(f"test_train_ratio is rows of test / rows of training, above 0, not {test_train_ratio}")
    return 1.0 / pairs + test_train_ratio


def paired_interval(
    differences: Sequence[float] | np.ndarray, *, level: float, test_train_ratio: float | None = None
) -> Interval:
    """Student's t interval of the mean difference.

    Without a ratio the differences count as independent: different seeds on one fixed split. When the same rows are
    split anew for every pair, the pairs share most of their rows, and s^2 / n is far too small. With the ratio
    n_test / n_train the variance of the mean is (1/n + n_test/n_train) * s^2: Nadeau and Bengio, Inference for the
    Generalization Error, Machine Learning 52 (2003). For r times k folds n is r * k and the ratio 1 / (k - 1):
    Bouckaert and Frank, Evaluating the Replicability of Significance Tests, PAKDD 2004.

    Fewer than two differences know no spread: the interval is infinite. Differences that are all equal have no
    spread either, and their interval is by definition:

    * of two pairs infinite: on a small test set two runs easily differ by the same number of rows;
    * all 0: the point 0, the two arms do the same;
    * all equal to m: the point m if n equal signs by chance are rarer than the level asks (2^(1-n) <= 1 - level,
      the smallest p-value of :func:`sign_flip_p`), else m - abs(m) to m + abs(m), which does not exclude 0.

    Raises:
        ValueError: If a difference is not finite, or level or ratio out of range.

    >>> found = paired_interval([0.01, 0.02, 0.03], level=0.95)
    >>> round(found.low, 4), round(found.high, 4), found.method
    (-0.0048, 0.0448, 'paired-t')
    """
    values = checked(differences)
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level}")
    pairs, df = len(values), len(values) - 1
    method: Method = "paired-t" if test_train_ratio is None else "nadeau-bengio"
    mean = float(values.mean()) if pairs else float("nan")
    deviation = spread(values) if pairs > 1 else 0.0
    if pairs < 2 or (pairs == 2 and deviation == 0):
        return Interval(mean, -np.inf, np.inf, level, method, np.inf, max(df, 0), pairs)
    error = deviation * float(np.sqrt(variance_factor(pairs, test_train_ratio)))
    if deviation > 0:
        half = float(stats.t.ppf((1 + level) / 2, df)) * error
    else:
        half = 0.0 if 2.0 ** (1 - pairs) <= 1 - level else abs(mean)
    return Interval(mean, mean - half, mean + half, level, method, error, df, pairs)


def simultaneous(error: float, candidates: int) -> float:
    """The level of each candidate's interval so that all hold together but for the error (Bonferroni).

    Raises:
        ValueError: If the error is not between 0 and 0.5, or there is no candidate.

    >>> simultaneous(0.05, 5)
    0.99
    """
    if not 0 < error < 0.5:
        raise ValueError(f"error must be between 0 and 0.5, not {error}")
    if candidates < 1:
        raise ValueError(f"candidates must be at least 1, not {candidates}")
    return 1 - error / candidates


def equivalence_level(error: float, candidates: int) -> float:
    """The level of the interval of two one-sided tests: at twice the error, simultaneous over the candidates.

    >>> equivalence_level(0.05, 5)
    0.98
    """
    simultaneous(error, candidates)
    return 1 - 2 * error / candidates


def sign_flip_p(differences: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Two-sided p-value of the mean if every difference might as well have the other sign, and the smallest it can be.

    Exact up to :data:`EXACT_PAIRS` pairs; above it, of random changes of sign, the same ones each time. Where the
    smallest possible value, after :func:`holm` or times the candidates, is above the error, the number of pairs cannot
    decide. Differences of 0 have no sign and do not count for it. For pairs that share rows (resplits, folds) the
    p-value is too small, as the plain t interval is too narrow.

    Raises:
        ValueError: If a difference is not finite.

    >>> sign_flip_p([0.01, 0.02, 0.03, 0.01, 0.02, 0.04])
    (0.03125, 0.03125)
    """
    values = checked(differences)
    values = values[values != 0]
    if len(values) < 2:
        return 1.0, 1.0
    resamples = 2**EXACT_PAIRS if len(values) <= EXACT_PAIRS else 9999
    found = stats.permutation_test(
        (values,),
        lambda sample, axis: np.mean(sample, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=4096,
        rng=np.random.default_rng(0),
    )
    smallest = 2.0 ** (1 - len(values)) if len(values) <= EXACT_PAIRS else 2 / (resamples + 1)
    return float(found.pvalue), smallest


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number (Holm), in the same order.

    Raises:
        ValueError: If one of them is not between 0 and 1.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError(f"p-values are between 0 and 1, not {list(p_values)}")
    if len(p_values) == 0:
        return []
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, steps)
    return [float(p) for p in adjusted]


def probability_of_superiority(differences: Sequence[float] | np.ndarray) -> float | None:
    """The share of pairs in which the candidate is better; ties count half. None without pairs.

    >>> probability_of_superiority([0.1, 0.2, 0.0, -0.1])
    0.625
    """
    values = checked(differences)
    return float(np.mean((np.sign(values) + 1) / 2)) if len(values) else None


def effect_size(differences: Sequence[float] | np.ndarray) -> float | None:
    """Mean difference in standard deviations of the differences.

    0 where the mean is 0; None where it is not known: fewer than two pairs, or no spread around another mean.
    """
    values = checked(differences)
    if len(values) < 2:
        return None
    mean, deviation = float(values.mean()), spread(values)
    if mean == 0:
        return 0.0
    return mean / deviation if deviation > 0 else None


def row_interval(
    targets: np.ndarray,
    baseline: np.ndarray,
    candidate: np.ndarray,
    metric: Callable[[np.ndarray, np.ndarray], float],
    *,
    level: float,
    resamples: int = 300,
) -> Interval:
    """What other test rows would have made of the same trained models: paired bootstrap over the rows.

    The rows of the test set are drawn with replacement, the same ones for both arms and all seeds; the metric is
    computed anew for every seed, and the differences are averaged over the seeds. The standard deviation over the
    resamples is the standard error, the interval a normal one. It holds the models fixed: it says nothing about other
    seeds or other training rows. metric is called 2 * seeds * (resamples + 1) times.

    Args:
        targets: (rows, ...).
        baseline, candidate: (seeds, rows, ...): outputs on the same rows, in the same order.
        metric: (targets, outputs of one seed) -> number; higher is better. NaN where it is not defined, as with rows of
            one class only: that resample is left out.

    Raises:
        ValueError: If the shapes do not belong together, the metric is not finite on the rows themselves, or the
            level is out of range.
    """
    targets, baseline, candidate = np.asarray(targets), np.asarray(baseline), np.asarray(candidate)
    if baseline.shape != candidate.shape or baseline.ndim < 2 or baseline.shape[1] != len(targets):
        raise ValueError(
            "outputs must be (seeds, rows, ...) of the same rows: "
            f"targets {targets.shape}, baseline {baseline.shape}, candidate {candidate.shape}"
        )
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, not {level}")

    def difference(rows: np.ndarray) -> float:
        y, arms = targets[rows], (candidate[:, rows], baseline[:, rows])
        better, reference = (np.mean([metric(y, output) for output in arm]) for arm in arms)
        return float(better - reference)

    count = len(targets)
    mean = difference(np.arange(count))
    if not np.isfinite(mean):
        raise ValueError("the metric is not a finite number on these rows")
    draw = np.random.default_rng(0)
    found = np.array([difference(draw.integers(count, size=count)) for _ in range(resamples)])
    found = found[np.isfinite(found)]
    error = float(np.std(found, ddof=1)) if count > 1 and len(found) > 1 else float("inf")
    half = float(stats.norm.ppf((1 + level) / 2)) * error
    return Interval(mean, mean - half, mean + half, level, "row-bootstrap", error, float("inf"), count)


def chance_of_decision(
    pairs: int | np.ndarray,
    *,
    mean: float,
    deviation: float,
    margin: float,
    error: float = 0.05,
    candidates: int = 1,
    test_train_ratio: float | None = None,
    strict: bool = False,
) -> np.ndarray:
    """With which probability so many pairs end in adopt, equivalent or reject, if mean and deviation are the true ones.

    The mean M of n differences is normal with standard deviation deviation * sqrt(c), c = 1/n (+ n_test/n_train), and
    its estimated standard error E is that times sqrt(chi2 / (n - 1)), independent of M. With the quantiles t of
    n - 1 degrees of freedom at the two levels, the verdict is

    * equivalent if abs(M) < margin - t(1 - error/candidates) * E,
    * adopt if M > t(1 - error/2/candidates) * E and M >= margin (strict: M > margin + t * E),
    * reject if M < -t(1 - error/2/candidates) * E.

    For a given E these are ranges of M and have a normal probability; the mean over 50 equally likely E is returned.

    Args:
        pairs: One number of at least 2, or several.
        deviation: Standard deviation of the differences, above 0.
    """
    n = np.atleast_1d(np.asarray(pairs, dtype=np.float64))[:, None]
    true_error = deviation * np.sqrt(variance_factor(n, test_train_ratio))
    ranks = (np.arange(50) + 0.5) / 50
    seen = true_error * np.sqrt(stats.chi2.ppf(ranks, n - 1) / (n - 1))
    wide = stats.t.ppf((1 + simultaneous(error, candidates)) / 2, n - 1) * seen
    inside = margin - stats.t.ppf((1 + equivalence_level(error, candidates)) / 2, n - 1) * seen

    def below(bound: np.ndarray) -> np.ndarray:
        return np.asarray(stats.norm.cdf((bound - mean) / true_error))

    adopt = 1 - below(margin + wide if strict else np.maximum(margin, wide))
    reject = below(-wide)
    equivalent = np.maximum(0.0, below(inside) - below(np.maximum(-inside, -wide)))  # what is not rejected already
    return np.asarray((adopt + reject + equivalent).mean(axis=1))


def pairs_needed(
    differences: Sequence[float] | np.ndarray,
    *,
    margin: float,
    error: float = 0.05,
    candidates: int = 1,
    test_train_ratio: float | None = None,
    strict: bool = False,
    power: float = 0.8,
) -> int | None:
    """How many pairs in all would probably settle the verdict if mean and spread stay as seen.

    The smallest n above the present number and up to :data:`MOST_PAIRS` with :func:`chance_of_decision` >= power.
    Without spread it is the smallest n at which the interval of n such differences is the point.

    None if there is no such n. More pairs do not help where the mean is at the edge of the margin, nor, with resplits
    of the same rows, where n_test/n_train, which does not shrink with n, keeps the interval too wide: only more rows
    do. None also for fewer than two pairs, whose spread is not known.

    Raises:
        ValueError: If a difference is not finite, or an argument out of range.
    """
    values = checked(differences)
    level = simultaneous(error, candidates)
    variance_factor(max(len(values), 1), test_train_ratio)
    if len(values) < 2:
        return None
    mean, deviation = float(values.mean()), spread(values)
    first = len(values) + 1
    if deviation == 0:
        return max(first, 3 if mean == 0 else int(np.ceil(1 - np.log2(1 - level))))
    for start in range(first, MOST_PAIRS + 1, 100):
        some = np.arange(start, min(start + 100, MOST_PAIRS + 1))
        chance = chance_of_decision(
            some,
            mean=mean,
            deviation=deviation,
            margin=margin,
            error=error,
            candidates=candidates,
            test_train_ratio=test_train_ratio,
            strict=strict,
        )
        if (chance >= power).any():
            return int(some[np.argmax(chance >= power)])
    return None

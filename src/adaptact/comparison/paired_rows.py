"""Two models on the same rows: the difference of a metric with its interval. Plain numbers in, plain numbers out.

Most metrics are, but for terms that vanish with the rows, a mean over rows of what each row adds to the difference (its
influence). From these the interval follows in one way for all of them, and with groups of rows that belong together
(one machine, one customer) by summing within the groups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from adaptact import config
from adaptact.comparison.statistics import Interval, Method

RESAMPLES = 1000
HIGHER = {name for names in config.METRICS.values() for name, mode in names.items() if mode == "max"}
SMALLEST_PROBABILITY = 1e-12
LEAST_OF_A_CLASS = 10  # for AUROC: with fewer its spread is not known
LEAST_GROUPS = 10
Metric = Callable[[np.ndarray, np.ndarray], float]


@dataclass(frozen=True)
class RowDifference:
    """Candidate minus baseline on the same rows, signed so that positive is better.

    Args:
        baseline, candidate: the metric itself, unsigned.
        p_value: two-sided; of accuracy without groups McNemar's exact one.
    """

    metric: str
    baseline: float
    candidate: float
    interval: Interval
    narrow: Interval
    p_value: float


def mcnemar_p(baseline_right: np.ndarray, candidate_right: np.ndarray) -> float:
    """Two-sided exact p-value: of the rows on which one of the two is right, half should be each one's.

    >>> right = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], dtype=bool)
    >>> round(mcnemar_p(right, ~right), 4)
    0.3438
    """
    won = int((candidate_right & ~baseline_right).sum())
    lost = int((baseline_right & ~candidate_right).sum())
    return float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0


def bonett_price(baseline_right: np.ndarray, candidate_right: np.ndarray, level: float) -> Interval:
    """Interval of a difference of paired proportions, good also for few rows.

    Wald's, after one row is added to each of the two kinds of disagreement: Bonett and Price, Adjusted Wald confidence
    interval for a difference of binomial proportions based on paired data, J. Educ. Behav. Stat. 37 (2012).
    """
    won, lost = (candidate_right & ~baseline_right).sum(), (baseline_right & ~candidate_right).sum()
    return bonett_price_of_counts(float(won), float(lost), len(baseline_right), level)


def bonett_price_of_counts(rows_won: float, rows_lost: float, rows: int, level: float) -> Interval:
    """:func:`bonett_price` of the numbers of rows on which one of the two alone is right."""
    won, lost = (rows_won + 1) / (rows + 2), (rows_lost + 1) / (rows + 2)
    error = float(np.sqrt((won + lost - (won - lost) ** 2) / (rows + 2)))
    half = float(stats.norm.ppf((1 + level) / 2)) * error
    mean = (rows_won - rows_lost) / rows
    middle = float(won - lost)
    return Interval(mean, max(-1.0, middle - half), min(1.0, middle + half), level, "bonett-price", error, np.inf, rows)


def auroc_placements(positives: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Per row, the share of rows of the other class that are ranked on the right side of it; ties count half.

    Their mean over either class is the area under the ROC curve: DeLong, DeLong and Clarke-Pearson, Comparing the areas
    under two or more correlated receiver operating characteristic curves, Biometrics 44 (1988).

    >>> auroc_placements(np.array([False, False, True]), np.array([0.1, 0.6, 0.4])).tolist()
    [1.0, 0.0, 0.5]
    """
    ranks = stats.rankdata(scores)
    found = np.empty(len(scores))
    for kind, sign in ((True, 1), (False, -1)):
        mine = positives == kind
        within = stats.rankdata(scores[mine])
        share = (ranks[mine] - within) / max(1, (~mine).sum())  # of the others, those below
        found[mine] = share if sign > 0 else 1 - share
    return found


def contributions(metric: str, targets: np.ndarray, outputs: np.ndarray) -> tuple[float, np.ndarray] | None:
    """A metric and what each row adds to it, as deviations whose mean is 0; None for one that is no such sum.

    Args:
        targets: (rows,): class numbers or values.
        outputs: probabilities (rows, classes), or values (rows,).
    """
    rows = np.arange(len(targets))
    if metric == "accuracy":
        each = (outputs.argmax(axis=1) == targets).astype(np.float64)
    elif metric == "log_loss":
        each = -np.log(np.maximum(outputs[rows, targets], SMALLEST_PROBABILITY))
    elif metric == "mae":
        each = np.abs(outputs - targets)
    elif metric == "rmse":
        squares = np.square(outputs - targets)
        value = float(np.sqrt(squares.mean()))
        return value, (squares - squares.mean()) / (2 * value) if value else np.zeros_like(squares)
    elif metric == "auroc" and outputs.shape[1] == 2 and len(np.unique(targets)) == 2:
        positives = targets == 1
        placements = auroc_placements(positives, outputs[:, 1])
        value = float(placements[positives].mean())
        share = np.where(positives, positives.mean(), 1 - positives.mean())
        count = np.where(positives, positives.sum(), (~positives).sum())
        few = np.sqrt(count / np.maximum(1, count - 1))  # DeLong divides by the rows of a class less one
        return value, few * (placements - value) / share
    else:
        return None
    return float(each.mean()), each - each.mean()


def difference(
    metric: str,
    targets: np.ndarray,
    baseline: np.ndarray,
    candidate: np.ndarray,
    *,
    of_arrays: Metric,
    error: float = 0.05,
    groups: np.ndarray | None = None,
) -> RowDifference:
    """Candidate minus baseline in one metric.

    Accuracy without groups: McNemar's exact p-value and Bonett and Price's interval. AUROC of two classes: DeLong.
    Errors and log loss: Student's t of the paired rows. With groups all of these: sums within groups, t of groups - 1.
    Other metrics (f1_macro, average_precision, r2, ece, auroc of more classes): a paired bootstrap over rows or groups.

    Where the spread is not known the interval is infinite: fewer than ten rows of a class for AUROC, fewer than ten
    groups, no difference at all.

    Args:
        targets: (rows,); outputs: (rows, classes) or (rows,), of the same rows in the same order.
        of_arrays: the metric as f(targets, outputs), higher is better.
        groups: (rows,): numbers of the groups that rows belong to.

    Raises:
        ValueError: fewer than two rows or groups, or a metric that is not defined on these rows.
    """
    sign = 1.0 if metric in HIGHER else -1.0
    units = len(targets) if groups is None else len(np.unique(groups))
    if units < 2:
        raise ValueError("a difference needs at least two rows, and with groups at least two of them")
    levels = (1 - error, 1 - 2 * error)
    parts = [contributions(metric, targets, outputs) for outputs in (baseline, candidate)]
    if parts[0] is None or parts[1] is None:
        return _bootstrapped(metric, targets, baseline, candidate, of_arrays, levels, groups)
    (old, each_old), (new, each_new) = parts[0], parts[1]
    if metric == "accuracy" and groups is None:
        right = [outputs.argmax(axis=1) == targets for outputs in (baseline, candidate)]
        wide, narrow = (bonett_price(right[0], right[1], level) for level in levels)
        return RowDifference(metric, old, new, wide, narrow, mcnemar_p(right[0], right[1]))
    each = sign * (each_new - each_old)
    sums = each if groups is None else np.bincount(np.unique(groups, return_inverse=True)[1], weights=each)
    scatter = float(np.sqrt(np.square(sums).sum())) / len(targets)
    if metric != "auroc" or groups is not None:
        scatter *= float(np.sqrt(units / (units - 1)))
    if groups is not None and units < LEAST_GROUPS:
        scatter = np.inf
    if metric == "auroc" and np.bincount(targets, minlength=2).min() < LEAST_OF_A_CLASS:
        scatter = np.inf
    method: Method = "delong" if metric == "auroc" else "paired-t"
    return _found(metric, old, new, sign, scatter, units, levels, method if groups is None else "clusters")


def _found(
    metric: str,
    old: float,
    new: float,
    sign: float,
    error: float,
    units: int,
    levels: tuple[float, float],
    method: Method,
) -> RowDifference:
    mean = sign * (new - old)
    df = np.inf if method in {"delong", "row-bootstrap"} else units - 1
    if error == 0:  # all equal, as where two models never differ on so few rows: no spread is known
        error = np.inf
    halves = [float(stats.t.ppf((1 + level) / 2, df)) * error for level in levels]
    wide, narrow = (
        Interval(mean, mean - half, mean + half, level, method, error, df, units)
        for level, half in zip(levels, halves, strict=True)
    )
    p = float(2 * stats.t.sf(abs(mean) / error, df))
    return RowDifference(metric, old, new, wide, narrow, p)


def _bootstrapped(
    metric: str,
    targets: np.ndarray,
    baseline: np.ndarray,
    candidate: np.ndarray,
    of_arrays: Metric,
    levels: tuple[float, float],
    groups: np.ndarray | None,
) -> RowDifference:
    """Rows, or whole groups, are drawn with replacement, the same for both; a resample without a metric is left out."""
    sign = 1.0 if metric in HIGHER else -1.0
    units = len(targets) if groups is None else len(np.unique(groups))
    draw = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        rows = drawn(draw, len(targets), groups)
        found.append(of_arrays(targets[rows], candidate[rows]) - of_arrays(targets[rows], baseline[rows]))
    old, new = (sign * of_arrays(targets, outputs) for outputs in (baseline, candidate))
    differences = np.array(found)[np.isfinite(found)]
    if not (np.isfinite(old) and np.isfinite(new)) or len(differences) < RESAMPLES / 2:
        raise ValueError(
            f"{metric} is not defined on these rows, or on most rows drawn from them: more rows are needed"
        )
    few = groups is not None and units < LEAST_GROUPS
    scatter = np.inf if few else float(np.std(differences, ddof=1))
    return _found(metric, old, new, sign, scatter, units, levels, "row-bootstrap")


def drawn(draw: np.random.Generator, rows: int, groups: np.ndarray | None) -> np.ndarray:
    """Row numbers of a bootstrap: rows, or whole groups, with replacement."""
    if groups is None:
        return draw.integers(rows, size=rows)
    numbers = np.unique(groups, return_inverse=True)[1]
    members = np.split(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers))[:-1])
    return np.concatenate([members[unit] for unit in draw.integers(len(members), size=len(members))])

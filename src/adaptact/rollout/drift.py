"""Whether rows still look like those of the training: tests of one column each. Plain numbers in, plain numbers out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import ndtri

from adaptact.data.table.cell_values import texts
from adaptact.data.table.profile import as_values, at_most, psi, unseen
from adaptact.data.table.roles import Column

Kind = Literal["distribution", "missing", "range", "scores", "measure", "site", "calibration", "quality"]
LEAST_EXPECTED = 5  # cells of a category, below which it joins the others
MOST_NAMED = 3


@dataclass(frozen=True)
class Test:
    """One comparison with the training.

    Args:
        name: of the column or site.
        size: what the test is about: distance of Kolmogorov and Smirnov or of the shares of categories, or the share of
            cells that are missing, outside, wrong.
        expected: the same of the training where it is a share.
        p: without a change, as likely or likelier.
        psi: population stability index, where there is one.
        unseen: share of cells with a category that the training has not; examples: the most frequent of these.
    """

    kind: Kind
    name: str
    size: float
    expected: float | None
    p: float
    psi: float | None = None
    unseen: float = 0.0
    examples: tuple[str, ...] = ()


def column_tests(known: dict[str, Any], cells: pd.Series, column: Column) -> list[Test]:
    """Distribution, missing cells and, of numbers, values beyond all of the training.

    Args:
        known: the column's entry of the profile.
    """
    index = psi(known, cells, column)
    found = [missing_test(known, cells, column)]
    if column.role == "date":  # later rows are later
        return found
    if column.role == "categorical":
        return [*categories_test(known, cells, index), *found]
    values = as_values(cells, column)
    values = values[~np.isnan(values)]
    if not len(values) or not known["quantiles"]:
        return found
    distance, p = distance_test(known, values)
    found.insert(0, Test("distribution", column.name, distance, None, p, index))
    return [*found, range_test(known, values, column.name)]


def distance_test(known: dict[str, Any], values: np.ndarray) -> tuple[float, float]:
    """Kolmogorov and Smirnov's two-sample test, at the 101 quantiles that are kept of the training.

    The true distance can only be larger, so that the p-value is at most too large; ties make it so, too.
    """
    before = np.asarray(known["at_most"], dtype=np.float64)
    n, m = before[-1], len(values)
    now = at_most(values, np.asarray(known["quantiles"])) / m
    distance = float(np.abs(now - before / n).max())
    return distance, float(stats.kstwo.sf(distance, max(1, round(n * m / (n + m)))))


def missing_test(known: dict[str, Any], cells: pd.Series, column: Column) -> Test:
    """Fisher's exact test of the share of missing cells; what cannot be read counts as missing."""
    blank = cells.isna() if column.role == "categorical" else pd.Series(np.isnan(as_values(cells, column)))
    before = round(known["missing_share"] * known["rows"])
    now = int(blank.sum())
    table = [[now, len(cells) - now], [before, known["rows"] - before]]
    p = float(stats.fisher_exact(table).pvalue) if now or before else 1.0
    return Test("missing", column.name, now / max(1, len(cells)), known["missing_share"], p)


def range_test(known: dict[str, Any], values: np.ndarray, name: str) -> Test:
    """How many values lie beyond the smallest and the largest of the training.

    Of n values and one more of the same law, the latter is beyond all others with probability 2 / (n + 1); of m more,
    the number is beta-binomial with 2 and n - 1.
    """
    n = int(known["at_most"][-1])
    low, high = known["quantiles"][0], known["quantiles"][-1]
    beyond = int(((values < low) | (values > high)).sum())
    p = float(stats.betabinom.sf(beyond - 1, len(values), 2, n - 1)) if beyond and n > 1 else 1.0
    return Test("range", name, beyond / len(values), 2 / (n + 1), p)


def categories_test(known: dict[str, Any], cells: pd.Series, index: float | None) -> list[Test]:
    """Pearson's chi-squared test of the shares, and Fisher's of what is too rare for it or not in the training at all.

    The smaller of the two p-values counts, twice.
    """
    present = texts(cells.dropna())
    if present.empty or not known["categories"]:
        return []
    before_rows = known["rows"] - round(known["missing_share"] * known["rows"])
    counts = present.value_counts()
    before = {name: round(share * before_rows) for name, share in known["categories"].items()}
    # what is expected of a cell in the smaller of the two samples, per row of both together
    smaller = min(len(present), before_rows) / (len(present) + before_rows)
    kept = [name for name in before if smaller * (before[name] + counts.get(name, 0)) >= LEAST_EXPECTED]
    table = np.array([[counts.get(name, 0) for name in kept], [before[name] for name in kept]], dtype=np.int64)
    others = np.array([len(present), before_rows]) - table.sum(axis=1)  # rare, or none that training has
    p = float(stats.chi2_contingency(table, correction=False).pvalue) if len(kept) > 1 else 1.0
    if others.any():
        exact = float(stats.fisher_exact(np.column_stack([others, table.sum(axis=1)])).pvalue)
        p = min(1.0, 2 * min(p, exact))
    shares = np.column_stack([table, others]) / [[len(present)], [before_rows]]
    strange = unseen(known, cells)
    distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
    name = str(cells.name)
    examples = tuple(f"{label} ({count})" for label, count in list(strange.items())[:MOST_NAMED])
    share = sum(strange.values()) / len(present)
    return [Test("distribution", name, distance, None, p, index, share, examples)]


def sample_test(kind: Kind, name: str, before: np.ndarray, now: np.ndarray) -> Test:
    """Kolmogorov and Smirnov's test of two samples that are both at hand, and their stability index over deciles."""
    found = stats.ks_2samp(before, now, method="asymp")
    edges = np.unique(np.quantile(before, np.linspace(0.1, 0.9, 9)))
    old, new = (
        np.maximum(np.bincount(np.searchsorted(edges, part, side="right"), minlength=len(edges) + 1) / len(part), 1e-4)
        for part in (before, now)
    )
    return Test(
        kind, name, float(found.statistic), None, float(found.pvalue), float(((new - old) * np.log(new / old)).sum())
    )


def smallest_shift(rows: int, before: int, error: float, power: float = 0.8) -> float:
    """The shift of a normal column, in standard deviations, that the test of so many rows finds with that power.

    By the distance of two normal distributions and the limit of Kolmogorov and Smirnov at that error; roughly.
    """
    together = rows * before / (rows + before)
    limit = np.sqrt(-np.log(error / 2) / 2 / together) + float(ndtri(power)) * 0.5 / np.sqrt(together)
    return float(2 * ndtri((1 + limit) / 2)) if limit < 1 else float("inf")

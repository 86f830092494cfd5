"""What the training rows looked like, column by column, so that later rows can be held against them."""

from __future__ import annotations

from typing import Any, NamedTuple, NotRequired, TypedDict

import numpy as np
import pandas as pd

from adaptact.data.table.cell_values import numbers, texts
from adaptact.data.table.roles import Column, Roles, dates
from adaptact.shapes import Count, Share

QUANTILES = np.linspace(0, 1, 101)
MOST_CATEGORIES = 100
PSI_BINS = 10
PSI_FLOOR = 1e-4
PSI_LARGE = 0.25


class Distribution(TypedDict):
    """101 quantiles of known numbers, and how many of the numbers are at most as large as each of them."""

    quantiles: list[float]
    at_most: list[Count]


class Watched(NamedTuple):
    """A column and the :class:`Profile` of its training rows, against which later rows are held."""

    column: Column
    profile: dict[str, Any]


class Profile(TypedDict):
    """Training rows of one column in short: quantiles of numbers and dates, shares of categories."""

    role: str
    rows: Count
    missing_share: Share
    distinct: NotRequired[Count]
    categories: NotRequired[dict[str, Share]]
    mean: NotRequired[float | None]
    quantiles: NotRequired[list[float]]
    at_most: NotRequired[list[Count]]


def profile(frame: pd.DataFrame, roles: Roles) -> dict[str, Any]:
    """Per used column: role, missing share, and 101 quantiles or the shares of the most frequent categories."""
    return {name: profile_column(frame[name], roles[name]) for name in roles.used}


def profile_column(cells: pd.Series, column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"role": column.role, "rows": len(cells)}
    if column.role == "categorical":
        shares = texts(cells.dropna()).value_counts(normalize=True)
        found |= {"missing_share": float(cells.isna().mean()), "distinct": len(shares)}
        found["categories"] = {str(k): float(v) for k, v in shares.head(MOST_CATEGORIES).items()}
        return found
    values = as_values(cells, column)
    known = values[~np.isnan(values)]
    found["missing_share"] = float(1 - len(known) / max(1, len(values)))
    return found | {"mean": float(known.mean()) if len(known) else None, **distribution(known)}


def distribution(values: np.ndarray) -> dict[str, list[Any]]:
    """A :class:`Distribution`; empty lists of no numbers."""
    if not len(values):
        return {"quantiles": [], "at_most": []}
    quantiles = np.quantile(values, QUANTILES)
    return {"quantiles": quantiles.tolist(), "at_most": at_most(values, quantiles).tolist()}


def at_most(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How many of ``values`` are at most as large as each point.

    >>> at_most(np.array([1.0, 2.0, 2.0]), np.array([0.0, 2.0])).tolist()
    [0, 3]
    """
    return np.searchsorted(np.sort(values), points, side="right")


def as_values(cells: pd.Series, column: Column) -> np.ndarray:
    """Numbers of a numeric column, days since 2000 of a date column; NaN where missing."""
    if column.role == "date":
        found = dates(cells, column.format or "%Y-%m-%d") - pd.Timestamp("2000-01-01")
        return (found / pd.Timedelta(days=1)).to_numpy(np.float64, na_value=np.nan)
    return numbers(cells, column.decimal).to_numpy()


def psi(known: dict[str, Any], cells: pd.Series, column: Column) -> float | None:
    """Population stability index of new cells against a profile: ten bins of the training quantiles, or categories.

    Below 0.1 there is little difference, above 0.25 a large one (the usual rule of thumb). None without cells.
    """
    if column.role == "categorical":
        expected = dict(known["categories"])
        shares = texts(cells.dropna()).value_counts(normalize=True).to_dict()
        if not shares or not expected:
            return None
        keys = list(expected)
        old = np.array([*expected.values(), max(0.0, 1 - sum(expected.values()))])
        new = np.array([*(shares.get(key, 0.0) for key in keys), 0.0])
        new[-1] = max(0.0, 1 - new.sum())
    else:
        values = as_values(cells, column)
        values = values[~np.isnan(values)]
        if not len(values) or not known["quantiles"]:
            return None
        quantiles = np.array(known["quantiles"])
        edges = _edges(quantiles)
        # shares of the training part from its quantiles: a value that often occurs fills several of them
        old = np.bincount(np.searchsorted(edges, quantiles, side="right"), minlength=len(edges) + 1) / len(quantiles)
        new = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1) / len(values)
    old, new = np.maximum(old, PSI_FLOOR), np.maximum(new, PSI_FLOOR)
    return float(((new - old) * np.log(new / old)).sum())


def _edges(quantiles: np.ndarray) -> np.ndarray:
    """Inner bin edges: the deciles, and the next larger value above one that fills several of them."""
    deciles, counts = np.unique(quantiles[:: 100 // PSI_BINS], return_counts=True)
    above = [quantiles[quantiles > often][:1] for often in deciles[counts > 1]]
    return np.unique(np.concatenate([deciles[1:-1], *above]))


def unseen(known: dict[str, Any], cells: pd.Series) -> dict[str, int]:
    """Categories that training has not, with their counts; empty where its list was cut short."""
    if known["role"] != "categorical" or known["distinct"] > MOST_CATEGORIES:
        return {}
    counts = texts(cells.dropna()).value_counts()
    return {str(k): int(v) for k, v in counts.items() if str(k) not in known["categories"]}

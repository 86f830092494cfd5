"""How many rows and weeks a test needs, and its power over time. Plain numbers in, plain numbers out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from adaptact.rollout.two_samples import boundary, tightest

PATHS = 4000
LOOKS_PER_WEEK = 7
MOST_WEEKS = 520
MOST_ROWS = 1e15


@dataclass(frozen=True)
class Aim:
    """What a test is to show.

    Args:
        deviation: standard deviation of the outcome of one row, in either arm.
        smallest: the smallest difference worth having, above 0, in the outcome's unit.
        share: of the units that go to the candidate.
        error: of taking no difference for one, both sides together.
        power: with which a difference of ``smallest`` is to be shown.
    """

    deviation: tuple[float, float]
    smallest: float
    share: float = 0.5
    error: float = 0.05
    power: float = 0.8

    @property
    def unit_variance(self) -> float:
        """Variance of the difference of means, times the rows of both arms."""
        baseline, candidate = self.deviation
        return baseline**2 / (1 - self.share) + candidate**2 / self.share


def of_rate(
    rate: float, smallest: float, *, better: str = "higher", share: float = 0.5, error: float = 0.05, power: float = 0.8
) -> Aim:
    """The aim for a yes-or-no outcome with this rate in the baseline.

    Raises:
        ValueError: a rate that would leave 0 to 1 by that difference.

    >>> rows_needed(of_rate(0.10, 0.02))
    7677
    """
    moved = rate + smallest if better == "higher" else rate - smallest
    if not (0 < rate < 1 and 0 <= moved <= 1):
        raise ValueError(f"a rate of {rate:.4g} cannot become better by {smallest:.4g}")
    return Aim((float(np.sqrt(rate * (1 - rate))), float(np.sqrt(moved * (1 - moved)))), smallest, share, error, power)


def rows_needed(aim: Aim) -> int:
    """Rows of both arms together for one look at their end; by the normal distribution."""
    z = stats.norm.ppf(1 - aim.error / 2) + stats.norm.ppf(aim.power)
    needed = z**2 * aim.unit_variance / aim.smallest**2 if aim.smallest**2 > 0 else np.inf
    if not needed < MOST_ROWS:
        raise ValueError(f"a difference of {aim.smallest:.4g} would take more rows than there can be")
    return int(np.ceil(needed))


def fixed_power(aim: Aim, rows: np.ndarray) -> np.ndarray:
    """Chance that one look after so many rows shows a difference of ``smallest``, in its direction."""
    shift = aim.smallest * np.sqrt(np.asarray(rows, dtype=np.float64) / aim.unit_variance)
    return np.asarray(stats.norm.sf(stats.norm.ppf(1 - aim.error / 2) - shift))


def sequential_power(aim: Aim, looks: np.ndarray, planned_rows: float, paths: int = PATHS) -> np.ndarray:
    """Chance that a confidence sequence has shown ``smallest`` by each look, simulated.

    Args:
        looks: rising numbers of rows at which one looks.
        planned_rows: at which the sequence is narrowest.
    """
    looks = np.asarray(looks, dtype=np.float64)
    steps = np.diff(looks, prepend=0.0)
    draw = np.random.default_rng(0)
    drift = aim.smallest / np.sqrt(aim.unit_variance)
    walk = np.cumsum(draw.normal(size=(paths, len(looks))) * np.sqrt(steps) + drift * steps, axis=1)
    shown = walk / np.sqrt(looks) > boundary(looks, aim.error, tightest(planned_rows, aim.error))
    return np.asarray(np.maximum.accumulate(shown, axis=1).mean(axis=0))


def over_weeks(aim: Aim, rows_per_week: float, *, daily: bool) -> dict[str, list[float]]:
    """Power against duration, by week: of one look at its end, and of daily looks (else weekly) from its begin on.

    It runs until both have the wanted power, at most ten years.
    """
    needed = rows_needed(aim)
    weeks = int(min(MOST_WEEKS, max(4, np.ceil(3 * needed / rows_per_week))))
    per_week = LOOKS_PER_WEEK if daily else 1
    looks = rows_per_week / per_week * np.arange(1, weeks * per_week + 1)
    ends = looks[per_week - 1 :: per_week]
    sequential = sequential_power(aim, looks, needed)[per_week - 1 :: per_week]
    return {
        "weeks": [float(week) for week in range(1, weeks + 1)],
        "fixed": fixed_power(aim, ends).tolist(),
        "always_valid": sequential.tolist(),
    }

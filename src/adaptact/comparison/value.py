"""What switching to a candidate is worth in a year, and how sure one can be. Plain numbers in, plain numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from adaptact.comparison.statistics import paired_interval
from adaptact.schema import option


@dataclass
class ErrorCosts:
    """Cost of an error, and the number of decisions."""

    cost_fp: float | None = option(None, "two classes: cost of a false alarm, in your currency", ge=0)
    cost_fn: float | None = option(None, "two classes: cost of a missed case, in your currency", ge=0)
    per_unit_error: float | None = option(None, "cost of one unit of the metric's error, per decision", gt=0)
    decisions_per_year: float | None = option(None, "predictions that are acted on in a year", gt=0)

    @property
    def known(self) -> bool:
        """It is known what an error costs."""
        return self.cost_fn is not None or self.per_unit_error is not None

    def problems(self) -> list[str]:
        """What contradicts itself."""
        found = []
        if (self.cost_fp is None) != (self.cost_fn is None):
            found.append("value.cost_fp and value.cost_fn belong together: give both, in the same currency")
        if self.cost_fn is not None and self.per_unit_error is not None:
            found.append("value.cost_fp/cost_fn and value.per_unit_error say the same in two ways: give one of them")
        if self.known and self.decisions_per_year is None:
            found.append("value.decisions_per_year is missing: a cost per decision needs the number of decisions")
        return found


@dataclass
class Value(ErrorCosts):
    """Cost and worth of a switch."""

    compute_per_hour: float = option(0.0, "price of an hour of computing, for training and for answers", ge=0)
    retrainings_per_year: float = option(1.0, "how often the model is trained anew", ge=0)
    switching_cost: float = option(0.0, "what the change costs once", ge=0)

    @property
    def given(self) -> bool:
        return self.decisions_per_year is not None and self.known

    def problems(self) -> list[str]:
        """What contradicts itself."""
        found = super().problems()
        if not self.known and self.decisions_per_year is not None:
            found.append("value.decisions_per_year needs value.cost_fp and value.cost_fn, or value.per_unit_error")
        return found


def yearly_value(
    savings: Sequence[float],
    value: Value,
    *,
    level: float,
    test_train_ratio: float | None,
    extra_fit_hours: float = 0.0,
    extra_answer_ms: float = 0.0,
) -> dict[str, Any]:
    """The yearly value of switching, with its interval, its break-even and the chance that it pays.

    Args:
        savings: per pair, by how much a decision is cheaper with the candidate, in currency.
        level: of the interval.
        test_train_ratio: as in :func:`adaptact.comparison.statistics.paired_interval`.
        extra_fit_hours: by which one training of the candidate takes longer.
        extra_answer_ms: by which one answer of the candidate takes longer.

    Returns:
        "value" and "interval" per year after the cost of computing; "computing", that cost; "break_even_decisions",
        the yearly decisions from which it pays (None: never, as decisions are not cheaper); "chance", the probability
        that a year pays, by Student's t; "payback_years" of the switching cost (None: never or nothing to pay back).

    >>> found = yearly_value([0.1, 0.2, 0.3], Value(decisions_per_year=1000), level=0.95, test_train_ratio=None)
    >>> round(found["value"]), found["break_even_decisions"]
    (200, 0.0)
    """
    decisions = value.decisions_per_year or 0.0
    found = paired_interval(savings, level=level, test_train_ratio=test_train_ratio)
    per_answer = value.compute_per_hour * extra_answer_ms / 3_600_000
    training = value.compute_per_hour * extra_fit_hours * value.retrainings_per_year
    yearly = (found.mean - per_answer) * decisions - training
    ends = [(end - per_answer) * decisions - training for end in (found.low, found.high)]
    error = found.standard_error * decisions
    net = found.mean - per_answer
    return {
        "value": yearly,
        "interval": ends,
        "interval_level": level,
        "computing": per_answer * decisions + training,
        "per_decision": found.mean,
        "break_even_decisions": max(0.0, training / net) if net > 0 else None,
        "chance": chance_above_zero(yearly, error, found.df),
        "switching_cost": value.switching_cost,
        "payback_years": value.switching_cost / yearly if yearly > 0 and value.switching_cost else None,
        "pairs": found.pairs,
    }


def chance_above_zero(mean: float, error: float, df: float) -> float | None:
    """Probability that the true value is above 0, of Student's t around the mean; None where no spread is known."""
    if not np.isfinite(mean) or not np.isfinite(error) or df < 1:
        return None
    if error == 0:
        return 1.0 if mean > 0 else 0.5 if mean == 0 else 0.0
    return float(stats.t.cdf(mean / error, df))

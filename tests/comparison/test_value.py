"""What switching is worth: against plain arithmetic and SciPy."""

import numpy as np
import pytest
from scipy import stats

from adaptact.comparison.value import Value, yearly_value

SAVINGS = [0.02, 0.05, 0.03, 0.04]


def test_the_yearly_value_is_that_of_the_decisions_less_computing() -> None:
    value = Value(decisions_per_year=10_000, compute_per_hour=6.0, retrainings_per_year=12, switching_cost=100.0)
    found = yearly_value(SAVINGS, value, level=0.95, test_train_ratio=None, extra_fit_hours=0.5, extra_answer_ms=36.0)
    answers = 10_000 * 6.0 * 0.036 / 3600
    training = 0.5 * 6.0 * 12
    assert found["computing"] == pytest.approx(answers + training)
    assert found["value"] == pytest.approx(10_000 * np.mean(SAVINGS) - answers - training)
    low, high = stats.ttest_1samp(SAVINGS, 0).confidence_interval(0.95)
    assert found["interval"] == pytest.approx([10_000 * end - answers - training for end in (low, high)])
    assert found["payback_years"] == pytest.approx(100 / found["value"])
    t = found["value"] / (10_000 * stats.sem(SAVINGS))
    assert found["chance"] == pytest.approx(stats.t.cdf(t, 3))
    at_break_even = Value(**{**vars(value), "decisions_per_year": found["break_even_decisions"]})
    again = yearly_value(
        SAVINGS, at_break_even, level=0.95, test_train_ratio=None, extra_fit_hours=0.5, extra_answer_ms=36.0
    )
    assert again["value"] == pytest.approx(0, abs=1e-9)


def test_what_is_not_cheaper_never_pays() -> None:
    found = yearly_value([-0.1, -0.2, -0.1], Value(decisions_per_year=10), level=0.95, test_train_ratio=0.25)
    assert (found["break_even_decisions"], found["payback_years"]) == (None, None)
    assert found["chance"] < 0.1


@pytest.mark.parametrize(("savings", "chance"), [([0.0] * 3, 0.5), ([1.0] * 6, 1.0), ([0.1], None)])
def test_without_a_spread(savings: list[float], chance: float | None) -> None:
    found = yearly_value(savings, Value(decisions_per_year=10), level=0.95, test_train_ratio=None)
    assert found["chance"] == chance

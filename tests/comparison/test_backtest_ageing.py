"""Ageing and retraining in plain numbers, against closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptact.comparison import backtest_ageing
from adaptact.comparison.backtest_ageing import Economy
from adaptact.comparison.backtest_options import read_words
from adaptact.errors import ConfigError


def matrix(
    windows: int, rate: float = 0.0, *, level: np.ndarray | None = None, luck: np.ndarray | None = None
) -> np.ndarray:
    """Losses that grow by ``rate`` per window of age; ``level`` of each window, ``luck`` of each model."""
    origin, window = np.arange(windows)[:, None], np.arange(windows)[None]
    losses = (
        1.0 + rate * (window - origin) + (0 if level is None else level[None]) + (0 if luck is None else luck[:, None])
    )
    return np.where(window > origin, losses, np.nan)


def test_a_straight_decay_is_found_exactly() -> None:
    losses = matrix(6, 0.25)
    found = backtest_ageing.decay(losses)
    assert (found.mean, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))
    rows = backtest_ageing.by_age(losses)
    assert [row["age"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["aged_minus_fresh"]["mean"] for row in rows] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
    assert [row["later_minus_first"]["mean"] for row in rows] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
    assert [row["loss"]["windows"] for row in rows] == [5, 4, 3, 2, 1]
    assert backtest_ageing.beyond_margin(rows, 0.4) == 3
    assert backtest_ageing.beyond_margin(rows, 2.0) is None


def test_windows_that_grow_harder_are_no_ageing() -> None:
    losses = matrix(6, level=np.arange(6.0) ** 2)
    assert backtest_ageing.decay(losses).mean == pytest.approx(0)
    for row in backtest_ageing.by_age(losses):
        assert row["aged_minus_fresh"]["mean"] == pytest.approx(0)
    assert (
        backtest_ageing.by_age(losses)[2]["later_minus_first"]["mean"] > 1
    )  # the same model, later: misled by the windows


def test_seeds_are_averaged_and_a_score_becomes_a_loss() -> None:
    losses = backtest_ageing.losses_of(
        {(0, 1): [0.9, 0.7], (0, 2): [0.5, 0.5], (1, 2): [0.8, 1.0]}, 3, higher_is_better=True
    )
    assert losses[0, 1] == pytest.approx(-0.8)
    assert backtest_ageing.aged_minus_fresh(losses, 2) == pytest.approx([0.4])
    assert backtest_ageing.later_minus_first(losses, 2) == pytest.approx([0.3])
    found = backtest_ageing.decay(losses)
    assert found.mean == pytest.approx(0.4)
    assert (found.low, found.high) == (-np.inf, np.inf)  # of three windows none can be left out


def test_a_longer_history_begins_later_and_its_interval_counts_only_windows_that_take_part() -> None:
    losses = matrix(7, 0.5, level=np.array([0, 3, 1, 4, 1, 5, 9.0]), luck=np.array([3, 1, 4, 1, 5, 9, 2.0]))
    losses[0] = np.nan  # history=2: window 1 is nothing's end, window 2 is scored by nobody
    found = backtest_ageing.decay(losses)
    assert found.pairs == 6
    inner = backtest_ageing.decay(losses[1:, 1:])
    assert (found.mean, found.low, found.high) == pytest.approx((inner.mean, inner.low, inner.high))


@pytest.mark.parametrize("luck", [0.0, 1.0])
def test_the_interval_of_the_decay_holds_the_true_one_nearly_always(luck: float) -> None:
    random = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        losses = matrix(7, 0.3, level=random.normal(0, 3, 7), luck=random.normal(0, luck, 7))
        found = backtest_ageing.decay(losses + random.normal(0, 0.3, (7, 7)))
        held += found.low <= 0.3 <= found.high
    assert held >= 184  # 95 % less three standard errors


@given(st.floats(1, 1e6), st.floats(1e-3, 1e4), st.floats(0.1, 10))
def test_no_other_interval_is_cheaper_than_the_best(cost: float, rate: float, factor: float) -> None:
    best = backtest_ageing.best_interval(cost, rate)
    assert best == pytest.approx((2 * cost / rate) ** 0.5)
    least = backtest_ageing.cost_per_time(best, cost, rate)
    assert least == pytest.approx((2 * cost * rate) ** 0.5)
    assert backtest_ageing.cost_per_time(best * factor, cost, rate) >= least * (1 - 1e-9)


def test_the_best_retraining_in_money_by_hand() -> None:
    # 0.02 of money per decision and window of age; 3652.5 decisions a year are 100 in a window of 10 days
    found = backtest_ageing.retraining(
        matrix(6, 0.02), Economy(3652.5, cost=36.0, days=10.0, retrainings_per_year=36.525 / 2)
    )
    assert found["windows"]["best"] == pytest.approx((2 * 36 / 2.0) ** 0.5)
    assert found["days"] == pytest.approx({"best": 60.0, "low": 60.0, "high": 60.0})
    assert found["per_year"]["best"] == pytest.approx(365.25 / 60)
    assert found["ageing"]["mean"] == pytest.approx(73.05)
    assert found["yearly"] == pytest.approx((36 / 6 + 2 * 6 / 2) * 36.525)
    assert found["now_days"] == pytest.approx(20.0)
    assert found["yearly_now"] == pytest.approx((36 / 2 + 2 * 2 / 2) * 36.525)
    # by enumeration of 1 to 5 windows: 36, 19, 14, 12, 11.2
    assert [row["yearly"] / 36.525 for row in found["measured"]] == pytest.approx([36, 19, 14, 12, 11.2])
    assert found["measured_best"] == 5


def test_models_that_do_not_age_are_never_retrained() -> None:
    found = backtest_ageing.retraining(matrix(6, -0.01), Economy(1000, cost=10, days=30))
    assert found["windows"]["best"] == found["days"]["high"] == float("inf")
    assert found["per_year"]["best"] == 0
    assert (found["yearly"], found["yearly_now"]) == (None, None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["windows=2"], "windows must be at least 3"),
        (["windows=4", "history=3"], "fewer than two windows"),
        (["history=some"], "history must be a whole number"),
        (["by=month"], "by 'month' is unknown"),
        (["metric=auc"], "'auroc'"),
        (["seeds=[1,1]"], "twice"),
        (["value.cost_fp=1"], "belong together"),
        (["value.decisions_per_year=10"], "what an error costs"),
        (["value.per_unit_error=1", "value.decisions_per_year=10"], "what one retraining costs"),
        (["value.per_unit_error=1", "value.retraining_cost=5"], "value.decisions_per_year"),
        (["value.per_unit_error=1", "value.cost_fp=1", "value.cost_fn=1"], "say the same in two ways"),
        (["seed=3"], "seeds=8"),
    ],
)
def test_words_that_do_not_go_together_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_words(words)
    assert message in str(caught.value)

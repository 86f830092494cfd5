"""The tables of docs/rollout.md with fewer repetitions: what they promise holds within three Monte-Carlo errors."""

from pathlib import Path

import numpy as np
import pytest
import rollout_simulation as simulation


def most(share: float, count: int) -> float:
    return share + 3 * float(np.sqrt(share * (1 - share) / count))


@pytest.mark.slow
def test_monitor_is_quiet_without_a_change_and_finds_a_large_one(tmp_path: Path) -> None:
    runs = [simulation.trained(tmp_path, seed, simulation.RARE) for seed in range(3)]
    quiet = simulation.years(runs, 200, 30, labelled=True, rare=simulation.RARE)
    assert quiet["any"] <= most(0.05, 30)
    assert quiet["retrain"] <= most(0.025, 30)
    assert simulation.detected(runs, 500, 0.5, 20) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.1])
@pytest.mark.parametrize("kind", ["rate", "rare", "number"])
def test_a_test_without_a_difference_shows_none(kind: str, share: float) -> None:
    assert simulation.error_rate(kind, "fixed", 50, 200, looks="end", share=share) <= most(0.05, 200)
    assert simulation.error_rate(kind, "always_valid", 50, 40, looks="daily", share=share) <= most(0.05, 40)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "lift"), [("rate", 0.04), ("number", 0.2)])
def test_a_test_has_the_power_that_was_planned(kind: str, lift: float) -> None:
    _, found = simulation.power(kind, lift, 0.5, 300)
    assert abs(found - 0.8) < 3 * np.sqrt(0.8 * 0.2 / 300)

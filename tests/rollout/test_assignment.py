"""Who gets which model: the same everywhere, kept together, with the share that was asked for."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adaptact.rollout.assignment import Assignment, position


@given(st.lists(st.text(), min_size=1), st.integers(0, 20))
def test_an_identifier_has_one_arm_in_every_batch(keys: list[str], cut: int) -> None:
    dealt = Assignment("salt", 0.3, "id", "id")
    together = dealt.arms(keys).tolist()
    assert together == [*dealt.arms(keys[:cut]), *dealt.arms(keys[cut:])]
    assert dict(zip(keys, together)) == dict(zip(reversed(keys), dealt.arms(reversed(keys))))


@given(st.text())
def test_a_larger_share_keeps_those_who_were_in(key: str) -> None:
    small, large = (Assignment("salt", share, "id", "id").arms([key])[0] for share in (0.1, 0.5))
    assert small == "baseline" or large == "candidate"


def test_positions_are_as_good_as_random() -> None:
    found = np.array([position(f"INS-{n:05}", "salt") for n in range(20_000)])
    assert stats.kstest(found, "uniform").pvalue > 0.001
    other = np.array([position(f"INS-{n:05}", "another") for n in range(20_000)])
    assert abs(np.corrcoef(found, other)[0, 1]) < 0.03  # two tests are independent
    assert abs(np.corrcoef(found[1:], found[:-1])[0, 1]) < 0.03  # and so are neighbouring numbers


def test_two_tests_have_two_salts() -> None:
    assert Assignment.new(0.5, "id").salt != Assignment.new(0.5, "id").salt
    assert Assignment.new(0.5, "id", "customer").by == "customer"

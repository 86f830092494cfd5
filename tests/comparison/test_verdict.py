"""The rules of a verdict, their order, and what the sentence says."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptact.comparison.verdict import Guardrails, decide, default_margin

GOOD = [0.011, 0.012, 0.013, 0.012, 0.011, 0.013]
SAME = [0.001, -0.001, 0.0005, 0.0, -0.0005, 0.0]
WILD = [0.03, -0.03, 0.01, 0.02, -0.01, 0.0]


@pytest.mark.parametrize(
    ("differences", "name", "rule"),
    [
        (GOOD, "adopt", "adopt"),
        (SAME, "equivalent", "equivalent"),
        ([-value for value in GOOD], "reject", "worse"),
        (WILD, "undecided", "undecided"),
        ([0.001, 0.0011, 0.0009, 0.001], "equivalent", "equivalent"),  # above 0, but not worth a change
        ([-0.001, -0.0011, -0.0009, -0.001], "equivalent", "equivalent"),
        ([0.0] * 3, "equivalent", "equivalent"),
        ([0.02] * 3, "undecided", "undecided"),
        ([0.02] * 6, "adopt", "adopt"),
        ([0.02], "undecided", "undecided"),
        ([], "undecided", "undecided"),
    ],
)
def test_the_rules(differences: list[float], name: str, rule: str) -> None:
    found = decide(differences, margin=0.005)
    assert (found.name, found.rule) == (name, rule)
    assert "nan" not in found.reason
    assert found.reason.endswith(".")


@pytest.mark.parametrize("differences", [GOOD, SAME, WILD, []])
@pytest.mark.parametrize(
    ("guardrails", "rule"),
    [
        (Guardrails(failures=1, runs=8, baseline_runs=8), "guardrail-failures"),
        (Guardrails(latency_ratio=1.3, max_latency_ratio=1.2), "guardrail-latency"),
        (Guardrails(fit_time_ratio=2.1, max_fit_time_ratio=2.0), "guardrail-fit-time"),
    ],
)
def test_a_broken_guardrail_comes_first(differences: list[float], guardrails: Guardrails, rule: str) -> None:
    found = decide(differences, margin=0.005, guardrails=guardrails)
    assert (found.name, found.rule) == ("reject", rule)


@pytest.mark.parametrize(
    "guardrails",
    [
        Guardrails(failures=1, runs=8, baseline_failures=1, baseline_runs=8),
        Guardrails(failures=2, runs=16, baseline_failures=1, baseline_runs=8),
        Guardrails(latency_ratio=9.0, fit_time_ratio=9.0),
        Guardrails(latency_ratio=1.2, max_latency_ratio=1.2),
    ],
)
def test_without_a_limit_or_at_it_nothing_is_broken(guardrails: Guardrails) -> None:
    assert decide(GOOD, margin=0.005, guardrails=guardrails).name == "adopt"


def test_a_limit_that_was_not_measured_is_said() -> None:
    found = decide(GOOD, margin=0.005, guardrails=Guardrails(max_latency_ratio=1.2))
    assert found.unchecked == ("latency",)
    assert "latency could not be checked" in found.reason


def test_strict_asks_more() -> None:
    values = [0.001, 0.016, 0.004, 0.013, 0.01, 0.005]
    assert decide(values, margin=0.005).name == "adopt"
    found = decide(values, margin=0.005, strict=True)
    assert found.name == "undecided"
    assert found.reason.startswith("Above 0, but not wholly above the margin of 0.005")
    assert decide(GOOD, margin=0.005, strict=True).name == "adopt"


def test_candidates_and_resplits_ask_more() -> None:
    values = [0.001, 0.016, 0.004, 0.013, 0.01, 0.005]
    assert decide(values, margin=0.005).name == "adopt"
    assert decide(values, margin=0.005, test_train_ratio=0.25).name == "undecided"
    assert decide([0.001, 0.02, 0.007, 0.01], margin=0.005).name == "undecided"
    wider = decide(values, margin=0.005, candidates=5).interval
    assert wider.level == pytest.approx(0.99)
    assert wider.high > decide(values, margin=0.005).interval.high


def test_undecided_says_what_more_would_cost() -> None:
    found = decide(WILD, margin=0.01, seconds_per_pair=2.0)
    assert found.pairs_needed is not None
    assert found.seconds_needed == 2.0 * (found.pairs_needed - 6)
    assert f"{found.pairs_needed} pairs in all ({found.pairs_needed - 6} more)" in found.reason
    hopeless = decide(WILD, margin=0.01, test_train_ratio=0.25, seconds_per_pair=2.0)
    assert (hopeless.pairs_needed, hopeless.seconds_needed) == (None, None)
    assert "more rows may" in hopeless.reason


def test_the_sentence_has_the_numbers() -> None:
    reason = decide(GOOD, margin=0.005).reason
    assert "margin of 0.005" in reason
    assert "+0.012" in reason
    assert "95 % interval" in reason
    assert "6 pairs" in reason


def test_better_by_less_than_the_margin_is_said() -> None:
    found = decide([0.001, 0.007, 0.003, 0.006, 0.004, 0.005], margin=0.005)
    assert found.reason.startswith("Above 0, but not on average by the margin of 0.005")
    assert decide([0.01], margin=0.005).reason.count("(1 pair)") == 1


@given(st.lists(st.integers(-50, 50).map(lambda n: n / 1000), max_size=8), st.sampled_from([0.0, 0.005, 0.02]))
def test_adopt_one_way_is_never_adopt_the_other(values: list[float], margin: float) -> None:
    one, other = (decide(v, margin=margin).name for v in (values, [-value for value in values]))
    if one == "adopt":
        assert other == "reject"
    if one in {"equivalent", "undecided"} and other != "reject":
        assert other == one


@given(st.lists(st.integers(-50, 50).map(lambda n: n / 1000), min_size=3, max_size=8), st.booleans())
def test_units_do_not_matter(values: list[float], strict: bool) -> None:
    one = decide(values, margin=0.0051, strict=strict)
    other = decide([1024 * value for value in values], margin=1024 * 0.0051, strict=strict)
    assert (one.rule, one.pairs_needed) == (other.rule, other.pairs_needed)


def test_default_margins() -> None:
    for metric in ("accuracy", "f1_macro", "auroc", "average_precision", "ece"):
        assert default_margin(metric, 0.9) == 0.005
    for metric in ("log_loss", "rmse", "mae"):
        assert default_margin(metric, 50.0) == pytest.approx(0.5)
    assert default_margin("r2", -1.0) == pytest.approx(0.02)
    with pytest.raises(ValueError, match="set one"):
        default_margin("rmse", math.nan)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="margin"):
        decide(GOOD, margin=-0.1)
    with pytest.raises(ValueError, match="finite"):
        decide([math.nan, *GOOD], margin=0.1)
    with pytest.raises(ValueError, match="failures"):
        Guardrails(failures=3, runs=2)

"""From differences and guardrails to one verdict and one sentence that says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from adaptact.comparison.statistics import (
    MOST_PAIRS,
    Interval,
    equivalence_level,
    paired_interval,
    pairs_needed,
    simultaneous,
    wider,
)
from adaptact.formatting import number

Name = Literal["adopt", "equivalent", "reject", "undecided"]
Rule = Literal[
    "guardrail-failures", "guardrail-latency", "guardrail-fit-time", "equivalent", "adopt", "worse", "undecided"
]

WITHIN_ONE = ("accuracy", "f1_macro", "auroc", "average_precision", "ece")


@dataclass(frozen=True)
class Guardrails:
    """What a candidate may not break, whatever its mean.

    Attributes:
        failures, runs: Of the candidate; failed or diverged, of all that were begun.
        latency_ratio, fit_time_ratio: Candidate / baseline; None: not measured.
        max_latency_ratio, max_fit_time_ratio: The user's limits; None: no limit.
    """

    failures: int = 0
    runs: int = 0
    baseline_failures: int = 0
    baseline_runs: int = 0
    latency_ratio: float | None = None
    fit_time_ratio: float | None = None
    max_latency_ratio: float | None = None
    max_fit_time_ratio: float | None = None

    def __post_init__(self) -> None:
        for failures, runs in ((self.failures, self.runs), (self.baseline_failures, self.baseline_runs)):
            if not 0 <= failures <= runs:
                raise ValueError(f"failures must be between 0 and the number of runs, not {failures} of {runs}")

    @property
    def failure_rate(self) -> float:
        return self.failures / max(self.runs, 1)

    @property
    def baseline_failure_rate(self) -> float:
        return self.baseline_failures / max(self.baseline_runs, 1)

    def broken(self) -> tuple[Rule, str] | None:
        """The first guardrail that is broken, with the sentence; None if all hold or cannot be checked."""
        if self.failures * self.baseline_runs > self.baseline_failures * self.runs or (
            self.failures and not self.baseline_runs
        ):
            return "guardrail-failures", (
                f"The candidate failed in {self.failures} of {self.runs} runs, "
                f"the baseline in {self.baseline_failures} of {self.baseline_runs}."
            )
        limits: tuple[tuple[Rule, str, float | None, float | None], ...] = (
            ("guardrail-latency", "latency", self.latency_ratio, self.max_latency_ratio),
            ("guardrail-fit-time", "fit time", self.fit_time_ratio, self.max_fit_time_ratio),
        )
        for rule, what, ratio, limit in limits:
            if ratio is not None and limit is not None and ratio > limit:
                return rule, f"The candidate's {what} is {ratio:.4g} times the baseline's; the limit is {limit:.4g}."
        return None

    def unchecked(self) -> list[str]:
        """What has a limit but was not measured."""
        pairs = (
            ("latency", self.latency_ratio, self.max_latency_ratio),
            ("fit time", self.fit_time_ratio, self.max_fit_time_ratio),
        )
        return [what for what, ratio, limit in pairs if limit is not None and ratio is None]


@dataclass(frozen=True)
class Verdict:
    """What to do about one candidate.

    Attributes:
        rule: Which rule gave the verdict, so that a report in another language can phrase it.
        reason: One English sentence with the numbers.
        interval: Of the mean difference, simultaneous over the candidates.
        narrow: The same at twice the error level: equivalent if it lies inside the margin on both sides.
        pairs_needed: If undecided: how many pairs in all would probably settle it; None: more pairs would not.
        seconds_needed: What the missing pairs would cost; None if not known.
        unchecked: Guardrails that have a limit but were not measured.
    """

    name: Name
    rule: Rule
    reason: str
    interval: Interval
    narrow: Interval
    margin: float
    pairs_needed: int | None = None
    seconds_needed: float | None = None
    unchecked: tuple[str, ...] = ()


def default_margin(metric: str, baseline_mean: float) -> float:
    """The smallest difference worth a change: 0.005 for metrics within [0, 1], else 1 % of the baseline's error.

    The error of r2, which is at most 1 but may be far below 0, is what is missing to 1.

    Raises:
        ValueError: If the mean is not finite.

    >>> default_margin("auroc", 0.85), default_margin("rmse", 49_500.0), round(default_margin("r2", 0.8), 6)
    (0.005, 495.0, 0.002)
    """
    if not np.isfinite(baseline_mean):
        raise ValueError(f"the baseline's mean {metric} is not a finite number, so there is no margin: set one")
    if metric in WITHIN_ONE:
        return 0.005
    return 0.01 * abs(1 - baseline_mean if metric == "r2" else baseline_mean)


def _end(value: float) -> str:
    return number(value, signed=True) if np.isfinite(value) else f"{value:+}"


def _described(interval: Interval) -> str:
    """The mean and its interval in words."""
    pairs = "1 pair" if interval.pairs == 1 else f"{interval.pairs} pairs"
    return (
        f"mean difference {number(interval.mean, signed=True)}, {100 * interval.level:.4g} % interval "
        f"{_end(interval.low)} to {_end(interval.high)} ({pairs})"
    )


def _inside(interval: Interval, margin: float) -> bool:
    """Whether the interval lies wholly inside (-margin, +margin); the point 0 is inside a margin of 0, too."""
    return (-margin < interval.low and interval.high < margin) or interval.low == interval.high == 0


def judge(interval: Interval, narrow: Interval, margin: float, *, least: float, strict: bool = False) -> Name:
    """What a difference and its interval say; guardrails apart. The first rule that holds decides.

    Equivalent: ``narrow``, at twice the error, lies inside the margin on both sides. Adopt: the interval is above 0 and
    the mean at least ``least`` (strict: the interval is above the margin). Reject: it is below 0. Else undecided.
    """
    if _inside(narrow, margin):
        return "equivalent"
    if interval.low > (margin if strict else 0) and interval.mean >= least:
        return "adopt"
    return "reject" if interval.high < 0 else "undecided"


def _open(interval: Interval, margin: float, strict: bool) -> str:
    """Why no rule holds."""
    if not interval.pairs:
        return "No pair has two finished runs"
    if interval.low > 0:
        beyond = "wholly above the margin" if strict else "on average by the margin"
        return f"Above 0, but not {beyond} of {number(margin)}, nor certainly inside it: {_described(interval)}"
    return f"Neither above 0 nor below, nor inside the margin of {number(margin)}: {_described(interval)}"


def _outlook(pairs: int, needed: int | None, seconds: float | None, test_train_ratio: float | None) -> str:
    """What would settle an undecided verdict."""
    if pairs < 2:
        return "a spread is known from two pairs on, and three are the least to compare with"
    if needed is None:
        if test_train_ratio is None:
            return f"not even {MOST_PAIRS} pairs would probably settle it"
        return "more pairs of the same rows would probably not settle it, more rows may"
    more = f"{needed} pairs in all ({needed - pairs} more) would probably settle it"
    return more if seconds is None else f"{more}, in about {seconds:.0f} s"


def decide(
    differences: Sequence[float] | np.ndarray,
    *,
    margin: float,
    error: float = 0.05,
    candidates: int = 1,
    test_train_ratio: float | None = None,
    strict: bool = False,
    guardrails: Guardrails | None = None,
    seconds_per_pair: float | None = None,
    rows: tuple[Interval, Interval] | None = None,
) -> Verdict:
    """The verdict on one candidate. The first rule that holds decides:

    1. reject: a guardrail is broken;
    2. equivalent: the interval at twice the error level is wholly inside the margin on both sides;
    3. adopt: the interval is above 0 and the mean at least the margin (strict: the interval is above the margin);
    4. reject: the interval is below 0;
    5. undecided.

    Args:
        differences: Candidate minus baseline, a pair each, positive is better.
        error: Of all candidates together.
        candidates: How many are compared with the baseline.
        test_train_ratio: n_test / n_train if the same rows are split anew for every pair; None for a fixed test set.
        seconds_per_pair: What one more pair costs.
        rows: Intervals over the test rows, at the two levels, where the spread over pairs says too little: the
            intervals of the verdict reach at least as far. More pairs of the same rows would not change them.

    Raises:
        ValueError: If a difference is not finite, or an argument out of range.

    >>> found = decide([0.0004, 0.0009, -0.0002, 0.0006, 0.0001], margin=0.005)
    >>> found.name, found.rule
    ('equivalent', 'equivalent')
    """
    if not (np.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin must be 0 or more, not {margin}")
    guardrails = guardrails or Guardrails()
    interval = paired_interval(differences, level=simultaneous(error, candidates), test_train_ratio=test_train_ratio)
    narrow = paired_interval(differences, level=equivalence_level(error, candidates), test_train_ratio=test_train_ratio)
    over_pairs = interval, narrow
    if rows is not None:
        interval, narrow = wider(interval, rows[0]), wider(narrow, rows[1])
    unchecked = tuple(guardrails.unchecked())
    caution = f" The limit on {' and '.join(unchecked)} could not be checked: not measured." if unchecked else ""

    def verdict(name: Name, rule: Rule, reason: str, needed: int | None = None, cost: float | None = None) -> Verdict:
        return Verdict(name, rule, reason, interval, narrow, margin, needed, cost, unchecked)

    broken = guardrails.broken()
    if broken is not None:
        return verdict("reject", *broken)
    name = judge(interval, narrow, margin, least=margin, strict=strict)
    if name == "equivalent":
        return verdict(
            "equivalent",
            "equivalent",
            f"Inside the margin of {number(margin)} on both sides: {_described(narrow)}.{caution}",
        )
    if name == "adopt":
        above = "The interval is above the margin" if strict else "Above 0, and the mean is at least the margin"
        return verdict("adopt", "adopt", f"{above} of {number(margin)}: {_described(interval)}.{caution}")
    if name == "reject":
        return verdict("reject", "worse", f"Worse than the baseline: {_described(interval)}.")
    needed = None
    if (interval, narrow) == over_pairs:  # else more pairs of the same rows change nothing
        needed = pairs_needed(
            differences,
            margin=margin,
            error=error,
            candidates=candidates,
            test_train_ratio=test_train_ratio,
            strict=strict,
        )
    more = None if needed is None else needed - interval.pairs
    cost = None if more is None or seconds_per_pair is None else more * seconds_per_pair
    outlook = _outlook(interval.pairs, needed, cost, test_train_ratio)
    return verdict("undecided", "undecided", f"{_open(interval, margin, strict)}; {outlook}.", needed, cost)

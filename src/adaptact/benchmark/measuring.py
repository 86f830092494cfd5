"""Ratios of times to a baseline, from interleaved repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch.utils.benchmark import Timer

from adaptact.training.timing import Measure, interleaved, ratios

AT_LEAST_S = 0.02  # of one measurement: shorter work is repeated


@dataclass(frozen=True)
class Figure:
    """One row of a benchmark.

    Args:
        group, case, arm: what was measured, as in "kernels", "2^20 float32 forward", "sgblend".
        value: the median, in ``unit``.
        ratio, low, high: times the baseline's in the same round: median and 95 % interval; None without a baseline.
    """

    group: str
    case: str
    arm: str
    value: float
    unit: str = "ms"
    ratio: float | None = None
    low: float | None = None
    high: float | None = None


def compared(
    group: str, case: str, arms: Mapping[str, Callable[[], Any]], baseline: str, rounds: int, threads: int
) -> list[Figure]:
    """Time of a call per arm, each round in a new order, beside that of ``baseline``.

    Calls run under ``torch.utils.benchmark``, which waits for a GPU.
    """
    measures: dict[str, dict[str, Measure]] = {
        name: {case: partial(_timed, *_prepared(call, threads))} for name, call in arms.items()
    }
    found = ratios(interleaved(measures, rounds), baseline)
    return [
        Figure(group, case, name, one[case]["p50_ms"], "ms", one[case]["ratio"], *one[case]["interval"])
        for name, one in found.items()
    ]


def _prepared(call: Callable[[], Any], threads: int) -> tuple[Timer, int]:
    """A timer, and how many calls make a measurement; calls that warm up come first."""
    timer = Timer("call()", globals={"call": call}, num_threads=threads)
    timer.timeit(10 if timer.timeit(1).mean < AT_LEAST_S else 1)
    return timer, max(1, round(AT_LEAST_S / timer.timeit(1).mean))


def _timed(timer: Timer, number: int) -> dict[str, float]:
    return {"p50_ms": 1000 * timer.timeit(number).mean}

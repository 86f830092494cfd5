"""The picture of a back-test, as SVG: the metric by age, and what is lost against a fresh model."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adaptact.report.comparison_figures import COLOURS, MARKERS, style, svg
from adaptact.report.comparison_words import Say


def draw(report: dict[str, Any], say: Say) -> dict[str, bytes]:
    """Name and content of each picture."""
    with style():
        return {"ageing": svg(ageing(report, say))}


def ageing(report: dict[str, Any], say: Say) -> Figure:
    """Left the metric by age, right what an aged model loses on the same window; bands are intervals."""
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for place, arm in enumerate(report["arms"]):
        _line(left, arm, "metric", place)
        _line(right, arm, "aged_minus_fresh", place)
    right.axhline(0, color="0.4", linewidth=1)
    right.axhline(report["margin"], color="0.4", linewidth=1, linestyle=":", label=say("margin"))
    left.set_ylabel(say("on_window", metric=report["metric"]))
    right.set_ylabel(say("loss_against_fresh"))
    for axes, key in ((left, "metric"), (right, "aged_minus_fresh")):
        axes.set_ylim(_limits(report, key))
    ages = range(1, 1 + max(len(arm["ages"]) for arm in report["arms"]))
    for axes in (left, right):
        axes.set_xticks(ages)
        axes.set_xlabel(say("age_in_windows"))
        axes.legend(fontsize="small", frameon=False)
    return figure


def _line(axes: Axes, arm: dict[str, Any], key: str, place: int) -> None:
    """Means with their band; where there is no interval, as at the greatest age, only the mean."""
    ages = np.array([row["age"] for row in arm["ages"]]) + 0.05 * place
    mean, low, high = (np.array([row[key][end] for row in arm["ages"]], dtype=float) for end in ("mean", "low", "high"))
    colour = COLOURS[place % len(COLOURS)]
    axes.fill_between(ages, low, high, color=colour, alpha=0.12)
    axes.plot(ages, mean, color=colour, label=arm["activation"], marker=MARKERS[place % 8], markersize=4)


def _limits(report: dict[str, Any], key: str) -> tuple[float, float]:
    """All means, and of the bands what does not flatten them: that of two windows can be as wide as it likes."""
    rows = [row[key] for arm in report["arms"] for row in arm["ages"]]
    means = np.array([row["mean"] for row in rows] + ([0.0, report["margin"]] if key != "metric" else []))
    room = 1.5 * (np.ptp(means) or 1.0)
    lows, highs = ([row[end] for row in rows if row[end] is not None] or [means[0]] for end in ("low", "high"))
    bottom, top = max(min(*lows, means.min()), means.min() - room), min(max(*highs, means.max()), means.max() + room)
    return float(bottom - 0.05 * room), float(top + 0.05 * room)

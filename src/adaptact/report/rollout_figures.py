"""Pictures of a roll-out, as SVG: power over time, segments, what layers saw, batches so far, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from adaptact.report.comparison_figures import COLOURS, style, svg
from adaptact.report.comparison_words import Say

MOST_SITES = 6
Found = dict[str, Any]


def draw_plan(plan: Found, say: Say) -> dict[str, bytes]:
    with style():
        figure = Figure(figsize=(7, 3), layout="constrained")
        axes = figure.subplots()
        for place, key in enumerate(("fixed", "always_valid")):
            axes.plot(plan["over_weeks"]["weeks"], plan["over_weeks"][key], color=COLOURS[place], label=say(key))
        axes.axhline(plan["power"], color="0.5", linewidth=1, linestyle=":")
        axes.set_xlabel(say("weeks"))
        axes.set_ylabel(say("power"))
        axes.set_ylim(0, 1)
        axes.legend(frameon=False, loc="lower right")
        return {"power": svg(figure)}


def draw_results(found: Found, say: Say) -> dict[str, bytes]:
    """Nothing where no segments were asked for."""
    cuts = [one for one in found["segments"] if one["mean"] is not None and np.isfinite(one["interval"]).all()]
    if not found["segments"]:
        return {}
    with style():
        figure = Figure(figsize=(7, 1 + 0.35 * max(1, len(cuts))), layout="constrained")
        axes = figure.subplots()
        for place, one in enumerate(cuts):
            low, high = one["interval"]
            axes.plot([low, high], [place, place], color=COLOURS[0], linewidth=2)
            axes.plot(one["mean"], place, "o", color=COLOURS[1] if one["shown"] else COLOURS[0])
        axes.axvline(0, color="0.5", linewidth=1)
        axes.set_yticks(range(len(cuts)), [f"{one['column']}: {one['level']}" for one in cuts])
        axes.invert_yaxis()
        axes.set_xlabel(say("difference"))
        return {"segments": svg(figure)}


def draw_monitor(found: Found, rows: Sequence[dict[str, str]], say: Say) -> dict[str, bytes]:
    """Name and content of each picture; one that there is nothing to draw for is left out."""
    with style():
        figures = {"sites": sites(found, say), "history": history(rows, say), "calibration": calibration(found, say)}
        return {name: svg(figure) for name, figure in figures.items() if figure is not None}


def sites(found: Found, say: Say) -> Figure | None:
    """The layers whose inputs leave their range most: their histogram now and in training."""
    most = sorted(found["sites"], key=lambda site: -site["outside"])[:MOST_SITES]
    if not most:
        return None
    columns = min(3, len(most))
    lines = -(-len(most) // columns)
    figure = Figure(figsize=(2.8 * columns, 2.2 * lines), layout="constrained")
    for axes, site in zip(figure.subplots(lines, columns, squeeze=False).flat, most, strict=False):
        before, now = np.array(site["shares_before"]), np.array(site["shares"])
        edges = np.linspace(site["low"], site["high"], len(before) + 1)
        width = edges[1] - edges[0]
        middle = (edges[:-1] + edges[1:]) / 2
        axes.bar(middle, now[1:-1], width, color=COLOURS[5], label=say("this_batch"))
        # all that lies outside stands in one bar at either end
        axes.bar([edges[0] - 1.5 * width, edges[-1] + 1.5 * width], now[[0, -1]], 2 * width, color=COLOURS[1])
        axes.step(edges, [*before, before[-1]], where="post", color="0.2", linewidth=1, label=say("training"))
        axes.set_title(site["name"], fontsize="small")
        axes.set_yticks([])
        axes.tick_params(labelsize="x-small")
    for axes in list(figure.axes)[len(most) :]:
        axes.set_visible(False)
    figure.axes[0].legend(fontsize="x-small", frameon=False)
    return figure


def history(rows: Sequence[dict[str, str]], say: Say) -> Figure | None:
    """The metric with its interval, and the largest PSI, by batch."""
    if not rows:
        return None
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    top, below = figure.subplots(2, 1, sharex=True)
    judged = [row for row in rows if row["value"]]
    for row in judged:
        batch, value, low, high = (float(row[key]) for key in ("batch", "value", "low", "high"))
        top.plot([batch, batch], [low, high], color=COLOURS[0])
        top.plot(batch, value, "o", color=COLOURS[1] if row["status"] == "retrain" else COLOURS[0])
    if judged:
        top.axhline(float(judged[-1]["at_test"]), color="0.5", linewidth=1, linestyle=":", label=say("at_test"))
        top.legend(fontsize="x-small", frameon=False)
        top.set_ylabel(judged[-1]["metric"])
    drifting = [row for row in rows if row["largest_psi"]]
    colours = {"ok": COLOURS[2], "watch": COLOURS[4], "retrain": COLOURS[1]}
    for row in drifting:
        below.bar(float(row["batch"]), float(row["largest_psi"]), 0.6, color=colours.get(row["status"], COLOURS[0]))
    below.axhline(0.25, color="0.5", linewidth=1, linestyle=":")
    below.set_ylabel(say("largest_psi"))
    below.set_xlabel(say("batch"))
    last = max(int(row["batch"]) for row in rows)
    below.set_xlim(0.4, max(last, 6) + 0.6)
    below.set_xticks(range(1, max(last, 6) + 1, 1 + last // 25))
    return figure


def calibration(found: Found, say: Say) -> Figure | None:
    if found["calibration"] is None:
        return None
    groups = found["calibration"]["groups"]
    figure = Figure(figsize=(3.2, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1)
    expected, came, counts = (np.array([one[key] for one in groups]) for key in ("expected", "came", "rows"))
    scatter = 1.96 * np.sqrt(np.maximum(came * (1 - came), 0.25 / counts) / counts)
    axes.errorbar(expected, came, scatter, fmt="o", color=COLOURS[0], markersize=4)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(say("expected_axis"))
    axes.set_ylabel(say("came_axis"))
    return figure

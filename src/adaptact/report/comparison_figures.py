"""Pictures of a comparison, as SVG: differences per seed, learning curves, what was learned by layer."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from adaptact.compare.plan import Plan
from adaptact.compare.results import Result
from adaptact.fonts import east_asian_fonts

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")  # Okabe and Ito
MARKERS = "osD^vPX*"


def draw(plan: Plan, report: dict[str, Any], found: Sequence[Result]) -> dict[str, bytes]:
    """Name and content of each picture."""
    # metadata and hash salt fixed: the same numbers give the same file
    with rc_context(
        {"font.family": ["DejaVu Sans", *east_asian_fonts()], "svg.hashsalt": "adaptact", "svg.fonttype": "path"}
    ):
        figures = {
            "differences": differences(plan, report),
            "learning_curves": learning_curves(plan, found),
            "learned": learned(report),
        }
        return {name: _svg(figure) for name, figure in figures.items() if figure is not None}


def _svg(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None, "Creator": f"matplotlib {mpl.__version__}"})
    return content.getvalue()


def differences(plan: Plan, report: dict[str, Any]) -> Figure:
    """A dot per pair, the mean and its interval, the margin as a band."""
    candidates = report["candidates"]
    figure = Figure(figsize=(7, 1.2 + 0.75 * len(candidates)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(-report["margin"], report["margin"], color="0.9", label="margin: too small to matter")
    axes.axvline(0, color="0.4", linewidth=1)
    places = np.arange(len(candidates))[::-1]
    for place, candidate in zip(places, candidates, strict=True):
        values = list(candidate["differences"].values())
        spots = place + np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else [place]
        axes.plot(values, spots, "o", color=COLOURS[0], alpha=0.6, markersize=4)
        low, high = candidate["interval"]
        if low is not None and high is not None:
            axes.plot([low, high], [place - 0.32] * 2, color="black", linewidth=2)
            axes.plot([candidate["mean_difference"]], [place - 0.32], "D", color="black", markersize=5)
    axes.set_yticks(places, [candidate["activation"] for candidate in candidates])
    axes.set_ylim(-0.7, len(candidates) - 0.4)
    axes.set_xlabel(
        f"better than {plan.baseline} by, in {report['metric']} (a dot per pair; mean and interval in black)"
    )
    axes.legend(loc="lower right", fontsize="small", frameon=False)
    return figure


def learning_curves(plan: Plan, found: Sequence[Result]) -> Figure | None:
    """Validation metric by epoch: mean and range over the seeds, of all arms but the controls."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    drawn = False
    arms = [arm for arm in plan.arms if arm.role != "control"]
    for i, arm in enumerate(arms):
        curves = [c for r in found if r.arm.name == arm.name and len(c := _curve(r, f"val/{plan.metric}"))]
        if not curves:
            continue
        length = max(map(len, curves))
        stacked = np.full((len(curves), length), np.nan)
        for row, curve in zip(stacked, curves, strict=True):
            row[: len(curve)] = curve
            row[len(curve) :] = curve[-1]  # a run that stopped early stays where it was
        epochs = np.arange(1, length + 1)
        colour = COLOURS[i % len(COLOURS)]
        axes.fill_between(epochs, stacked.min(axis=0), stacked.max(axis=0), color=colour, alpha=0.12)
        axes.plot(
            epochs,
            stacked.mean(axis=0),
            color=colour,
            label=arm.name,
            marker=MARKERS[i % 8],
            markevery=0.1,
            markersize=4,
        )
        drawn = True
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"validation {plan.metric}")
    axes.legend(fontsize="small", frameon=False)
    return figure if drawn else None


def _curve(result: Result, column: str) -> list[float]:
    try:
        with (result.folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
            values = [float(row[column]) for row in csv.DictReader(file) if row.get(column)]
    except (OSError, ValueError):
        return []
    return [value for value in values if np.isfinite(value)]


def learned(report: dict[str, Any]) -> Figure | None:
    """Parameters by layer, mean and range over the seeds, with the gap beside them."""
    arms = [a for a in report["arms"] if a["role"] != "control" and a["activation_parameters"] and a["layers"]]
    known = ("alpha", "beta", "gamma", "a", "b", "weight", "gap", "moved")
    keys = [key for key in known if any(layer.get(key) for arm in arms for layer in arm["layers"])]
    if not arms or not keys:
        return None
    figure = Figure(figsize=(7, 1.1 + 1.5 * len(keys)), layout="constrained")
    for row, key in enumerate(keys):
        axes = figure.add_subplot(len(keys), 1, row + 1)
        for i, arm in enumerate(arms):
            layers = [(n, layer[key]) for n, layer in enumerate(arm["layers"]) if layer.get(key)]
            if not layers:
                continue
            places = np.array([n for n, _ in layers]) + 0.12 * i
            means = np.array([v["mean"] for _, v in layers])
            below = means - np.array([v["min"] for _, v in layers])
            above = np.array([v["max"] for _, v in layers]) - means
            axes.errorbar(
                places,
                means,
                [below, above],
                fmt=MARKERS[i % 8],
                color=COLOURS[i % 8],
                label=arm["activation"],
                capsize=3,
                markersize=4,
            )
        axes.set_ylabel(key)
        names = [layer["name"] for layer in max((arm["layers"] for arm in arms), key=len)]
        axes.set_xticks(
            range(len(names)),
            names if row == len(keys) - 1 else [""] * len(names),
            rotation=30 if len(names) > 6 else 0,
        )
        if row == 0:
            axes.legend(fontsize="small", frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    return figure

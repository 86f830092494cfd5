"""Pictures of a comparison, as SVG: differences per seed, learning curves, what was learned by layer."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from adaptact import files
from adaptact.comparison.plan import Plan
from adaptact.comparison.results import Result
from adaptact.errors import UserError
from adaptact.fonts import east_asian_fonts
from adaptact.records import ACTIVATIONS_FILE, CURVES_FILE, METRICS_FILE
from adaptact.report.comparison_words import Say

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")  # Okabe and Ito
MARKERS = "osD^vPX*"
MOST_PANELS = 24  # of learned curves


def draw(plan: Plan, report: dict[str, Any], found: Sequence[Result], say: Say) -> dict[str, bytes]:
    """Name and content of each picture; one that there is nothing to draw for is left out."""
    with style():
        figures = {
            "differences": differences(plan, report, say),
            "learning_curves": learning_curves(plan, found, say),
            "learned": learned(report),
            "over_time": over_time(plan, found, say),
            "curves": learned_curves(plan, found, say),
            "robustness": robustness(report, say),
        }
        return {name: svg(figure) for name, figure in figures.items() if figure is not None}


@contextmanager
def style() -> Iterator[None]:
    """Fonts and settings in which pictures are drawn and written."""
    settings: Any = {
        "font.family": ["DejaVu Sans", *east_asian_fonts(), "sans-serif"],
        "svg.hashsalt": "adaptact",  # with the date left out below: the same numbers give the same file
        "svg.fonttype": "none",  # letters stay letters, in the reader's fonts
        "text.parse_math": False,  # a dollar in somebody's name is a dollar
    }
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*missing from font.*")  # the reader's fonts have it
        yield


def svg(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None, "Creator": f"matplotlib {mpl.__version__}"})
    return content.getvalue()


def differences(plan: Plan, report: dict[str, Any], say: Say) -> Figure:
    """A dot per pair, the mean and its interval, the margin as a band."""
    candidates = report["candidates"]
    figure = Figure(figsize=(7, 1.2 + 0.75 * len(candidates)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvspan(-report["margin"], report["margin"], color="0.9", label=say("f_margin"))
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
    axes.set_xlabel(say("f_better", base=plan.baseline, metric=report["metric"]))
    axes.legend(loc="lower right", fontsize="small", frameon=False)
    return figure


def learning_curves(plan: Plan, found: Sequence[Result], say: Say) -> Figure | None:
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
    axes.set_xlabel(say("f_epoch"))
    axes.set_ylabel(say("validation", metric=plan.metric))
    axes.legend(fontsize="small", frameon=False)
    return figure if drawn else None


def _curve(result: Result, column: str) -> list[float]:
    try:
        rows = files.read_csv(result.folder / METRICS_FILE)
        values = [float(row[column]) for row in rows if row.get(column)]
    except (FileNotFoundError, UserError, ValueError):
        return []
    return [value for value in values if np.isfinite(value)]


def learned(report: dict[str, Any]) -> Figure | None:
    """Parameters by layer, mean and range over the seeds, with the gap beside them."""
    arms = [a for a in report["arms"] if a["role"] != "control" and a["activation_parameters"] and a["layers"]]
    known = ("alpha", "beta", "gamma", "a", "b", "weight", "gap", "moved")
    keys = [key for key in known if any(layer.get(key) for arm in arms for layer in arm["layers"])]
    if not arms or not keys:
        return None
    figure = Figure(figsize=(7, 0.8 + 0.85 * len(keys)), layout="constrained")
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


def over_time(plan: Plan, found: Sequence[Result], say: Say) -> Figure | None:
    """Each parameter and the gap by epoch, a line per layer: mean over the seeds."""
    arms = {arm.name: _histories(found, arm.name) for arm in plan.arms if arm.role != "control"}
    arms = {name: sites for name, sites in arms.items() if sites}
    if not arms:
        return None
    shown = ("alpha", "beta", "gamma", "a", "b", "weight", "gap")
    keys = {name: [k for k in shown if any(k in site for site in sites.values())] for name, sites in arms.items()}
    columns = max(map(len, keys.values()))
    figure = Figure(figsize=(min(11, 2.6 * columns + 1), 0.5 + 2.1 * len(arms)), layout="constrained")
    for row, (name, sites) in enumerate(arms.items()):
        for column, key in enumerate(keys[name]):
            axes = figure.add_subplot(len(arms), columns, row * columns + column + 1)
            for i, (site, histories) in enumerate(sites.items()):
                if key in histories:
                    values = histories[key]
                    axes.plot(range(1, len(values) + 1), values, color=COLOURS[i % 8], linewidth=1.2, label=site)
            axes.set_title(f"{name}: {key}", fontsize=9)
            axes.tick_params(labelsize=7)
            if row == len(arms) - 1:
                axes.set_xlabel(say("f_epoch"), fontsize=8)
            if column == 0 and len(sites) <= 8:
                axes.legend(fontsize=6, frameon=False)
    return figure


def _histories(found: Sequence[Result], arm: str) -> dict[str, dict[str, list[float]]]:
    """Per site and parameter the mean over the seeds at each epoch that all of them reached."""
    runs: list[dict[str, dict[str, list[float]]]] = []
    for result in found:
        if result.arm.name != arm or result.status != "finished":
            continue
        own: dict[str, dict[str, list[float]]] = {}
        try:
            for row in files.read_csv(result.folder / ACTIVATIONS_FILE):
                for key, value in row.items():
                    if key not in {"epoch", "site"} and value:
                        own.setdefault(row["site"], {}).setdefault(key, []).append(float(value))
        except (FileNotFoundError, UserError, ValueError, KeyError):
            continue
        runs.append(own)
    if not runs:
        return {}
    means: dict[str, dict[str, list[float]]] = {}
    for site, keys in runs[0].items():
        for key in keys:
            series = [run[site][key] for run in runs if key in run.get(site, {})]
            length = min(map(len, series))
            means.setdefault(site, {})[key] = np.mean([s[:length] for s in series], axis=0).tolist()
    return means


def learned_curves(plan: Plan, found: Sequence[Result], say: Say) -> Figure | None:
    """Each layer's function over the inputs it sees: a line per seed, and where it started (dashed)."""
    panels: list[tuple[str, str, list[dict[str, list[float]]]]] = []
    for arm in plan.arms:
        runs = [_curves(r) for r in found if r.arm.name == arm.name and arm.role != "control"]
        for site in dict.fromkeys(site for run in runs for site in run):
            panels.append((arm.name, site, [run[site] for run in runs if site in run]))
    panels = panels[:MOST_PANELS]
    if not panels:
        return None
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(2.6 * columns, 2.2 * rows), layout="constrained")
    for place, (name, site, lines) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, place + 1)
        for line in lines:
            axes.plot(line["x"], line["learned"], color=COLOURS[0], linewidth=0.9, alpha=0.7)
        axes.plot(lines[0]["x"], lines[0]["start"], color="black", linestyle="--", linewidth=0.9)
        axes.set_title(f"{name}, {site}", fontsize=8)
        axes.tick_params(labelsize=7)
    return figure


def _curves(result: Result) -> dict[str, dict[str, list[float]]]:
    try:
        found = files.read_json(result.folder / CURVES_FILE, dict[str, dict[str, list[float | None]]])
        return {site: curve for site, curve in found.items() if _is_whole(curve)}
    except (FileNotFoundError, UserError):
        return {}


def _is_whole(curve: dict[str, list[float]]) -> bool:
    """Check that a curve has finite points, as many of each kind."""
    kinds = [curve.get(key, []) for key in ("x", "start", "learned")]
    return len({len(points) for points in kinds}) == 1 and None not in [point for kind in kinds for point in kind]


def robustness(report: dict[str, Any], say: Say) -> Figure | None:
    """The metric by strength of each disturbance, a line per arm."""
    arms = [arm for arm in report["robustness"] if arm["rows"]]
    kinds = list(dict.fromkeys(row["kind"] for arm in arms for row in arm["rows"]))
    if not kinds:
        return None
    clean = {arm["activation"]: arm["score"] for arm in report["arms"]}
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    for place, kind in enumerate(kinds):
        axes = figure.add_subplot(1, len(kinds), place + 1)
        for i, arm in enumerate(arms):
            rows = [row for row in arm["rows"] if row["kind"] == kind and row["score"]]
            x = [0.0, *(float(row["strength"]) for row in rows)]
            y = [clean[arm["activation"]]["mean"], *(row["score"]["mean"] for row in rows)]
            axes.plot(x, y, marker=MARKERS[i % 8], color=COLOURS[i % 8], label=arm["activation"], markersize=4)
        axes.set_xlabel(say(f"kind_{kind}", strength=""))
        axes.tick_params(labelsize=8)
        if place == 0:
            axes.set_ylabel(report["metric"])
            axes.legend(fontsize=7, frameon=False)
    return figure

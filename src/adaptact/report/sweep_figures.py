"""One picture and one table over all runs of ``experiment=depth`` or ``experiment=sensitivity``.

A run that failed or diverged has its place in the picture like every other. Pictures show the validation part; the test
part stands in the table alone.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter

from adaptact import files, folders
from adaptact.report.sweep_runs import Run, finite_median, table, varied

DEPTH = ("model.name", "model.norm", "model.depth")
SENSITIVITY = ("activation_penalty", "optimizer.activation_lr_scale", "activation.alpha", "activation.beta")
KEYS = {"depth": (*DEPTH, "activation.name", "seed"), "sensitivity": ("activation.name", *SENSITIVITY, "seed")}
SMALLEST = 1e-24  # where a norm of 0 is drawn: in float32 the squares of smaller ones vanish
# Okabe and Ito's colours, each with a line of its own: told apart in grey and by the colour-blind
LINES = [("#000000", ":"), ("#D55E00", "--"), ("#0072B2", "-"), ("#009E73", "-."), ("#CC79A7", (0, (5, 1, 1, 1, 1, 1)))]


def write(figure: str, runs: list[Run], parent: Path) -> Path:
    """Make ``<time>-<figure>`` below ``parent`` with a PNG and a CSV, and return it."""
    drawn = {"depth": draw_depth, "sensitivity": draw_sensitivity}[figure](runs)
    keys = list(dict.fromkeys([*KEYS[figure], *varied(runs)]))
    folder = folders.new_folder(parent, figure)
    image = io.BytesIO()
    drawn.savefig(image, format="png", dpi=130)
    with files.together(folder) as draft:
        files.write_text(draft / f"{figure}.csv", table(runs, keys))
        files.write_bytes(draft / f"{figure}.png", image.getvalue())
    return folder


def draw_depth(runs: list[Run]) -> Figure:
    """Per model and normalisation a row: gradient norm by layer for each depth, then how well the runs did."""
    apart = [key for key in varied(runs) if key not in {*DEPTH, "activation.name", "seed"}]
    name = _namer(["activation.name"], apart)
    rows, depths, series = _values(runs, _row), _values(runs, _depth), _values(runs, name)
    figure = Figure(figsize=(2.2 * len(depths) + 4.2, 1.9 * len(rows) + 1.6), layout="constrained")
    grid = figure.subplots(len(rows), len(depths) + 1, squeeze=False, width_ratios=[1.0] * len(depths) + [1.25])
    for row, axes in zip(rows, grid):
        here = [run for run in runs if _row(run) == row]
        limits = _decades([norm for run in here for norm in run.grad_norms])
        for depth, panel in zip(depths, axes):
            there = [run for run in here if _depth(run) == depth]
            _draw_norms(panel, [(s, [run for run in there if name(run) == s]) for s in series])
            panel.set_ylim(*limits)
            panel.tick_params(labelleft=panel is axes[0])
        axes[0].set_ylabel(f"{row}\n", fontsize=10, weight="bold")
        _draw_cells(axes[-1], here, _depth, name, depths, series, lambda run: run.metric("val"), scale=runs)
    for depth, panel, lowest in zip(depths, grid[0], grid[-1]):
        panel.set_title(f"gradient norm, {depth} layers", fontsize=9)
        lowest.set_xlabel("place of the layer\n(0: input, 1: output)", fontsize=8)
    grid[0][-1].set_title(f"validation {_metric(runs)}", fontsize=9)
    grid[-1][-1].set_xlabel("layers", fontsize=8)
    figure.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower left", ncols=len(series), fontsize=9)
    figure.suptitle(f"Do deep networks stay trainable?\n{_about(runs)}", fontsize=11)
    return figure


def _decades(norms: list[float]) -> tuple[float, float]:
    """Limits of a logarithmic axis, at least a decade apart."""
    known = [max(norm, SMALLEST) for norm in norms if math.isfinite(norm)] or [1.0]
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    return 10.0**low, 10.0 ** max(high, low + 1)


def _draw_norms(axes: Axes, series: list[tuple[str, list[Run]]]) -> None:
    """A line per series, over several seeds the median; in words what did not finish."""
    notes = []
    for place, (label, runs) in enumerate(series):
        colour, style = LINES[place % len(LINES)]
        norms = [run.grad_norms for run in runs if run.grad_norms]
        y = np.maximum([finite_median(layer) for layer in zip(*norms)], SMALLEST)
        x = np.linspace(0, 1, len(y))
        axes.plot(x, y, color=colour, ls=style, lw=max(1.2, 2.8 - 0.6 * place), label=label)  # equal lines show both
        notes += [f"✕ {label}: {status}" for status in sorted({run.status for run in runs} - {"finished"})]
        notes += [zero] if SMALLEST in y and (zero := f"0 is drawn at {SMALLEST:g}") not in notes else []
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.tick_params(labelsize=8)
    axes.grid(color="0.9", lw=0.6)
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1} if notes else None
    axes.text(0.03, 0.96, "\n".join(notes), transform=axes.transAxes, va="top", fontsize=8, bbox=box)


def draw_sensitivity(runs: list[Run]) -> Figure:
    """Heat maps over the start values of alpha and beta, a column per penalty: the metric, and where alpha ended."""
    apart = [key for key in varied(runs) if key not in {*SENSITIVITY, "seed"}]
    column = _namer(["activation_penalty", "optimizer.activation_lr_scale"], apart)
    columns = _values(runs, column)
    alphas, betas = _values(runs, _alpha), _values(runs, _beta)
    size = (1.2 * len(alphas) * len(columns) + 1.5, 1.6 * len(betas) + 1.9)
    figure = Figure(figsize=(max(7.0, size[0]), max(4.5, size[1])), layout="constrained")
    grid = figure.subplots(2, len(columns), squeeze=False)
    for place, label in enumerate(columns):
        here = [run for run in runs if column(run) == label]
        for axes, value, detail, title in (
            (grid[0][place], lambda run: run.metric("val"), None, f"validation {_metric(runs)}"),
            (grid[1][place], lambda run: run.learned("alpha"), ("beta", "gap"), "learned alpha"),
        ):
            _draw_cells(axes, here, _alpha, _beta, alphas, betas, value, detail or (), scale=runs)
            axes.set_title(f"{title}\n{label}", fontsize=9)
            axes.set_xlabel("start of alpha", fontsize=8)
            axes.set_ylabel("start of beta", fontsize=8)
    figure.suptitle(f"Do start values and the penalty matter?\n{_about(runs)}", fontsize=11)
    return figure


def _draw_cells(
    axes: Axes,
    runs: list[Run],
    across: Callable[[Run], str],
    down: Callable[[Run], str],
    columns: list[str],
    rows: list[str],
    value: Callable[[Run], float | None],
    details: Iterable[str] = (),
    scale: list[Run] | None = None,
) -> None:
    """A table whose cells are shaded by the mean ``value`` of their runs; hatched where one did not finish.

    Args:
        details: learned values that a cell names below its own.
        scale: the runs whose values span the shades; by default those of this table.
    """
    known = [v for run in scale or runs if (v := value(run)) is not None and math.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    for i, column in enumerate(columns):
        for j, row in enumerate(rows):
            cell = [run for run in runs if across(run) == column and down(run) == row]
            if not cell:
                continue
            bad = [run for run in cell if run.status != "finished"]
            mean = _mean(cell, value)
            share = 0.0 if mean is None else (mean - low) / (high - low or 1.0)
            shade = "white" if mean is None else colormaps["Greys"](0.05 + 0.5 * share)
            hatch = "////" if bad else None
            axes.add_patch(Rectangle((i, j), 1, 1, facecolor=shade, edgecolor="0.6", hatch=hatch, lw=0.8))
            lines = [] if mean is None else [f"{mean:.3f}"]
            lines += [f"{key} {learned:.2f}" for key in details if (learned := _mean(cell, _learned(key))) is not None]
            words = "/".join(sorted({run.status for run in bad}))
            lines += [f"✕ {words}" + (f" {len(bad)} of {len(cell)}" if len(cell) > 1 else "")] if bad else []
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5} if bad else None
            axes.text(i + 0.5, j + 0.5, "\n".join(lines), ha="center", va="center", fontsize=8, bbox=box)
    axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, fontsize=8)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows, fontsize=8)
    axes.tick_params(length=0)


def _values(runs: list[Run], name: Callable[[Run], str]) -> list[str]:
    return list(dict.fromkeys(map(name, runs)))


def _mean(runs: list[Run], value: Callable[[Run], float | None]) -> float | None:
    found = [v for run in runs if (v := value(run)) is not None and math.isfinite(v)]
    return fmean(found) if found else None


def _learned(key: str) -> Callable[[Run], float | None]:
    return lambda run: run.learned(key)


def _namer(first: list[str], apart: list[str]) -> Callable[[Run], str]:
    """Names a run by the settings that set it apart: values of ``*.name``, else ``key value``."""

    def name(run: Run) -> str:
        keys = [key for key in dict.fromkeys([*first, *apart]) if run.settings.get(key) is not None]
        return ", ".join(
            ("" if key.endswith(".name") else f"{key.rpartition('.')[2].replace('_', ' ')} ") + str(run.settings[key])
            for key in keys
        )

    return name


def _row(run: Run) -> str:
    norm = run.settings.get("model.norm", "none")
    return f"{run.settings.get('model.name')}, {'no norm' if norm == 'none' else f'{norm} norm'}"


def _depth(run: Run) -> str:
    return str(run.settings.get("model.depth"))


def _alpha(run: Run) -> str:
    return str(run.settings.get("activation.alpha"))


def _beta(run: Run) -> str:
    return str(run.settings.get("activation.beta"))


def _metric(runs: list[Run]) -> str:
    return next((run.monitor for run in runs if run.monitor), "metric").replace("_", " ")


def _about(runs: list[Run]) -> str:
    """Data, seeds, epochs, and how many of the runs did not finish."""
    first = next((run for run in runs if run.folder), runs[0]).settings
    seeds = len({run.settings.get("seed") for run in runs})
    bad = sum(run.status != "finished" for run in runs)
    return (
        f"{first.get('data.name')}, {first.get('trainer.max_epochs')} epochs, {seeds} seed{'s' if seeds > 1 else ''}: "
        f"{len(runs)} runs, {bad} failed or diverged. Darker cells: larger"
    )

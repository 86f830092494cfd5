"""A benchmark as JSON, Markdown and a picture."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptact import files
from adaptact.benchmark.measuring import Figure


def write(folder: Path, figures: Sequence[Figure], about: dict[str, Any]) -> None:
    """``benchmark.json``, ``benchmark.md`` and, where there are ratios, ``benchmark.png``.

    Args:
        about: "machine", "versions", "command" and whatever else tells how the figures came about.
    """
    plain = {"schema": 1, **about, "figures": [dataclasses.asdict(figure) for figure in figures]}
    drawn = [figure for figure in figures if figure.ratio is not None and figure.arm not in BASELINES]
    with files.together(folder) as draft:
        files.write_json(draft / "benchmark.json", plain)
        files.write_text(draft / "benchmark.md", markdown(figures, about))
        if drawn:
            files.write_bytes(draft / "benchmark.png", picture(drawn))


BASELINES = ("gelu", "bare loop")


def shown(figure: Figure) -> tuple[str, str, str, str]:
    """Case, arm, value and ratio of a figure as text."""
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} ({figure.low:.2f} to {figure.high:.2f})"
    digits = 0 if figure.value >= 1000 else 1 if figure.value >= 100 else 3
    return figure.case, figure.arm, f"{figure.value:,.{digits}f} {figure.unit}", ratio


def markdown(figures: Sequence[Figure], about: dict[str, Any]) -> str:
    """Tables by group, headed by where and how they were measured."""
    lines = ["# Benchmark", "", *(f"- {key}: {value}" for key, value in about.items())]
    for group in dict.fromkeys(figure.group for figure in figures):
        against = "rows a second, and as a share of the bare loop's" if group == "loop" else "times, and to GELU's"
        lines += ["", f"## {group}", "", f"Medians: {against} (95 % interval).", ""]
        lines += ["| case | what | value | ratio |", "|---|---|---|---|"]
        lines += [f"| {' | '.join(shown(figure))} |" for figure in figures if figure.group == group]
    return "\n".join(lines) + "\n"


def picture(figures: Sequence[Figure]) -> bytes:
    """A dot with its interval per ratio, one panel per group."""
    from matplotlib.figure import Figure as Drawing

    groups = list(dict.fromkeys(figure.group for figure in figures))
    counts = [sum(figure.group == group for figure in figures) for group in groups]
    drawing = Drawing(figsize=(9, 1.2 * len(groups) + 0.17 * sum(counts)), layout="constrained")
    panels = drawing.subplots(len(groups), 1, squeeze=False, height_ratios=counts)[:, 0]
    for panel, group in zip(panels, groups, strict=True):
        own = [figure for figure in figures if figure.group == group]
        places = range(len(own))
        middle = [figure.ratio or 1.0 for figure in own]
        low = [m - (figure.low or m) for m, figure in zip(middle, own, strict=True)]
        high = [(figure.high or m) - m for m, figure in zip(middle, own, strict=True)]
        panel.errorbar(middle, places, xerr=[low, high], fmt="o", markersize=3, linewidth=1, color="C0")
        panel.axvline(1.0, color="0.5", linewidth=1)
        panel.set_yticks(list(places), [f"{figure.case}: {figure.arm}" for figure in own], fontsize=6)
        panel.set_xscale("log")
        panel.set_ylim(len(own) - 0.5, -0.5)
        panel.set_title(f"{group}: {'share of a bare loop' if group == 'loop' else 'time, as a multiple of GELU'}")
        panel.grid(axis="x", which="both", linewidth=0.3)
    content = io.BytesIO()
    drawing.savefig(content, format="png", dpi=110)
    return content.getvalue()

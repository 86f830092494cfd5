"""The table of activations in the README, from options and conf/activation: python docs/activation_table.py"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from adaptact.activations.options import ACTIVATIONS

CONF = Path(__file__).parents[1] / "conf" / "activation"
GREEK = {"alpha": "α", "beta": "β", "gamma": "γ"}
HEAD = "| `activation=` | formula | learned (start) | source |\n|---|---|---|---|\n"


def table() -> str:
    """One row per file of conf/activation; files of which all but the name is the same share one."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    order = list(ACTIVATIONS)
    files = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in CONF.glob("*.yaml")}
    for name in sorted(files, key=lambda name: (order.index(files[name]["kind"]), name != files[name]["kind"], name)):
        rows.setdefault(row(name, files[name]), []).append(f"`{name}`")
    last = sorted(rows, key=lambda one: one[1] in {"", "nothing"})  # what learns comes first
    return HEAD + "".join(f"| {', '.join(rows[one])} | {' | '.join(one)} |\n" for one in last)


def row(name: str, given: dict[str, Any]) -> tuple[str, str, str]:
    """Formula, learned values with their start, and source."""
    options = ACTIVATIONS[given["kind"]](**given)
    formula, source, learned, *_ = [*paragraphs(options), "", ""]
    if name != given["kind"]:  # a file beside the one of its kind says itself what it is for
        comment = (CONF / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[1]
        formula, source, learned = comment.removeprefix("# "), "", ""
    if not learned:
        learned = ", ".join(start(options, scalar) for scalar in getattr(options, "learn", []))
    return formula, learned or ("" if given["kind"] == "native" else "nothing"), source


def paragraphs(options: object) -> list[str]:
    return [" ".join(each.split()) for each in (type(options).__doc__ or "").split("\n\n")]


def start(options: object, scalar: str) -> str:
    value = getattr(options, scalar)
    return GREEK.get(scalar, scalar) + ("" if value is None else f" ({value:g})")


if __name__ == "__main__":
    print(table(), end="")

"""What the records of a proof of concept say about the rows to come: for planning a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from adaptact import folders
from adaptact.comparison.verdict import default_margin
from adaptact.errors import UserError
from adaptact.files import read_json
from adaptact.outputs import FILE as OUTPUTS_FILE
from adaptact.outputs import required_outputs
from adaptact.records import REPORT_FILE, RESULT_FILE, Record


class _Candidate(TypedDict):
    activation: str


class _Compared(TypedDict):
    """Keys of the ``report.json`` of a comparison that planning a test relies on."""

    baseline: str
    candidates: list[_Candidate]


def from_run(folder: Path) -> dict[str, Any]:
    """The outcome of a row as a test would count it, from a run's answers on its test rows.

    Of a classifier whether its decision was right, of a regression the absolute error.

    Returns:
        "kind" ("right" or "error"), "mean", "deviation", "margin", "from".

    Raises:
        UserError: no run, or one without answers.
    """
    record = Record.load(folder)
    each = outcomes(folder, record)
    kind = "right" if record.data["task"] == "classification" else "error"
    mean = float(each.mean())
    margin = default_margin("accuracy" if kind == "right" else "mae", mean)
    return {"kind": kind, "mean": mean, "deviation": float(each.std(ddof=1)), "margin": margin, "from": str(folder)}


def outcomes(folder: Path, record: Record) -> np.ndarray:
    """Per test row 1 for a right decision and 0 for a wrong one, or the absolute error. Shape: (rows,)."""
    found = required_outputs(folder)
    answers, targets = found.predictions.astype(np.float64), found.targets
    if answers.ndim == 1:
        return np.abs(answers - targets)
    return np.asarray(acted_on(record, answers) == targets, dtype=np.float64)


def acted_on(record: Record, answers: np.ndarray) -> np.ndarray:
    """Class numbers that are acted on, by the run's threshold where it has one; values as they are."""
    if answers.ndim == 1:
        return answers
    if record.decision is None:
        return np.asarray(answers.argmax(axis=1))
    place = record.labels.index(record.decision["positive"])
    return np.where(answers[:, place] >= record.decision["threshold"], place, 1 - place)


def from_comparison(folder: Path) -> dict[str, Any]:
    """As :func:`from_run`, the mean over the baseline's seeds; "gained" is what the best candidate had over it.

    Raises:
        UserError: a report that cannot be read, or no finished run of the baseline.
    """
    try:
        report = read_json(folder / REPORT_FILE, _Compared)
    except (FileNotFoundError, UserError) as error:
        raise UserError(f"{error}: make report name={folder.name} writes it again") from None
    baseline, names = report["baseline"], [one["activation"] for one in report["candidates"]]
    means = {name: _of_arm(folder / folders.safe_name(name)) for name in [baseline, *names]}
    if not means[baseline]:
        raise UserError(f"{folder} has no finished run of {baseline}: run make compare again, it continues")
    found = means[baseline][0] | {"from": str(folder)}
    found["mean"] = float(np.mean([one["mean"] for one in means[baseline]]))
    found["deviation"] = float(np.mean([one["deviation"] for one in means[baseline]]))
    sign = 1 if found["kind"] == "right" else -1
    gains = {
        name: sign * (float(np.mean([one["mean"] for one in runs])) - found["mean"])
        for name, runs in means.items()
        if runs and name != baseline
    }
    best = max(gains, key=lambda name: gains[name], default=None)
    return found | {"baseline": baseline, "best": best, "gained": None if best is None else gains[best]}


def _of_arm(folder: Path) -> list[dict[str, Any]]:
    runs = sorted(path.parent for path in folder.glob(f"*/{OUTPUTS_FILE}"))
    return [from_run(run) for run in runs if (run / RESULT_FILE).is_file()]

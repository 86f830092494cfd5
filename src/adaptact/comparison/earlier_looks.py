"""Earlier comparisons on some of the same test rows: each further look makes a find by chance likelier."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adaptact import records
from adaptact.comparison.plan import Plan, digest
from adaptact.comparison.results import readable_outputs
from adaptact.config import row_options
from adaptact.errors import UserError

Rows = Mapping[str, np.ndarray]  # row numbers, sorted, by the SHA-256 of the file they stand in


@dataclass(frozen=True)
class EarlierLook:
    """One earlier comparison.

    Args:
        rows: how many of this comparison's test rows were test rows there; None where it did not record its rows, as
            earlier versions did not, but had the same data file.
        share: of this comparison's test rows.
        same_arms: True if it compared the same activations.
    """

    name: str
    rows: int | None
    share: float | None
    same_arms: bool


def earlier_looks(folder: Path, plan: Plan) -> list[EarlierLook]:
    """Comparisons beside ``folder`` that have looked at rows which this one tests, by name."""
    ours = tested_rows(folder, plan)
    total = sum(map(len, ours.values()))
    found = []
    for path in sorted(folder.parent.glob(f"*/{records.PLAN_FILE}")):
        other = path.parent
        if other.resolve() == folder.resolve():
            continue
        try:
            before = Plan.read(other)
        except UserError:
            continue
        if plan.decided_at and before.decided_at and moment(before.decided_at) > moment(plan.decided_at):
            continue
        same_arms = {arm.activation for arm in before.arms} == {arm.activation for arm in plan.arms}
        theirs = tested_rows(other, before)
        shared = count_shared(ours, theirs)
        if shared:
            found.append(EarlierLook(other.name, shared, shared / total, same_arms))
        elif not theirs and before.data["fingerprint"] == plan.data["fingerprint"] and _has_ended_runs(other):
            found.append(EarlierLook(other.name, None, None, same_arms))
    return found


def moment(text: str) -> datetime.datetime:
    """A time as plans write it; the beginning of time where it cannot be read."""
    try:
        return datetime.datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        return datetime.datetime(1970, 1, 2).astimezone()


def tested_rows(folder: Path, plan: Plan) -> dict[str, np.ndarray]:
    """The test rows of all runs that have ended, of each split once."""
    pieces: dict[str, list[np.ndarray]] = {}
    known = set()
    for arm in plan.arms:
        for run in plan.runs(arm):
            split = digest(row_options(run.settings))
            if split in known:
                continue
            outputs = readable_outputs(folder / run.folder)
            if outputs is None or outputs.source is None or outputs.row is None or outputs.sources is None:
                continue
            sources, source, row = outputs.sources, outputs.source, outputs.row
            known.add(split)
            order = np.argsort(source, kind="stable")
            for number, rows in zip(*_grouped(source[order], row[order])):
                pieces.setdefault(str(sources[number]), []).append(rows)
    return {name: np.unique(np.concatenate(rows)) for name, rows in pieces.items()}


def _grouped(source: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Distinct sources, and the rows of each; both arrays are sorted by source."""
    numbers, starts = np.unique(source, return_index=True)
    return numbers, np.split(row, starts[1:])


def count_shared(ours: Rows, theirs: Rows) -> int:
    """How many rows stand in both."""
    files = ours.keys() & theirs.keys()
    return sum(len(np.intersect1d(ours[file], theirs[file], assume_unique=True)) for file in files)


def _has_ended_runs(folder: Path) -> bool:
    planned = folder.glob(f"*/seed*/{records.PLANNED_FILE}")
    return any(records.read_planned(path.parent).get("status") in records.ENDED for path in planned)

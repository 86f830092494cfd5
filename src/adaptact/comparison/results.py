"""Runs of a plan as they lie on disk, and the scores that go into the statistics."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from adaptact import files, records
from adaptact.comparison.paired_rows import HIGHER
from adaptact.comparison.plan import Arm, Plan, Run, with_learned_values
from adaptact.config import starts_from_options
from adaptact.errors import UserError
from adaptact.outputs import Outputs, read_outputs


class _Timing(TypedDict):
    p50_ms: float
    ratio: float
    interval: tuple[float, float]
    p95_ms: NotRequired[float]
    samples_per_second: NotRequired[float]


class _Costs(TypedDict):
    arms: dict[str, dict[str, _Timing]]
    seconds: NotRequired[float]


class CostFile(TypedDict):
    """``cost.json``: what each arm costs, and the hash of what was measured."""

    key: str
    cost: _Costs


class References(TypedDict):
    """A file of reference models: what each reaches on one split."""

    status: str
    references: list[records.Reference]
    seconds: records.Number


@dataclass(frozen=True)
class Result:
    """What came of one run. ``record`` is None where it failed or was not made yet."""

    run: Run
    arm: Arm
    folder: Path
    status: str
    reason: str | None = None
    seconds: float | None = None
    constant: dict[str, dict[str, float]] | None = None
    robustness: dict[str, dict[str, dict[str, float]]] | None = None
    record: records.Record | None = None

    @property
    def ended(self) -> bool:
        return self.status in records.ENDED

    @property
    def failed(self) -> bool:
        """Counts against its arm: it diverged, or its code raised an error."""
        return self.status in {"diverged", "failed"}

    def score(self, metric: str, part: str = "test") -> float | None:
        """A metric of the run; one that did not come to a good end scores as a prediction that is always the same.

        None where even that is not known.
        """
        if self.status == "finished" and self.record is not None:
            value = self.record.metrics[part].get(metric)
            if value is not None and math.isfinite(value):
                return float(value)
        value = (self.constant or {}).get(part, {}).get(metric)
        return None if value is None else float(value)


def read_result(folder: Path, run: Run, arm: Arm) -> Result:
    """A run's result; with status "missing" where it is not there, is not whole or is of another plan."""
    target = folder / run.folder
    plain = records.read_planned(target)
    if plain.get("hash") != run.hash or plain["status"] not in records.ENDED:
        return Result(run, arm, target, "missing")
    try:
        record = None if plain["status"] == "failed" else records.Record.load(target)
        return Result(
            run=run,
            arm=arm,
            folder=target,
            status=plain["status"],
            reason=plain.get("reason"),
            seconds=plain.get("seconds"),
            constant=plain.get("constant"),
            robustness=plain.get("robustness"),
            record=record,
        )
    except UserError:
        return Result(run, arm, target, "missing")


def readable_outputs(folder: Path) -> Outputs | None:
    """Outputs of a run; None where it has none, or a broken file."""
    try:
        return read_outputs(folder)
    except UserError:
        return None


def settled(plan: Plan, arm: Arm, folder: Path) -> Arm | None:
    """The arm with all its settings; None for a control whose values the other runs have still to learn."""
    if arm.control != "learned":
        return arm
    adaptive = plan.arm(str(arm.of))
    found = [read_result(folder, run, adaptive) for run in plan.runs(adaptive)]
    if not all(result.ended for result in found):
        return None
    finished = [(result.folder, result.record) for result in found if result.status == "finished" and result.record]
    if not finished:
        return None
    layers = [record.layers for _, record in finished]
    with files.named(finished[0][0].parent):  # runs that have not the same sites, or values that are no numbers
        if starts_from_options(adaptive.settings["activation"]):
            return with_learned_values(arm, layers)
        from adaptact.training.checkpoints import activation_state  # torch

        return with_learned_values(arm, layers, [activation_state(run, record.layers) for run, record in finished])


def results(plan: Plan, folder: Path) -> Iterator[Result]:
    """All runs of the plan in its order, arm by arm."""
    for arm in plan.arms:
        whole = settled(plan, arm, folder)
        if whole is not None:
            for run in plan.runs(whole):
                yield read_result(folder, run, whole)


def differences(
    plan: Plan, ours: Sequence[Result], theirs: Sequence[Result], metric: str, part: str = "test"
) -> dict[str, float]:
    """Per seed (and fold) how much better ``ours`` is than ``theirs``; pairs without two scores are left out."""
    sign = 1 if metric in HIGHER else -1
    base = {(r.run.seed, r.run.fold): r.score(metric, part) for r in theirs}
    pairs = {}
    for r in ours:
        a, b = r.score(metric, part), base.get((r.run.seed, r.run.fold))
        if a is not None and b is not None:
            pairs[f"seed{r.run.seed}" + ("" if r.run.fold is None else f"-fold{r.run.fold}")] = sign * (a - b)
    return pairs


def reference_files(plan: Plan, folder: Path) -> dict[Path, Run]:
    """Per split the file of its reference models, and a run on it; other data has files of another name."""
    found = {}
    for run in plan.runs(plan.arm(plan.baseline)):
        fold = "" if run.fold is None else f"-fold{run.fold}"
        name = f"split{run.settings['data']['split_seed']}{fold}-{plan.data['fingerprint'][:8]}.json"
        found[folder / "references" / name] = run
    return found


def read_references(plan: Plan, folder: Path) -> list[dict[str, Any]]:
    """What reference models reach, one entry per split that has them."""
    found = []
    for file in reference_files(plan, folder):
        try:
            found.append(files.read_json(file, References))
        except (FileNotFoundError, UserError):
            continue
    return found


def table(found: list[Result], metric: str) -> list[dict[str, Any]]:
    """The rows of ``runs.csv``: one per run, all numbers that the statistics are made of."""
    rows = []
    for result in found:
        record = result.record
        row: dict[str, Any] = {
            "arm": result.arm.name,
            "role": result.arm.role,
            "seed": result.run.seed,
            "fold": result.run.fold,
            "status": result.status,
            "score": result.score(metric),
            "reason": result.reason,
            "folder": result.run.folder,
            "seconds": result.seconds,
            "hash": result.run.hash,
        }
        if record is not None:
            row |= {f"n_{part}": n for part, n in record.data["rows"].items()}
            row |= {f"{part}/{name}": v for part, found in record.metrics.items() for name, v in found.items()}
            row |= {f"stability/{name}": v for name, v in record.stability.items() if name != "first_nonfinite"}
            row |= {"best_epoch": record.monitor["best_epoch"], "fit_s": record.speed["fit_s"]}
        rows.append(row)
    return rows


def as_csv(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

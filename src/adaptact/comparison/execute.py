"""The runs of a plan, what they are held against, and what each activation costs: all that is not there yet."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptact import config, files, folders, records, terminal
from adaptact.comparison.one_run import references_of, run_planned
from adaptact.comparison.plan import Arm, Plan, Run, digest
from adaptact.comparison.prepare import Settings
from adaptact.comparison.progress import Progress
from adaptact.comparison.results import CostFile, read_result, reference_files, settled
from adaptact.comparison.worker_pool import execute
from adaptact.data import Prepared
from adaptact.errors import UserError
from adaptact.records import COST_FILE
from adaptact.training.timing import measure_costs


def train_all(plan: Plan, folder: Path, *, workers: int, backend: str, trust: str | None) -> None:
    """All runs of the plan that are not there yet; controls that need what the others learned come last."""
    total = sum(1 for arm in plan.arms for _ in plan.runs(arm))
    with Progress(total, workers, plan.metric, plan.mode) as progress:
        for learned in (False, True):
            arms = [settled(plan, arm, folder) for arm in plan.arms if (arm.control == "learned") is learned]
            progress.skip(total // len(plan.arms) * arms.count(None))
            todo: list[tuple[Run, Arm]] = []
            # seed by seed, so that a worker reads the data of a split once
            for pairs in zip(*([(run, arm) for run in plan.runs(arm)] for arm in arms if arm is not None), strict=True):
                for run, arm in pairs:
                    result = read_result(folder, run, arm)
                    if result.ended:
                        progress.kept(run.arm, result.score(plan.metric))
                    else:
                        todo.append((run, arm))

            def done(number: int, result: dict[str, Any], todo: list[tuple[Run, Arm]] = todo) -> None:
                run, arm = todo[number]
                if not (folder / run.folder / records.PLANNED_FILE).is_file():  # killed before it could say so
                    folders.make_folder(folder / run.folder)
                    plain = {"hash": run.hash, "constant": None, "seconds": 0.0, **result}
                    files.write_json(folder / run.folder / records.PLANNED_FILE, plain)
                progress.done(run, read_result(folder, run, arm))

            tasks = [(str(folder / run.folder), run.settings, run.hash, trust) for run, _ in todo]
            at_once = min(workers, max(1, len(tasks)))
            execute(run_planned, tasks, done, workers=at_once, threads=plan.threads, backend=backend)


def fit_references(plan: Plan, folder: Path, *, workers: int, backend: str, trust: str | None) -> None:
    """Boosting and a linear model, once per split."""
    missing = {file: run for file, run in reference_files(plan, folder).items() if not file.is_file()}
    if missing:
        tasks = [(str(file), run.settings, trust) for file, run in missing.items()]
        with terminal.console(stderr=True).status("reference models"):
            at_once = min(workers, len(tasks))
            execute(references_of, tasks, lambda *_: None, workers=at_once, threads=plan.threads, backend=backend)


def measure(plan: Plan, folder: Path, settings: Settings, prepared: Prepared, ways: Sequence[str]) -> dict[str, Any]:
    """Fit time and latency of all arms, after the runs; kept while the arms are the same."""
    arms = {arm.name: arm for arm in plan.arms if arm.role != "control"}
    key = digest([{name: arm.settings for name, arm in arms.items()}, plan.code, ways])
    path = folder / COST_FILE
    with contextlib.suppress(FileNotFoundError, UserError):  # a broken one is measured again
        kept = files.read_json(path, CostFile)
        if kept["key"] == key:
            return dict(kept["cost"])
    begun = time.perf_counter()
    with terminal.console(stderr=True).status("measuring what each activation costs, one after the other"):
        cost = measure_costs(
            {
                name: config.from_dict({**arm.settings, "trust": settings[arm.activation].trust})
                for name, arm in arms.items()
            },
            prepared,
            plan.baseline,
            ways=ways,
        )
    cost["seconds"] = time.perf_counter() - begun
    files.write_json(path, {"key": key, "cost": cost})
    return cost

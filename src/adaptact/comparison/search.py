"""The search of a tuning: trials of all arms beside each other, until each has its number."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

from adaptact import files, folders
from adaptact.comparison.one_run import run_planned
from adaptact.comparison.plan import digest
from adaptact.comparison.tuning import Study, Tuning, changed, score
from adaptact.comparison.worker_pool import execute
from adaptact.errors import UserError
from adaptact.formatting import number


def keep_settings(folder: Path, digests: dict[str, str]) -> None:
    """Remember what the trials of each arm start from.

    Raises:
        UserError: earlier trials of an arm started from other settings or data: they cannot be ranked with new ones.
    """
    path = folder / "settings.json"
    try:
        known = files.read_json(path, dict[str, str])
    except FileNotFoundError:
        known = {}
    if changed_arms := [arm for arm, one in digests.items() if known.get(arm, one) != one]:
        raise UserError(
            f"{folder} holds trials of {', '.join(changed_arms)} with other settings or data: they cannot be ranked "
            "together; begin a new study with name=<new name>"
        )
    files.write_json(path, known | digests)


def search(
    options: Tuning,
    studies: dict[str, Study],
    settings: dict[str, dict[str, Any]],
    folder: Path,
    *,
    metric: str,
    mode: str,
    workers: int,
    threads: int,
    trust: str | None,
) -> None:
    """Trials in rounds, all arms beside each other, until each has its number; what ended earlier counts."""
    total = options.trials * len(studies)
    while any(study.ended < options.trials for study in studies.values()):
        each = max(1, math.ceil(workers / len(studies) / len(options.seeds)))
        asked: list[tuple[str, int, dict[str, float]]] = []
        for arm, study in studies.items():
            for _ in range(min(each, options.trials - study.ended)):
                asked.append((arm, *study.ask()))
        tasks, owners = [], []
        for place, (arm, trial, found) in enumerate(asked):
            for seed in options.seeds:
                own = changed(settings[arm], found)
                own["seed"] = own["data"]["split_seed"] = seed
                target = folder / folders.safe_name(arm) / f"trial{trial}-seed{seed}"
                tasks.append((str(target), own, digest(own), trust))
                owners.append((place, target))
        values: dict[int, list[float]] = {}

        def done(number: int, result: dict[str, Any], owners: list[Any] = owners, values: Any = values) -> None:
            place, target = owners[number]
            values.setdefault(place, []).append(score(result, target, metric, mode))

        execute(run_planned, tasks, done, workers=min(workers, len(tasks)), threads=threads)
        for place, (arm, trial, found) in enumerate(asked):
            value = sum(values[place]) / len(values[place])
            studies[arm].tell(trial, value)
            ended = sum(study.ended for study in studies.values())
            shown = ", ".join(f"{key} {number(v, digits=3)}" for key, v in found.items())
            print(
                f"{ended}/{total} {arm}: val/{metric} {number(value, digits=5)} with {shown}",
                file=sys.stderr,
                flush=True,
            )

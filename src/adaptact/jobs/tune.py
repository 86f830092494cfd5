"""``tune``: equally many trials for every arm, judged on validation rows; `compare` takes what was found."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any, TypedDict

from rich.markup import escape
from rich.table import Table

from adaptact import config, files, folders, records, terminal
from adaptact.comparison.options import Comparison
from adaptact.comparison.plan import Threads, decisive, digest
from adaptact.comparison.results import as_csv
from adaptact.comparison.tuning import Study, Tuning, defaults_of, read_words, score, write_tuned
from adaptact.errors import UserError
from adaptact.folders import refuse_links
from adaptact.formatting import number
from adaptact.interrupts import continues
from adaptact.jobs.compare import checks, configurations, keep_positive
from adaptact.locks import locked


def run(words: list[str]) -> None:
    """Tune each arm; the last line on stdout is the folder that `compare.tuned=` takes."""
    options, rest = read_words(words)
    settings = configurations(Comparison(activations=options.activations), rest)
    first = next(iter(settings.values()))
    with terminal.console(stderr=True).status("loading torch and the data"):
        from adaptact import data
        from adaptact.comparison.worker_pool import cores, share
        from adaptact.training import hardware
        from adaptact.training.checks import monitored_metric

        prepared = data.load(first.data, first.trust)
        adaptive = checks(settings, prepared)
        keep_positive(settings, prepared.positive)
        monitor, mode = monitored_metric(first, prepared)
        on_gpu = hardware.accelerator(first.trainer) == "gpu"
    workers = options.workers or (1 if on_gpu else cores())
    name = options.name or f"{prepared.name}-{first.model.name}"
    folder = records.project_root() / options.output_dir / folders.safe_name(name)
    with locked(folder), continues("the same command goes on"):
        refuse_links(folder, first.follow_links)
        folders.make_folder(folder)
        plain = {arm: config.to_dict(one) for arm, one in settings.items()}
        digests = {arm: digest([decisive(one), prepared.fingerprint]) for arm, one in plain.items()}
        keep_settings(folder, digests)
        studies = {
            arm: Study(folder / "journal.log", arm, mode, options.space, defaults_of(one, arm in adaptive))
            for arm, one in plain.items()
        }
        search(
            options,
            studies,
            plain,
            folder,
            metric=monitor.removeprefix("val/"),
            mode=mode,
            workers=workers,
            threads=threads_of(folder, share(workers)),
            trust=first.trust,
        )
        with files.together(folder) as draft:
            write_tuned(draft, {arm: study.best[0] for arm, study in studies.items()}, options.trials)
            rows = [row for study in studies.values() for row in study.rows]
            files.write_text(draft / "trials.csv", as_csv(rows))
    console = terminal.console()
    console.print(table(studies, monitor, options.trials))
    console.print(escape(f"compare with them: make compare activations={','.join(studies)} compare.tuned={folder}"))
    print(folder, flush=True)


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


def threads_of(folder: Path, now: int) -> int:
    """Threads of each run of a study: those that its first command had, as another number rounds otherwise."""
    path = folder / "threads.json"
    try:
        return int(files.read_json(path, _Threads)["threads"])
    except FileNotFoundError:
        files.write_json(path, {"threads": now})
        return now


class _Threads(TypedDict):
    threads: Threads


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
    from adaptact.comparison.one_run import run_planned
    from adaptact.comparison.worker_pool import execute

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
                own = changed(settings[arm], found, seed)
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


def changed(settings: dict[str, Any], found: dict[str, float], seed: int) -> dict[str, Any]:
    """A run's settings with those of a trial."""
    plain = {key: dict(value) if isinstance(value, dict) else value for key, value in settings.items()}
    for key, value in found.items():
        section, _, name = key.rpartition(".")
        (plain[section] if section else plain)[name] = value
    plain["seed"] = plain["data"]["split_seed"] = seed
    return plain


def table(studies: dict[str, Study], monitor: str, trials: int) -> Table:
    """The best settings of each arm."""
    found = Table(title=f"best of {trials} trials each, by {escape(monitor)}", title_justify="left")
    keys = list(dict.fromkeys(key for study in studies.values() for key in study.space))
    for column in ("activation", monitor, *keys):
        found.add_column(column)
    for arm, study in studies.items():
        best, value = study.best
        found.add_row(escape(arm), number(value, digits=5), *(number(best.get(key), digits=3) for key in keys))
    return found

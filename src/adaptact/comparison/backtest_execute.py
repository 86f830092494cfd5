"""The runs of a back-test: its folder, and the training of what is not there yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

from adaptact import files, folders, records
from adaptact.comparison.backtest_analysis import Ran
from adaptact.comparison.backtest_one_run import run_window
from adaptact.comparison.backtest_options import Backtest, WindowRun, read_run, runs_of
from adaptact.comparison.folder import Made, found_again, refuse_stale_runs, stale_runs
from adaptact.comparison.plan import Arm, digest
from adaptact.comparison.progress import Progress
from adaptact.comparison.worker_pool import execute
from adaptact.data.table.time_windows import Windows
from adaptact.errors import UserError
from adaptact.records import PLAN_FILE

PRESENTING = ("output_dir=", "workers=", "retrain=")  # words that change no run


class _Planned(TypedDict):
    """Keys of the ``plan.json`` of a back-test that a later command relies on."""

    source: str
    words: list[str]


def _made(folder: Path) -> Made:
    plain = files.read_json(folder / PLAN_FILE, _Planned)
    return Made(plain["words"], plain["source"])


def folder_of(
    options: Backtest, arms: Sequence[Arm], windows: Windows, words: Sequence[str]
) -> tuple[Path, dict[str, Any]]:
    """The folder of this back-test and the content of its plan; the same command gives the same ones.

    Raises:
        UserError: it holds runs that were made otherwise, and ``retrain`` is not typed.
    """
    plain = {
        "scheme": asdict(options.scheme),
        "arms": {arm.name: arm.settings for arm in arms},
        "seeds": options.seeds,
        "source": windows.source,
    }
    name = options.name or f"{Path(windows.options.path).stem}-{arms[0].settings['model']['name']}-{digest(plain)[:8]}"
    folder = records.project_root() / options.output_dir / folders.safe_name(name)
    if options.name is None and not folder.is_dir():
        folder = found_again(folder.parent, Made(words, windows.source), _made, PRESENTING) or folder
    runs = [run for arm in arms for run in runs_of(arm, options, windows.source)]
    again = folder.with_name(f"{folder.name}-{digest([run.hash for run in runs])[:8]}")
    if stale := stale_runs(folder, runs):
        if not options.retrain:
            refuse_stale_runs(folder, stale, [], "retrain=true", again)
        folder = again
    return folder, {"schema": 1, **plain, "words": list(words), "windows": list(windows.describe())}


def planned(options: Backtest, arms: Sequence[Arm], windows: Windows) -> list[tuple[WindowRun, Arm]]:
    """All runs, origin by origin, so that arms that share rows are trained one after the other."""
    each = [[(run, arm) for run in runs_of(arm, options, windows.source)] for arm in arms]
    return [pair for pairs in zip(*each, strict=True) for pair in pairs]


def train_all(
    options: Backtest,
    arms: Sequence[Arm],
    windows: Windows,
    folder: Path,
    *,
    metric: str,
    mode: str,
    workers: int,
    threads: int,
    trust: str | None,
) -> None:
    """All runs that are not there yet."""
    runs = planned(options, arms, windows)
    with Progress(total=len(runs), workers=workers, metric=metric, mode=mode) as progress:
        todo = []
        for run, arm in runs:
            result, found = read_run(folder, run, arm)
            if found:
                progress.kept(run.arm, result.score(metric))
            else:
                todo.append((run, arm))
        scheme = asdict(options.scheme)
        tasks = [(str(folder / run.folder), run.settings, scheme, run.origin, run.hash, trust) for run, _ in todo]

        def done(number: int, result: dict[str, Any]) -> None:
            run, arm = todo[number]
            outcome, found = read_run(folder, run, arm)
            if not found:
                raise UserError(
                    f"{run.folder} could not be scored: {result['reason']}; the same command tries it again"
                )
            progress.done(run, outcome)

        execute(run_window, tasks, done, workers=min(workers, max(1, len(tasks))), threads=threads)


def collect(options: Backtest, arms: Sequence[Arm], windows: Windows, folder: Path) -> list[Ran]:
    """What all runs left, arm by arm."""
    return [Ran(run, *read_run(folder, run, arm)) for arm in arms for run in runs_of(arm, options, windows.source)]

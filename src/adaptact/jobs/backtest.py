"""``backtest``: models trained up to each window of time are scored on the windows after it: how fast do they age?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from adaptact import config, files, folders, records, terminal
from adaptact.comparison.backtest_options import Backtest, Value, WindowRun, read_run, read_words, runs_of
from adaptact.comparison.folder import refuse_stale_runs, stale_runs
from adaptact.comparison.options import Comparison
from adaptact.comparison.plan import Arm, Threads, arms_of, digest
from adaptact.errors import ConfigError, DataError, UserError
from adaptact.folders import refuse_links
from adaptact.interrupts import continues
from adaptact.jobs.compare import check_costs, checks, configurations, keep_positive
from adaptact.locks import locked

if TYPE_CHECKING:
    from adaptact.comparison.backtest_analysis import Ran
    from adaptact.data.table.time_windows import Windows

PLAN_FILE = "plan.json"


def run(words: list[str]) -> None:
    """Train, score and report; the last line on stdout is the folder of the back-test."""
    options, rest = read_words(words)
    comparison = Comparison(activations=options.activations, seeds=options.seeds)
    settings = {name: with_costs(one, options.value) for name, one in configurations(comparison, rest).items()}
    first = next(iter(settings.values()))
    table_of(first)
    with terminal.console(stderr=True).status("loading torch and the data"):
        windows = read(options, settings)
        metric, mode = followed(options, first, windows)
        check_all(options, settings, windows)
        keep_positive(settings, windows.cells.positive)
        from adaptact.comparison.worker_pool import cores, share
        from adaptact.report.backtest import print_summary
        from adaptact.training import hardware

        on_gpu = hardware.accelerator(first.trainer) == "gpu"
    arms = arms_of(comparison, lambda name: config.to_dict(settings[name]))
    workers = options.workers or (1 if on_gpu else cores())
    folder, plain = folder_of(options, arms, windows, words)
    with locked(folder), continues("the same command goes on"):
        refuse_links(folder, first.follow_links)
        plain["threads"] = threads_of(folder) or share(workers)
        folders.make_folder(folder)
        files.write_json(folder / PLAN_FILE, plain | {"state": "running"})
        how: dict[str, Any] = {"workers": workers, "threads": plain["threads"], "trust": first.trust}
        try:
            train_all(options, arms, windows, folder, metric=metric, mode=mode, **how)
            report = write_files(options, arms, windows, folder, words, metric=metric, mode=mode)
        except KeyboardInterrupt:
            files.write_json(folder / PLAN_FILE, plain | {"state": "interrupted"})
            raise
        files.write_json(folder / PLAN_FILE, plain | {"state": "finished"})
    print_summary(report, terminal.console())
    print(folder, flush=True)


def write_files(
    options: Backtest, arms: Sequence[Arm], windows: Windows, folder: Path, words: list[str], *, metric: str, mode: str
) -> dict[str, Any]:
    """Write the report from what all runs left, and return the content of ``backtest.json``."""
    from adaptact.report.backtest import write_report

    found = collect(options, arms, windows, folder)
    data: dict[str, Any] = {
        "name": Path(windows.options.path).name,
        "task": windows.cells.task,
        "fingerprint": windows.source,
    }
    positive = windows.cells.positive
    data["positive"] = None if positive is None else {**asdict(positive), "metric_of": positive.label}
    return write_report(options, arms, found, folder, windows, metric=metric, mode=mode, data=data, words=words)


def with_costs(settings: config.Config, value: Value) -> config.Config:
    """The costs of errors also choose the threshold of two classes, where no others are set for that."""
    if isinstance(settings.data, config.Table) and settings.data.cost_fp is None:
        settings.data.cost_fp, settings.data.cost_fn = value.cost_fp, value.cost_fn
    return settings


def table_of(settings: config.Config) -> config.Table:
    """The data's options.

    Raises:
        ConfigError: data without a time column, or rows that something else picks.
    """
    data = settings.data
    if not isinstance(data, config.Table):
        raise ConfigError(
            [f"data={data.name} has no time column: a back-test needs data=table data.path=... data.time=..."]
        )
    problems = [
        f"data.{key} picks rows, and a back-test cuts its own windows: leave it out"
        for key in ("val_path", "test_path", "folds")
        if getattr(data, key) is not None
    ]
    if data.time is None:
        problems.append("data.time is missing: the column that says when each row was, as in data.time=date")
    if problems:
        raise ConfigError(problems)
    return data


def read(options: Backtest, settings: dict[str, config.Config]) -> Windows:
    """The table in windows.

    Raises:
        DataError, ConfigError: whatever is wrong with it, or does not go with it.
    """
    from adaptact.data.table.time_windows import read_windows
    from adaptact.training.checks import check_target

    windows = read_windows(table_of(next(iter(settings.values()))), options.scheme)
    check_costs(options.value.cost_fn, windows.cells)
    for one in settings.values():
        check_target(one, windows.cells)
    if options.value.decisions_per_year is not None and not windows.dated:
        raise ConfigError(
            [
                f"value.decisions_per_year needs dates, and data.time={windows.options.time} holds numbers: how many "
                "of them are a year is not known"
            ]
        )
    return windows


def check_all(options: Backtest, settings: dict[str, config.Config], windows: Windows) -> None:
    """Everything that can be wrong with any window or arm, before anything is written."""
    windows.check()
    smallest = min(options.scheme.origins, key=lambda origin: len(windows.rows(origin)["train"]))
    try:
        checks(settings, windows.prepared(smallest))
    except DataError as error:
        raise DataError(f"trained up to window {smallest + 1}: {error}") from None


def followed(options: Backtest, first: config.Config, windows: Windows) -> tuple[str, str]:
    """Name and mode of the metric.

    Raises:
        ConfigError: a metric of the other task.
    """
    from adaptact.training.checks import monitored_metric

    task = windows.cells.task
    metric = options.metric.removeprefix("test/")
    metric = monitored_metric(first, windows.cells)[0].removeprefix("val/") if metric == "auto" else metric
    if metric not in config.METRICS[task]:
        raise ConfigError([f"metric={metric}: this is a {task}; it has {', '.join(config.METRICS[task])}"])
    return metric, config.METRICS[task][metric]


def folder_of(
    options: Backtest, arms: Sequence[Arm], windows: Windows, words: list[str]
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
        folder = same_command(folder.parent, words, windows.source) or folder
    runs = [run for arm in arms for run in runs_of(arm, options, windows.source)]
    again = folder.with_name(f"{folder.name}-{digest([run.hash for run in runs])[:8]}")
    if stale := stale_runs(folder, runs):
        if not options.retrain:
            refuse_stale_runs(folder, stale, [], "retrain=true", again)
        folder = again
    return folder, {"schema": 1, **plain, "words": words, "windows": list(windows.describe())}


def threads_of(folder: Path) -> int | None:
    """Threads of each run that the plan in a folder has; None where there is none, or one of an earlier version."""
    try:
        return files.read_json(folder / PLAN_FILE, _Planned).get("threads")  # type: ignore[no-any-return]
    except FileNotFoundError:
        return None


class _Planned(TypedDict):
    """Keys of the ``plan.json`` of a back-test that a later command relies on."""

    source: str
    words: list[str]
    threads: NotRequired[Threads]


def same_command(parent: Path, words: Sequence[str], source: str) -> Path | None:
    """The folder that the same words made from the same data, whatever an option is by default now."""

    def deciding(some: Sequence[str]) -> set[str]:
        return {word for word in some if not word.startswith(("output_dir=", "workers=", "retrain="))}

    for path in sorted(parent.glob(f"*/{PLAN_FILE}")):
        try:
            plain = files.read_json(path, _Planned)
        except UserError:  # of a neighbour
            continue
        if plain["source"] == source and deciding(plain["words"]) == deciding(words):
            return path.parent
    return None


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
    from adaptact.comparison.backtest_one_run import run_window
    from adaptact.comparison.progress import Progress
    from adaptact.comparison.worker_pool import execute

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
    from adaptact.comparison.backtest_analysis import Ran

    return [Ran(run, *read_run(folder, run, arm)) for arm in arms for run in runs_of(arm, options, windows.source)]

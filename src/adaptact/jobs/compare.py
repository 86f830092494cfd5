"""``compare``: a plan, its runs in worker processes, and a report that says adopt, equivalent, reject or undecided."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptact import config, files, folders, launcher, records, terminal
from adaptact.comparison.code_files import code_files
from adaptact.comparison.folder import folder_of
from adaptact.comparison.options import Comparison, read_words
from adaptact.comparison.plan import Arm, Plan, Run, arms_of, code_version, settle
from adaptact.comparison.results import CostFile
from adaptact.errors import ConfigError, UserError
from adaptact.folders import refuse_links
from adaptact.interrupts import continues
from adaptact.locks import locked

if TYPE_CHECKING:
    from adaptact.data import Prepared
    from adaptact.data.positive import Positive
    from adaptact.training.checks import Target

DEFAULTS = {"logger": "logger=none"}  # a run of many needs no dashboard of its own; typed words win
RELATIVE = {"log_loss", "rmse", "mae", "r2"}


def run(words: list[str]) -> None:
    """Compare activations over paired seeds; the last line on stdout is the folder of the comparison."""
    options, rest = read_words(words)
    settings = configurations(options, rest)
    with terminal.console(stderr=True).status("loading torch and the data"):
        prepared, fixed_test = load(next(iter(settings.values())), options)
        adaptive = checks(settings, prepared)
        check_costs(options.value.cost_fn, prepared)
        keep_positive(settings, prepared.positive)
        plan = plan_of(options, settings, prepared, fixed_test, adaptive, words)
        from adaptact.comparison.worker_pool import cores, share
        from adaptact.report.comparison import print_summary
    first = next(iter(settings.values()))
    on_gpu = _accelerator(first) == "gpu"
    workers = options.compare.workers or (1 if on_gpu else cores())
    plan.threads = share(min(workers, sum(1 for arm in plan.arms for _ in plan.runs(arm))))
    parent = records.project_root() / options.output_dir
    folder = folder_of(parent, plan, options.name, options.compare.retrain)
    with locked(folder), continues("the same command goes on"):
        if folder_of(parent, plan, options.name, options.compare.retrain) != folder:
            raise UserError(f"{folder} was begun by another command meanwhile: give this one again")
        refuse_links(folder, first.follow_links)
        plan = settle(folder, plan)
        for change in plan.changes:
            print(f"note: changed since the plan was written: {change['what']}", file=sys.stderr)
        try:
            report = carry_out(plan, folder, options, settings, prepared, workers)
        except KeyboardInterrupt:
            plan.state = "interrupted"
            plan.write(folder)
            raise
    print_summary(report, terminal.console())
    print(folder, flush=True)


def carry_out(
    plan: Plan,
    folder: Path,
    options: Comparison,
    settings: dict[str, config.Config],
    prepared: Prepared,
    workers: int,
) -> dict[str, Any]:
    """Train, measure and report what is not there yet, and return the content of ``report.json``."""
    from adaptact.comparison.earlier_looks import earlier_looks
    from adaptact.report.comparison import write_report
    from adaptact.training.metrics import metric_of_arrays

    trust = next(iter(settings.values())).trust
    how: dict[str, Any] = {"workers": workers, "backend": options.compare.backend, "trust": trust}
    train_all(plan, folder, **how)
    fit_references(plan, folder, **how)
    cost = measure(plan, folder, settings, prepared, options.compare.cost) if options.compare.cost else None
    report = write_report(
        plan,
        folder,
        metric_of=metric_of_arrays,
        cost=cost,
        looks=earlier_looks(folder, plan),
        language=options.report.language,
        backtest=options.report.backtest,
        value=options.value,
    )
    plan.state = "finished"
    plan.write(folder)
    return report


def keep_positive(settings: dict[str, config.Config], positive: Positive | None) -> None:
    """Say which class is to be found, and write it into the settings of all arms."""
    if positive is not None:
        print(positive.line(), file=sys.stderr)
        for one in settings.values():
            one.data.positive = positive.label


def check_costs(cost_fn: float | None, target: Target) -> None:
    """Raise ConfigError where ``value.cost_fn`` does not go with what is to be predicted."""
    from adaptact.training.checks import costs_need_a_class

    if cost_fn is None:
        return
    if target.positive is None:
        raise ConfigError(["value.cost_fp and value.cost_fn are for two classes, and this target is something else"])
    costs_need_a_class(target.positive, "value.cost_fn")


def configurations(options: Comparison, rest: list[str]) -> dict[str, config.Config]:
    """A checked configuration per activation.

    Raises:
        ConfigError: with the problems of all arms, each once.
    """
    typed = {word.lstrip("+").partition("=")[0] for word in rest}
    words = [*rest, *(word for key, word in DEFAULTS.items() if key not in typed)]
    found: dict[str, config.Config] = {}
    problems: list[str] = []
    for activation in dict.fromkeys(options.activations):
        try:
            found[activation] = launcher.compose([*words, f"activation={activation}"])
            found[activation].references = False  # once per split, not once per run
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise ConfigError(problems)
    return found


def load(settings: config.Config, options: Comparison) -> tuple[Prepared, bool]:
    """The data of the first seed, and whether all seeds share their test rows.

    Raises:
        DataError, ConfigError: whatever is wrong with it.
    """
    from adaptact import data

    seeds = options.seeds[:2] if "split" in options.compare.vary else [settings.data.split_seed]
    found = [data.load(dataclasses.replace(settings.data, split_seed=seed), settings.trust) for seed in seeds]
    tests = [prepared.parts["test"] for prepared in found]
    fixed = len(tests[0]) == len(tests[-1]) and bool((tests[0].y == tests[-1].y).all())
    if isinstance(settings.data, config.ImageFolder):  # classes in their order look alike in every split
        fixed = fixed and bool((tests[0].x == tests[-1].x).all())
    fixed = fixed and tests[0].x.shape == tests[-1].x.shape and getattr(settings.data, "folds", None) is None
    official = isinstance(settings.data, config.Idx) or getattr(settings.data, "test_path", None) is not None
    read = (config.CustomData, config.Rows, config.ImageFolder)
    return found[0], official or (fixed and isinstance(settings.data, read))


def checks(settings: dict[str, config.Config], prepared: Prepared) -> set[str]:
    """Check everything that can be wrong with any arm, before anything is written.

    Returns:
        The activations that learn something.
    """
    from adaptact.training.build import build_with_sites, learns
    from adaptact.training.checks import check

    problems: list[str] = []
    adaptive = set()
    for name, one in settings.items():
        try:
            check(one, prepared)
            _, replaced = build_with_sites(one, prepared.input_shape, prepared.n_outputs, prepared.layout)
            adaptive |= {name} if learns(replaced) else set()
        except ConfigError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise ConfigError(problems)
    return adaptive


def plan_of(
    options: Comparison,
    settings: dict[str, config.Config],
    prepared: Prepared,
    fixed_test: bool,
    adaptive: set[str],
    words: list[str],
) -> Plan:
    """The plan, from what was typed and what the data is like.

    Raises:
        ConfigError: a metric of the other task.
    """
    from adaptact.training.checks import monitored_metric

    first = next(iter(settings.values()))
    known = config.METRICS[prepared.task]
    monitored = monitored_metric(first, prepared)[0].removeprefix("val/")
    metric = options.compare.metric.removeprefix("test/")
    metric = monitored if metric == "auto" else metric
    if metric not in known:
        raise ConfigError([f"compare.metric={metric}: this is a {prepared.task}; it has {', '.join(known)}"])
    vary = [what for what in options.compare.vary if not (what == "split" and fixed_test)]
    margin = options.compare.margin
    rule = "set by you" if margin is not None else "1 % of the baseline's error" if metric in RELATIVE else "0.005"
    tuned = _tuned(options)
    return Plan(
        baseline=options.baseline or options.activations[0],
        metric=metric,
        mode=known[metric],
        margin=margin,
        margin_rule=rule,
        error=options.compare.error,
        strict=options.compare.strict,
        vary=vary,
        seeds=options.seeds,
        folds=getattr(first.data, "folds", None),
        limits={
            "latency_ratio": options.compare.max_latency_ratio,
            "fit_time_ratio": options.compare.max_fit_time_ratio,
        },
        arms=arms_of(options, lambda name: _with(config.to_dict(settings[name]), tuned.get(name, {})), adaptive),
        data={
            "name": prepared.name,
            "task": prepared.task,
            "labels": prepared.labels,
            "positive": None if prepared.positive is None else dataclasses.asdict(prepared.positive),
            "fingerprint": prepared.fingerprint,
            "rows": {part: len(rows) for part, rows in prepared.parts.items()},
            "fixed_test": fixed_test,
            "warnings": data_warnings(first.data),
        },
        code=code_version(),
        code_files=code_files(),
        words=[word for word in words if not word.startswith("compare.retrain=")],
    )


def data_warnings(options: config.Data) -> list[dict[str, Any]]:
    """What `make check-data` warns of, for the report."""
    from adaptact import data
    from adaptact.data.table.checks import INFO

    readers = data.readers(options)
    if readers is None:
        return []
    reader, checker = readers
    found = checker.findings(reader.read_and_split(options), options)
    kept = [f for f in found if f.level != INFO]
    return [{"kind": f.kind, "column": f.column, "detail": f.detail, "advice": f.advice} for f in kept]


def _tuned(options: Comparison) -> dict[str, dict[str, Any]]:
    """Per arm the settings that `make tune` found best."""
    if options.compare.tuned is None:
        return {}
    from adaptact.comparison.tuning import read_tuned

    return read_tuned(Path(options.compare.tuned), options.activations)


def _with(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        (settings[section] if section else settings)[name] = value
    return settings


def _accelerator(settings: config.Config) -> str:
    from adaptact.training import hardware

    return hardware.accelerator(settings.trainer)


def train_all(plan: Plan, folder: Path, *, workers: int, backend: str, trust: str | None) -> None:
    """All runs of the plan that are not there yet; controls that need what the others learned come last."""
    from adaptact.comparison.one_run import run_planned
    from adaptact.comparison.progress import Progress
    from adaptact.comparison.results import read_result, settled
    from adaptact.comparison.worker_pool import execute

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
    from adaptact.comparison.one_run import references_of
    from adaptact.comparison.results import reference_files
    from adaptact.comparison.worker_pool import execute

    missing = {file: run for file, run in reference_files(plan, folder).items() if not file.is_file()}
    if missing:
        tasks = [(str(file), run.settings, trust) for file, run in missing.items()]
        with terminal.console(stderr=True).status("reference models"):
            at_once = min(workers, len(tasks))
            execute(references_of, tasks, lambda *_: None, workers=at_once, threads=plan.threads, backend=backend)


def measure(
    plan: Plan, folder: Path, settings: dict[str, config.Config], prepared: Prepared, ways: list[str]
) -> dict[str, Any]:
    """Fit time and latency of all arms, after the runs; kept while the arms are the same."""
    from adaptact.comparison.plan import digest
    from adaptact.training.timing import measure_costs

    arms = {arm.name: arm for arm in plan.arms if arm.role != "control"}
    key = digest([{name: arm.settings for name, arm in arms.items()}, plan.code, ways])
    path = folder / "cost.json"
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

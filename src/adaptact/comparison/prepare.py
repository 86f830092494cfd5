"""Preparation of a comparison before its first run: checks of every arm, and the plan."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from adaptact import config
from adaptact.comparison.code_files import code_files
from adaptact.comparison.load_data import data_warnings
from adaptact.comparison.options import Comparison
from adaptact.comparison.plan import Plan, arms_of, code_version
from adaptact.comparison.tuning import changed, read_tuned
from adaptact.comparison.worker_pool import cores
from adaptact.data import Prepared
from adaptact.data.costs import Target, costs_need_a_class
from adaptact.data.positive import Positive
from adaptact.errors import ConfigError
from adaptact.training import hardware
from adaptact.training.build import build_with_sites, learns
from adaptact.training.checks import check, monitored_metric

RELATIVE = {"log_loss", "rmse", "mae", "r2"}
Settings = Mapping[str, config.Config]  # of each activation


def checks(settings: Settings, prepared: Prepared) -> set[str]:
    """Check everything that can be wrong with any arm, before anything is written.

    Returns:
        The activations that learn something.
    """
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


def check_costs(cost_fn: float | None, target: Target) -> None:
    """Raise ConfigError where ``value.cost_fn`` does not go with what is to be predicted."""
    if cost_fn is None:
        return
    if target.positive is None:
        raise ConfigError(["value.cost_fp and value.cost_fn are for two classes, and this target is something else"])
    costs_need_a_class(target.positive, "value.cost_fn")


def keep_positive(settings: Settings, positive: Positive | None) -> None:
    """Say which class is to be found, and write it into the settings of all arms."""
    if positive is not None:
        print(positive.line(), file=sys.stderr)
        for one in settings.values():
            one.data.positive = positive.label


def workers_of(settings: config.Config, typed: int | None) -> int:
    """Runs at once, where nothing else is typed: one per core, one on a GPU."""
    return typed or (1 if hardware.accelerator(settings.trainer) == "gpu" else cores())


def metric_of(key: str, typed: str, settings: config.Config, target: Target) -> tuple[str, str]:
    """Name and mode of what decides; auto: what is monitored.

    Raises:
        ConfigError: a metric of the other task.
    """
    known = config.METRICS[target.task]
    metric = typed.removeprefix("test/")
    if metric == "auto":
        metric = monitored_metric(settings, target)[0].removeprefix("val/")
    if metric not in known:
        raise ConfigError([f"{key}={metric}: this is a {target.task}; it has {', '.join(known)}"])
    return metric, known[metric]


def plan_of(
    options: Comparison,
    settings: Settings,
    prepared: Prepared,
    fixed_test: bool,
    adaptive: set[str],
    words: Sequence[str],
) -> Plan:
    """The plan, from what was typed and what the data is like.

    Raises:
        ConfigError: a metric of the other task.
    """
    first = next(iter(settings.values()))
    metric, mode = metric_of("compare.metric", options.compare.metric, first, prepared)
    vary = [what for what in options.compare.vary if not (what == "split" and fixed_test)]
    margin = options.compare.margin
    rule = "set by you" if margin is not None else "1 % of the baseline's error" if metric in RELATIVE else "0.005"
    chosen = options.compare.tuned
    tuned = {} if chosen is None else read_tuned(Path(chosen), options.activations)
    return Plan(
        baseline=options.baseline or options.activations[0],
        metric=metric,
        mode=mode,
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
        arms=arms_of(options, lambda name: changed(config.to_dict(settings[name]), tuned.get(name, {})), adaptive),
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

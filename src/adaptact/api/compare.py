"""A comparison from its options to its report: plan, runs, references, costs, pages."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptact import launcher, records, terminal
from adaptact.comparison.earlier_looks import earlier_looks
from adaptact.comparison.folder import ending, folder_of
from adaptact.comparison.load_data import load
from adaptact.comparison.options import Comparison
from adaptact.comparison.plan import settle
from adaptact.errors import UserError
from adaptact.folders import refuse_links
from adaptact.interrupts import continues
from adaptact.locks import locked


def carry_out(options: Comparison, rest: Sequence[str], words: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Train, measure and report what is not there yet.

    Args:
        rest: the words that go to each run.
        words: all words of the command; the report shows them.

    Returns:
        The folder of the comparison and the content of its ``report.json``.

    Raises:
        ConfigError, DataError, UserError: whatever is wrong with the settings of any arm, with the data, or with what
            the folder holds; nothing is trained then.
    """
    settings = launcher.compose_arms(options.activations, rest)
    first = next(iter(settings.values()))
    with terminal.console(stderr=True).status("loading torch and the data"):
        prepared, fixed_test = load(first, options)
        from adaptact.comparison import prepare
        from adaptact.comparison.worker_pool import share

        adaptive = prepare.checks(settings, prepared)
        prepare.check_costs(options.value.cost_fn, prepared)
        prepare.keep_positive(settings, prepared.positive)
        plan = prepare.plan_of(options, settings, prepared, fixed_test, adaptive, words)
        workers = prepare.workers_of(first, options.compare.workers)
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
        from adaptact.comparison import execute
        from adaptact.report.comparison import write_report
        from adaptact.training.metrics import metric_of_arrays

        how: dict[str, Any] = {"workers": workers, "backend": options.compare.backend, "trust": first.trust}
        with ending(lambda state: plan.end(folder, state)):
            execute.train_all(plan, folder, **how)
            execute.fit_references(plan, folder, **how)
            cost = options.compare.cost and execute.measure(plan, folder, settings, prepared, options.compare.cost)
            report = write_report(
                plan,
                folder,
                metric_of=metric_of_arrays,
                cost=cost or None,
                looks=earlier_looks(folder, plan),
                language=options.report.language,
                backtest=options.report.backtest,
                value=options.value,
            )
    return folder, report

"""A back-test from its options to its report: windows, runs, pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptact import config, files, folders, launcher, terminal
from adaptact.comparison.backtest_options import Backtest
from adaptact.comparison.folder import ending, threads_of
from adaptact.comparison.options import Comparison
from adaptact.comparison.plan import arms_of
from adaptact.folders import refuse_links
from adaptact.interrupts import continues
from adaptact.locks import locked
from adaptact.records import PLAN_FILE


def carry_out(options: Backtest, rest: Sequence[str], words: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Train, score and report what is not there yet.

    Args:
        rest: the words that go to each run.
        words: all words of the command; the report shows them.

    Returns:
        The folder of the back-test and the content of its ``backtest.json``.

    Raises:
        ConfigError, DataError, UserError: whatever is wrong with the settings of any arm, with the data, or with what
            the folder holds; nothing is trained then.
    """
    settings = launcher.compose_arms(options.activations, rest)
    first = next(iter(settings.values()))
    for one in settings.values():
        one.data.with_default_costs(options.value.cost_fp, options.value.cost_fn)
    first.data.windowed()
    with terminal.console(stderr=True).status("loading torch and the data"):
        from adaptact.comparison import backtest_windows, prepare

        windows = backtest_windows.read(options, settings)
        metric, mode = prepare.metric_of("metric", options.metric, first, windows.cells)
        backtest_windows.check_all(options, settings, windows)
        prepare.keep_positive(settings, windows.cells.positive)
        from adaptact.comparison import backtest_execute, worker_pool
        from adaptact.report.backtest import write_report

        workers = prepare.workers_of(first, options.workers)
    of_arms = Comparison(activations=options.activations, seeds=options.seeds)
    arms = arms_of(of_arms, lambda name: config.to_dict(settings[name]))
    folder, plain = backtest_execute.folder_of(options, arms, windows, words)
    path = folder / PLAN_FILE
    with locked(folder), continues("the same command goes on"), worker_pool.ended_afterwards():
        refuse_links(folder, first.follow_links)
        plain["threads"] = threads_of(path) or worker_pool.share(workers)
        folders.make_folder(folder)
        files.write_json(path, plain | {"state": "running"})
        how: dict[str, Any] = {"workers": workers, "threads": plain["threads"], "trust": first.trust}
        with ending(lambda state: files.write_json(path, plain | {"state": state})):
            backtest_execute.train_all(options, arms, windows, folder, metric=metric, mode=mode, **how)
            report = write_report(
                options,
                arms,
                backtest_execute.collect(options, arms, windows, folder),
                folder,
                windows,
                metric=metric,
                mode=mode,
                data=backtest_windows.described(windows),
                words=words,
            )
    return folder, report

"""The table of a back-test in windows, and what can be wrong with it before its first run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from adaptact.comparison.backtest_options import Backtest
from adaptact.comparison.prepare import Settings, check_costs, checks
from adaptact.data.table.time_windows import Windows, read_windows
from adaptact.errors import ConfigError, DataError
from adaptact.training.checks import check_target


def read(options: Backtest, settings: Settings) -> Windows:
    """The table in windows.

    Raises:
        DataError, ConfigError: whatever is wrong with it, or does not go with it.
    """
    windows = read_windows(next(iter(settings.values())).data.windowed(), options.scheme)
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


def check_all(options: Backtest, settings: Settings, windows: Windows) -> None:
    """Everything that can be wrong with any window or arm, before anything is written."""
    windows.check()
    smallest = min(options.scheme.origins, key=lambda origin: len(windows.rows(origin)["train"]))
    try:
        checks(settings, windows.prepared(smallest))
    except DataError as error:
        raise DataError(f"trained up to window {smallest + 1}: {error}") from None


def described(windows: Windows) -> dict[str, Any]:
    """The data as the report names it."""
    positive = windows.cells.positive
    return {
        "name": Path(windows.options.path).name,
        "task": windows.cells.task,
        "fingerprint": windows.source,
        "positive": None if positive is None else {**asdict(positive), "metric_of": positive.label},
    }

"""What a back-test takes beside the words of its runs, and which runs it is made of."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

from adaptact import files, folders, records
from adaptact.comparison.options import SET_BY_IT, unknown_metric
from adaptact.comparison.plan import Arm, Run, code_version, digest
from adaptact.comparison.results import Result, read_result
from adaptact.comparison.value import ErrorCosts
from adaptact.config import decisive
from adaptact.config.words import checked, read_section
from adaptact.data.table.time_windows import Scheme
from adaptact.errors import UserError
from adaptact.schema import option
from adaptact.shapes import Count


@dataclass
class AgeingCosts(ErrorCosts):
    """Costs of errors, decisions and a retraining, all in one currency; those of errors set the threshold."""

    compute_per_hour: float | None = option(None, "cost of an hour of this machine", ge=0)
    retraining_cost: float = option(0.0, "cost of one retraining beside its computing: people, checks, roll-out", ge=0)
    retrainings_per_year: float | None = option(None, "how often you retrain now", gt=0)

    def problems(self) -> list[str]:
        """What contradicts itself."""
        found = super().problems()
        if not self.known and (self.decisions_per_year is not None or self.retrainings_per_year is not None):
            found.append(
                "value.decisions_per_year and value.retrainings_per_year need what an error costs: value.cost_fp and "
                "value.cost_fn (two classes), or value.per_unit_error"
            )
        if self.known and not self.retraining_cost and not self.compute_per_hour:
            found.append(
                "what one retraining costs is missing: value.compute_per_hour (times the measured time) or "
                "value.retraining_cost"
            )
        return found


@dataclass
class Backtest:
    """Everything that `backtest` takes; all other words go to its runs."""

    activations: list[str] = option(["gelu", "sgblend"], "the arms; the first is the baseline")
    seeds: list[int] = option([0, 1, 2], "how many, as in 3, or which, as in [3,5]", ge=0)
    windows: int = option(6, "consecutive windows that the rows are cut into by data.time", ge=3)
    by: Literal["rows", "time"] = option("rows", "rows: windows of equally many rows; time: of equal spans of time")
    history: str = option("1", "how many windows back a model is trained on, or all")
    delay: float = option(
        0.0,
        "days (or units of numbers in data.time) until a row's answer is known: later rows are not trained on",
        ge=0,
    )
    metric: str = option("auto", "what is followed, as in auroc; auto: the metric that is monitored")
    margin: float | None = option(
        None,
        "smallest loss that matters, in the metric's unit; null: 0.005, or 1 % of the baseline's error for log_loss, "
        "rmse, mae and r2",
        gt=0,
    )
    workers: int | None = option(None, "runs at once; null: one per core, one on a GPU", ge=1)
    name: str | None = option(None, "name of the folder; null: data, model and a hash of the command")
    retrain: bool = option(False, "where settings, data or code changed since the runs of this name: train all anew")
    output_dir: str = option("runs/backtest", "folder of the back-tests; relative to the project")
    value: AgeingCosts = field(default_factory=AgeingCosts)

    @property
    def scheme(self) -> Scheme:
        return Scheme(self.windows, self.by, None if self.history == "all" else int(self.history), self.delay)

    def problems(self) -> list[str]:
        """What contradicts itself."""
        problems = []
        if not self.activations:
            problems.append("activations is empty: name at least one, as in activations=gelu,sgblend")
        if not self.seeds:
            problems.append("seeds is empty: use seeds=3 or seeds=[3,5]")
        if len(set(self.seeds)) < len(self.seeds):
            problems.append("seeds names one seed twice: a repeated run says nothing new")
        if self.history != "all" and not (self.history.isdecimal() and int(self.history) >= 1):
            problems.append(f"history must be a whole number of windows from 1, or all, not {self.history!r}")
        elif len(self.scheme.origins) < 2:
            problems.append(
                f"history={self.history} of windows={self.windows} leaves fewer than two windows to train up to: "
                "nothing ages; use more windows or a shorter history"
            )
        return [*problems, *unknown_metric("metric", self.metric.removeprefix("test/")), *self.value.problems()]


def read_words(words: list[str]) -> tuple[Backtest, list[str]]:
    """The options among the words, and the words that go to each run.

    Raises:
        ConfigError: with all problems at once.

    >>> options, rest = read_words(["activations=gelu", "windows=5", "history=all", "data=sample"])
    >>> options.scheme.origins, rest
    (range(0, 4), ['data=sample'])
    """
    options, rest, problems = read_section(Backtest, words, SET_BY_IT)
    return checked(options, problems), rest


@dataclass(frozen=True)
class WindowRun(Run):
    """One training of a back-test: up to the end of window ``origin``, from 0."""

    origin: int = 0

    @property
    def folder(self) -> str:
        return f"{folders.safe_name(self.arm)}/window{self.origin + 1}-seed{self.seed}"


def runs_of(arm: Arm, options: Backtest, source: str) -> Iterator[WindowRun]:
    """The runs of one arm, window by window. ``source``: SHA-256 of the data."""
    scheme = options.scheme
    for origin in scheme.origins:
        for seed in options.seeds:
            settings = copy.deepcopy(arm.settings)
            settings["seed"] = settings["data"]["order_seed"] = seed + arm.seed_offset
            key = digest([decisive(settings), asdict(scheme), origin, source, code_version()])
            yield WindowRun(arm.name, seed, None, settings, key, origin)


class _Window(TypedDict):
    """One later window of ``windows.json``."""

    window: Count
    metrics: records.Metrics


def read_run(folder: Path, run: WindowRun, arm: Arm) -> tuple[Result, list[dict[str, Any]]]:
    """A run's result and its metrics per window; with status "missing" where either is not there or not whole."""
    result = read_result(folder, run, arm)
    if not result.ended:
        return result, []
    try:
        return result, files.read_json(result.folder / records.WINDOWS_FILE, list[_Window])
    except (FileNotFoundError, UserError):
        return Result(run, arm, result.folder, "missing", result.reason), []

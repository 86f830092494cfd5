"""What a comparison takes beside the words of its runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from adaptact.comparison.value import Value
from adaptact.config import METRICS
from adaptact.config.words import checked, read_section
from adaptact.errors import did_you_mean
from adaptact.schema import option

VARY = ("split", "init", "order")
COST = ("eager", "compiled", "onnx")
SEEDS = "seeds=8 or seeds=[3,5]"
SET_BY_IT = {
    "activation": "activations=a,b",
    "seed": SEEDS,
    "data.split_seed": SEEDS,
    "data.order_seed": SEEDS,
    "resume": "the same command again: it continues",
    "data.fold": "data.folds=5: all folds are run",
}


@dataclass
class Compare:
    metric: str = option("auto", "what decides, on the test rows, as in auroc; auto: the metric that is monitored")
    margin: float | None = option(
        None,
        "smallest difference that matters, in the metric's unit; null: 0.005, or 1 % of the baseline's error for "
        "log_loss, rmse, mae and r2",
        gt=0,
    )
    error: float = option(0.05, "chance of a wrong verdict that you accept, over all candidates together", gt=0, lt=0.5)
    strict: bool = option(False, "adopt only where the whole interval is above the margin")
    vary: list[str] = option(list(VARY), "what differs between seeds: split (of the rows), init, order (of batches)")
    controls: bool = option(False, "also train each adaptive activation frozen at its start, frozen at what it learned")
    max_latency_ratio: float | None = option(None, "a candidate that answers this much slower is rejected", gt=0)
    max_fit_time_ratio: float | None = option(None, "a candidate that trains this much slower is rejected", gt=0)
    cost: list[str] = option(
        ["eager"],
        "how fit time and latency of all arms are measured, interleaved, after the runs: eager, compiled "
        "(torch.compile), onnx (ONNX Runtime, latency only); [] measures nothing",
    )
    workers: int | None = option(None, "runs at once; null: one per core, one on a GPU", ge=1)
    backend: Literal["loky", "ray"] = option("loky", "loky: processes of this machine; ray: a cluster (extra 'ray')")
    tuned: str | None = option(None, "folder of `make tune`, whose best settings each arm takes")
    retrain: bool = option(
        False, "where settings, data or code changed since the runs of this name: train all anew, in another folder"
    )


@dataclass
class Report:
    language: Literal["en", "ja"] = option("en", "of report.html and report.md: en (English) or ja (Japanese)")
    backtest: str | None = option(None, "folder of `make backtest`, whose result the report shows too")


@dataclass
class Presentation:
    """Everything that `report` takes."""

    name: str | None = option(None, "name or path of the comparison")
    positive: str | None = option(
        None,
        "two classes: the label that costs are about; null: that of the comparison",
    )
    output_dir: str = option("runs/compare", "folder of the comparisons; relative to the project")
    report: Report = field(default_factory=Report)
    value: Value = field(default_factory=Value)

    def problems(self) -> list[str]:
        """What contradicts itself."""
        return self.value.problems()


@dataclass
class Comparison:
    """Everything that `compare` takes; all other words go to its runs."""

    activations: list[str] = option(["gelu", "relu", "silu", "swish", "sgblend"], "the arms; the first is the baseline")
    seeds: list[int] = option(list(range(8)), "how many, as in 8, or which, as in [3,5]", ge=0)
    baseline: str | None = option(None, "another baseline than the first arm")
    name: str | None = option(None, "name of the folder; null: data, model and a hash of the plan")
    output_dir: str = option("runs/compare", "folder of the comparisons; relative to the project")
    compare: Compare = field(default_factory=Compare)
    report: Report = field(default_factory=Report)
    value: Value = field(default_factory=Value)

    def problems(self) -> list[str]:
        """What contradicts itself."""
        problems = []
        if len(self.activations) < 2:
            problems.append(
                "activations names fewer than two: there is nothing to compare, as in activations=gelu,sgblend"
            )
        if self.baseline is not None and self.baseline not in self.activations:
            problems.append(
                f"baseline={self.baseline} is none of the activations. {did_you_mean(self.baseline, self.activations)}"
            )
        if len(set(self.seeds)) < len(self.seeds):
            problems.append("seeds names one seed twice: a repeated run says nothing new")
        if not self.seeds:
            problems.append("seeds is empty: use seeds=8 or seeds=[3,5]")
        elif len(self.seeds) < 2:
            problems.append("one seed says nothing about the spread between runs: use seeds=8")
        for key, choices in (("vary", VARY), ("cost", COST)):
            unknown = [item for item in getattr(self.compare, key) if item not in choices]
            problems += [f"compare.{key}={item} is unknown. {did_you_mean(item, choices)}" for item in unknown]
        if not self.compare.cost and (self.compare.max_latency_ratio or self.compare.max_fit_time_ratio):
            problems.append(
                "compare.cost=[] measures nothing to hold a limit of compare.max_..._ratio against: leave it out"
            )
        if not set(self.compare.vary) & {"init", "order", "split"}:
            problems.append("compare.vary is empty: all runs of an arm would be the same")
        problems += self.value.problems()
        metric = self.compare.metric.removeprefix("test/").removeprefix("val/")
        if self.compare.metric.startswith("val/"):
            problems.append(f"compare.metric={self.compare.metric}: the verdict is taken on test rows; write {metric}")
        return problems + unknown_metric("compare.metric", metric)


def unknown_metric(key: str, metric: str) -> list[str]:
    """The problem of a metric that no task has."""
    known = ["auto", *(name for names in METRICS.values() for name in names)]
    return [] if metric in known else [f"{key}={metric} is unknown. {did_you_mean(metric, known)}"]


def read_words(words: list[str]) -> tuple[Comparison, list[str]]:
    """The options among the words, and the words that go to each run.

    Raises:
        ConfigError: with all problems at once.

    >>> options, rest = read_words(["activations=gelu,sgblend", "seeds=3", "data=wine", "compare.margin=0.01"])
    >>> options.activations, options.seeds, options.compare.margin, rest
    (['gelu', 'sgblend'], [0, 1, 2], 0.01, ['data=wine'])
    """
    options, rest, problems = read_section(Comparison, words, SET_BY_IT)
    return checked(options, problems), rest

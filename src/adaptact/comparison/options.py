"""What a comparison takes beside the words of its runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, get_args

from adaptact.comparison.value import Value
from adaptact.config import METRICS
from adaptact.errors import ConfigError, did_you_mean
from adaptact.files import parse_yaml
from adaptact.schema import Checker, option, types_of

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
T = TypeVar("T")


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


def read_words(words: list[str]) -> tuple[Comparison, list[str]]:
    """The options among the words, and the words that go to each run.

    Raises:
        ConfigError: with all problems at once.

    >>> options, rest = read_words(["activations=gelu,sgblend", "seeds=3", "data=wine", "compare.margin=0.01"])
    >>> options.activations, options.seeds, options.compare.margin, rest
    (['gelu', 'sgblend'], [0, 1, 2], 0.01, ['data=wine'])
    """
    options, rest, problems = read_section(Comparison, words, lists={"activations", "compare.vary", "compare.cost"})
    if options is not None and not problems:
        problems += _contradictions(options)
    if problems:
        raise ConfigError(problems)
    assert options is not None
    return options, rest


def read_section(cls: type[T], words: list[str], *, lists: set[str]) -> tuple[T | None, list[str], list[str]]:
    """An instance of ``cls`` from the words that name its fields, the other words, and what is wrong."""
    hints = types_of(cls)
    sections = {n: types_of(hint) for n, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}
    raw: dict[str, Any] = {}
    rest: list[str] = []
    problems: list[str] = []
    for word in words:
        key, separator, text = word.lstrip("+").partition("=")
        section, _, name = key.rpartition(".")
        if separator and (section in sections or key in hints):
            text_only = str in _members((sections[section] if section else hints).get(name))
            value = _items(key, text) if key in lists | {"seeds"} else _text(text) if text_only else _value(text)
            (raw.setdefault(section, {}) if section else raw)[name] = value
        elif key in SET_BY_IT:
            problems.append(f"{key} is set by the comparison: use {SET_BY_IT[key]}")
        else:
            rest.append(word)
    checker = Checker({}, [f"{section}.{name}" for section, names in sections.items() for name in names])
    options = checker.build(cls, raw)
    return options, rest, problems + checker.problems


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


def _text(text: str) -> str | None:
    return None if text == "null" else text


def _value(text: str) -> Any:
    """A word's value. 1e5 is a number, which YAML takes for text without a point and a sign.

    >>> _value("1e5"), _value("1e-3"), _value("true"), _value("sgblend")
    (100000.0, 0.001, True, 'sgblend')
    """
    if re.fullmatch(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+", text):
        return float(text)
    try:
        return parse_yaml(text)
    except ValueError:
        return text


def _items(key: str, text: str) -> Any:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    items = [item.strip() for item in inner.split(",") if item.strip()]
    if key != "seeds":
        return items
    numbers = [_value(item) for item in items]
    if len(numbers) == 1 and inner == text and isinstance(numbers[0], int) and numbers[0] > 0:
        return list(range(numbers[0]))
    return numbers


def _contradictions(options: Comparison) -> list[str]:
    problems = []
    if len(options.activations) < 2:
        problems.append("activations names fewer than two: there is nothing to compare, as in activations=gelu,sgblend")
    if options.baseline is not None and options.baseline not in options.activations:
        problems.append(
            f"baseline={options.baseline} is none of the activations. "
            f"{did_you_mean(options.baseline, options.activations)}"
        )
    if len(set(options.seeds)) < len(options.seeds):
        problems.append("seeds names one seed twice: a repeated run says nothing new")
    if not options.seeds:
        problems.append("seeds is empty: use seeds=8 or seeds=[3,5]")
    elif len(options.seeds) < 2:
        problems.append("one seed says nothing about the spread between runs: use seeds=8")
    for key, choices in (("vary", VARY), ("cost", COST)):
        unknown = [item for item in getattr(options.compare, key) if item not in choices]
        problems += [f"compare.{key}={item} is unknown. {did_you_mean(item, choices)}" for item in unknown]
    if not options.compare.cost and (options.compare.max_latency_ratio or options.compare.max_fit_time_ratio):
        problems.append(
            "compare.cost=[] measures nothing to hold a limit of compare.max_..._ratio against: leave it out"
        )
    if not set(options.compare.vary) & {"init", "order", "split"}:
        problems.append("compare.vary is empty: all runs of an arm would be the same")
    problems += options.value.problems()
    metric = options.compare.metric.removeprefix("test/").removeprefix("val/")
    known = [name for names in METRICS.values() for name in names]
    if options.compare.metric.startswith("val/"):
        problems.append(f"compare.metric={options.compare.metric}: the verdict is taken on test rows; write {metric}")
    if metric not in {"auto", *known}:
        problems.append(f"compare.metric={metric} is unknown. {did_you_mean(metric, ['auto', *known])}")
    return problems

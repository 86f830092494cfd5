"""What a comparison takes beside the words of its runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from adaptact.config import METRICS
from adaptact.errors import ConfigError, did_you_mean
from adaptact.schema import Checker, option

VARY = ("split", "init", "order")
COST = ("eager", "compiled", "onnx")


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


@dataclass
class Comparison:
    """Everything that `compare` takes; all other words go to its runs."""

    activations: list[str] = option(["gelu", "relu", "silu", "swish", "sgblend"], "the arms; the first is the baseline")
    seeds: list[int] = option(list(range(8)), "how many, as in 8, or which, as in [3,5]", ge=0)
    baseline: str | None = option(None, "another baseline than the first arm")
    name: str | None = option(None, "name of the folder; null: data, model and a hash of the plan")
    output_dir: str = option("runs/compare", "folder of the comparisons; relative to the project")
    compare: Compare = field(default_factory=Compare)


OWN = ("activations", "seeds", "baseline", "name", "output_dir")


def read_words(words: list[str]) -> tuple[Comparison, list[str]]:
    """The options among the words, and the words that go to each run.

    Raises:
        ConfigError: with all problems at once.

    >>> options, rest = read_words(["activations=gelu,sgblend", "seeds=3", "data=wine", "compare.margin=0.01"])
    >>> options.activations, options.seeds, options.compare.margin, rest
    (['gelu', 'sgblend'], [0, 1, 2], 0.01, ['data=wine'])
    """
    raw: dict[str, Any] = {}
    rest: list[str] = []
    problems: list[str] = []
    for word in words:
        key, separator, text = word.lstrip("+").partition("=")
        section, _, name = key.rpartition(".")
        if separator and section == "compare":
            raw.setdefault("compare", {})[name] = _items(name, text) if name in {"vary", "cost"} else _value(text)
        elif separator and key in OWN:
            raw[key] = _items(key, text) if key in {"activations", "seeds"} else _text(text)
        elif key in {"activation", "seed", "data.split_seed", "resume", "data.fold"}:
            way_out = {"activation": "activations=a,b", "data.fold": "data.folds=5: all folds are run"}
            problems.append(f"{key} is set by the comparison: use {way_out.get(key, 'seeds=8 or seeds=[3,5]')}")
        else:
            rest.append(word)
    checker = Checker({}, [f"compare.{name}" for name in Compare.__dataclass_fields__])
    options: Comparison = checker.build(Comparison, raw)
    problems += checker.problems + (_contradictions(options) if options and not checker.problems else [])
    if problems:
        raise ConfigError(problems)
    return options, rest


def _text(text: str) -> str | None:
    return None if text == "null" else text


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
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
    if not set(options.compare.vary) & {"init", "order", "split"}:
        problems.append("compare.vary is empty: all runs of an arm would be the same")
    metric = options.compare.metric.removeprefix("test/").removeprefix("val/")
    known = [name for names in METRICS.values() for name in names]
    if options.compare.metric.startswith("val/"):
        problems.append(f"compare.metric={options.compare.metric}: the verdict is taken on test rows; write {metric}")
    if metric not in {"auto", *known}:
        problems.append(f"compare.metric={metric} is unknown. {did_you_mean(metric, ['auto', *known])}")
    return problems

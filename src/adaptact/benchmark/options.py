"""What a benchmark takes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from adaptact.errors import ConfigError, did_you_mean
from adaptact.files import parse_yaml
from adaptact.schema import Checker, option, split_words

GROUPS = ("kernels", "step", "loop", "startup", "inference", "scaling")


@dataclass
class Benchmark:
    """Everything that `benchmark` takes."""

    groups: list[str] = option(list(GROUPS), "kernels, step, loop, startup, inference, scaling")
    rounds: int = option(15, "interleaved repeats, of which intervals are taken", ge=3)
    threads: int | None = option(None, "of torch; null: as many as torch takes", ge=1)
    device: str = option("auto", "cpu, cuda or auto: a GPU where there is one")
    tiny: bool = option(False, "small sizes and three rounds: shows that it works, its figures say nothing")
    output_dir: str = option("runs/benchmark", "relative to the project")
    debug: bool = option(False, "show the traceback of an error")


def read_words(words: list[str]) -> Benchmark:
    """The options.

    Raises:
        ConfigError: with all problems at once.

    >>> read_words(["groups=kernels,loop", "rounds=5"]).groups
    ['kernels', 'loop']
    """
    known = [field.name for field in fields(Benchmark)]
    given, problems = split_words(words, known)
    raw: dict[str, Any] = {}
    for key, text in given.items():
        try:
            raw[key] = parse_yaml(text)
        except ValueError:
            raw[key] = text
    if isinstance(groups := raw.get("groups"), str):
        raw["groups"] = [item.strip() for item in groups.split(",") if item.strip()]
    checker = Checker({}, known)
    options = checker.build(Benchmark, raw)
    problems += checker.problems
    if not problems:
        problems += [
            f"groups={name} is unknown. {did_you_mean(name, GROUPS)}" for name in options.groups if name not in GROUPS
        ]
        if options.device not in {"auto", "cpu", "cuda"}:
            problems.append(
                f"device={options.device} is unknown. {did_you_mean(options.device, ('auto', 'cpu', 'cuda'))}"
            )
        if not options.groups:
            problems.append(f"groups is empty: name one of {', '.join(GROUPS)}")
    if problems:
        raise ConfigError(problems)
    return options

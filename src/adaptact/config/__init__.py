"""What may be set, of which type, in which range: the one source of checks, help and "did you mean".

Free of torch, so that a wrong word is answered before anything heavy is imported. A test binds these classes to the
signatures they describe and checks every file under conf/.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from adaptact.activations.options import ACTIVATIONS, SETTABLE, Activation, CustomActivation, starts_from_options
from adaptact.config.contradictions import contradictions
from adaptact.config.data import (
    AUGMENTATIONS,
    DATA,
    TABLE_ROLES,
    Bundled,
    CustomData,
    Data,
    Idx,
    ImageFolder,
    NoData,
    Rows,
    Sample,
    Table,
    Text,
)
from adaptact.config.model import (
    CNN,
    MLP,
    MODEL_READS,
    MODELS,
    CustomModel,
    HFImage,
    HFText,
    HuggingFace,
    Model,
    ResNet,
    TabM,
    TextTransformer,
    Timm,
)
from adaptact.config.settings import (
    GROUPS,
    METRICS,
    Callbacks,
    Config,
    Finetune,
    Logger,
    Mode,
    Optimizer,
    Trainer,
    options_of,
)
from adaptact.errors import ConfigError
from adaptact.schema import Checker, problems_of, types_of

__all__ = [
    "ACTIVATIONS",
    "AUGMENTATIONS",
    "CNN",
    "DATA",
    "GROUPS",
    "METRICS",
    "MLP",
    "MODELS",
    "MODEL_READS",
    "SETTABLE",
    "TABLE_ROLES",
    "Activation",
    "Bundled",
    "Callbacks",
    "Config",
    "CustomActivation",
    "CustomData",
    "CustomModel",
    "Data",
    "Finetune",
    "HFImage",
    "HFText",
    "HuggingFace",
    "Idx",
    "ImageFolder",
    "Logger",
    "Mode",
    "Model",
    "NoData",
    "Optimizer",
    "ResNet",
    "Rows",
    "Sample",
    "TabM",
    "Table",
    "Text",
    "TextTransformer",
    "Timm",
    "Trainer",
    "decisive",
    "describe",
    "field_types",
    "from_dict",
    "options_of",
    "row_options",
    "starts_from_options",
    "to_dict",
]


def from_dict(raw: Mapping[str, Any]) -> Config:
    """Check a plain nested mapping and make it a :class:`Config`.

    Raises:
        ConfigError: with all problems at once: unknown keys (and the nearest known), wrong types, values out of
            range, combinations that contradict each other.

    >>> try:
    ...     from_dict({"optimizer": {"lr": -1}, "trainer": {"max_epoch": 3}})
    ... except ConfigError as error:
    ...     print(error.problems[0])
    optimizer.lr must be above 0, not -1.0
    """
    checker = Checker(GROUPS, (key for key, _, _ in describe()))
    config = checker.build(Config, raw)
    problems = checker.problems + ([*problems_of(config), *contradictions(config)] if config else [])
    if problems:
        raise ConfigError(problems)
    return config


def to_dict(config: Config) -> dict[str, Any]:
    """The inverse of :func:`from_dict`: plain containers, as they are written to config.yaml."""
    plain = dataclasses.asdict(config)
    for section in (*GROUPS, "callbacks"):
        plain[section].update(plain[section].pop("options", {}))
    return plain


def decisive(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration, as :func:`to_dict` gives it, without the options that cannot change a number of a run."""
    fields = [(f.name, f) for f in dataclasses.fields(Config)] + [(key, f) for key, f, _ in describe()]
    nothing = {key for key, f in fields if f.metadata.get("decides") == "nothing"}
    kept: dict[str, Any] = {}
    for key, value in plain.items():
        if isinstance(value, Mapping):
            value = {name: inner for name, inner in value.items() if f"{key}.{name}" not in nothing}
        if key not in nothing and value != {}:
            kept[key] = value
    return kept


def row_options(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a configuration, as :func:`to_dict` gives it, that decide its rows and their parts."""
    other = {key for key, f, _ in describe() if f.metadata.get("decides") != "rows"}
    return {key: value for key, value in plain["data"].items() if f"data.{key}" not in other}


def field_types(key: str) -> list[Any]:
    """The types that a dotted key has in the schema, over all choices of its group; empty if it is unknown."""
    section, _, name = key.rpartition(".")
    if not section:
        classes: list[type] = [Config]
    elif section in GROUPS:
        classes = list(GROUPS[section][1].values())
    else:
        hint = types_of(Config).get(section)
        classes = [hint] if isinstance(hint, type) and dataclasses.is_dataclass(hint) else []
    return list({str(t): t for c in classes if (t := types_of(c).get(name)) is not None}.values())


def describe() -> Iterator[tuple[str, dataclasses.Field[Any], str]]:
    """Every key that can be set: (dotted key, field, for which choices)."""
    for f in dataclasses.fields(Config):
        hint = types_of(Config)[f.name]
        if f.name in GROUPS:
            seen: dict[str, tuple[dataclasses.Field[Any], list[str]]] = {}
            for choice, cls in GROUPS[f.name][1].items():
                for sub in dataclasses.fields(cls):
                    seen.setdefault(sub.name, (sub, []))[1].append(choice)
            total = len(GROUPS[f.name][1])
            for name, (sub, choices) in seen.items():
                yield f"{f.name}.{name}", sub, "" if len(choices) == total else ", ".join(choices)
        elif dataclasses.is_dataclass(hint):
            for sub in dataclasses.fields(hint):
                yield f"{f.name}.{sub.name}", sub, ""
        else:
            yield f.name, f, ""

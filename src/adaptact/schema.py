"""The mechanics of the schema: dataclass fields with a meaning and a range, and the check of plain values against them.

Knows nothing of what is configured; that is in ``config``.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Literal

from adaptact.errors import did_you_mean
from adaptact.shapes import repr_short

Decides = Literal["training", "rows", "nothing"]
Groups = Mapping[str, tuple[str, Mapping[str, type]]]


def option(
    default: Any,
    help: str,
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    decides: Decides = "training",
) -> Any:
    """A dataclass field with its explanation, its range and what depends on it.

    Args:
        decides: "rows": which rows there are, what is in them and in which part they land; "training": everything else
            that may change a number of a run; "nothing": neither.
    """
    metadata = {"help": help, "ge": ge, "gt": gt, "le": le, "lt": lt, "decides": decides}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def section(cls: type, *, decides: Decides | None = None) -> Any:
    """A dataclass field that holds the options of ``cls``; ``decides``, where given, stands for all of them."""
    return field(default_factory=cls, metadata={} if decides is None else {"decides": decides})


def problems_of(options: Any) -> list[str]:
    """Collect what a dataclass of options, and every one inside it, finds wrong with itself in ``problems()``."""
    found = list(options.problems()) if hasattr(options, "problems") else []
    for each in dataclasses.fields(options):
        if dataclasses.is_dataclass(value := getattr(options, each.name)):
            found += problems_of(value)
    return found


def types_of(cls: type) -> dict[str, Any]:
    """Field names of a dataclass and their resolved types; class variables are no fields."""
    hints = typing.get_type_hints(cls)
    return {name: hint for name, hint in hints.items() if typing.get_origin(hint) is not typing.ClassVar}


class Checker:
    """Builds dataclasses from plain mappings and collects every problem on the way.

    A dataclass with a field ``options`` takes unknown keys in there; other dataclasses refuse them.

    Args:
        groups: per group the key that chooses, and the dataclass of each choice.
        keys: all dotted keys there are, to point to one that stands elsewhere.
    """

    def __init__(self, groups: Groups, keys: Iterable[str]) -> None:
        self.groups, self.keys = groups, list(keys)
        self.problems: list[str] = []

    def build(self, cls: type, raw: Any, path: str = "") -> Any:
        """An instance of ``cls``; None, or one with gaps, if there are problems."""
        if not isinstance(raw, Mapping):
            self.problems.append(f"{path or 'the configuration'} must be a set of keys, not {repr_short(raw)}")
            return None
        hints = types_of(cls)
        metadata = {f.name: f.metadata for f in dataclasses.fields(cls)}
        values: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for key, value in raw.items():
            name = f"{path}.{key}" if path else str(key)
            if key in hints and key != "options":
                known = len(self.problems)
                built = self._value(value, hints[key], name)
                self._check_range(built, metadata[key], name)
                if len(self.problems) == known or dataclasses.is_dataclass(built):
                    values[key] = built  # else the default stands in, so that the other checks can go on
            elif "options" in hints:
                extra[str(key)] = value
            else:
                self.problems.append(f"unknown key {name!r}. {did_you_mean(str(key), hints)}{self._elsewhere(name)}")
        if "options" in hints:
            values["options"] = extra
        missing = [group for group in self.groups if group in hints and group not in raw]
        self.problems += [f"{group} is missing: choose one with {group}=<name>" for group in missing]
        return None if any(group in hints and group not in values for group in self.groups) else cls(**values)

    def _value(self, value: Any, hint: Any, name: str) -> Any:
        if name in self.groups:
            choice = self._choice(name, value)
            return self.build(choice, value, name) if choice else None
        if dataclasses.is_dataclass(hint):
            return self.build(hint, value, name)  # type: ignore[arg-type]
        return self._convert(value, hint, name)

    def _choice(self, group: str, raw: Any) -> type | None:
        key, classes = self.groups[group]
        chosen = str(raw.get(key)) if isinstance(raw, Mapping) else str(raw)
        if chosen not in classes or not isinstance(raw, Mapping):
            self.problems.append(f"{group}.{key} {chosen!r} is unknown. {did_you_mean(chosen, classes)}")
            return None
        return classes[chosen]

    def _elsewhere(self, name: str) -> str:
        leaf = name.rpartition(".")[2]
        if name in self.keys:
            return f" {name} belongs to another choice of {name.partition('.')[0]}."
        found = [key for key in self.keys if key.rpartition(".")[2] == leaf]
        return f" There is {', '.join(found)}." if found else ""

    def _convert(self, value: Any, hint: Any, name: str) -> Any:
        """``value`` as the type ``hint``, with the harmless conversions a command line needs."""
        members = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        if value is None and type(None) in members:
            return None
        kinds = [m for m in members if m is not type(None)]
        # of several types (a set of keys, or a path) the one that it looks like
        target = next((m for m in kinds if isinstance(value, Mapping) == (typing.get_origin(m) is dict)), kinds[0])
        origin = typing.get_origin(target)
        if origin is Literal:
            choices = typing.get_args(target)
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if text in choices:
                return text
            self.problems.append(f"{name} {repr_short(value)} is unknown. {did_you_mean(str(value), choices)}")
        elif origin is dict and isinstance(value, Mapping):
            return {str(key): item for key, item in value.items()}
        elif origin is list:
            items = list(value) if isinstance(value, (list, tuple)) else [value]
            return [self._convert(item, typing.get_args(target)[0], name) for item in items if item is not None]
        elif (target is bool and isinstance(value, bool)) or (
            target is int and isinstance(value, int) and not isinstance(value, bool)
        ):
            return value
        elif target is float and isinstance(value, (int, float)) and not isinstance(value, bool) and _finite(value):
            return float(value)
        elif target is str and isinstance(value, (str, int, float)):
            return str(value)
        else:
            words = {
                bool: "true or false",
                int: "a whole number",
                float: "a number",
                str: "text",
                dict: "a set of keys",
            }
            optional = " or null" if len(members) > 1 else ""
            self.problems.append(
                f"{name} must be {words.get(origin or target, target)}{optional}, not {repr_short(value)}"
            )
        return None

    def _check_range(self, value: Any, bounds: Mapping[str, Any], name: str) -> None:
        for number in value if isinstance(value, list) else [value]:
            if bound := outside(number, bounds):
                self.problems.append(f"{name} must be {bound}, not {repr_short(number)}")


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond all floats
        return False


def outside(value: Any, bounds: Mapping[str, Any]) -> str:
    """The range that ``value`` leaves, in words; empty if it is inside."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return ""
    checks = [
        ("ge", "at least", lambda v, b: v >= b),
        ("gt", "above", lambda v, b: v > b),
        ("le", "at most", lambda v, b: v <= b),
        ("lt", "below", lambda v, b: v < b),
    ]
    limits = [
        (f"{word} {bounds[key]}", holds(value, bounds[key]))
        for key, word, holds in checks
        if bounds.get(key) is not None
    ]
    return "" if all(ok for _, ok in limits) else " and ".join(text for text, _ in limits)

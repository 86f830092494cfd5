"""Options of a job from its ``name=value`` words, by the dataclass that describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

from adaptact.errors import ConfigError, did_you_mean
from adaptact.files import parse_yaml
from adaptact.schema import Checker, types_of

T = TypeVar("T")


def read_options(cls: type[T], words: Sequence[str]) -> T:
    """An instance of ``cls`` from words that all name its fields, checked by its ``problems()``.

    Raises:
        ConfigError: with all problems at once.
    """
    options, rest, problems = read_section(cls, words)
    known = list(types_of(cls))
    names = [word.partition("=")[0] for word in rest]
    return checked(options, problems + [f"unknown key {name!r}. {did_you_mean(name, known)}" for name in names])


def checked(options: T | None, problems: Sequence[str]) -> T:
    """The options, where neither their words nor their ``problems()`` show anything wrong.

    Raises:
        ConfigError: with all problems at once.
    """
    found = list(problems)
    if options is not None and not found:
        found = options.problems()  # type: ignore[attr-defined]
    if found:
        raise ConfigError(found)
    assert options is not None
    return options


def read_section(
    cls: type[T], words: Sequence[str], fixed: Mapping[str, str] | None = None
) -> tuple[T | None, list[str], list[str]]:
    """An instance of ``cls`` from the words that name its fields, the other words, and what is wrong.

    Args:
        fixed: keys that the comparison itself sets, and what to type instead.
    """
    fixed = fixed or {}
    hints = types_of(cls)
    sections = {n: types_of(hint) for n, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}
    raw: dict[str, Any] = {}
    rest: list[str] = []
    problems: list[str] = []
    for word in words:
        key, separator, text = word.lstrip("+").partition("=")
        section, _, name = key.rpartition(".")
        if separator and (section in sections or key in hints):
            hint = (sections[section] if section else hints).get(name)
            (raw.setdefault(section, {}) if section else raw)[name] = _read(hint, text)
        elif key in fixed:
            problems.append(f"{key} is set by the comparison: use {fixed[key]}")
        else:
            rest.append(word)
    checker = Checker({}, [f"{section}.{name}" for section, names in sections.items() for name in names])
    options = checker.build(cls, raw)
    return options, rest, problems + checker.problems


def _read(hint: Any, text: str) -> Any:
    """A word's value as its type wants it: text as it stands, lists with or without brackets, all else as YAML."""
    if get_origin(hint) is list:
        return _numbers(text) if int in get_args(hint) else _items(text)
    if str in (get_args(hint) if isinstance(hint, UnionType) else (hint,)):
        return None if text == "null" else text
    return _value(text)


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


def _items(text: str) -> list[str]:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    return [item.strip() for item in inner.split(",") if item.strip()]


def _numbers(text: str) -> list[Any]:
    """Whole numbers: how many, as in 8 (0 to 7), or which, as in [3,5]."""
    numbers = [_value(item) for item in _items(text)]
    if len(numbers) == 1 and not text.startswith("[") and isinstance(numbers[0], int) and numbers[0] > 0:
        return list(range(numbers[0]))
    return numbers

"""Check plain values, as a JSON file gives them, against the type hints of dataclasses and TypedDicts.

The hints that describe a file to its readers in code are the ones that its content is checked against.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

PLAIN = {str, bool, dict, list}
MOST_SHOWN = 60  # letters of a value in a message


@dataclasses.dataclass(frozen=True)
class Between:
    """Range of a number, or of the length of a list or text, both ends included: ``Annotated[int, Between(0, 10)]``."""

    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Shaped:
    """A closer description of a plain mapping or list, for :func:`conform` only: ``Annotated[dict, Shaped(Hint)]``."""

    hint: Any


Share = Annotated[float, Between(0.0, 1.0)]
Count = Annotated[int, Between(0, 10**12)]


def conform(value: Any, hint: Any, name: str = "") -> Any:
    """Return ``value`` as the type ``hint`` says, with dataclasses built, or raise.

    Knows None, bool, int, float (finite, a whole number is one too), str, Any, unions, Literal, list, tuple, dict,
    TypedDict, dataclasses, and :class:`Between` and :class:`Shaped` in Annotated. Keys that a dataclass does not have
    are refused, those that a TypedDict does not have are let through.

    Args:
        name: of the value, for messages.

    Raises:
        ValueError: the value is of another type or out of range; the message names it.

    >>> conform({"a": [1, 2]}, dict[str, list[float]])
    {'a': [1.0, 2.0]}
    >>> conform({"a": ["x"]}, dict[str, list[float]])
    Traceback (most recent call last):
        ...
    ValueError: a[0] must be a number, not 'x'
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin is Annotated:
        closer = next((more.hint for more in arguments[1:] if isinstance(more, Shaped)), arguments[0])
        found = conform(value, closer, name)
        for more in arguments[1:]:
            if isinstance(more, Between):
                _check_between(found, more, name)
        return found
    if origin in {typing.Union, types.UnionType}:
        return _one_of(value, arguments, name)
    if origin in {typing.Required, typing.NotRequired}:
        return conform(value, arguments[0], name)
    if origin is Literal:
        return value if value in arguments and type(value) in map(type, arguments) else _refuse(value, hint, name)
    if origin is list and isinstance(value, list):
        return [conform(item, arguments[0], f"{name}[{i}]") for i, item in enumerate(value)]
    if origin is tuple and isinstance(value, (list, tuple)):
        return _tuple(value, arguments, name)
    if origin is dict and isinstance(value, Mapping):
        return {str(key): conform(item, arguments[1], _dotted(name, key)) for key, item in value.items()}
    if typing.is_typeddict(hint) and isinstance(value, Mapping):
        return {**value, **_fields(value, hint, _required(hint), name)}
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return _built(value, hint, name)
    return _plain(value, hint, name)


def _plain(value: Any, hint: Any, name: str) -> Any:
    if hint in {None, type(None)} and value is None:
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is float and number:
        try:
            if math.isfinite(value):
                return float(value)
        except OverflowError:  # a whole number beyond all floats
            pass
        return _refuse(value, hint, name)
    fits = number and isinstance(value, int) if hint is int else hint in PLAIN and isinstance(value, hint)
    return value if fits else _refuse(value, hint, name)


def _one_of(value: Any, members: tuple[Any, ...], name: str) -> Any:
    if value is None and type(None) in members:
        return None
    kinds = [member for member in members if member is not type(None)]
    for kind in kinds[:-1]:
        try:
            return conform(value, kind, name)
        except ValueError:
            continue
    return conform(value, kinds[-1], name)


def _tuple(value: list[Any] | tuple[Any, ...], arguments: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    hints = [arguments[0]] * len(value) if arguments[-1] is ... else list(arguments)
    if len(hints) != len(value):
        raise ValueError(f"{name or 'it'} must have {len(hints)} entries, not {len(value)}")
    return tuple(conform(item, hint, f"{name}[{i}]") for i, (item, hint) in enumerate(zip(value, hints)))


def _required(hint: Any) -> set[str]:
    """Keys of a TypedDict that must be there; ``__required_keys__`` is wrong where annotations are strings."""
    hints = typing.get_type_hints(hint, include_extras=True)
    return {key for key, one in hints.items() if typing.get_origin(one) is not typing.NotRequired}


def _fields(value: Mapping[str, Any], hint: Any, required: Any, name: str) -> dict[str, Any]:
    hints = typing.get_type_hints(hint, include_extras=True)
    if missing := sorted(key for key in required if key not in value):
        raise ValueError(f"{_dotted(name, missing[0])} is missing")
    return {key: conform(value[key], hints[key], _dotted(name, key)) for key in hints if key in value}


def _built(value: Mapping[str, Any], hint: Any, name: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(hint)}
    if unknown := [key for key in value if key not in fields]:
        raise ValueError(f"{_dotted(name, unknown[0])} is unknown: it may be of a later version of adaptact")
    required = {
        key
        for key, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    return hint(**_fields(value, hint, required, name))


def _check_between(value: Any, bounds: Between, name: str) -> None:
    if value is None:
        return
    number = isinstance(value, (int, float))
    size = value if number else len(value)
    if not bounds.low <= size <= bounds.high:
        verb = "be" if number else "have a length"
        raise ValueError(f"{name or 'it'} must {verb} from {bounds.low:g} to {bounds.high:g}, not {_shown(size)}")


def _refuse(value: Any, hint: Any, name: str) -> Any:
    origin = typing.get_origin(hint) or hint
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        tuple: "a list",
        type(None): "null",
    }
    if origin is Literal:
        expected = "one of " + ", ".join(map(repr, typing.get_args(hint)))
    else:
        expected = words.get(origin, "a set of keys")
    raise ValueError(f"{name or 'it'} must be {expected}, not {_shown(value)}")


def _shown(value: Any) -> str:
    text = "a set of keys" if isinstance(value, Mapping) else "a list" if isinstance(value, list) else repr_short(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def repr_short(value: Any) -> str:
    """``repr`` that neither fails nor takes long on a whole number of thousands of digits.

    >>> repr_short(10**5000)
    'a number of 16610 bits'
    """
    if isinstance(value, int) and value.bit_length() > 1024:
        return f"a number of {value.bit_length()} bits"
    return repr(value[: 2 * MOST_SHOWN] if isinstance(value, str) else value)


def _dotted(name: str, key: object) -> str:
    shown = str(key)[:MOST_SHOWN]
    return f"{name}.{shown}" if name else shown

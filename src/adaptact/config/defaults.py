"""Defaults of the schema for the files under ``conf/``, which hold only what departs from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from adaptact.config.settings import GROUPS, Config


def defaults_of(group: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return every option of a choice with its default, as plain values; empty for a choice that is not in the schema.

    Args:
        group: a group whose choices have options of their own, or "" for all options outside of these groups.
        chosen: the options that a file gives.

    >>> defaults_of("activation", {"kind": "elu"})["alpha"]
    1.0
    """
    if not group:
        outside = [f for f in dataclasses.fields(Config) if f.name not in GROUPS]
        return {f.name: _plain(_default(f)) for f in outside}
    if group not in GROUPS:
        return {}
    key, classes = GROUPS[group]
    cls = classes.get(str(chosen.get(key)))
    return {} if cls is None else _plain(cls())


def _plain(value: Any) -> Any:
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    plain = dataclasses.asdict(value)
    plain.pop("options", None)  # takes keys that the schema does not know
    return plain


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()

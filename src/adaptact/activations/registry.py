"""Activations by name. A fresh instance per call; unknown names are answered with the known ones.

Every module of this package is imported at the first look-up: a new file with a ``@register`` is found by itself.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from torch import nn

from adaptact.activations.options import ACTIVATIONS as OPTIONS

PACKAGE = __name__.rpartition(".")[0]
Make = TypeVar("Make", bound=Callable[..., nn.Module])
_registered: dict[str, Callable[..., nn.Module]] = {}


def register(name: str) -> Callable[[Make], Make]:
    """Make a class known as the activation ``name``."""

    def add(make: Make) -> Make:
        _registered[name] = make
        return make

    return add


def create(name: str, **options: Any) -> nn.Module:
    """A new activation module.

    Raises:
        ValueError: an unknown name, with the nearest and all known ones.

    >>> create("elu", alpha=0.5)
    ELU(alpha=0.5)
    """
    known = activations()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown activation {name!r}.{hint} Known: {', '.join(known)}")
    return known[name](**options)


def to_module(base: str | nn.Module) -> nn.Module:
    """A module as it is, or a new activation of that name."""
    return base if isinstance(base, nn.Module) else create(base)


@cache
def activations() -> dict[str, Callable[..., nn.Module]]:
    """All registered activations by name, in the order of their options."""
    for found in pkgutil.iter_modules(sys.modules[PACKAGE].__path__, f"{PACKAGE}."):
        importlib.import_module(found.name)
    return {name: _registered[name] for name in ("identity", *OPTIONS) if name in _registered}


@cache
def functions() -> dict[str, Any]:
    """Public functions of the modules that define activations and of their helpers; constants by their ``__all__``."""
    homes = {make.__module__ for make in activations().values() if make.__module__.startswith(PACKAGE)}
    found: dict[str, Any] = {}
    for home in sorted({*homes, f"{PACKAGE}.tensors"}):
        module = sys.modules[home]
        own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == home]
        public = getattr(module, "__all__", [name for name in own if not name.startswith("_")])
        found |= {name: vars(module)[name] for name in public if not inspect.isclass(vars(module)[name])}
    return found

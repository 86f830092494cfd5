"""The mathematics: activation functions and modules. Knows torch, the mechanics of options and nothing else of ours.

Nothing is imported before it is asked for: the options of activations are read without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from adaptact.activations.options import LEARNING

if TYPE_CHECKING:
    from adaptact.activations.base import AdaptiveActivation, effective_values, learned_values, stored_parameters
    from adaptact.activations.registry import create

_HOMES = {
    "AdaptiveActivation": "base",
    "create": "registry",
    "effective_values": "base",
    "learned_values": "base",
    "stored_parameters": "base",
}
__all__ = [  # noqa: PLE0604
    "ACTIVATIONS",
    "AdaptiveActivation",
    "create",
    "effective_values",
    "functional",
    "learned_values",
    "stored_parameters",
    *LEARNING,
]


def __getattr__(name: str) -> Any:
    """The module, function or class of that name; of classes with learned scalars through the registry."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "functional":
        return importlib.import_module(f"{__name__}.functional")
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    activations = importlib.import_module(f"{__name__}.registry").activations()
    if name == "ACTIVATIONS":
        return activations
    return next(make for make in activations.values() if make.__name__ == name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

"""Former home of the activations: networks that were pickled whole look for their classes here."""

from typing import Any

from adaptact.activations.registry import activations


def __getattr__(name: str) -> Any:
    """Return an activation by the name of its class."""
    found = next((make for make in activations().values() if getattr(make, "__name__", None) == name), None)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found

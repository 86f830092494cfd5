"""The activation functions as pure functions of an input and its parameters, each from the module of its activation.

Every function computes in at least float32 and returns the dtype of its input, so half-precision inputs
(also under autocast) lose nothing inside. Parameters are numbers or tensors that broadcast against ``x``.

Swish, SSwish and SG-Blend have hand-written backward passes: they keep only the input for the backward pass
and give the gradients of all parameters in one pass over it. The backward passes are themselves differentiable.
"""

from __future__ import annotations

from typing import Any

from adaptact.activations import registry


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in registry.functions():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return registry.functions()[name]


def __dir__() -> list[str]:
    return sorted(registry.functions())

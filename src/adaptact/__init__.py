"""adaptact: find out, on your own data, whether an adaptive activation function is worth adopting."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adaptact.activations import (
        ABU,
        PELU,
        Blend,
        NonlinearityEnhanced,
        Scaled,
        SGBlend,
        SGBlendAuthors,
        SSwish,
        Swish,
    )
    from adaptact.surgery import Replacement, named_activations, param_groups, replace_activations, survey

__version__ = "0.1.0"

_SURGERY = {"Replacement", "named_activations", "param_groups", "replace_activations", "survey"}
__all__ = [
    "ABU",
    "PELU",
    "Blend",
    "NonlinearityEnhanced",
    "Replacement",
    "SGBlend",
    "SGBlendAuthors",
    "SSwish",
    "Scaled",
    "Swish",
    "named_activations",
    "param_groups",
    "replace_activations",
    "survey",
]


def __getattr__(name: str) -> Any:
    """Import torch only when one of its users is asked for: a job answers a wrong word without that wait."""
    if name not in __all__:
        raise AttributeError(f"module 'adaptact' has no attribute {name!r}")
    if name in _SURGERY:
        from adaptact import surgery

        return getattr(surgery, name)
    from adaptact import activations

    return getattr(activations, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

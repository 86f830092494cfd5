"""What is watched during training."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adaptact.callbacks.activation_monitor import ActivationMonitor

__all__ = ["ActivationMonitor"]


def __getattr__(name: str) -> Any:
    if name == "ActivationMonitor":
        from adaptact.callbacks.activation_monitor import ActivationMonitor

        return ActivationMonitor
    raise AttributeError(f"module 'adaptact.callbacks' has no attribute {name!r}")

"""adaptact: find out, on your own data, whether an adaptive activation function is worth adopting.

In code of your own, without Hydra or Lightning (docs/library.md)::

    from adaptact import SGBlend, param_groups, replace_activations

    replace_activations(model, SGBlend)  # in place, in any nn.Module; preserve=True starts as the old function
    optimizer = torch.optim.AdamW(param_groups(model, lr=1e-3, weight_decay=0.01))

:func:`survey` looks without changing anything, :func:`named_activations` finds what was put in. In a Lightning trainer
of your own, ``adaptact.callbacks.ActivationMonitor`` logs what they learn.
"""

import importlib
from typing import TYPE_CHECKING, Any

from adaptact.activations.options import LEARNING

if TYPE_CHECKING:
    from adaptact.activations.cpu.kernels import compile_kernels
    from adaptact.api.check_data import DataReport, check_data
    from adaptact.api.compare import Comparison, compare
    from adaptact.api.predict import Predictions, predict
    from adaptact.api.train import train
    from adaptact.records import Record
    from adaptact.surgery import Replacement, named_activations, param_groups, replace_activations, survey

__version__ = "0.1.0"

_HOMES = {
    "Comparison": "api.compare",
    "DataReport": "api.check_data",
    "Predictions": "api.predict",
    "Record": "records",
    "Replacement": "surgery",
    "check_data": "api.check_data",
    "compare": "api.compare",
    "compile_kernels": "activations.cpu.kernels",
    "named_activations": "surgery",
    "param_groups": "surgery",
    "predict": "api.predict",
    "replace_activations": "surgery",
    "survey": "surgery",
    "train": "api.train",
}
__all__ = [*_HOMES, *LEARNING]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Import torch only when one of its users is asked for: a job answers a wrong word without that wait."""
    if name not in __all__:
        raise AttributeError(f"module 'adaptact' has no attribute {name!r}")
    return getattr(importlib.import_module(f"adaptact.{_HOMES.get(name, 'activations')}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

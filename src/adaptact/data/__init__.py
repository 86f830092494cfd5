"""Reading, checking, splitting and preparing data."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

from adaptact import config
from adaptact.data.kinds import DataKind
from adaptact.data.positive import second
from adaptact.data.prepared import PARTS, Part, Prepared

__all__ = ["PARTS", "Part", "Prepared", "kind_of", "load"]


def load(options: config.Data, trust: str | None = None, *, resumed: bool = False) -> Prepared:
    """Read the data set that a configuration names; ``trust`` is the package whose code may be run for that.

    Args:
        resumed: the options are those of an earlier run. Where they name no positive class it is the second label: runs
            write down the one that was chosen, and earlier versions, which did not, took the second.

    Raises:
        DataError: whatever is wrong with the files, with the way out.
    """
    kind = kind_of(options, trust)
    prepared = kind.prepare(kind.read())
    if resumed and options.positive is None and prepared.positive is not None:
        return replace(prepared, positive=second(prepared.labels, prepared.parts["train"].y.numpy()))
    return prepared


def kind_of(options: config.Data, trust: str | None = None) -> DataKind[Any]:
    """Return all that can be asked of the data that a configuration names; ``trust`` as for :func:`load`."""
    made: DataKind[Any] = import_module(options.kind).Kind(options, trust)
    return made

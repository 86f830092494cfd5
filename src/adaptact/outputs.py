"""Outputs of a run on its test and validation rows, with the true values: ``outputs.npz``."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from adaptact.errors import UserError
from adaptact.files import read_arrays, write_bytes

FILE = "outputs.npz"


@dataclass(frozen=True)
class Outputs:
    """Predictions and true values of each row, in the order of the rows.

    Shape:
        predictions and val_predictions: (rows, classes) probabilities, or (rows,) values in the target's unit; targets
        and val_targets: (rows,) class numbers or values; groups (rows,): of test rows that were split by a group;
        sources (files,), source and row (rows,): where each test row came from. Earlier versions have no validation
        rows and no sources.
    """

    predictions: np.ndarray
    targets: np.ndarray
    val_predictions: np.ndarray | None = None
    val_targets: np.ndarray | None = None
    groups: np.ndarray | None = None
    sources: np.ndarray | None = None
    source: np.ndarray | None = None
    row: np.ndarray | None = None

    def __post_init__(self) -> None:
        for predictions, targets in ((self.predictions, self.targets), (self.val_predictions, self.val_targets)):
            if predictions is not None and targets is not None:
                _check_pair(predictions, targets)
        for name in ("groups", "source", "row"):
            one = getattr(self, name)
            if one is not None and one.shape != self.targets.shape:
                raise ValueError(f"{name} and targets differ in length")
        if len({one is None for one in (self.sources, self.source, self.row)}) > 1:
            raise ValueError("sources, source and row belong together")
        if self.source is not None and self.sources is not None:
            _check_numbers(self.source, len(self.sources), "source")

    def save(self, folder: Path) -> None:
        content = io.BytesIO()
        np.savez(content, **{name: array for name, array in asdict(self).items() if array is not None})
        write_bytes(folder / FILE, content.getvalue())


def _check_pair(predictions: np.ndarray, targets: np.ndarray) -> None:
    if predictions.ndim not in {1, 2} or targets.ndim != 1 or len(predictions) != len(targets):
        raise ValueError("predictions and targets differ in length")
    if predictions.dtype.kind != "f" or targets.dtype.kind not in "iuf":
        raise ValueError("predictions and targets must be numbers")
    if predictions.ndim == 2:
        _check_numbers(targets, predictions.shape[1], "targets")


def _check_numbers(numbers: np.ndarray, end: int, name: str) -> None:
    whole = numbers.dtype.kind in "iu"
    if not whole or (len(numbers) and not 0 <= numbers.min() <= numbers.max() < end):
        raise ValueError(f"{name} must be whole numbers from 0 to {end - 1}")


def required_outputs(folder: Path) -> Outputs:
    """Read ``outputs.npz`` of a run that must have one.

    Raises:
        UserError: none there, or a broken file.
    """
    found = read_outputs(folder)
    if found is None:
        raise UserError(f"{folder} has no {FILE}, its answers on test rows: train again")
    return found


def read_outputs(folder: Path) -> Outputs | None:
    """Read ``outputs.npz`` of a run; None where it has none.

    Raises:
        UserError: a broken file, or arrays that do not go together.
    """
    path = folder / FILE
    try:
        found = read_arrays(path)
        return Outputs(**{name: array for name, array in found.items() if name in Outputs.__dataclass_fields__})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is broken ({error}): train again") from None

"""Real rows to hold an exported model against: the run's own test rows, or those of another file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adaptact import data
from adaptact.errors import DataError, UserError
from adaptact.export.predict import read_rows
from adaptact.export.trained_run import TableRun, TrainedRun
from adaptact.layouts import PLAIN
from adaptact.outputs import read_outputs

MOST_ROWS = 2000


@dataclass(frozen=True)
class Rows:
    """Inputs of the network, as it takes them.

    Args:
        x: (rows, *input_shape).
        stored: what the run itself said of these rows after its training; None where they are none of its own.
        source: where they are from, in words.
    """

    x: Tensor
    stored: np.ndarray | None
    source: str


def real_rows(run: TrainedRun, source: str | None = None) -> Rows:
    """The test rows of a run, read again, or the rows of a table ``source``; at most 2,000, spread evenly.

    Raises:
        UserError: data that is gone or has changed, with the way out; ``source`` for a run on other data than a table.
    """
    if source is not None:
        if not isinstance(run, TableRun):
            raise UserError(f"rows={source}: {run.folder} was trained on {run.record.data['name']}, which is no table")
        x = torch.cat([run.preparation.transform(frame) for frame in read_rows(run, source, key="rows")])
        return Rows(x[_spread(len(x))], None, source)
    way_out = "put it back as it was"
    way_out += ", or name other rows of its kind with rows=new.csv" if isinstance(run, TableRun) else ""
    try:
        x, digest = _test_rows(run)
    except DataError as error:
        raise UserError(
            f"an export is checked on the test rows of {run.folder}, and its data cannot be read: {error}; {way_out}"
        ) from None
    if digest != run.record.data["fingerprint"]:
        raise UserError(
            f"the data has changed since {run.folder} was trained, on which an export is checked: {way_out}"
        )
    places = _spread(len(x))
    stored = _stored(run, len(x))
    return Rows(
        as_input(x[places], run), None if stored is None else stored[places.numpy()], f"{len(places):,} test rows"
    )


def as_input(x: Tensor, run: TrainedRun) -> Tensor:
    """Rows as an exported network takes them: tokens as int64, as tokenizers give them; all else as data is kept."""
    return (run.interface.layout or PLAIN).exported(x)


def _test_rows(run: TrainedRun) -> tuple[Tensor, str]:
    """Inputs of the test part, and the fingerprint of the data."""
    if isinstance(run, TableRun):
        readers = data.readers(run.settings.data)
        assert readers is not None
        raw = readers[0].read_and_split(run.settings.data)
        return run.preparation.transform(raw.frames["test"]), raw.fingerprint  # as the run prepares, not as anew
    prepared = data.load(run.settings.data, run.settings.trust)
    return prepared.parts["test"].x, prepared.fingerprint


def _spread(rows: int) -> Tensor:
    """Row numbers from first to last, at most :data:`MOST_ROWS`."""
    return torch.linspace(0, rows - 1, min(rows, MOST_ROWS), dtype=torch.float64).round().long()


def _stored(run: TrainedRun, rows: int) -> np.ndarray | None:
    """What ``outputs.npz`` says of the test rows; None where the run has none of them."""
    found = read_outputs(run.folder)
    return found.predictions.astype(np.float64) if found is not None and len(found.targets) == rows else None

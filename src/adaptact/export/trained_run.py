"""A run folder as something that answers. Nothing in the folder is executed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from adaptact import config, records
from adaptact.data import kind_of
from adaptact.data.prepared import RowPreparation
from adaptact.data.text.padding import outputs_of
from adaptact.errors import ConfigError, UserError
from adaptact.records import PREPARATION_FOLDER
from adaptact.training.checkpoints import fitted_network
from adaptact.training.input_spec import Interface

BATCH_ROWS = 4096


@dataclass(frozen=True)
class TrainedRun:
    """The best network of a run, with its record and what the network takes and gives."""

    folder: Path
    settings: config.Config
    record: records.Record
    network: nn.Module
    interface: Interface

    @property
    def task(self) -> str:
        return str(self.record.data["task"])

    @property
    def labels(self) -> list[str]:
        """Class names in the order of the outputs; empty for regression."""
        return self.record.labels if self.task == "classification" else []

    @torch.inference_mode()
    def answers(self, x: Tensor) -> np.ndarray:
        """Probabilities of shape (rows, classes), or values of shape (rows,) in the target's unit, in float64."""
        outputs = outputs_of(self.network, x, self.interface.layout, BATCH_ROWS).double()
        if self.task == "classification":
            return outputs.softmax(dim=1).numpy()
        return (outputs.squeeze(-1) * self.interface.scale + self.interface.center).numpy()


@dataclass(frozen=True)
class TableRun(TrainedRun):
    """A run on a table or on texts in one, with its preparation: it scores raw rows."""

    preparation: RowPreparation

    @property
    def options(self) -> config.Rows:
        """The options of the data: runs of this kind have rows."""
        return cast("config.Rows", self.settings.data)

    @classmethod
    def load(cls, folder: Path, trust: str | None = None) -> TableRun:
        """See :func:`load_run`.

        Raises:
            UserError: also for a run on other data than a table.
        """
        run = load_run(folder, trust)
        if not isinstance(run, cls):
            name = run.record.data["name"]
            raise UserError(f"{folder} was trained on {name}, which is no table: it cannot score a file")
        return run

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """:meth:`answers` for raw rows."""
        return self.answers(self.preparation.transform(frame))


def load_run(folder: Path, trust: str | None = None) -> TrainedRun:
    """Rebuild the network from config.yaml and give it the weights of the best checkpoint; a TableRun for tables.

    Args:
        trust: package whose classes the configuration may import; never taken from the folder.

    Raises:
        UserError, ConfigError, DataError: no run, an unfinished one, broken files.
    """
    record = records.Record.load(folder)
    settings = load_settings(folder, trust)
    make: Any = TrainedRun
    more: dict[str, Any] = {}
    preparation = kind_of(settings.data).row_preparation(folder / PREPARATION_FOLDER)
    if preparation is not None:
        if preparation.task != record.data["task"] or list(preparation.labels) != list(record.data.get("labels") or []):
            raise UserError(f"{folder / 'preparation'} and {folder / 'result.json'} have different tasks or labels")
        n_outputs = len(preparation.labels) if preparation.task == "classification" else 1
        interface = Interface(
            (preparation.width,), n_outputs, preparation.layout, preparation.center, preparation.scale
        )
        make, more = TableRun, {"preparation": preparation}
    else:
        interface = Interface.load(folder)
    network = fitted_network(folder, settings, interface.input_shape, interface.n_outputs, interface.layout)
    return make(folder, settings, record, network, interface, **more)  # type: ignore[no-any-return]


def load_settings(folder: Path, trust: str | None) -> config.Config:
    raw = records.read_config(folder)
    try:
        return config.from_dict({**raw, "resume": None, "trust": trust})
    except ConfigError as error:
        raise ConfigError([f"{folder / 'config.yaml'}: {problem}" for problem in error.problems]) from None

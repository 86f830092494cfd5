"""A run folder as something that scores rows. Nothing in the folder is executed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from adaptact import config, records
from adaptact.data.lengths import outputs_of
from adaptact.data.preparation import TablePreparation
from adaptact.data.tokens import TextPreparation
from adaptact.errors import ConfigError, UserError
from adaptact.training.checkpoints import fitted_network

BATCH_ROWS = 4096


@dataclass(frozen=True)
class TableRun:
    """The best network of a run on a table, with its preparation and its record."""

    folder: Path
    settings: config.Config
    record: records.Record
    network: nn.Module
    preparation: TablePreparation | TextPreparation

    @classmethod
    def load(cls, folder: Path, trust: str | None = None) -> TableRun:
        """Rebuild the network from config.yaml and give it the weights of the best checkpoint.

        Args:
            trust: package whose classes the configuration may import; never taken from the folder.

        Raises:
            UserError, ConfigError, DataError: no run, an unfinished one, one on other data than a table, broken files.
        """
        record = records.Record.load(folder)
        settings = load_settings(folder, trust)
        if not isinstance(settings.data, config.Rows):
            raise UserError(f"{folder} was trained on {record.data['name']}, which is no table: it cannot score a file")
        kind = TextPreparation if isinstance(settings.data, config.Text) else TablePreparation
        preparation = kind.load(folder / "preparation")
        n_outputs = len(preparation.labels) if preparation.task == "classification" else 1
        network = fitted_network(folder, settings, (preparation.width,), n_outputs, preparation.layout)
        return cls(folder, settings, record, network, preparation)

    @torch.inference_mode()
    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Probabilities of shape (rows, classes), or values of shape (rows,) in the target's unit, in float64."""
        x = self.preparation.transform(frame)
        outputs = outputs_of(self.network, x, self.preparation.layout, BATCH_ROWS).double()
        if self.preparation.task == "classification":
            return outputs.softmax(dim=1).numpy()
        return (outputs.squeeze(-1) * self.preparation.scale + self.preparation.center).numpy()


def load_settings(folder: Path, trust: str | None) -> config.Config:
    raw = records.read_config(folder)
    try:
        return config.from_dict({**raw, "resume": None, "trust": trust})
    except ConfigError as error:
        raise ConfigError([f"{folder / 'config.yaml'}: {problem}" for problem in error.problems]) from None

"""activations.csv: what every activation has learned after each epoch, with the gap beside it."""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lightning as L
from torch import Tensor, nn

from adaptact import files
from adaptact.activations import learned_values
from adaptact.callbacks.site_inputs import eagerly, gap, watch, watched
from adaptact.surgery import named_activations


class ParameterHistory(L.Callback):
    """One row per epoch and site: the mean of each parameter, and the gap over the first validation batch.

    Keeps its rows in the checkpoint, so that a resumed run has no gaps and no doubles. A network without learned
    parameters leaves no file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self._sites: dict[str, nn.Module] = {}
        self._gaps: dict[str, Tensor | None] = {}
        self._hooks: ExitStack | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        found = named_activations(watched(pl_module))
        self._sites = {name: module for name, module in found.items() if learned_values(module)}

    def on_validation_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if self._sites and self._hooks is None and not self._gaps:
            self._hooks = ExitStack()
            self._hooks.enter_context(eagerly())
            self._hooks.enter_context(watch(self._sites, self._see))

    def on_validation_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        if self._hooks is not None:
            self._hooks.close()
            self._hooks = None

    def _see(self, name: str, module: nn.Module, value: Tensor) -> None:
        self._gaps[name] = gap(module, value)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for name, module in self._sites.items():
            row: dict[str, Any] = {"epoch": trainer.current_epoch, "site": name}
            row |= {key: value.float().mean().item() for key, value in learned_values(module).items()}
            found = self._gaps.get(name)
            row["gap"] = None if found is None else found.item()
            self.rows.append(row)
        self._gaps = {}
        if self.rows and trainer.is_global_zero:
            files.write_text(self.path, self._text())

    def _text(self) -> str:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(dict.fromkeys(k for row in self.rows for k in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

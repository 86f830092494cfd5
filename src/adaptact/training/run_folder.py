"""The run folder: opened, described before the first step, and filled after the last."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from adaptact import config, files, records
from adaptact.data import Prepared
from adaptact.errors import UserError
from adaptact.folders import refuse_links
from adaptact.outputs import Outputs
from adaptact.records import (
    BEST_FILE,
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    LAST_FILE,
    METRICS_FILE,
    PREPARATION_FOLDER,
    RESULT_FILE,
)
from adaptact.training import hardware
from adaptact.training.checkpoints import KEY, check_resumable, epochs_done, load_checkpoint
from adaptact.training.input_spec import Interface
from adaptact.training.learner import Learner
from adaptact.training.sharding import load_weights

TYPED_ANEW = {"resume": None, "trust": None, "follow_links": False}  # count where a person types them, in no file


def new_folder(settings: config.Config, prepared: Prepared) -> Path:
    return records.new_run_folder(
        records.project_root() / settings.output_dir,
        data=prepared.name,
        model=settings.model.name,
        activation=settings.activation.name,
        seed=settings.seed,
    )


def open_folder(
    settings: config.Config, prepared: Prepared, learner: Learner, given: Path | None
) -> tuple[Path, Path | None]:
    """Return the given or a new run folder, or that of ``settings.resume`` with its last checkpoint.

    None for the checkpoint where the run stopped before it had one.

    Raises:
        UserError: nothing to resume, a checkpoint that is broken or belongs to something else, other data.
    """
    if settings.resume is None:
        return given or new_folder(settings, prepared), None
    folder = Path(settings.resume)
    refuse_links(folder, settings.follow_links)
    last = folder / "checkpoints" / LAST_FILE
    if not last.is_file():  # stopped before the first step: it begins again
        (folder / METRICS_FILE).unlink(missing_ok=True)
        return folder, None
    checkpoint = load_checkpoint(last)
    check_resumable(checkpoint, last)
    shapes = {name: tensor.shape for name, tensor in learner.state_dict().items()}
    if {name: tensor.shape for name, tensor in checkpoint["state_dict"].items()} != shapes:
        raise UserError(f"{last} does not fit the network of {folder / 'config.yaml'}: it is of another configuration")
    if checkpoint[KEY].get("fingerprint") != prepared.fingerprint:
        raise UserError(f"the data has changed since {folder} was trained: a resumed run would mix two data sets")
    if (folder / RESULT_FILE).is_file():
        record, done = records.Record.load(folder), epochs_done(checkpoint)
        if record.status in {"finished", "diverged"} and done >= settings.trainer.max_epochs:
            raise UserError(
                f"{folder} has {record.status} after {done} epochs: add trainer.max_epochs={2 * done} to go on"
            )
    return folder, last


def describe_run(
    folder: Path,
    settings: config.Config,
    prepared: Prepared,
    device: str,
    precision: str,
    notes: list[str],
    *,
    compiled: bool,
    quiet: bool = False,
) -> None:
    """Write what is known before the first step: configuration, environment, input spec, preparation."""
    (folder / "checkpoints").mkdir(exist_ok=True)
    notes = [*prepared.notes, *notes]
    files.write_yaml(folder / CONFIG_FILE, config.to_dict(settings) | TYPED_ANEW)
    environment = {
        "versions": hardware.versions(),
        "device": hardware.device_name(device),
        "precision": precision,
        "kernels": compiled,
        "notes": notes,
    }
    files.write_json(folder / ENVIRONMENT_FILE, environment)
    for note in [] if quiet else notes:
        print(f"note: {note}", file=sys.stderr)
    Interface.of(prepared).save(folder)
    if prepared.preparation is not None:
        prepared.preparation.save(folder / PREPARATION_FOLDER)


def batch_norm_notes(network: nn.Module, device: str) -> list[str]:
    """Say what several processes change about batch normalisation."""
    if device == "gpu" or not any(isinstance(module, _BatchNorm) for module in network.modules()):
        return []
    return ["batch normalisation: on a CPU each process uses the statistics of its own share of a batch"]


def load_best(learner: Learner, folder: Path) -> int | None:
    """Give the learner the weights of the best checkpoint and return its epoch; None where there is none yet."""
    path = folder / "checkpoints" / BEST_FILE
    if not path.is_file():
        return None
    best = load_checkpoint(path)
    load_weights(learner, best["state_dict"])
    return best["epoch"]


def outputs_of_run(predictions: dict[str, tuple[np.ndarray, np.ndarray]], prepared: Prepared) -> Outputs:
    """Collect outputs and true values on test and validation rows, with where the test rows came from."""
    (test, y), (val, val_y) = predictions["test"], predictions["val"]
    more: dict[str, Any] = {"groups": prepared.test_groups}
    if prepared.test_rows is not None:
        known = prepared.test_rows
        more |= {"sources": np.array(known.sources, dtype=str), "source": known.source, "row": known.row}
    return Outputs(test, y, val, val_y, **more)

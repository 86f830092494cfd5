"""One run of a plan: trained into its own folder, once; what goes wrong is an outcome of the run and ends no other."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from adaptact import config, data, files, folders, records
from adaptact.data import Prepared
from adaptact.errors import UserError, machine_error
from adaptact.locks import locked
from adaptact.training.checkpoints import fitted_network
from adaptact.training.metrics import classification_metrics, regression_metrics
from adaptact.training.references import references
from adaptact.training.robustness import disturbed_metrics
from adaptact.training.run import train

_KEPT: dict[str, Prepared] = {}


def run_planned(
    folder: str,
    settings: dict[str, Any],
    run_hash: str,
    trust: str | None,
    read: Callable[[config.Data, str | None], Prepared] | None = None,
    finish: Callable[[dict[str, Any]], None] = lambda result: None,
) -> dict[str, Any]:
    """Train into ``folder``, which is emptied first, and leave ``planned.json`` beside the record.

    A run that has ended there and was made otherwise is moved aside, into ``superseded/`` of the comparison. The
    folder is locked meanwhile: no other process, as one that outlived its command, writes there.

    Args:
        read: gives the data of the run; by default what its settings name.
        finish: called with the result before ``planned.json`` says that the run has ended.

    Returns:
        The content of ``planned.json``: "hash", "status", "reason", "seconds" and "constant", the metrics on test and
        validation rows of a prediction that does not look at its input (class shares or mean of the training rows),
        and "robustness", the metrics under disturbed inputs. Where the machine cannot go on, "status" is "undone",
        with the fault as its "reason", and nothing says that the run has ended.
    """
    target = Path(folder)
    try:
        with locked(target):
            result = _run(target, settings, run_hash, trust, read or prepared_for)
            finish(result)
            files.write_json(target / records.PLANNED_FILE, result)
            return result
    except UserError as error:  # of the lock, or of the machine
        return {"hash": run_hash, "status": "undone", "reason": str(error)}


def _run(
    target: Path,
    settings: dict[str, Any],
    run_hash: str,
    trust: str | None,
    read: Callable[[config.Data, str | None], Prepared],
) -> dict[str, Any]:
    begun = time.perf_counter()
    make_room(target, run_hash)
    result: dict[str, Any] = {"hash": run_hash, "status": "failed", "reason": None, "constant": None}
    try:
        checked = config.from_dict({**settings, "trust": trust})
        prepared = read(checked.data, trust)
        result["constant"] = constant_metrics(prepared)
        record, _ = train(checked, prepared=prepared, folder=target, quiet=True)
        result |= {"status": record.status, "reason": record.reason}
        if record.status == "finished":
            whole = config.from_dict(
                {**records.read_config(target), "trust": trust}
            )  # its network may be of a checkpoint
            network = fitted_network(target, whole, prepared.input_shape, prepared.n_outputs, prepared.layout)
            result["robustness"] = disturbed_metrics(network, prepared, checked.seed)
    except Exception as error:
        if (fault := machine_error(error)) is not None:
            raise fault from error
        result["reason"] = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        files.write_text(target / "error.txt", traceback.format_exc())
    result["seconds"] = time.perf_counter() - begun
    return result


def make_room(target: Path, run_hash: str) -> None:
    """An empty folder for a run: what an unfinished try left is removed, a run that has ended is kept elsewhere."""
    before = records.read_planned(target)
    if before.get("status") in records.ENDED and before.get("hash") != run_hash:
        kept = target.parent.parent / "superseded" / target.parent.name
        folders.make_folder(kept)
        target.rename(folders.new_folder(kept, f"{target.name}-{str(before.get('hash'))[:8]}"))
    shutil.rmtree(target, ignore_errors=True)
    folders.make_folder(target)


def references_of(file: str, settings: dict[str, Any], trust: str | None) -> dict[str, Any]:
    """What boosting and a linear model reach on the split of a run; kept in ``file``."""
    begun = time.perf_counter()
    result: dict[str, Any]
    try:
        found = references(prepared_for(config.from_dict({**settings, "trust": trust}).data, trust))
        result = {"status": "finished", "reason": None, "references": found}
    except Exception as error:
        if (fault := machine_error(error)) is not None:
            return {"status": "undone", "reason": str(fault)}
        result = {"status": "failed", "reason": f"{type(error).__name__}: {error}", "references": []}
    result["seconds"] = time.perf_counter() - begun
    try:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        files.write_json(Path(file), result)
    except (OSError, UserError) as error:
        return {"status": "undone", "reason": str(machine_error(error) or error)}
    return result


def constant_metrics(prepared: Prepared) -> dict[str, dict[str, float]]:
    """Metrics of predicting each row alike: by the class shares, or the mean, of the training rows."""
    train_y = prepared.parts["train"].y
    found = {}
    for part in ("val", "test"):
        y = prepared.parts[part].y
        if prepared.task == "regression":
            own = y.double() * prepared.scale + prepared.center
            mean = train_y.double().mean() * prepared.scale + prepared.center
            metrics = regression_metrics(mean.expand(len(y)), own)
        else:
            shares = torch.bincount(train_y, minlength=prepared.n_outputs).double() / len(train_y)
            metrics = classification_metrics(shares.log().expand(len(y), -1), y, prepared.positive_number)
        found[part] = {name: value.item() for name, value in metrics.items()}
    return found


def prepared_for(options: config.Data, trust: str | None) -> Prepared:
    """The data of a run; of one seed all arms run one after the other and share it."""
    options = dataclasses.replace(options, order_seed=None)
    key = json.dumps(dataclasses.asdict(options), sort_keys=True)
    if key not in _KEPT:
        while len(_KEPT) > 1:
            del _KEPT[next(iter(_KEPT))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _KEPT[key] = data.load(options, trust)
    return _KEPT[key]

"""Training as a function: from a checked configuration, or from a data frame, to a record and a run folder."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptact import launcher, terminal
from adaptact.api.inputs import configuration
from adaptact.config import Config
from adaptact.errors import MachineError, machine_error
from adaptact.locks import locked
from adaptact.records import Record

if TYPE_CHECKING:
    import pandas as pd

    from adaptact.data import Prepared


def train(data: pd.DataFrame | str | Path | None = None, /, *, target: str | None = None, **options: Any) -> Record:
    """Train one network, as ``adaptact train`` does, and return its record; ``record.folder`` is the run folder.

    Args:
        data: a data frame, the path of a table or of a folder of pictures, or the name of a data set.
        target: name of the column to predict.
        options: all that can be typed: ``activation="sgblend"``, ``seed=1``, sections as dictionaries
            (``trainer={"max_epochs": 10}``, ``data={"drop": ["id"]}``), ``trust="my_package"``.

    Raises:
        ConfigError, DataError, UserError: before anything is written.

    >>> import adaptact
    >>> record = adaptact.train("wine", activation="swish", model={"name": "mlp", "widths": [8]},
    ...                         trainer={"max_epochs": 1}, logger="none")  # doctest: +SKIP
    >>> record.metrics["test"]["accuracy"]  # doctest: +SKIP
    0.83
    """
    words, changes = configuration(data, target, options)
    record, _ = carry_out(launcher.compose(words, changes), started=time.time())
    return record


def carry_out(settings: Config, *, started: float | None) -> tuple[Record, Path]:
    """Read the data, say on stderr what a person should know about it, and train in one or several processes.

    Args:
        started: ``time.time()`` when the wait for the first step began.

    Raises:
        ConfigError, DataError, UserError: before anything is written.
        MachineError: a fault of the machine, such as a full disk, on the way.
    """
    begun = time.perf_counter()
    with terminal.console(stderr=True).status("loading torch and lightning"):
        from adaptact.training.checks import check

        reading = time.perf_counter()
        prepared, warnings = load(settings)  # what is wrong with the data is said before the slow imports
        reading = time.perf_counter() - reading
        check(settings, prepared)
        from adaptact.training.build import build_network

        build_network(settings, prepared.input_shape, prepared.n_outputs, prepared.layout)  # the same for the network
        from adaptact.training.run import train  # noqa: F401 - while the screen says what takes long
    if prepared.positive is not None:
        print(prepared.positive.line(), file=sys.stderr)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    import_s = time.perf_counter() - begun - reading
    continued = nullcontext() if settings.resume is None else locked(Path(settings.resume))
    try:
        with continued:
            return _train(settings, prepared, started, import_s)
    except Exception as error:
        if (fault := machine_error(error)) is None:
            raise
        raise MachineError(f"{fault} with make train resume=<the run folder>") from error


def _train(settings: Config, prepared: Prepared, started: float | None, import_s: float) -> tuple[Record, Path]:
    if settings.trainer.strategy != "auto":
        from adaptact.training.distributed import train_in_processes

        return train_in_processes(settings, prepared, started=started)
    from adaptact.training.run import train

    return train(settings, prepared=prepared, started=started, import_s=import_s)


def load(settings: Config) -> tuple[Prepared, list[str]]:
    """Return the data, and what a person should know about a table, texts or pictures before the training."""
    from adaptact import data

    if settings.resume is not None:
        return data.load(settings.data, settings.trust, resumed=True), []
    from adaptact.data.findings import INFO
    from adaptact.training.checks import check_target

    kind = data.kind_of(settings.data, settings.trust)
    raw = kind.read()
    check_target(settings, raw)  # before the preparation and its imports
    found = [finding for finding in kind.findings(raw) if finding.level != INFO]
    return kind.prepare(raw), [f"{finding.detail}: {finding.advice}" for finding in found]

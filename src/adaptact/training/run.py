"""``train(settings) -> (Record, folder)``: one run from a configuration to a folder."""

from __future__ import annotations

import contextlib
import logging
import shlex
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from adaptact import config, data, records
from adaptact.data import Prepared
from adaptact.errors import UserError, machine_error
from adaptact.training import hardware
from adaptact.training.assemble import RunParts, assemble
from adaptact.training.build import seed_all
from adaptact.training.finish import finish
from adaptact.training.signals import Interrupted

QUIET = (
    ".*does not have many workers.*",
    ".*smaller than the logging interval.*",
    ".*isinstance.treespec.*",
    ".*exists and is not empty.*",
    ".*sync_dist=True.*",
    ".*lr_scheduler.step.. before.*",  # where a gradient scaler skips the first step
)


def train(
    settings: config.Config,
    *,
    prepared: Prepared | None = None,
    folder: Path | None = None,
    started: float | None = None,
    import_s: float | None = None,
    quiet: bool = False,
) -> tuple[records.Record, Path]:
    """Train, evaluate the best checkpoint once on the test part, and leave a run folder.

    With ``settings.resume`` an earlier run continues in its folder, bit by bit as if it had never stopped (CPU).
    SIGINT and SIGTERM end it as "interrupted", too many non-finite steps in a row as "diverged".

    Args:
        settings: a checked configuration.
        prepared: the data of ``settings.data``, where it has been read already.
        folder: an empty run folder; by default a new one is made. All processes of a run share one.
        started: ``time.time()`` at the start of the process, for ``first_step_s``; by default now.
        import_s: seconds that imports took, for the record.
        quiet: say nothing on the screen, as one run of many.

    Returns:
        The record, as in ``result.json``, and the run folder.

    Raises:
        ConfigError, DataError, UserError: before anything is written.
    """
    started = time.time() if started is None else started
    quiet_libraries()
    hardware.precision(settings.trainer, hardware.accelerator(settings.trainer))  # a wrong device, before the data
    with _broken_run_named(settings.resume):
        prepared = prepared or data.load(settings.data, settings.trust, resumed=settings.resume is not None)
        parts = assemble(settings, prepared, folder=folder, quiet=quiet)
        try:
            stopped = fit(parts)
            record = finish(parts, stopped, started=started, import_s=import_s)
        finally:
            parts.watchers.signals.restore()
    return record, parts.folder


def fit(parts: RunParts) -> str | None:
    """Train to the end, or until a signal, and return what stopped it early."""
    seed_all(parts.settings.seed)
    last = None if parts.last is None else str(parts.last)
    try:
        parts.trainer.fit(parts.learner, parts.module, ckpt_path=last, weights_only=True)
    except Interrupted as interruption:
        return f"{interruption}; make train {shlex.quote(f'resume={parts.folder}')} continues it"
    parts.watchers.signals.restore()
    return None


@contextlib.contextmanager
def _broken_run_named(resumed: str | None) -> Iterator[None]:
    """Turn whatever a checkpoint that was tampered with leads to into one message about the run."""
    try:
        yield
    except Exception as error:
        if resumed is None or isinstance(error, UserError) or machine_error(error) is not None:
            raise
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{resumed} cannot be continued ({reason}); debug=true shows where") from error


def quiet_libraries() -> None:
    """Keep what does not concern a user of adaptact off the screen."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    for message in QUIET:
        warnings.filterwarnings("ignore", message=message)

"""One run in several processes of this machine, which share every batch (distributed data parallel)."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from adaptact import config, records
from adaptact.data import Prepared
from adaptact.errors import UserError
from adaptact.interrupts import end_with
from adaptact.records import RESULT_FILE
from adaptact.training.build import build_network
from adaptact.training.checks import check
from adaptact.training.run import train
from adaptact.training.run_folder import new_folder


def train_in_processes(
    settings: config.Config, prepared: Prepared, *, started: float | None
) -> tuple[records.Record, Path]:
    """As :func:`adaptact.training.run.train`, with ``trainer.devices`` processes and one run folder.

    Raises:
        UserError: what any of the processes raised; the others are ended.
    """
    world = settings.trainer.devices
    check(settings, prepared)
    # all that can be wrong, before there is a folder
    build_network(settings, prepared.input_shape, prepared.n_outputs, prepared.layout)
    folder = Path(settings.resume) if settings.resume else new_folder(settings, prepared)
    before_it = _written(folder)  # a run that is resumed has a record already
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe(duplex=False) for _ in range(world)]
    work = [
        context.Process(target=_work, args=(settings, folder, rank, world, port, started, pipes[rank][1]))
        for rank in range(world)
    ]
    stopped: list[str] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: no traceback from a process that still imports
        for process in work:
            process.start()

        def hand_on(number: int, frame: FrameType | None) -> None:
            """The processes end the run; this one waits for its record."""
            stopped.append(signal.Signals(number).name)
            for process in work:
                process.terminate()

        for number in before:
            signal.signal(number, hand_on)
        while any(process.is_alive() for process in work):
            if any(process.exitcode for process in work) and not stopped:
                time.sleep(1.0)  # time to say why
                for process in work:
                    process.kill()
            time.sleep(0.05)
    finally:
        for process in work:
            process.kill()
        for number, handler in before.items():
            signal.signal(number, handler)
    messages = [receiver.recv() for receiver, _ in pipes if receiver.poll()]
    if messages:
        raise UserError(messages[0])
    if _written(folder) == before_it:
        why = f"was ended by {stopped[0]} before its first step" if stopped else "lost one of its processes"
        raise UserError(f"the run {why}: make train resume={folder} begins it again")
    return records.Record.load(folder), folder


def _written(folder: Path) -> int | None:
    """When the record of a run was written; None where there is none."""
    path = folder / RESULT_FILE
    return path.stat().st_mtime_ns if path.is_file() else None


def _work(
    settings: config.Config, folder: Path, rank: int, world: int, port: int, started: float | None, pipe: Connection
) -> None:
    end_with(os.getppid())
    os.environ |= {
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // world))
    try:
        train(settings, folder=folder, started=started)
    except UserError as error:
        pipe.send(str(error))
        raise SystemExit(2) from None

"""Events inside a command at which a signal strikes or its disk is full: the n-th call of a function, never a clock.

An event is installed in the process of a command before its job begins, and by that process in its workers. It happens
once per command, in whichever process comes there first, and leaves a mark that it has happened.
"""

from __future__ import annotations

import errno
import functools
import importlib
import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from adaptact.interrupts import end_with

VARIABLE = "ADAPTACT_TEST_EVENT"  # what workers are told, as JSON


@dataclass(frozen=True)
class Event:
    """A place in a command.

    Args:
        call: "module:name" or "module:Class.name" of the function, where its caller looks it up.
        about: text that one of its arguments holds, as the name of a file; only such calls count.
        number: which of these calls, from 1, in one process.
        when: "before" or "after" it.
        where: "command" or "worker".
        action: "SIGKILL", "SIGTERM" or "SIGINT"; "ENOSPC": a full disk, from this call on.
        target: who gets the signal: the "command", also from its workers, or "self". SIGINT goes to all of its
            processes, as a terminal sends it.
        mark: file that says that it has happened.
    """

    call: str
    about: str = ""
    number: int = 1
    when: str = "after"
    where: str = "command"
    action: str = ""
    target: str = "command"
    mark: str = ""

    @property
    def name(self) -> str:
        about = f" {self.about}" if self.about else ""
        number = f" #{self.number}" if self.number > 1 else ""
        return f"{self.when} {self.call.rpartition(':')[2]}{about}{number}" + (
            f" in a worker{' (itself)' if self.target == 'self' else ''}" if self.where == "worker" else ""
        )


def install(event: Event | None) -> None:
    """Make this process, a command that is about to begin, and its workers meet the event."""
    os.environ.pop(VARIABLE, None)
    if event is None:
        return
    if event.where == "command":
        _install(event)
        return
    os.environ[VARIABLE] = json.dumps(asdict(event))
    executor: Any = importlib.import_module("adaptact.comparison.worker_pool")
    executor.end_with = begin_worker


def begin_worker(parent: int) -> None:
    """Begin a worker process with the event of its command."""
    end_with(parent)
    _install(Event(**json.loads(os.environ[VARIABLE])))


def _install(event: Event) -> None:
    module, _, path = event.call.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    calls = 0

    @functools.wraps(original)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        counts = not event.about or any(event.about in str(argument) for argument in arguments)
        calls += counts
        due = counts and (calls == event.number or (event.action == "ENOSPC" and calls > event.number))
        if due and event.when == "before":
            _happen(event)
        result = original(*arguments, **named)
        if due and event.when == "after":
            _happen(event)
        return result

    setattr(owner, name, wrapped)


def _happen(event: Event) -> None:
    first = not Path(event.mark).exists()
    if event.action == "ENOSPC":
        os.close(os.open(event.mark, os.O_CREAT))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if not first:
        return
    try:
        os.close(os.open(event.mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:  # in another worker
        return
    number = signal.Signals[event.action]
    if number == signal.SIGINT:
        os.killpg(0, number)
    else:
        os.kill(os.getpid() if event.where == "command" or event.target == "self" else os.getppid(), number)

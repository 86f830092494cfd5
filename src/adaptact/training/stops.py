"""Ends that somebody asks for: Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

import lightning as L


class Interrupted(BaseException):
    """Somebody asked the run to end. Not an Exception, so that nothing on the way swallows it."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


class Signals(L.Callback):
    """Turns SIGINT and SIGTERM into :class:`Interrupted` while the fit runs; elsewhere they do what they did."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._before[number] = signal.signal(number, self._raise)
            except ValueError:  # not the main thread: its owner deals with signals
                return

    def _raise(self, number: int, frame: FrameType | None) -> None:
        for other in self._before:
            signal.signal(other, signal.SIG_IGN)  # asked once is enough; the record is written in peace
        raise Interrupted(number)

    def restore(self) -> None:
        """Give the signals back, after the record is written."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

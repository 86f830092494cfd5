"""Ends that somebody asks for: Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
import threading
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
        # before Lightning puts its own in the way
        self._before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():  # elsewhere its owner deals with signals
            for number in self._before:
                signal.signal(number, self._raise)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        for other in self._before:
            signal.signal(other, signal.SIG_IGN)  # asked once is enough; the record is written in peace
        raise Interrupted(number)

    def restore(self) -> None:
        """Give the signals back, after the record is written."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

"""Ends that somebody asks for: Ctrl-C and SIGTERM."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import lightning as L

from adaptact.interrupts import heeded


class Interrupted(BaseException):
    """Somebody asked the run to end. Not an Exception, so that nothing on the way swallows it."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


class Signals(L.Callback):
    """Turns SIGINT and SIGTERM into :class:`Interrupted` while the fit runs; elsewhere they do what they did.

    The first one waits for the end of the batch: an exception out of a signal handler can strike anywhere,
    in the middle of a file that is written or of a callback from C++, where it ends the process. A second one
    does not wait.
    """

    def __init__(self) -> None:
        # before Lightning puts its own in the way
        self._before: dict[int, Any] = {
            number: signal.getsignal(number) for number in heeded(signal.SIGINT, signal.SIGTERM)
        }
        self._waiting: int | None = None

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._set(self._wait)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # Lightning has put its own in the way by now
        self._set(self._wait if self._waiting is None else self._raise)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._raise_if_asked()

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        self._raise_if_asked()

    def on_validation_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        self._raise_if_asked()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if not isinstance(exception, Interrupted):
            self.restore()

    def _set(self, handler: Any) -> None:
        if threading.current_thread() is threading.main_thread():  # elsewhere its owner deals with signals
            for number in self._before:
                signal.signal(number, handler)

    def _wait(self, number: int, frame: FrameType | None = None) -> None:
        self._waiting = number
        self._set(self._raise)

    def _raise_if_asked(self) -> None:
        if self._waiting is not None:
            self._raise(self._waiting)

    def _raise(self, number: int, frame: FrameType | None = None) -> None:
        self._set(signal.SIG_IGN)  # the record is written in peace
        raise Interrupted(number)

    def restore(self) -> None:
        """Give the signals back, after the record is written."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

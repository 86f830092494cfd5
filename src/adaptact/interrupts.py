"""Ctrl-C and SIGTERM end a command alike, and worker processes end with the process that started them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143}
PR_SET_PDEATHSIG = 1  # of linux/prctl.h
SYNCHRONIZE, FOREVER = 0x00100000, 0xFFFFFFFF  # of Windows
WATCH = 0.5  # seconds between two looks for the parent, where the system cannot tell


class Terminated(KeyboardInterrupt):
    """SIGTERM: whatever treats Ctrl-C treats this in the same way."""


def name_of(error: KeyboardInterrupt) -> str:
    """Name of the signal that ended a command."""
    return "SIGTERM" if isinstance(error, Terminated) else "SIGINT"


def raise_as(name: str) -> None:
    """Raise the exception of a signal, by its name."""
    raise Terminated if name == "SIGTERM" else KeyboardInterrupt


def heeded(*numbers: int) -> list[int]:
    """Those signals that are not ignored: a shell script starts what it puts in the background without Ctrl-C."""
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


@contextlib.contextmanager
def sigterm_raises() -> Iterator[None]:
    """Raise :class:`Terminated` on SIGTERM; only in the main thread, which alone can set a handler."""
    if threading.current_thread() is not threading.main_thread() or not heeded(signal.SIGTERM):
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextlib.contextmanager
def continues(way_out: str) -> Iterator[None]:
    """Say at an interruption that what has ended is kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise type(error)(f"interrupted by {name_of(error)}: what has ended is kept; {way_out}") from None


def end_with(parent: int) -> None:
    """End this process as soon as the process ``parent``, which started it, has ended; Ctrl-C is left to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.name != "nt" and os.getppid() != parent:  # it ended before this was asked for
        os._exit(1)
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: int) -> None:
    if os.name == "nt":
        kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
        kernel.WaitForSingleObject(kernel.OpenProcess(SYNCHRONIZE, False, parent), FOREVER)
    else:
        while os.getppid() == parent:
            time.sleep(WATCH)
    os._exit(1)

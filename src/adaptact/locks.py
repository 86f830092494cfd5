"""One writer at a time: a lock beside each folder that a command changes, with its owner's process and host."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from filelock import SoftFileLock, Timeout

from adaptact.errors import UserError, machine_error
from adaptact.files import is_zombie, remove_all_left_over, remove_left_over

PATIENCE = 5.0  # seconds that a second command waits: a short step of the first may just end
HEALED = 5.0  # seconds within which filelock takes over a broken lock: it watches it for 2


def lock_file(folder: Path) -> Path:
    """Where the lock of ``folder`` stands: beside it, so that it can be taken before there is a folder."""
    folder = folder.absolute()
    return folder.with_name(f".{folder.name}.lock")


@contextlib.contextmanager
def locked(folder: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of ``folder`` for a whole read-change-write.

    The lock of a process that has ended on this host is taken over. What killed processes left half-written below
    ``folder`` is removed.

    Raises:
        UserError: another process holds it, with its number and host, or the lock cannot be written.
    """
    path = lock_file(folder)
    lock = SoftFileLock(str(path), timeout=patience)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _acquire(lock, path)
    except Timeout:
        raise UserError(_held(folder, path)) from None
    except OSError as error:
        if (fault := machine_error(error)) is not None:
            raise fault from None
        raise UserError(f"{folder} cannot be locked: {error.strerror or error}") from None
    try:
        _clean(folder)
        yield
        _clean(folder)  # of workers that were about to end when this began
    finally:
        with contextlib.suppress(OSError):
            lock.release()


def _clean(folder: Path) -> None:
    """Remove what processes that have ended on this host left beside and below ``folder``."""
    remove_left_over(folder)
    if folder.is_dir():
        remove_all_left_over(folder)
        _remove_dead_locks(folder)


def _acquire(lock: SoftFileLock, path: Path) -> None:
    """Wait for a lock, and take over two kinds that filelock waits for in vain.

    One is empty and has not changed meanwhile: its owner was killed between making the file and writing its name. The
    other is of a zombie. With a letter more each is a broken lock, which filelock takes over safely.
    """
    empty = _identity_of_empty(path)
    if not _is_of_zombie(path):
        try:
            lock.acquire()
            return
        except Timeout:
            if empty is None or _identity_of_empty(path) != empty:
                raise
    with path.open("ab") as file:
        file.write(b"?")
    lock.acquire(timeout=HEALED)


def _is_of_zombie(path: Path) -> bool:
    """Check for a lock whose owner has ended on this host, but is still counted there."""
    with contextlib.suppress(OSError, ValueError):
        process, host, *_ = path.read_text(encoding="utf-8").splitlines()
        return host.partition("?")[0] == platform.node() and is_zombie(int(process))
    return False


def _identity_of_empty(path: Path) -> tuple[int, int] | None:
    """Inode and time of an empty file; None where it is not there or holds something."""
    with contextlib.suppress(OSError):
        found = path.stat()
        if found.st_size == 0:
            return found.st_ino, found.st_mtime_ns
    return None


def _remove_dead_locks(folder: Path) -> None:
    """Remove the locks below ``folder`` of processes that have ended on this host."""
    for path in list(folder.rglob(".*.lock")):
        with contextlib.suppress(Timeout, OSError):
            if _is_of_zombie(path):
                path.unlink()
            else:
                with SoftFileLock(str(path), timeout=0):  # takes over only one of a process that has ended
                    pass


def _held(folder: Path, path: Path) -> str:
    try:
        process, host, *_ = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return f"{folder} is in use by another command: try again when it has ended, or remove {path} if there is none"
    host = host.partition("?")[0]
    if process == str(os.getpid()):
        return f"{folder} is in use by this very command"
    return (
        f"{folder} is in use by process {process} on {host}: wait for it to end. If {host} is another machine and no "
        f"adaptact runs there any more, remove {path}"
    )

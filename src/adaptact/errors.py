"""Errors a person can cause. Each message names the thing, the reason and the way out."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator


class UserError(Exception):
    """Ends a job with exit code 2 and its message on stderr, without a traceback."""


class ConfigError(UserError):
    """A configuration that cannot be run; carries every problem found, not only the first."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class DataError(UserError):
    """Data that is missing, unreadable or cannot be trained on."""


class MachineError(UserError):
    """A fault of the machine, not of a run: a full disk, a folder without the right to write, too many open files.

    A run that meets one stays undone, and the same command tries it again.
    """


ADVICE = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room: the quota of this user is used up",
    errno.EFBIG: "the limit on the size of a file is reached: see `ulimit -f`",
    errno.EROFS: "the disk takes no writing: name another folder",
    errno.EACCES: "ask for the right to write there, or name another folder",
    errno.EPERM: "ask for the right to write there, or name another folder",
    errno.EMFILE: "too many files are open: raise the limit, see `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine: close other programs",
    errno.ENOMEM: "free memory: close other programs, or use fewer workers",
    errno.EIO: "the disk reports an error: check it",
    errno.ESTALE: "the network drive has gone: connect it again",
}
"""Error numbers of the operating system that are the machine's fault, and the way out of each."""


def machine_error(error: BaseException) -> MachineError | None:
    """Find the machine's fault that an exception is, or was raised because of; None where there is none."""
    for cause in _causes(error):
        if isinstance(cause, MachineError):
            return cause
        if isinstance(cause, OSError) and cause.errno in ADVICE:
            where = "" if cause.filename is None else f"{cause.filename}: "
            kept = "what was written before is intact; then the same command goes on"
            return MachineError(f"{where}{cause.strerror}; {ADVICE[cause.errno]}; {kept}")
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


MOST_LISTED = 60  # names in a message


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest known name, empty where none is near, and all of them unless they are too many.

    >>> did_you_mean("sgblnd", ["gelu", "sgblend"])
    "Did you mean 'sgblend'? Known: gelu, sgblend."
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    if len(known) > MOST_LISTED:
        several = ", ".join(difflib.get_close_matches(name, known, n=5, cutoff=0.3))
        return f"Nearest of {len(known)}: {several}." if several else f"There are {len(known)} others."
    return (f"Did you mean {near[0]!r}? " if near else "") + f"Known: {', '.join(known)}."

"""Errors a person can cause. Each message names the thing, the reason and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Ends a job with exit code 2 and its message on stderr, without a traceback."""


class ConfigError(UserError):
    """A configuration that cannot be run; carries every problem found, not only the first."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


class DataError(UserError):
    """Data that is missing, unreadable or cannot be trained on."""


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

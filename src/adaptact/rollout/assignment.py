"""Who gets which model: by a salted hash of the identifier, the same in every batch and on every machine."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

ARMS = ("baseline", "candidate")


@dataclass(frozen=True)
class Assignment:
    """How the identifiers of one test are dealt out.

    Args:
        salt: of this test: two tests with different salts are independent of each other.
        share: of the identifiers, or groups, that the candidate serves.
        by: the column that is hashed: the group where there is one, so that a group stays together.
        identifier: the column that names a row's case.
    """

    salt: str
    share: float
    by: str
    identifier: str

    @classmethod
    def new(cls, share: float, identifier: str, group: str | None = None) -> Assignment:
        """With a salt that nobody can guess, so that no one can choose an identifier for an arm."""
        return cls(secrets.token_hex(16), share, group or identifier, identifier)

    def arms(self, keys: Iterable[str]) -> np.ndarray:
        """The arm of each key.

        >>> Assignment("salt", 0.5, "id", "id").arms(["A-1", "A-2", "A-3", "A-1"]).tolist()
        ['candidate', 'baseline', 'baseline', 'candidate']
        """
        return np.array([ARMS[position(key, self.salt) < self.share] for key in keys], dtype=object)


def position(key: str, salt: str) -> float:
    """A number from 0 to 1 (excluded), as good as random: the first 53 bits of SHA-256 of salt and key."""
    digest = hashlib.sha256(f"{salt}\x1f{key}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53

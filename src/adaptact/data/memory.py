"""Memory that was freed and is still held."""

from __future__ import annotations

import contextlib
import ctypes

import pyarrow as pa


def give_back() -> None:
    """Hand freed memory back to the system: allocators keep it, and a large table would be there twice.

    Does what can be done where the C library is another than glibc.
    """
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)

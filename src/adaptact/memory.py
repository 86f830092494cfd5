"""Freed memory: kept for the next step of a training, given back after a large table was read."""

from __future__ import annotations

import contextlib
import ctypes
import os

KEPT = 256 << 20  # bytes at the end of the heap
LARGEST = 32 << 20  # of what comes from the heap at all; glibc allows no more
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def keep_freed_memory() -> None:
    """Let the C library keep what a step frees: the next one asks for it again, and pages of the system's come cleared.

    Concerns this process and those that it starts. Does nothing where the user has set it, or the library is another
    than glibc.
    """
    names = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
    if any(name in os.environ for name in names) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    os.environ |= dict(zip(names, (str(KEPT), str(LARGEST)), strict=True))
    with contextlib.suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(M_TRIM_THRESHOLD, KEPT)
        library.mallopt(M_MMAP_THRESHOLD, LARGEST)


def give_back() -> None:
    """Hand freed memory back to the system: allocators keep it, and a large table would be there twice.

    Does what can be done where the C library is another than glibc.
    """
    import pyarrow as pa  # not at the start of every process

    pa.default_memory_pool().release_unused()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)

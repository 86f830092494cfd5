"""Freed memory: kept for the next step of a training, given back after a large table was read; how much is free."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

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


def available() -> int | None:
    """Bytes of memory that a process can still get; None where the system does not say.

    Linux: what the kernel calls available, or what the control group (a container) has left, if that is less.
    Windows: free physical memory. Elsewhere, as on macOS: all memory of the machine, for no call tells what is free.
    """
    found = [_of_linux(), _of_control_group(), _of_windows() if sys.platform == "win32" else None]
    known = [size for size in found if size is not None]
    if known:
        return min(known)
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def _of_linux(file: Path = Path("/proc/meminfo")) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in file.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return None


def _of_control_group(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Memory that a limit leaves: files that the kernel keeps in memory count as used, and can be dropped."""
    for limit, used, kept in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        with contextlib.suppress(OSError, ValueError):
            most, now = int((root / limit).read_text()), int((root / used).read_text())
            stat = ((root / limit).parent / "memory.stat").read_text().splitlines()
            spare = next((int(line.split()[1]) for line in stat if line.split()[0] == kept), 0)
            return max(0, most - now + spare)
    return None


def _of_windows() -> int | None:
    class Status(ctypes.Structure):
        _fields_ = (
            *((name, ctypes.c_ulong) for name in ("length", "load")),
            *(
                (name, ctypes.c_ulonglong)
                for name in ("total", "free", "pages", "free_pages", "own", "free_own", "more")
            ),
        )

    with contextlib.suppress(AttributeError, OSError):
        status = Status(length=ctypes.sizeof(Status))
        if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined]
            return int(status.free)
    return None

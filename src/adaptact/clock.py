"""When this process began, for the wait that a user really has."""

from __future__ import annotations

import os
import time
from pathlib import Path

_imported = time.time()
_taken = False


def take_process_start() -> float | None:
    """``time.time()`` at the start of the process; None after the first call, for later runs in the same process."""
    global _taken
    if _taken:
        return None
    _taken = True
    try:  # Linux: field 22 of stat counts clock ticks since boot
        ticks = float(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return time.time() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return _imported

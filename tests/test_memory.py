"""What a large table takes: several copies of it would not fit where one does."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adaptact.memory import give_back

ROOT = Path(__file__).parents[1]


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_given_back() -> None:
    freed = [np.ones(1000) for _ in range(20_000)]  # 160 MB in pieces of the heap
    kept = np.ones(1000)  # above them: what is below stays with the process
    del freed
    before = resident()
    give_back()
    assert before - resident() > 100e6
    assert kept.sum() == 1000


CYCLES = """
import resource, sys
import numpy as np
if sys.argv[1] == "kept":
    from adaptact.memory import keep_freed_memory
    keep_freed_memory()
def cycle():
    a, b, c = (np.ones(20 << 17) for _ in range(3))  # 20 MiB each, as a step's activations
cycle()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    cycle()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_kept_for_the_next_step() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    faults = {}
    for how in ("not", "kept"):
        command = [sys.executable, "-c", CYCLES, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        faults[how] = int(done.stdout)
    assert faults["kept"] < 1000
    assert faults["not"] > 10 * max(100, faults["kept"])


@pytest.mark.slow
def test_a_run_on_a_large_table_does_not_hold_it_many_times() -> None:
    """Of 1,000,000 rows it is 2.6 times, here 4.4: a preparation learns from as many rows here as there."""
    words = ["400000", "50", "parquet", "references=false", "logger=none"]
    done = subprocess.run(
        [sys.executable, "benchmarks/memory.py", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "exit code 0" in done.stdout
    peaks = {name: int(size) for name, size in re.findall(r"^(\w+) +(\d+) MiB$", done.stdout, re.MULTILINE)}
    table = 400_000 * 50 * 4 / 2**20
    assert peaks["read"] < 2.5 * table
    assert max(peaks.values()) < 5.5 * table

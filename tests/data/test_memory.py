"""What a large table takes: several copies of it would not fit where one does."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adaptact.data.memory import give_back

ROOT = Path(__file__).parents[2]


def test_freed_memory_is_given_back_wherever_that_can_be() -> None:
    kept = np.ones(1000)
    give_back()
    assert kept.sum() == 1000


@pytest.mark.slow
def test_a_run_on_a_large_table_does_not_hold_it_many_times() -> None:
    """Of 1,000,000 rows it is 2.6 times, here a little more: some rows are copied however many there are."""
    words = ["400000", "50", "parquet", "references=false", "logger=none"]
    done = subprocess.run(
        [sys.executable, "benchmarks/memory.py", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "exit code 0" in done.stdout
    peaks = {name: int(size) for name, size in re.findall(r"^(\w+) +(\d+) MiB$", done.stdout, re.MULTILINE)}
    table = 400_000 * 50 * 4 / 2**20
    assert peaks["read"] < 2.5 * table
    assert max(peaks.values()) < 6 * table

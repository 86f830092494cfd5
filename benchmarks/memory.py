"""Peak memory of a run on a large table, beyond what the process holds after its imports: docs/benchmarks.md.

    .venv/bin/python benchmarks/memory.py 1000000 50 parquet     rows, columns, parquet or csv

The table is random numbers (float32) and a class. The resident set is sampled every 5 ms; shown is its largest value in
each stage.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

MIB = 2**20
STAGES = (  # module, function: what is named on the screen
    ("adaptact.data.table.table", "read"),
    ("adaptact.data.table.table", "cells_of"),
    ("adaptact.data.table.table", "split_table"),
    ("adaptact.data.table.table", "cut"),
    ("adaptact.data.table.table", "prepare"),
    ("adaptact.training.finish", "metrics_of"),
    ("adaptact.training.finish", "references"),
)


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


def write(path: Path, rows: int, columns: int) -> None:
    generator = np.random.default_rng(0)
    cells = {f"x{k}": generator.standard_normal(rows, dtype=np.float32) for k in range(columns - 1)}
    cells["y"] = (cells["x0"] + generator.standard_normal(rows) > 0).astype(np.float32)
    frame = pd.DataFrame(cells)
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)


class Peaks(threading.Thread):
    """The largest resident set while each stage ran."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.base, self.stage, self.found = resident(), "the rest", dict[str, float]()

    def run(self) -> None:
        while True:
            self.found[self.stage] = max(self.found.get(self.stage, 0.0), resident() - self.base)
            time.sleep(0.005)

    def during(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            before, self.stage = self.stage, name
            try:
                return function(*args, **kwargs)
            finally:
                self.stage = before

        return watched


def measure(path: Path, words: list[str]) -> None:
    import importlib

    from adaptact.__main__ import main

    for module, _ in STAGES:
        importlib.import_module(module)
    import adaptact.jobs.train
    import adaptact.training.references  # noqa: F401

    peaks = Peaks()
    for module, function in STAGES:
        owner = importlib.import_module(module)
        setattr(owner, function, peaks.during(function, getattr(owner, function)))
    peaks.start()
    code = main(["train", "data=table", f"data.path={path}", "data.target=y", f"output_dir={path.parent}", *words])
    size = path.stat().st_size / MIB
    print(f"exit code {code}; the file has {size:.0f} MiB; after imports {peaks.base:.0f} MiB")
    for name, peak in peaks.found.items():
        print(f"{name:20} {peak:6.0f} MiB")


if __name__ == "__main__":
    rows, columns, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"big.{kind}"
        if os.fork() == 0:  # what it takes to write the table is not ours
            write(path, rows, columns)
            os._exit(0)
        os.wait()
        measure(path, ["trainer.max_epochs=1", "data.batch_size=4096", "activation=sgblend", *sys.argv[4:]])
        table = rows * columns * 4 / MIB
        print(f"the table as float32: {table:.0f} MiB")

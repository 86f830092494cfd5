"""What watching costs: the default run with and without its logger, interleaved in one process.

    .venv/bin/python benchmarks/watching.py [repeats] [epochs]

Prints the ratio of fit times and of whole runs (pictures included), each as a geometric mean with a 95 % interval.
"""

from __future__ import annotations

import sys
import tempfile
import time

import numpy as np
from scipy import stats

from adaptact import config
from adaptact.training.run import train


def settings(watched: bool, epochs: int, folder: str) -> config.Config:
    return config.from_dict(
        {
            "activation": {"name": "sgblend", "kind": "sgblend"},
            "model": {"name": "cnn"},
            "data": {"name": "digits"},
            "trainer": {"max_epochs": epochs, "accelerator": "cpu", "early_stopping_patience": None},
            "logger": {"tensorboard": watched, "curves": watched},
            "output_dir": folder,
        }
    )


def measure(watched: bool, epochs: int) -> tuple[float, float]:
    """Seconds of the fit and of the whole run."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        record, _ = train(settings(watched, epochs, folder))
        return record.speed["fit_s"], time.perf_counter() - begun


def main(repeats: int = 8, epochs: int = 40) -> None:
    for watched in (True, False):
        measure(watched, 2)  # warm-up
    pairs = []
    for repeat in range(repeats):
        order = (True, False) if repeat % 2 else (False, True)
        found = {watched: measure(watched, epochs) for watched in order}
        pairs.append((found[True], found[False]))
        print(f"{repeat + 1}/{repeats}: watched {found[True]}, not {found[False]}", file=sys.stderr)
    for index, name in enumerate(("fit", "whole run, pictures included")):
        logs = np.log([on[index] / off[index] for on, off in pairs])
        half = stats.t.ppf(0.975, repeats - 1) * logs.std(ddof=1) / np.sqrt(repeats)
        low, middle, high = np.exp([logs.mean() - half, logs.mean(), logs.mean() + half])
        print(f"{name}: {middle:.3f} times as long when watched (95 % interval {low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

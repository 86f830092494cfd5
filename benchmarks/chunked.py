"""A training step without kernels, large tensors in pieces and at once: python benchmarks/chunked.py [rounds] [threads]

Default networks and batch sizes. docs/benchmarks.md has what it printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

os.environ["ADAPTACT_KERNELS"] = "0"

from adaptact.activations.cpu import chunked
from adaptact.benchmark.groups import settings_of, step_of
from adaptact.benchmark.measuring import compared

LARGE = chunked.LARGE
CASES: dict[str, tuple[str, tuple[int, ...], int]] = {
    "mlp, digits, batch 64": ("mlp", (64,), 64),
    "cnn, digits, batch 64": ("cnn", (1, 8, 8), 64),
    "cnn, mnist, batch 128": ("cnn", (1, 28, 28), 128),
}


def step(case: str, large: int) -> Callable[[], None]:
    """A training step of which tensors of ``large`` elements and more go in pieces."""
    model, shape, batch = CASES[case]
    train = step_of(settings_of("sgblend", {"name": model}), shape, batch, "cpu")

    def call() -> None:
        chunked.LARGE = large
        train()

    return call


def main() -> None:
    given = [int(word) for word in sys.argv[1:]]
    rounds, threads = (given + [31, 1][len(given) :])[:2]
    for case in CASES:
        arms = {"in pieces": step(case, LARGE), "at once": step(case, 2**62)}
        for found in compared("chunked", case, arms, "in pieces", rounds, threads):
            print(f"{case}, {found.arm}: {found.value:.3g} ms, {found.ratio:.2f} ({found.low:.2f} to {found.high:.2f})")


if __name__ == "__main__":
    main()

"""``benchmark``: what adaptive activations cost on this machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from adaptact import folders, records, terminal
from adaptact.benchmark.options import Benchmark
from adaptact.config.words import read_options
from adaptact.errors import ConfigError

if TYPE_CHECKING:
    from adaptact.benchmark.measuring import Figure


def run(words: list[str]) -> None:
    """Words: see ``benchmark.options``. The last line on stdout is the folder.

    Raises:
        ConfigError: an unknown word, a GPU that is not there.
        UserError: a folder that cannot be made.
    """
    options = read_options(Benchmark, words)
    import torch

    from adaptact.activations.cpu import kernels
    from adaptact.benchmark.groups import MEASURES
    from adaptact.benchmark.writing import write
    from adaptact.training import hardware
    from adaptact.training.run import quiet_libraries

    device = ("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(["device=cuda: torch sees no GPU here; device=cpu measures this machine's processor"])
    if options.tiny:
        options.rounds = 3
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    quiet_libraries()
    folder = folders.new_folder(records.project_root() / options.output_dir, "benchmark")
    about = {
        "machine": hardware.device_name("gpu" if device == "cuda" else "cpu"),
        "processor": hardware.processor(),
        "kernels of activations": "compiled" if kernels.settle(compiling=True) else "operators of PyTorch",
        "versions": ", ".join(f"{name} {version}" for name, version in hardware.versions().items()),
        "command": shlex.join(["adaptact", "benchmark", *words]),
        "rounds": options.rounds,
    }
    figures: list[Figure] = []
    console = terminal.console(stderr=True)
    for group in options.groups:
        with console.status(group) as status:
            begun = len(figures)
            for figure in MEASURES[group](options, device, torch.get_num_threads()):
                figures.append(figure)
                status.update(f"{group}: {figure.case}")
                write(folder, figures, about)  # what has been measured is not lost
        show(group, figures[begun:])
    print(folder, flush=True)


def show(group: str, figures: Sequence[Figure]) -> None:
    """A group's figures as a table."""
    from adaptact.benchmark.writing import shown

    table = Table(title=group, title_justify="left")
    for name in ("case", "what", "value", "ratio (95 % interval)"):
        table.add_column(name, justify="left" if name in {"case", "what"} else "right", overflow="fold")
    for figure in figures:
        table.add_row(*shown(figure))
    terminal.console(width=140).print(table)

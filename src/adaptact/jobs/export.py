"""``export``: a trained run as files that answer without adaptact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from adaptact import terminal
from adaptact.api.export import carry_out
from adaptact.config.words import read_options
from adaptact.export.options import Export

if TYPE_CHECKING:
    from adaptact.export.write import Export as Exported


def run(words: list[str]) -> None:
    """Words: see ``export.options.Export``. The last line on stdout is the path of the model.

    Raises:
        ConfigError: an unknown or missing word.
        UserError: a run or data that cannot be read, a folder that cannot be written to, a model that answers
            differently from its network, packages that are not there.
    """
    model, made = carry_out(read_options(Export, words))
    console = terminal.console()
    console.print(files_table(made))
    if made.latency is not None:
        console.print(latency_table(made))
    print(model, flush=True)


def files_table(made: Exported) -> Table:
    """Files, their size, and the largest differences."""
    caption = f"largest differences on {made.source}, in units of a {made.unit}"
    table = Table(caption=escape(caption), caption_justify="left")
    table.add_column("file")
    for name in ("kB", "from the network", "from the run's own outputs"):
        table.add_column(name, justify="right")
    for name, about in made.files.items():
        differences = (about.get(key) for key in ("difference", "difference_from_outputs"))
        table.add_row(name, f"{about['bytes'] / 1000:,.1f}", *("-" if d is None else f"{d:.1e}" for d in differences))
    return table


def latency_table(made: Exported) -> Table:
    """The exported network against GELU, by batch size."""
    assert made.latency is not None
    threads = made.latency["threads"]
    title = f"against GELU, in ONNX Runtime on {threads} thread{'' if threads == 1 else 's'}"
    table = Table(title=title, title_justify="left")
    for name in ("rows at once", "ms", "with GELU, ms", "ratio", "95 % interval"):
        table.add_column(name, justify="right")
    for size, found in made.latency["batch"].items():
        low, high = found["interval"]
        cells = (f"{found['ms']:.3f}", f"{found['gelu_ms']:.3f}", f"{found['ratio']:.2f}", f"{low:.2f} to {high:.2f}")
        table.add_row(f"{int(size):,}", *cells)
    return table

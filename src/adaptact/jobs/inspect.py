"""``inspect``: look into a network before it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from adaptact import config, terminal
from adaptact.launcher import Outcome

if TYPE_CHECKING:
    from adaptact.training.inspection import Inspection


def run(settings: config.Config) -> None:
    """Print every activation that was found, what will stand there, what stays and why, and how much will learn.

    Raises:
        ConfigError, DataError: a network that cannot be built, data that cannot be read.
    """
    with terminal.console(stderr=True).status("building the network"):
        from adaptact import data
        from adaptact.training.inspection import inspect, usual_inputs

        if data.kind_of(settings.data).has_rows:
            prepared = data.load(settings.data, settings.trust)
            shape, n_outputs, layout = prepared.input_shape, prepared.n_outputs, prepared.layout
        else:
            shape, n_outputs, layout = usual_inputs(settings.model)
        found = inspect(settings, shape, n_outputs, layout)
    console = terminal.console(width=140)
    before, after, learning = found.parameters
    console.print(
        f"model={settings.model.name}, inputs of shape {found.input_shape}, {found.n_outputs} outputs, "
        f"{before:,} parameters",
        markup=False,
    )
    console.print(table_of(found, settings.activation.name))
    if found.functional:
        print("functional calls, which cannot be swapped (write them as modules, nn.ReLU() in __init__):")
        print("\n".join(f"  {call}" for call in found.functional))
    print(f"{after - before:,} parameters added; {learning:,} of {after:,} learn")
    print(f"head: {', '.join(found.head)}")


def after_sweep(outcomes: list[Outcome]) -> None:
    """Of several networks each has been printed."""


def table_of(found: Inspection, activation: str) -> Table:
    """A row per activation, replaced or kept."""
    table = Table(title=escape(f"activation={activation}"), title_justify="left")
    for column in ("site", "stands there", "will stand there", "input"):
        table.add_column(column, overflow="fold")
    table.add_column("parameters", justify="right")
    for swap in (*found.swaps, *found.kept):
        shape = "" if swap.shape is None else " x ".join(map(str, swap.shape[1:]))
        new = f"stays: {swap.reason}" if swap.new is None else swap.new
        added = f"{swap.parameters:,}" if swap.new is not None else ""
        table.add_row(escape(swap.name), escape(swap.old), escape(new), shape, added)
    return table

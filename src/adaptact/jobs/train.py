"""``train``: one run, and what follows a sweep of them."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.markup import escape

from adaptact import clock, terminal
from adaptact.api.train import carry_out
from adaptact.config import Config
from adaptact.launcher import Outcome
from adaptact.report.run_tables import decision_line, layers_table, results_table


def run(settings: Config) -> Path:
    """Train and print a short table of results; the last line on stdout is the path of the run folder."""
    record, folder = carry_out(settings, started=clock.take_process_start())
    console = terminal.console()
    console.print(results_table(record))
    if record.decision is not None:
        console.print(escape(decision_line(record.decision)))
    if record.layers and any(layer.get("start") for layer in record.layers):
        console.print(layers_table(record))
    if record.status != "finished":
        console.print(escape(f"{record.status}: {record.reason}"))
    print(folder, flush=True)
    if record.status == "interrupted":
        sys.exit(130 if "SIGINT" in str(record.reason) else 143)
    return folder


def after_sweep(outcomes: list[Outcome]) -> None:
    """Draw the picture that ``figure=`` names, over all runs; its path is the last line on stdout."""
    folders = [outcome.folder for outcome in outcomes if outcome.folder is not None]
    figure = outcomes[0].settings.get("figure", "none") if outcomes else "none"
    if figure == "none" or not folders:  # no run at all: nothing is written, the messages say why
        return
    from adaptact.report import sweep_figures
    from adaptact.report.sweep_runs import Run

    runs = [Run.read(o.folder) if o.folder else Run.failed(o.settings, str(o.error)) for o in outcomes]
    print(sweep_figures.write(figure, runs, folders[0].parent), flush=True)

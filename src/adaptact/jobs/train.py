"""``train``: one run, and what follows a sweep of them."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from adaptact import clock, terminal
from adaptact.config import Config
from adaptact.errors import MachineError, machine_error
from adaptact.formatting import number
from adaptact.launcher import Outcome
from adaptact.locks import locked
from adaptact.records import Record

if TYPE_CHECKING:
    from adaptact.data import Prepared

PARTS = ("train", "val", "test")


def run(settings: Config) -> Path:
    """Train and print a short table of results; the last line on stdout is the path of the run folder."""
    begun = time.perf_counter()
    with terminal.console(stderr=True).status("loading torch and lightning"):
        from adaptact.training.checks import check

        reading = time.perf_counter()
        prepared, warnings = load(settings)  # what is wrong with the data is said before the slow imports
        reading = time.perf_counter() - reading
        check(settings, prepared)
        from adaptact.training.build import build_network

        build_network(settings, prepared.input_shape, prepared.n_outputs, prepared.layout)  # the same for the network
        from adaptact.training.run import train  # noqa: F401 - while the screen says what takes long
    if prepared.positive is not None:
        print(prepared.positive.line(), file=sys.stderr)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    started, import_s = clock.take_process_start(), time.perf_counter() - begun - reading
    continued = nullcontext() if settings.resume is None else locked(Path(settings.resume))
    try:
        with continued:
            record, folder = train_as_asked(settings, prepared, started, import_s)
    except Exception as error:
        if (fault := machine_error(error)) is None:
            raise
        raise MachineError(f"{fault} with make train resume=<the run folder>") from error
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


def train_as_asked(settings: Config, prepared: Prepared, started: float | None, import_s: float) -> tuple[Record, Path]:
    """Train in this process, or in several that share each batch."""
    if settings.trainer.strategy != "auto":
        from adaptact.training.distributed import train_in_processes

        return train_in_processes(settings, prepared, started=started)
    from adaptact.training.run import train

    return train(settings, prepared=prepared, started=started, import_s=import_s)


def after_sweep(outcomes: list[Outcome]) -> None:
    """The picture that ``figure=`` names, over all runs; its path is the last line on stdout."""
    folders = [outcome.folder for outcome in outcomes if outcome.folder is not None]
    figure = outcomes[0].settings.get("figure", "none") if outcomes else "none"
    if figure == "none" or not folders:  # no run at all: nothing is written, the messages say why
        return
    from adaptact.report import sweep_figures
    from adaptact.report.sweep_runs import Run

    runs = [Run.read(o.folder) if o.folder else Run.failed(o.settings, str(o.error)) for o in outcomes]
    print(sweep_figures.write(figure, runs, folders[0].parent), flush=True)


def load(settings: Config) -> tuple[Prepared, list[str]]:
    """The data, and what a person should know about a table, texts or pictures before the training."""
    from adaptact import data

    readers = data.readers(settings.data)
    if readers is None or settings.resume is not None:
        return data.load(settings.data, settings.trust, resumed=settings.resume is not None), []
    from adaptact.data.table.checks import INFO
    from adaptact.training.checks import check_target

    reader, checker = readers
    raw = reader.read_and_split(settings.data)
    check_target(settings, raw)  # before the preparation and its imports
    found = [f for f in checker.findings(raw, settings.data) if f.level != INFO]
    return reader.prepare(raw, settings.data), [f"{finding.detail}: {finding.advice}" for finding in found]


def results_table(record: Record) -> Table:
    """Metrics of the best checkpoint on the three parts, and beside them the references on the test part."""
    rows = record.data["rows"]
    title = f"{record.data['name']}, {record.model['name']}, {record.activation}, seed {record.seed}"
    table = Table(title=escape(title), caption=caption(record), title_justify="left", caption_justify="left")
    table.add_column("metric")
    for part in PARTS:
        table.add_column(f"{part} ({rows[part]:,} rows)", justify="right")
    for reference in record.references:
        table.add_column(f"{reference['name']} (test)", justify="right")
    for name in record.metrics["test"]:
        values = [record.metrics[part][name] for part in PARTS]
        values += [reference["metrics"]["test"][name] for reference in record.references]
        table.add_row(name, *(number(value) for value in values))
    return table


def decision_line(decision: dict[str, Any]) -> str:
    """The threshold and what it does on the test rows."""
    test = decision["test"]
    cost = f", cost per row {number(test['cost_per_row'])}" if "cost_per_row" in test else ""
    if "cost_all_flagged" in test:
        flagged = number(test["cost_all_flagged"], digits=3), number(test["cost_none_flagged"], digits=3)
        cost += f" (all flagged {flagged[0]}, none {flagged[1]})"
    return (
        f"decision: {decision['positive']!r} from a probability of {decision['threshold']:.3f} (best "
        f"{decision['chosen_for']} on validation); test: {test['tp']} found, {test['fn']} missed, {test['fp']} false "
        f"alarms, f1 {number(test['f1'])}{cost}"
    )


def caption(record: Record) -> str:
    monitor, speed, model = record.monitor, record.speed, record.model
    learning = model.get("trainable_parameters", model["parameters"])
    best = number(monitor["best"])
    epoch = "-" if monitor["best_epoch"] is None else monitor["best_epoch"] + 1
    return (
        f"best checkpoint: epoch {epoch} by {monitor['name']} {best}. Trained for {speed['fit_s']:.1f} s. "
        f"{model['parameters']:,} parameters, {model['activation_parameters']} of them in {model['sites']} activations"
        f"{f'; {learning:,} learn' if learning < model['parameters'] else ''}."
    )


def layers_table(record: Record) -> Table:
    """What each activation learned. Where the gap is small, alpha says little."""
    keys = dict.fromkeys(
        k for layer in record.layers for k, v in layer.items() if isinstance(v, float) and k not in {"gap", "moved"}
    )
    table = Table(title="learned activations", title_justify="left")
    table.add_column("site")
    for key in (*keys, "gap", "moved"):
        table.add_column(key, justify="right")
    for layer in record.layers:
        cells = ("-" if layer.get(key) is None else f"{layer[key]:.3f}" for key in (*keys, "gap", "moved"))
        table.add_row(escape(layer["name"]), *cells)
    return table

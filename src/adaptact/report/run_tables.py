"""Tables and lines about one run, for a terminal."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from adaptact.formatting import number
from adaptact.records import Record

PARTS = ("train", "val", "test")


def results_table(record: Record) -> Table:
    """Tabulate the metrics of the best checkpoint on the three parts, beside the references on the test part."""
    rows = dict(record.data["rows"])
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
    """Say which threshold decides, and what that does on the test rows."""
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
    """Tabulate what each activation learned. Where the gap is small, alpha says little."""
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

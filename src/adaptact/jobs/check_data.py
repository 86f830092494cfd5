"""``check-data``: a verdict on a table, on texts or on a folder of pictures before an hour is spent on them."""

from __future__ import annotations

from typing import Any

from rich.markup import escape
from rich.table import Table

from adaptact import config, terminal
from adaptact.errors import UserError
from adaptact.launcher import Outcome


def run(settings: config.Config) -> None:
    """Check, print a short table, write ``data_report.html`` and ``.json``; the last line is the page's path.

    Raises:
        ConfigError: data that is neither a table, texts nor a folder of pictures.
        UserError: data that cannot be used; its report is written all the same.
    """
    from adaptact.api.check_data import carry_out

    checked, page = carry_out(settings)
    report = checked.report
    console = terminal.console()
    if report.get("positive"):
        console.print(escape(report["positive"]["line"]))
    if report["columns"]:
        console.print(columns_table(report))
    if report.get("classes"):
        console.print(classes_table(report))
    for finding in report["findings"]:
        console.print(escape(f"[{finding['level']}] {finding['detail']}: {finding['advice']}"))
    console.print(f"verdict: {report['verdict']}")
    print(page, flush=True)
    if report["verdict"] == "unusable":
        reasons = [finding["detail"] for finding in report["findings"] if finding["level"] == "severe"]
        raise UserError(f"{checked.path} cannot be used as it is: {'; '.join(reasons)}")


def after_sweep(outcomes: list[Outcome]) -> None:
    """Of several tables each has its own page."""


def columns_table(report: dict[str, Any]) -> Table:
    rows, score = report["rows"], "R2" if report["task"] == "regression" else "AUROC"
    title = f"{report['path']}: {rows['all']:,} rows, target {report['target']} ({report['task']})"
    table = Table(title=escape(title), title_justify="left")
    for name in ("column", "role"):
        table.add_column(name)
    for name in ("missing", "distinct", f"{score} alone", "PSI"):
        table.add_column(name, justify="right")
    for column in report["columns"]:
        numbers = [column.get("score_alone"), column.get("psi")]
        table.add_row(
            escape(column["name"]),
            column["role"],
            f"{column['missing_share']:.1%}",
            f"{column['distinct']:,}",
            *("" if value is None else f"{value:.2f}" for value in numbers),
        )
    return table


def classes_table(report: dict[str, Any]) -> Table:
    """How many pictures of each class stand in each part."""
    sizes = ", ".join(f"{size} ({count:,})" for size, count in list(report["sizes"].items())[:3])
    modes = ", ".join(f"{mode} ({count:,})" for mode, count in report["modes"].items())
    title = f"{report['path']}: {report['rows']['all']:,} pictures"
    table = Table(title=escape(title), title_justify="left", caption_justify="left")
    table.caption = escape(f"sizes (height x width): {sizes}; modes: {modes}; read as {report['format']}")
    table.add_column("class")
    parts = ("pictures", "train", "val", "test")
    for name in parts:
        table.add_column(name, justify="right")
    for one in report["classes"]:
        table.add_row(escape(one["label"]), *(f"{one[part]:,}" for part in parts))
    return table

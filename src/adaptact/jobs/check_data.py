"""``check-data``: a verdict on a table or on texts before an hour is spent on them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adaptact import config, records
from adaptact.errors import ConfigError, DataError, UserError
from adaptact.launcher import Outcome


def run(settings: config.Config) -> None:
    """Check, print a short table, write ``data_report.html`` and ``.json``; the last line is the page's path.

    Raises:
        ConfigError: data of another kind.
        UserError: data that cannot be used; its report is written all the same.
    """
    options = settings.data
    if not isinstance(options, config.Rows):
        raise ConfigError(
            [f"check-data looks at tables and texts, and data={options.name} is neither: use data=table data.path=..."]
        )
    with Console(stderr=True).status("looking at the data"):
        from adaptact import data
        from adaptact.data import checking, table
        from adaptact.report import data_page

        found = data.readers(options)
        assert found is not None
        reader, checker = found
        if not Path(options.path).exists() or (Path(options.path).is_dir() and isinstance(options, config.Table)):
            table.read(options.path, options)  # says what is wrong with the path; there is nothing to report on
        try:
            report = checker.report(reader.read_and_split(options), options)
        except DataError as error:
            report = checking.unusable(options, str(error))
    beside = (records.project_root() / settings.output_dir).parent / "check-data"
    folder = records.new_folder(beside, records.safe_name(table.name_of(options.path)))
    records.write_json(folder / "data_report.json", report)
    records.write_text(folder / "data_report.html", data_page.page(records.finite(report)))
    console = Console(width=None if sys.stdout.isatty() else 120)
    if report["columns"]:
        console.print(columns_table(report))
    for finding in report["findings"]:
        console.print(escape(f"[{finding['level']}] {finding['detail']}: {finding['advice']}"))
    console.print(f"verdict: {report['verdict']}")
    print(folder / "data_report.html", flush=True)
    if report["verdict"] == "unusable":
        reasons = [f["detail"] for f in report["findings"] if f["level"] == "severe"]
        raise UserError(f"{options.path} cannot be used as it is: {'; '.join(reasons)}")


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

"""``check-data``: a verdict on a table, on texts or on a folder of pictures before an hour is spent on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from adaptact import config, files, folders, records, terminal
from adaptact.errors import ConfigError, DataError, UserError
from adaptact.launcher import Outcome


def run(settings: config.Config) -> None:
    """Check, print a short table, write ``data_report.html`` and ``.json``; the last line is the page's path.

    Raises:
        ConfigError: data that is neither a table, texts nor a folder of pictures.
        UserError: data that cannot be used; its report is written all the same.
    """
    options = settings.data
    if isinstance(options, config.ImageFolder):
        finish(settings, options.root or str(options.labels), *images(options))
        return
    if not isinstance(options, config.Rows):
        raise ConfigError(
            [
                f"check-data looks at tables, texts and folders of pictures, and data={options.name} is none of these: "
                "use data=table data.path=..., data=text data.path=... or data=image_folder data.root=..."
            ]
        )
    with terminal.console(stderr=True).status("looking at the data"):
        from adaptact import data
        from adaptact.data.table import checks, table
        from adaptact.report import data_page
        from adaptact.training.checks import two_classes

        found = data.readers(options)
        assert found is not None
        reader, checker = found
        if not Path(options.path).exists() or (Path(options.path).is_dir() and isinstance(options, config.Table)):
            table.read(options.path, options)  # says what is wrong with the path; there is nothing to report on
        try:
            raw = reader.read_and_split(options)
            two_classes(options, raw)
            report = checker.report(raw, options)
        except DataError as error:
            report = checks.unusable(options, str(error))
    finish(settings, options.path, report, data_page.page(files.finite(report)), table.name_of(options.path))


def images(options: config.ImageFolder) -> tuple[dict[str, Any], str, str]:
    """Report, page and name of a folder of pictures.

    Raises:
        DataError: no such folder; there is nothing to report on.
    """
    with terminal.console(stderr=True).status("looking at the pictures"):
        from adaptact.data.images import checks, folder
        from adaptact.report import image_data_page

        where = options.root or str(Path(str(options.labels)).parent)
        if not Path(where).is_dir():
            folder.discover(options)  # says what is wrong with the path
        samples: dict[str, Any] = {}
        try:
            raw = folder.read_and_split(options)
            report, samples = checks.report(raw, options), checks.samples(raw)
        except DataError as error:
            report = checks.unusable(options, str(error))
        return report, image_data_page.page(files.finite(report), samples), folder.name_of(options)


def finish(settings: config.Config, path: str, report: dict[str, Any], page: str, name: str) -> None:
    """Write both files and say what was found."""
    beside = (records.project_root() / settings.output_dir).parent / "check-data"
    folder = folders.new_folder(beside, folders.safe_name(name))
    with files.together(folder) as draft:
        files.write_json(draft / "data_report.json", report)
        files.write_text(draft / "data_report.html", page)
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
    print(folder / "data_report.html", flush=True)
    if report["verdict"] == "unusable":
        reasons = [f["detail"] for f in report["findings"] if f["level"] == "severe"]
        raise UserError(f"{path} cannot be used as it is: {'; '.join(reasons)}")


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

"""What a back-test leaves for people and machines: backtest.json, backtest.csv, pages and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adaptact import files
from adaptact.comparison.backtest_analysis import Ran, analyse, rows_of
from adaptact.comparison.backtest_options import Backtest
from adaptact.comparison.plan import Arm
from adaptact.comparison.results import as_csv
from adaptact.records import BACKTEST_FILE
from adaptact.report.backtest_figures import draw
from adaptact.report.backtest_page import ageing, page, sentences
from adaptact.report.backtest_words import speaker
from adaptact.report.blocks import to_markdown
from adaptact.report.comparison_page import to_be_found
from adaptact.report.html import to_html, write_pictures

if TYPE_CHECKING:
    from adaptact.data.table.time_windows import Windows

PAGES = {"en": "backtest", "ja": "backtest.ja"}


def write_report(
    options: Backtest,
    arms: Sequence[Arm],
    found: Sequence[Ran],
    folder: Path,
    windows: Windows,
    *,
    metric: str,
    mode: str,
    data: dict[str, Any],
    words: Sequence[str],
) -> dict[str, Any]:
    """Write everything that a person or a machine reads; nothing is trained.

    Returns:
        The content of ``backtest.json``.
    """
    described = list(windows.describe())
    report: dict[str, Any] = files.finite(
        analyse(options, arms, found, windows=described, dated=windows.dated, metric=metric, mode=mode, data=data)
    )
    report["words"] = list(words)
    with files.together(folder) as draft:
        files.write_text(draft / "backtest.csv", as_csv(rows_of(found, metric, described)))
        files.write_json(draft / BACKTEST_FILE, report)
        for language, file in PAGES.items():
            say = speaker(language)
            pictures = draw(report, say)
            if language == "en":
                write_pictures(draft, pictures)
            document = page(report, say)
            files.write_text(draft / f"{file}.md", to_markdown(document))
            files.write_text(draft / f"{file}.html", to_html(document, language, pictures))
    return report


def print_summary(report: dict[str, Any], console: Console) -> None:
    """The report in short, on the screen."""
    say = speaker("en")
    for line in to_be_found(report["data"].get("positive"), say):
        console.print(escape(line))
    for sentence in sentences(report, say):
        console.print(escape(sentence))
    table = Table()
    rows = ageing(report, say)
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row.values()))
    console.print(table)

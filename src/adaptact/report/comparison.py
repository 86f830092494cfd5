"""What a comparison leaves for people and machines: report.json, runs.csv, report.md, report.html, figures, card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adaptact import files
from adaptact.comparison import analysis, results
from adaptact.comparison.earlier_looks import EarlierLook
from adaptact.comparison.plan import Plan
from adaptact.comparison.value import Value
from adaptact.errors import UserError
from adaptact.records import BACKTEST_FILE, REPORT_FILE, REPORT_PAGE
from adaptact.report import backtest_page, backtest_words, comparison_figures
from adaptact.report.blocks import Block, to_markdown
from adaptact.report.comparison_page import cautions, criteria, page, reason, sentence, to_be_found
from adaptact.report.comparison_words import speaker
from adaptact.report.html import to_html, write_pictures
from adaptact.report.model_card import card, to_deploy


def write_report(
    plan: Plan,
    folder: Path,
    *,
    metric_of: analysis.MetricOf,
    cost: dict[str, Any] | None = None,
    looks: Sequence[EarlierLook] = (),
    language: str = "en",
    backtest: str | None = None,
    value: Value | None = None,
    positive: str | None = None,
    words: Sequence[str] | None = None,
    report_words: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Read what the runs left, and write ``report.json``, ``runs.csv``, ``report.md``, ``report.html``, ``figures/``.

    Nothing is trained: the same folder gives the same report.

    Args:
        positive: as in :func:`adaptact.comparison.analysis.analyse`.
        words: of the command that makes this comparison and report; by default those of the plan.
        report_words: of the command that writes the report again, where the first does not say it all.

    Returns:
        The content of ``report.json``.
    """
    found = list(results.results(plan, folder))
    report: dict[str, Any] = files.finite(
        analysis.analyse(
            plan,
            found,
            cost=cost,
            references=results.read_references(plan, folder),
            looks=looks,
            metric_of=metric_of,
            value=value,
            positive=positive,
        )
    )
    say = speaker(language)
    blocks = [] if backtest is None else ageing_of(Path(backtest), language)
    pictures = comparison_figures.draw(plan, report, found, say)
    document = page(plan, report, say, list(pictures), blocks, plan.words if words is None else words, report_words)
    chosen = to_deploy(plan, report, found)
    with files.together(folder) as draft:
        files.write_text(draft / "runs.csv", results.as_csv(results.table(found, plan.metric)))
        files.write_json(draft / REPORT_FILE, report)
        write_pictures(draft, pictures)
        files.write_text(draft / "report.md", to_markdown(document))
        files.write_text(draft / REPORT_PAGE, to_html(document, language, pictures))
        if chosen is not None:
            files.write_text(draft / "model_card.md", to_markdown(card(plan, report, found, chosen, say)))
    return report


def ageing_of(folder: Path, language: str) -> list[Block]:
    """Build the part of a comparison's report about a back-test.

    Raises:
        UserError: no back-test there, or a broken one.
    """
    path = folder / BACKTEST_FILE
    try:
        plain = files.read_json(path)
    except FileNotFoundError:
        raise UserError(f"report.backtest={folder} has no {path.name}: it is not a folder of `make backtest`") from None
    with files.named(path):
        return backtest_page.brief(plain, backtest_words.speaker(language))


def print_summary(report: dict[str, Any], console: Console) -> None:
    """The report in short, on the screen."""
    say = speaker("en")
    for line in to_be_found(report["positive"], say):
        console.print(escape(line))
    console.print(escape(sentence(report, say)), style="bold")
    rows = criteria(report, say)
    table = Table()
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row.values()))
    console.print(table)
    for candidate in report["candidates"]:
        console.print(escape(reason(candidate, report, say)))
    for note in cautions(report, say):
        console.print(escape(f"note: {note}"))

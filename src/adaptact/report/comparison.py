"""What a comparison leaves for people and machines: report.json, runs.csv, report.md, report.html, figures, card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adaptact import records
from adaptact.compare import analysis, results
from adaptact.compare.earlier_looks import EarlierLook
from adaptact.compare.plan import Plan
from adaptact.compare.value import Value
from adaptact.errors import UserError
from adaptact.report import backtest_page, backtest_wording, comparison_figures
from adaptact.report.comparison_page import cautions, criteria, page, reason, sentence, to_be_found
from adaptact.report.document import to_markdown
from adaptact.report.html import to_html
from adaptact.report.model_card import card, to_deploy
from adaptact.report.wording import speaker


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
        positive: as in :func:`adaptact.compare.analysis.analyse`.
        words: of the command that makes this comparison and report; by default those of the plan.
        report_words: of the command that writes the report again, where the first does not say it all.

    Returns:
        The content of ``report.json``.
    """
    found = list(results.results(plan, folder))
    report: dict[str, Any] = records.finite(
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
    records.write_text(folder / "runs.csv", results.as_csv(results.table(found, plan.metric)))
    records.write_json(folder / "report.json", report)
    say = speaker(language)
    pictures = comparison_figures.draw(plan, report, found, say)
    (folder / "figures").mkdir(exist_ok=True)
    for name, content in pictures.items():
        records.write_bytes(folder / "figures" / f"{name}.svg", content)
    ageing = None if backtest is None else read_backtest(Path(backtest))
    blocks = [] if ageing is None else backtest_page.brief(ageing, backtest_wording.speaker(language))
    document = page(plan, report, say, list(pictures), blocks, plan.words if words is None else words, report_words)
    records.write_text(folder / "report.md", to_markdown(document))
    records.write_text(folder / "report.html", to_html(document, language, pictures))
    chosen = to_deploy(plan, report, found)
    if chosen is not None:
        records.write_text(folder / "model_card.md", to_markdown(card(plan, report, found, chosen, say)))
    return report


def read_backtest(folder: Path) -> dict[str, Any]:
    """The content of a back-test's ``backtest.json``.

    Raises:
        UserError: none there, or a broken one.
    """
    try:
        plain = json.loads((folder / "backtest.json").read_text(encoding="utf-8"))
        return dict(plain)
    except FileNotFoundError:
        raise UserError(
            f"report.backtest={folder} has no backtest.json: it is not a folder of `make backtest`"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{folder / 'backtest.json'} is broken: {error}") from None


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

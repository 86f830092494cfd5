"""What the jobs of a roll-out leave for people and machines: JSON, pages in two languages, pictures, a few lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adaptact import files
from adaptact.records import PLAN_FILE, RESULTS_FILE
from adaptact.report import monitor_page, rollout_pages
from adaptact.report.blocks import Document, to_markdown
from adaptact.report.comparison_words import Say, speaker
from adaptact.report.html import to_html, write_pictures
from adaptact.report.rollout_figures import draw_monitor, draw_plan, draw_results
from adaptact.report.rollout_words import SENTENCES

Found = dict[str, Any]
LANGUAGES: tuple[Literal["en", "ja"], ...] = ("en", "ja")
COLOURS = {"ok": "green", "watch": "yellow", "retrain": "red"}


def write_shadow(found: Found, listed: pd.DataFrame, folder: Path, words: Sequence[str]) -> None:
    """``shadow.json`` and its pages."""
    files.write_json(folder / "shadow.json", found)
    found = files.finite(found)
    _pages(folder, "shadow", lambda say: rollout_pages.shadow_page(found, listed, words, say), lambda say: {})


def write_plan(plan: Found, folder: Path, words: Sequence[str]) -> None:
    """``plan.json`` and its pages with the power over time."""
    files.write_json(folder / PLAN_FILE, plan)
    plan = files.finite(plan)
    _pages(
        folder,
        "plan",
        lambda say: rollout_pages.plan_page(plan, folder.name, words, say),
        lambda say: draw_plan(plan, say),
    )


def write_results(found: Found, folder: Path, words: Sequence[str]) -> None:
    """``results.json`` and its pages."""
    files.write_json(folder / RESULTS_FILE, found)
    found = files.finite(found)
    _pages(
        folder,
        "results",
        lambda say: rollout_pages.results_page(found, folder.name, words, say),
        lambda say: draw_results(_infinite(found), say),
    )


def write_monitor(found: Found, rows: Sequence[dict[str, str]], folder: Path, words: Sequence[str]) -> None:
    """``monitor.json`` and its pages."""
    files.write_json(folder / "monitor.json", found)
    found = files.finite(found)

    def pictures(say: Say) -> dict[str, bytes]:
        return draw_monitor(found, rows, say)

    _pages(
        folder,
        "monitor",
        lambda say: monitor_page.page(found, rows, words, say, list(pictures(say))),
        pictures,
    )


def _infinite(found: Found) -> Found:
    """Ends that are open are not drawn."""
    cuts = [one for one in found["segments"] if one["mean"] is None or None not in one["interval"]]
    return found | {"segments": cuts}


def _pages(
    folder: Path, name: str, page: Callable[[Say], Document], pictures: Callable[[Say], Mapping[str, bytes]]
) -> None:
    for language in LANGUAGES:
        say = speaker(language, SENTENCES)
        drawn = pictures(say)
        if language == "en" and drawn:
            write_pictures(folder, drawn)
        document = page(say)
        stem = name if language == "en" else f"{name}.{language}"
        files.write_text(folder / f"{stem}.md", to_markdown(document))
        files.write_text(folder / f"{stem}.html", to_html(document, language, drawn))


# --- on the screen -----------------------------------------------------------------------------------------------


def print_shadow(found: Found, console: Console) -> None:
    say = speaker("en", SENTENCES)
    found = files.finite(found)
    _lines([*rollout_pages.sought_lines(found, say), *rollout_pages.shadow_sentences(found, say)], console)
    if found["difference"] is not None:
        _table([rollout_pages.shadow_row(one, say) for one in [found["difference"], *found["others"]]], console)


def print_plan(plan: Found, console: Console) -> None:
    _lines(rollout_pages.plan_sentences(files.finite(plan), speaker("en", SENTENCES)), console)


def print_results(found: Found, console: Console) -> None:
    say, found = speaker("en", SENTENCES), files.finite(found)
    _lines(rollout_pages.results_sentences(found, say), console)
    _table([rollout_pages.guardrail_row(rail, say) for rail in found["guardrails"]], console)
    _table([rollout_pages.segment_row(one, say) for one in found["segments"]], console)


def print_monitor(found: Found, language: str, console: Console) -> None:
    say, found = speaker(language, SENTENCES), files.finite(found)
    first, *others = monitor_page.sentences(found, say)
    _lines(rollout_pages.sought_lines(found, say), console)
    console.print(f"[bold {COLOURS[found['status']]}]{escape(first)}[/]")
    _lines(others, console)
    _table([monitor_page.row_of(test, say) for test in found["tests"] if test["alarm"]], console)


def _lines(lines: Sequence[str], console: Console) -> None:
    for line in lines:
        console.print(escape(line))


def _table(rows: Sequence[dict[str, str]], console: Console) -> None:
    if not rows:
        return
    table = Table()
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(escape(row.get(name, "")) for name in names))
    console.print(table)

"""``data_report.html``: what check-data found, as one self-contained page. Everything from the file is escaped."""

from __future__ import annotations

from datetime import datetime, timedelta
from html import escape
from typing import Any

from adaptact.report.html import POLICY

VERDICTS = {
    "ready": ("Ready to train", "Nothing was found that should stop you."),
    "warnings": ("Usable, with warnings", "Read the findings before you trust a result from this data."),
    "unusable": ("Not usable yet", "Mend the findings marked severe, then check again."),
}
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #666; --line: #ddd; --back: #fff; --bar: #4477aa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eee; --soft: #aaa; --line: #444; --back: #181818; --bar: #77aadd; } }
body { font: 15px/1.5 system-ui, "Noto Sans CJK JP", "Hiragino Sans", Meiryo, sans-serif; color: var(--ink);
  background: var(--back); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere; }
td.short { white-space: nowrap; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.verdict { border-left: .5rem solid; padding: .5rem 1rem; margin: 1rem 0; font-size: 1.1rem; }
.ready { border-color: #228833; } .warnings { border-color: #ccaa00; } .unusable { border-color: #cc3311; }
.soft { color: var(--soft); } svg rect { fill: var(--bar); }
@media print { body { margin: 0; max-width: none; font-size: 11px; } tr { break-inside: avoid; } }
"""


def page(report: dict[str, Any]) -> str:
    """The page of a ``data_report.json``."""
    rows = report["rows"]
    parts = head(report)
    if rows:
        split = ", ".join(f"{name} {rows[name]:,}" for name in ("train", "val", "test"))
        parts.append(
            f"<p>{rows['all']:,} rows ({split}), {len(report['columns'])} columns besides the target "
            f"<b>{escape(report['target'])}</b>, a {report['task']}. Read as {escape(report['format'])}.</p>"
        )
    parts += ["<h2>Findings</h2>", findings_table(report["findings"])]
    if report["columns"]:
        score = "R2" if report["task"] == "regression" else "AUROC"
        parts += [
            f"<h2>The target</h2><p>{_picture(report['target_shape'])}</p>",
            "<h2>Columns</h2>",
            _columns(report["columns"], score),
            f'<p class="soft">alone: {score} of this column by itself on validation rows it has not seen. PSI: how '
            "much the test rows differ from the training rows (below 0.1 little, above 0.25 much).</p>",
        ]
    return document(report, [*parts, notes(report)])


def head(report: dict[str, Any]) -> list[str]:
    """Title and verdict."""
    title, meaning = VERDICTS[report["verdict"]]
    positive = report.get("positive")
    return [
        f"<h1>Data check: {escape(report['path'])}</h1>",
        *([] if positive is None else [f"<p>{escape(positive['line'])}</p>"]),
        f'<p class="verdict {report["verdict"]}"><b>{title}.</b> {meaning}</p>',
    ]


def notes(report: dict[str, Any]) -> str:
    """What the reader decided; empty where there is nothing to say."""
    if not report["notes"]:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in report["notes"])
    return f"<h2>How it was read and split</h2><ul>{items}</ul>"


def document(report: dict[str, Any], parts: list[str], style: str = "") -> str:
    """The whole file. Nothing is fetched and nothing runs, whatever slipped through."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>Data check: {escape(report['path'])}</title><style>{STYLE}{style}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def findings_table(found: list[dict[str, Any]]) -> str:
    if not found:
        return "<p>None.</p>"
    lines = "".join(
        f"<tr><td class=short>{f['level']}</td><td class=short>{escape(f['kind'].replace('_', ' '))}</td>"
        f"<td>{escape(f['detail'])}</td><td>{escape(f['advice'])}</td></tr>"
        for f in found
    )
    return f"<table><tr><th>level</th><th>kind</th><th>what was found</th><th>what to do</th></tr>{lines}</table>"


def _columns(columns: list[dict[str, Any]], score: str) -> str:
    lines = "".join(
        f"<tr><td>{escape(c['name'])}</td><td>{c['role']}</td>"
        f'<td class="number">{c["missing_share"]:.1%}</td><td class="number">{c["distinct"]:,}</td>'
        f'<td class="number">{_number(c.get("score_alone"))}</td><td class="number">{_number(c.get("psi"))}</td>'
        f"<td>{_picture(c)}</td></tr>"
        for c in columns
    )
    head = "".join(f"<th>{name}</th>" for name in ("column", "role", "missing", "distinct", "alone", "PSI", "values"))
    return f"<table><tr>{head}</tr>{lines}</table>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _day(days: float) -> str:
    """A date from days since 2000, as dates are kept."""
    return (datetime(2000, 1, 1) + timedelta(days=days)).strftime("%Y-%m-%d")


def _picture(shape: dict[str, Any]) -> str:
    """A histogram of numbers with its range, or the most frequent categories."""
    if "histogram" in shape:
        counts, low, high = (shape["histogram"][key] for key in ("counts", "low", "high"))
        show = _day if shape.get("role") == "date" else "{:,.6g}".format
        tallest = max(1, *counts)
        bars = "".join(
            f'<rect x="{6 * i}" y="{30 - 30 * n / tallest:.1f}" width="5" height="{30 * n / tallest:.1f}"/>'
            for i, n in enumerate(counts)
        )
        picture = f'<svg width="{6 * len(counts)}" height="30" role="img" aria-label="histogram">{bars}</svg>'
        return f'{picture}<br><span class="soft">{show(low)} to {show(high)}, median {show(shape["median"])}</span>'
    if "top" in shape:
        total = max(1, sum(shape["top"].values()))
        return "<br>".join(
            f'<svg width="60" height="9"><rect width="{60 * n / total:.1f}" height="9"/></svg> '
            f'{escape(label)} <span class="soft">{n:,}</span>'
            for label, n in list(shape["top"].items())[:6]
        )
    return ""

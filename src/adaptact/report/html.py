"""A document as one HTML file: no network, no script, light and dark, prints on A4. Everything is escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from adaptact.files import write_bytes
from adaptact.report.blocks import (
    Bullets,
    Cell,
    Code,
    Document,
    Gallery,
    Heading,
    Histogram,
    Note,
    Paragraph,
    Picture,
    Shares,
    Table,
)

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5c6470; --line: #d5d9df; --paper: #fff; --band: #f4f6f8;
  --note: #fff5d6; --edge: #b7791f; --bar: #4477aa; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a4adba; --line: #3a414b; --paper: #16191d;
  --band: #1f242a; --note: #3a2f12; --edge: #d9a441; --bar: #77aadd; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; background: var(--paper); color: var(--ink); line-height: 1.6;
  font-family: system-ui, "Segoe UI", "Helvetica Neue", "Hiragino Sans", "Yu Gothic UI", Meiryo, "Noto Sans CJK JP",
  "Noto Sans JP", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.4; border-left: .4rem solid var(--edge); padding-left: .8rem; 
  margin: .5rem 0 1rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
p.note { background: var(--note); border-left: .3rem solid var(--edge); padding: .5rem .8rem; margin: .5rem 0; }
p.caption, figcaption { color: var(--soft); font-size: .85rem; }
div.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .82rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .5rem; text-align: left; vertical-align: top; }
th { background: var(--band); }
td.number, th.number { text-align: right; white-space: nowrap; }
td.chart span { color: var(--soft); } svg rect { fill: var(--bar); }
p.good { border-color: #228833; background: var(--band); } p.bad { border-color: #cc3311; }
h3 { font-size: 1rem; margin: 1rem 0 .3rem; }
.gallery { display: flex; flex-wrap: wrap; gap: .4rem; margin-bottom: 1rem; }
.gallery img { width: 64px; height: 64px; object-fit: contain; background: #8882; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; display: block; }
pre { background: var(--band); padding: .7rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .82rem; }
@media print { :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --band: #f2f2f2;
  --note: #fff; } @page { size: A4; margin: 15mm; } body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { break-after: avoid; } figure, tr, p.note { break-inside: avoid; } div.table { overflow: visible; }
  table { font-size: 7.5pt; } }
"""


def write_pictures(folder: Path, pictures: Mapping[str, bytes]) -> None:
    """Write the SVG of each picture into ``figures/``."""
    (folder / "figures").mkdir(exist_ok=True)
    for name, content in pictures.items():
        write_bytes(folder / "figures" / f"{name}.svg", content)


def to_html(document: Document, language: str, pictures: Mapping[str, bytes]) -> str:
    """The page as text of one HTML file.

    Args:
        pictures: SVG of each :class:`Picture` by name; they are kept apart from the page as images, where nothing runs.
    """
    parts = [f"<h1>{escape(document.title)}</h1>"]
    for block in document.blocks:
        match block:
            case Heading(text):
                parts.append(f"<h2>{escape(text)}</h2>")
            case Paragraph(text):
                parts.append(f"<p>{escape(text)}</p>")
            case Note(text, tone):
                parts.append(f'<p class="{f"note {tone}".strip()}">{escape(text)}</p>')
            case Bullets(items):
                parts.append("<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>")
            case Table():
                parts.append(_table(block))
            case Picture(name, meaning):
                source = base64.b64encode(pictures[name]).decode("ascii")
                parts.append(
                    f'<figure><img alt="{escape(meaning)}" src="data:image/svg+xml;base64,{source}">'
                    f"<figcaption>{escape(meaning)}</figcaption></figure>"
                )
            case Gallery(title, shown):
                parts.append(_gallery(title, shown))
            case Code(text):
                parts.append(f"<pre>{escape(text)}</pre>")
    return (
        f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # nothing is fetched and nothing runs, whatever slipped through
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{escape(document.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _gallery(title: str, pictures: Sequence[bytes]) -> str:
    images = "".join(
        f'<img alt="{escape(title)}" src="data:image/png;base64,{base64.b64encode(content).decode("ascii")}">'
        for content in pictures
    )
    return f'<h3>{escape(title)}</h3><div class="gallery">{images}</div>'


def _cell(cell: Cell, number: bool) -> str:
    match cell:
        case Histogram(counts, caption):
            tallest = max(1, *counts)
            bars = "".join(
                f'<rect x="{6 * place}" y="{30 - 30 * n / tallest:.1f}" width="5" height="{30 * n / tallest:.1f}"/>'
                for place, n in enumerate(counts)
            )
            chart = f'<svg width="{6 * len(counts)}" height="30" role="img" aria-label="histogram">{bars}</svg>'
            return f'<td class="chart">{chart}<br><span>{escape(caption)}</span></td>'
        case Shares(bars):
            lines = [
                f'<svg width="60" height="9"><rect width="{60 * share:.1f}" height="9"/></svg> '
                f"{escape(label)} <span>{escape(count)}</span>"
                for label, count, share in bars
            ]
            return f'<td class="chart">{"<br>".join(lines)}</td>'
        case str(text):
            return f'<td class="number">{escape(text)}</td>' if number else f"<td>{escape(text)}</td>"


def _table(table: Table) -> str:
    columns = table.columns
    if not columns:
        return ""
    number = ' class="number"'
    head = "".join(
        f'<th scope="col"{number if column in table.numbers else ""}>{escape(column.strip())}</th>'
        for column in columns
    )
    rows = "".join(
        "<tr>" + "".join(_cell(row.get(column, ""), column in table.numbers) for column in columns) + "</tr>"
        for row in table.rows
    )
    caption = f'<p class="caption">{escape(table.caption)}</p>' if table.caption else ""
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{caption}'

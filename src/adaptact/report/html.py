"""A document as one HTML file: no network, no script, light and dark, prints on A4. Everything is escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path

from adaptact.files import write_bytes
from adaptact.report.blocks import Bullets, Code, Document, Heading, Note, Paragraph, Picture, Table

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5c6470; --line: #d5d9df; --paper: #fff; --band: #f4f6f8;
  --note: #fff5d6; --edge: #b7791f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a4adba; --line: #3a414b; --paper: #16191d;
  --band: #1f242a; --note: #3a2f12; --edge: #d9a441; } }
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
            case Note(text):
                parts.append(f'<p class="note">{escape(text)}</p>')
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


def _table(table: Table) -> str:
    columns = table.columns
    if not columns:
        return ""
    head = "".join(f'<th scope="col">{escape(column.strip())}</th>' for column in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(row.get(column, ''))}</td>" for column in columns) + "</tr>"
        for row in table.rows
    )
    caption = f'<p class="caption">{escape(table.caption)}</p>' if table.caption else ""
    return f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{caption}'

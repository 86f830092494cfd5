"""``data_report.html`` of a folder of pictures: one self-contained page with a few of each class. All is escaped."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from adaptact.report.data_page import document, findings_table, head, notes

STYLE = """
.pictures { display: flex; flex-wrap: wrap; gap: .4rem; margin: .3rem 0 1rem; }
.pictures img { width: 64px; height: 64px; object-fit: contain; background: #8882; image-rendering: auto; }
"""


def page(report: dict[str, Any], samples: dict[str, list[np.ndarray]]) -> str:
    """The page of a ``data_report.json``.

    Args:
        samples: pictures to show per class, uint8 of shape (channels, height, width).
    """
    parts = head(report)
    if report["rows"]:
        split = ", ".join(f"{name} {report['rows'][name]:,}" for name in ("train", "val", "test"))
        parts.append(
            f"<p>{report['rows']['all']:,} pictures ({split}) of {len(report['classes'])} classes, read as "
            f"{escape(report['format'])}.</p>"
        )
    parts += ["<h2>Findings</h2>", findings_table(report["findings"])]
    if report["classes"]:
        parts += ["<h2>Classes</h2>", _counts(report["classes"])]
        parts += [_grid(label, pictures) for label, pictures in samples.items()]
        parts.append('<p class="soft">as the network sees them, before they are varied</p>')
        parts += [_table("Sizes (height x width)", report["sizes"]), _table("Modes", report["modes"])]
    if report["bad"]:
        parts.append(_table("Pictures that cannot be read", {one["file"]: one["reason"] for one in report["bad"]}))
    return document(report, [*parts, notes(report)], STYLE)


def _counts(classes: list[dict[str, Any]]) -> str:
    names = ("pictures", "train", "val", "test")
    most = max(1, *(one["pictures"] for one in classes))
    rows = "".join(
        f"<tr><td>{escape(one['label'])}</td>"
        + "".join(f'<td class="number">{one[name]:,}</td>' for name in names)
        + f'<td><svg width="120" height="9"><rect width="{120 * one["pictures"] / most:.1f}" height="9"/></svg></td>'
        + "</tr>"
        for one in classes
    )
    header = "".join(f"<th>{name}</th>" for name in ("class", *names, ""))
    return f"<table><tr>{header}</tr>{rows}</table>"


def _grid(label: str, pictures: list[np.ndarray]) -> str:
    shown = "".join(f'<img alt="{escape(label)}" src="data:image/png;base64,{_png(one)}">' for one in pictures)
    return f'<h3>{escape(label)}</h3><div class="pictures">{shown}</div>'


def _png(pixels: np.ndarray) -> str:
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    image.thumbnail((96, 96))
    content = io.BytesIO()
    image.save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode("ascii")


def _table(title: str, rows: dict[str, Any]) -> str:
    lines = "".join(f"<tr><td>{escape(str(k))}</td><td>{escape(str(v))}</td></tr>" for k, v in rows.items())
    return f"<h2>{title}</h2><table>{lines}</table>"

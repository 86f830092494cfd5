"""``data_report.html``: what check-data found, as one self-contained page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np

from adaptact.report.blocks import (
    Block,
    Bullets,
    Cell,
    Document,
    Gallery,
    Heading,
    Histogram,
    Note,
    Paragraph,
    Shares,
    Table,
)
from adaptact.report.html import to_html

Report = dict[str, Any]
VERDICTS: dict[str, tuple[str, Literal["", "good", "bad"]]] = {
    "ready": ("Ready to train. Nothing was found that should stop you.", "good"),
    "warnings": ("Usable, with warnings. Read the findings before you trust a result from this data.", ""),
    "unusable": ("Not usable yet. Mend the findings marked severe, then check again.", "bad"),
}
PARTS = ("train", "val", "test")
MOST_LABELS = 6
SIDE = 96  # pixels of a picture that is shown


def page(report: Report, samples: Mapping[str, Sequence[np.ndarray]] | None = None) -> str:
    """The page of a ``data_report.json``.

    Args:
        samples: pictures to show per class, uint8 of shape (channels, height, width).
    """
    blocks = [*_head(report), Heading("Findings"), _findings(report["findings"])]
    blocks += _columns(report) if report["columns"] else []
    blocks += _classes(report, samples or {}) if report.get("classes") else []
    if bad := report.get("bad"):
        blocks += [Heading("Pictures that cannot be read"), Table(bad)]
    if report["notes"]:
        blocks += [Heading("How it was read and split"), Bullets(report["notes"])]
    return to_html(Document(f"Data check: {report['path']}", blocks), "en", {})


def _head(report: Report) -> list[Block]:
    """The verdict, and how much data there is."""
    positive = report.get("positive")
    blocks: list[Block] = [] if positive is None else [Paragraph(positive["line"])]
    blocks.append(Note(*VERDICTS[report["verdict"]]))
    rows = report["rows"]
    if rows is None:
        return blocks
    split = ", ".join(f"{part} {rows[part]:,}" for part in PARTS)
    if classes := report.get("classes"):
        line = f"{rows['all']:,} pictures ({split}) of {len(classes)} classes, read as {report['format']}."
    else:
        line = (
            f"{rows['all']:,} rows ({split}), {len(report['columns'])} columns besides the target {report['target']}, "
            f"a {report['task']}. Read as {report['format']}."
        )
    return [*blocks, Paragraph(line)]


def _findings(found: Sequence[Mapping[str, Any]]) -> Block:
    if not found:
        return Paragraph("None.")
    return Table(
        [
            {
                "level": one["level"],
                "kind": one["kind"].replace("_", " "),
                "what was found": one["detail"],
                "what to do": one["advice"],
            }
            for one in found
        ]
    )


def _columns(report: Report) -> list[Block]:
    """The target and the columns of a table, each with its distribution."""
    score = "R2" if report["task"] == "regression" else "AUROC"
    rows: list[dict[str, Cell]] = [
        {
            "column": column["name"],
            "role": column["role"],
            "missing": f"{column['missing_share']:.1%}",
            "distinct": f"{column['distinct']:,}",
            "alone": _number(column.get("score_alone")),
            "PSI": _number(column.get("psi")),
            "values": _chart(column),
        }
        for column in report["columns"]
    ]
    caption = (
        f"alone: {score} of this column by itself on validation rows it has not seen. PSI: how much the test rows "
        "differ from the training rows (below 0.1 little, above 0.25 much)."
    )
    return [
        Heading("The target"),
        Table([{"column": report["target"], "values": _chart(report["target_shape"])}]),
        Heading("Columns"),
        Table(rows, caption, numbers=("missing", "distinct", "alone", "PSI")),
    ]


def _classes(report: Report, samples: Mapping[str, Sequence[np.ndarray]]) -> list[Block]:
    """How many pictures each class has, some of them, and how they are kept."""
    classes = report["classes"]
    most = max(1, *(one["pictures"] for one in classes))
    counted = ("pictures", *PARTS)
    rows: list[dict[str, Cell]] = [
        {
            "class": one["label"],
            **{name: f"{one[name]:,}" for name in counted},
            " ": Shares([("", "", one["pictures"] / most)]),
        }
        for one in classes
    ]
    return [
        Heading("Classes"),
        Table(rows, numbers=counted),
        *(Gallery(label, [_png(pixels) for pixels in pictures]) for label, pictures in samples.items()),
        Paragraph("as the network sees them, before they are varied"),
        Heading("Sizes (height x width)"),
        _counts("size", report["sizes"]),
        Heading("Modes"),
        _counts("mode", report["modes"]),
    ]


def _counts(name: str, counts: Mapping[str, int]) -> Table:
    return Table([{name: value, "pictures": str(count)} for value, count in counts.items()], numbers=("pictures",))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _day(days: float) -> str:
    """A date from days since 2000, as dates are kept."""
    return (datetime(2000, 1, 1) + timedelta(days=days)).strftime("%Y-%m-%d")


def _chart(shape: Mapping[str, Any]) -> Cell:
    """A histogram of numbers with its range, or the most frequent categories."""
    if "histogram" in shape:
        counts, low, high = (shape["histogram"][key] for key in ("counts", "low", "high"))
        show = _day if shape.get("role") == "date" else "{:,.6g}".format
        return Histogram(counts, f"{show(low)} to {show(high)}, median {show(shape['median'])}")
    if "top" in shape:
        total = max(1, sum(shape["top"].values()))
        most = list(shape["top"].items())[:MOST_LABELS]
        return Shares([(label, f"{count:,}", count / total) for label, count in most])
    return ""


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
    image.thumbnail((SIDE, SIDE))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()

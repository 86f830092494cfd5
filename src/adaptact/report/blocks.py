"""A page as a list of blocks, written as Markdown or HTML: the same words and numbers in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Note:
    """What must not be overlooked.

    Args:
        tone: "good" or "bad", where it is either.
    """

    text: str
    tone: Literal["", "good", "bad"] = ""


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Histogram:
    """A small chart of counts in bins of equal width."""

    counts: Sequence[float]
    caption: str = ""


@dataclass(frozen=True)
class Shares:
    """Bars below each other: label, the number as text, and the share of a full bar."""

    bars: Sequence[tuple[str, str, float]]


Cell = str | Histogram | Shares


@dataclass(frozen=True)
class Table:
    """Rows as cells by column; the columns are those of all rows.

    Args:
        numbers: columns that are set flush right.
    """

    rows: Sequence[Mapping[str, Cell]]
    caption: str = ""
    numbers: Sequence[str] = ()

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(key for row in self.rows for key in row))


@dataclass(frozen=True)
class Picture:
    """A file ``figures/<name>.svg``."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Gallery:
    """PNG pictures side by side under a title."""

    title: str
    pictures: Sequence[bytes]


@dataclass(frozen=True)
class Code:
    text: str


Block = Heading | Paragraph | Note | Bullets | Table | Picture | Gallery | Code


@dataclass(frozen=True)
class Document:
    title: str
    blocks: list[Block] = field(default_factory=list)


def to_markdown(document: Document) -> str:
    """The page as Markdown; what a user typed or a file contained cannot break a table or become HTML."""
    parts = [f"# {_inline(document.title)}"]
    for block in document.blocks:
        match block:
            case Heading(text):
                parts.append(f"## {_inline(text)}")
            case Paragraph(text):
                parts.append(_inline(text))
            case Note(text=text):
                parts.append(f"> {_inline(text)}")
            case Bullets(items):
                parts.append("\n".join(f"- {_inline(item)}" for item in items))
            case Table(caption=caption):
                parts.append("\n".join(_table(block)) + (f"\n\n{_inline(caption)}" if caption else ""))
            case Picture(name, meaning):
                parts.append(f"![{_inline(meaning)}](figures/{name}.svg)")
            case Gallery(title, pictures):
                parts.append(f"{_inline(title)}: {len(pictures)} pictures")
            case Code(text):
                parts.append("\n".join(f"    {line}" for line in text.splitlines()))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(table: Table) -> list[str]:
    columns = table.columns
    if not columns:
        return []
    lines = [f"| {' | '.join(map(_cell, columns))} |", "|" + "---|" * len(columns)]
    return lines + [f"| {' | '.join(_cell(row.get(column, '')) for column in columns)} |" for row in table.rows]


def _cell(cell: Cell) -> str:
    match cell:
        case Histogram(caption=text):
            pass
        case Shares(bars):
            text = ", ".join(f"{label} {number}".strip() for label, number, _ in bars)
        case str(text):
            pass
    return _inline(text).replace("|", "\\|")


def _inline(text: str) -> str:
    return " ".join(str(text).replace("<", "&lt;").split())

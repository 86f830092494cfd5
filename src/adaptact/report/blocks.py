"""A page as a list of blocks, written as Markdown or HTML: the same words and numbers in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Note:
    """What must not be overlooked."""

    text: str


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Rows as cells by column; the columns are those of all rows."""

    rows: Sequence[dict[str, str]]
    caption: str = ""

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(key for row in self.rows for key in row))


@dataclass(frozen=True)
class Picture:
    """A file ``figures/<name>.svg``."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Code:
    text: str


Block = Heading | Paragraph | Note | Bullets | Table | Picture | Code


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
            case Note(text):
                parts.append(f"> {_inline(text)}")
            case Bullets(items):
                parts.append("\n".join(f"- {_inline(item)}" for item in items))
            case Table(caption=caption):
                parts.append("\n".join(_table(block)) + (f"\n\n{_inline(caption)}" if caption else ""))
            case Picture(name, meaning):
                parts.append(f"![{_inline(meaning)}](figures/{name}.svg)")
            case Code(text):
                parts.append("\n".join(f"    {line}" for line in text.splitlines()))
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(table: Table) -> list[str]:
    columns = table.columns
    if not columns:
        return []
    lines = [f"| {' | '.join(map(_cell, columns))} |", "|" + "---|" * len(columns)]
    return lines + [f"| {' | '.join(_cell(row.get(column, '')) for column in columns)} |" for row in table.rows]


def _cell(text: str) -> str:
    return _inline(text).replace("|", "\\|")


def _inline(text: str) -> str:
    return " ".join(str(text).replace("<", "&lt;").split())

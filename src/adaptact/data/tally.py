"""A tally of what is odd about rows that are scored."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Tally:
    """Count what is odd about the rows that are scored.

    Args:
        kept: the first rows, to tell at the end what has drifted.
    """

    rows: int = 0
    extra: list[str] = field(default_factory=list)
    unseen: dict[str, Counter[str]] = field(default_factory=dict)
    unreadable: Counter[str] = field(default_factory=Counter)
    drift: dict[str, float] = field(default_factory=dict)
    texts: Counter[str] = field(default_factory=Counter)
    kept: list[pd.DataFrame] = field(default_factory=list)

    def warnings(self) -> list[str]:
        lines = []
        if self.extra:
            names = ", ".join(repr(name) for name in self.extra[:10]) + (" ..." if len(self.extra) > 10 else "")
            lines.append(f"{len(self.extra)} columns that the run does not use were ignored: {names}")
        for name, counts in self.unseen.items():
            most, _ = counts.most_common(1)[0]
            lines.append(
                f"column {name!r}: {sum(counts.values())} cells have a category that training had not, such as {most!r}"
            )
        for name, count in self.unreadable.items():
            lines.append(f"column {name!r}: {count} cells cannot be read and count as missing")
        lines += [f"{count:,} texts {what}" for what, count in self.texts.items() if count]
        for name, value in sorted(self.drift.items(), key=lambda item: -item[1]):
            lines.append(f"column {name!r} has drifted from the training data (PSI {value:.2f}): check the source")
        return lines

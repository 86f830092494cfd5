"""Findings about data, and the report that they stand in: ``data_report.json``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from adaptact.data.positive import Positive

SCHEMA = 1
SEVERE, WARNING, INFO = "severe", "warning", "info"


@dataclass(frozen=True)
class Finding:
    """Something about the data that a person should know, and what to do about it."""

    kind: str
    column: str | None
    detail: str
    advice: str
    level: str = WARNING


def by_level(found: Iterable[Finding]) -> list[Finding]:
    """The severe ones first, else in their order."""
    return sorted(found, key=lambda finding: [SEVERE, WARNING, INFO].index(finding.level))


def verdict(found: list[Finding]) -> str:
    """unusable if something is severe, ready if there is nothing but remarks, else warnings."""
    levels = {finding.level for finding in found}
    return "unusable" if SEVERE in levels else "warnings" if WARNING in levels else "ready"


def report_of(
    found: list[Finding],
    *,
    path: str,
    target: str,
    format: str | None = None,
    rows: dict[str, int] | None = None,
    task: str | None = None,
    positive: Positive | None = None,
    target_shape: dict[str, Any] | None = None,
    columns: list[dict[str, Any]] | None = None,
    notes: list[str] | None = None,
) -> dict[str, Any]:
    """The content of a report; all that is not given is unknown."""
    return {
        "schema": SCHEMA,
        "verdict": verdict(found),
        "path": path,
        "format": format,
        "target": target,
        "rows": rows,
        "task": task,
        **({} if rows is None else {"positive": positive_of(positive)}),
        "target_shape": target_shape or {},
        "columns": columns or [],
        "findings": [asdict(finding) for finding in found],
        "notes": notes or [],
    }


def unusable(path: str, target: str, message: str) -> dict[str, Any]:
    """The report of data that could not be read or split at all."""
    found = Finding("unusable", None, message, "mend this first, then check again", SEVERE)
    return report_of([found], path=path, target=target)


def positive_of(positive: Positive | None) -> dict[str, Any] | None:
    """The "positive" of a report: the class to be found and how it was decided."""
    return None if positive is None else {**asdict(positive), "line": positive.line()}

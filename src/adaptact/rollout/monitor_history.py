"""What was found of the batches so far: a row per batch in a CSV, scalars for TensorBoard, a folder per batch."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypedDict

from adaptact import files, folders
from adaptact.errors import UserError
from adaptact.export.predict import neutralized
from adaptact.records import RESULT_FILE
from adaptact.shapes import Count

FILE = "history.csv"
COLUMNS = (
    "batch",
    "digest",
    "file",
    "seen_at",
    "status",
    "rows",
    "outcomes",
    "alarms",
    "largest_psi",
    "scores_psi",
    "metric",
    "value",
    "low",
    "high",
    "at_test",
    "age_days",
)
STATUS = {"ok": 0, "watch": 3, "retrain": 4}
"""Exit codes, and the scalar ``monitor/status``."""


LONGEST_NUMBER = 40  # letters of a number in a cell


class Found(TypedDict):
    """Keys of the ``monitor.json`` of a batch that later commands rely on."""

    schema: int
    status: Literal["ok", "watch", "retrain"]
    outcomes: Count


@dataclass(frozen=True)
class Entry:
    """A place in the history.

    Args:
        number: of the batch, from 1.
        again: a batch of the same content was seen before: it keeps its number.
        outcomes: how many were known then.
    """

    number: int
    again: bool
    folder: Path
    outcomes: int = 0


def folder_of(run: Path) -> str:
    """The name of a run's history: the runs of all comparisons are called seed0, so that a digest tells them apart."""
    run = run.resolve()
    parts = run.parts[-3:] if run.name.startswith("seed") else run.parts[-1:]
    digest = hashlib.sha256((run / RESULT_FILE).read_bytes()).hexdigest()
    return f"{folders.safe_name('-'.join(parts))}-{digest[:8]}"


def earlier(entry: Entry) -> dict[str, Any]:
    """What was found of a batch before.

    Raises:
        UserError: it is gone, or broken.
    """
    path = entry.folder / "monitor.json"
    try:
        return dict(files.read_json(path, Found))
    except (FileNotFoundError, UserError) as error:
        raise UserError(f"{error}: give the outcomes again with labels=") from None


def read(folder: Path) -> list[dict[str, str]]:
    """The rows of ``history.csv``; none where there is no such file yet.

    Raises:
        UserError: a file that is something else.
    """
    path = folder / FILE
    try:
        rows = files.read_csv(path, COLUMNS)
    except FileNotFoundError:
        return []
    except UserError as error:
        raise UserError(f"{error}; repair it or move it away, a new one is begun") from None
    for number, row in enumerate(rows, start=2):
        if problem := _problem(row):
            raise UserError(f"{path} is broken: row {number} {problem}; repair it or move it away, a new one is begun")
    return rows


def _problem(row: Mapping[str, str]) -> str:
    """Words for what is wrong with a row of the history; empty where nothing is."""
    for name in ("batch", "outcomes", "rows", "alarms"):
        if not re.fullmatch(r"[0-9]{1,9}", row[name]):
            return f"has no whole number in column {name}"
    for name in ("largest_psi", "scores_psi", "value", "low", "high", "at_test", "age_days"):
        try:
            fine = not row[name] or (len(row[name]) < LONGEST_NUMBER and math.isfinite(float(row[name])))
        except ValueError:
            fine = False
        if not fine:
            return f"has no number in column {name}"
    return "" if row["status"] in STATUS else "has a status that is none"


def place(folder: Path, digest: str) -> Entry:
    """Where a batch belongs: to the number that its content had before, else to the next."""
    rows = read(folder)
    known = {row["digest"]: int(row["batch"]) for row in rows}
    number = known.get(digest, max(known.values(), default=0) + 1)
    outcomes = next((int(row["outcomes"]) for row in rows if row["digest"] == digest), 0)
    return Entry(number, digest in known, folder / f"batch{number:04}", outcomes)


def row_of(entry: Entry, found: dict[str, Any], source: str, digest: str) -> dict[str, Any]:
    """The row of a batch."""
    columns = [test["psi"] for test in found["tests"] if test["kind"] == "distribution" and test["psi"] is not None]
    scores = [test["psi"] for test in found["tests"] if test["kind"] == "scores" and test["psi"] is not None]
    quality, ageing = found["quality"] or {}, found["ageing"] or {}
    low, high = quality.get("interval", (None, None))
    return {
        "batch": entry.number,
        "digest": digest,
        "file": neutralized(Path(source).name),
        "seen_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "status": found["status"],
        "rows": found["rows"],
        "outcomes": found["outcomes"],
        "alarms": sum(test["alarm"] for test in found["tests"]),
        "largest_psi": max(columns, default=None),
        "scores_psi": max(scores, default=None),
        "metric": quality.get("metric"),
        "value": quality.get("now"),
        "low": low,
        "high": high,
        "at_test": quality.get("before"),
        "age_days": ageing.get("days"),
    }


def with_row(rows: list[dict[str, str]], row: Mapping[str, Any]) -> list[dict[str, str]]:
    """The history with the row of a batch, in place of an earlier one of its number."""
    known = {int(old["batch"]): old for old in rows}
    known[row["batch"]] = {name: "" if row[name] is None else str(row[name]) for name in COLUMNS}
    return [known[number] for number in sorted(known)]


def write(folder: Path, rows: list[dict[str, str]], before: list[dict[str, str]], found: dict[str, Any]) -> None:
    """Write the scalars that are new with the batch of ``found``, and then ``history.csv``.

    The row says that all of a batch is there, so it comes last: killed before it, the same command writes the scalars
    once more, as the same points; the other way round they would be missing for good.
    """
    number = found["batch"]
    known = next((row for row in before if int(row["batch"]) == number), None)
    more = known is None or found["outcomes"] > int(known["outcomes"])
    _scalars(folder, number, found, again=known is not None, more=more)
    content = io.StringIO(newline="")
    writer = csv.DictWriter(content, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_bytes(folder / FILE, content.getvalue().encode("utf-8-sig"))


def _scalars(folder: Path, number: int, found: dict[str, Any], *, again: bool, more: bool) -> None:
    """TensorBoard counts nothing twice either: of a batch seen before only the quality, if more outcomes came."""
    from torch.utils.tensorboard import SummaryWriter

    quality = found["quality"]
    if again and (not more or quality is None):
        return
    with SummaryWriter(folder / "tensorboard") as writer:
        if not again:
            for test in found["tests"]:
                if test["psi"] is not None:
                    writer.add_scalar(f"psi/{test['name'] or 'scores'}", test["psi"], number)
                if test["kind"] == "missing":
                    writer.add_scalar(f"missing/{test['name']}", test["size"], number)
            for site in found["sites"]:
                writer.add_scalar(f"outside/{site['name']}", site["outside"], number)
            writer.add_scalar("monitor/alarms", sum(test["alarm"] for test in found["tests"]), number)
            writer.add_scalar("monitor/status", STATUS[found["status"]], number)
        if quality is not None:
            writer.add_scalar(f"quality/{quality['metric']}", quality["now"], number)

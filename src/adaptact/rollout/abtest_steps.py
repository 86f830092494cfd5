"""The steps of a test on a limited line, each from its options to what it found: plan, assignment, analysis."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from adaptact import files, folders, records
from adaptact.data.table.cell_values import texts
from adaptact.errors import ConfigError, DataError, UserError, did_you_mean
from adaptact.export.predict import neutral
from adaptact.records import PLAN_FILE, REPORT_FILE, RESULTS_FILE
from adaptact.rollout.abtest import analyse as analysed
from adaptact.rollout.abtest import identifier_of, read_log
from adaptact.rollout.assignment import ARMS, Assignment
from adaptact.rollout.expectations import from_comparison, from_run
from adaptact.rollout.options import Abtest
from adaptact.rollout.outcomes import plain_table
from adaptact.rollout.sample_size import MOST_WEEKS, Aim, of_rate, over_weeks, rows_needed
from adaptact.shapes import Between, Count, Share

ASSIGNMENT, LOOKS = "assignment.json", "looks.jsonl"
TABLES = {".csv", ".tsv", ".txt", ".xlsx", ".xls", ".xlsm", ".parquet", ".pq"}
KEPT = ("smallest", "method", "better", "error", "share")  # of a plan, for the analysis, unless said otherwise


class _Plan(TypedDict):
    """Keys of the ``plan.json`` of a test that assignment and analysis rely on."""

    schema: int
    smallest: float | None
    method: Literal["fixed", "always_valid"]
    better: Literal["higher", "lower"]
    error: Share
    share: Share
    rows: NotRequired[Count]
    until: NotRequired[str | None]


class _Dealt(TypedDict):
    """``assignment.json``: see :class:`adaptact.rollout.assignment.Assignment`."""

    schema: int
    salt: Annotated[str, Between(1, 1000)]
    share: Share
    by: str
    identifier: str


SHAPES = {PLAN_FILE: _Plan, ASSIGNMENT: _Dealt}


def plan(options: Abtest, folder: Path) -> dict[str, Any]:
    """The content of ``plan.json``: rows, weeks and the power over time.

    Raises:
        ConfigError, UserError: a test that has begun, one that would take too long, records that do not say enough.
    """
    assert options.rows_per_week is not None
    first = day(options.start, "start") if options.start is not None else None
    if (folder / ASSIGNMENT).exists() or (folder / RESULTS_FILE).exists():
        raise ConfigError(
            [f"the test {options.name!r} has begun: its plan was made before and stays; plan another one with name="]
        )
    aim, about = aim_of(options)
    try:
        needed = rows_needed(aim)
    except ValueError as error:
        raise ConfigError([str(error)]) from None
    if needed / options.rows_per_week > MOST_WEEKS:
        raise ConfigError(
            [
                f"it would take {needed:,} rows, more than ten years at rows_per_week={options.rows_per_week:g}: a "
                f"test cannot show a difference of smallest={aim.smallest:g}"
            ]
        )
    weeks = over_weeks(aim, options.rows_per_week, daily=True)
    reached = next((week for week, p in zip(weeks["weeks"], weeks["always_valid"]) if p >= options.power), None)
    duration = needed / options.rows_per_week
    until = None
    if first is not None:
        until = (first + timedelta(days=max(1, round(7 * duration + 0.5)))).isoformat()
    found: dict[str, Any] = {
        "schema": 1,
        **{key: getattr(options, key) for key in KEPT},
        "smallest": aim.smallest,
        "power": options.power,
        "rows_per_week": options.rows_per_week,
        "rows": needed,
        "weeks": duration,
        "weeks_always_valid": reached,
        "start": options.start,
        "until": until,
        "planned_at": datetime.now().astimezone().isoformat(timespec="seconds"),
        "about": about,
        "over_weeks": weeks,
    }
    found["sha256"] = digest(found)
    return found


def aim_of(options: Abtest) -> tuple[Aim, dict[str, Any]]:
    """What is to be shown, and where its figures are from.

    Raises:
        ConfigError, UserError: records that do not say it.
    """
    more: dict[str, Any] = {"share": options.share, "error": options.error, "power": options.power}
    try:
        if options.rate is not None:
            assert options.smallest is not None
            return of_rate(options.rate, options.smallest, better=options.better, **more), {"rate": options.rate}
        if options.deviation is not None:
            assert options.smallest is not None
            both = (options.deviation, options.deviation)
            return Aim(both, options.smallest, **more), {"deviation": options.deviation}
        if options.compare is not None:
            seen = from_comparison(comparison(options.compare))
        else:
            assert options.run is not None
            seen = from_run(Path(options.run))
        smallest = options.smallest if options.smallest is not None else seen["margin"]
        if seen["kind"] == "right":
            options.better = "higher"
            return of_rate(seen["mean"], smallest, **more), seen
        options.better = "lower"
        return Aim((seen["deviation"], seen["deviation"]), smallest, **more), seen
    except ValueError as error:
        raise ConfigError([f"{error}: say another smallest="]) from None


def comparison(name: str) -> Path:
    """Raises UserError where there is none of that name."""
    below = records.project_root() / "runs" / "compare"
    for folder in (Path(name), below / name):
        if (folder / REPORT_FILE).is_file():
            return folder
    known = sorted(path.parent.name for path in below.glob(f"*/{REPORT_FILE}"))
    raise UserError(f"compare={name}: there is no comparison with a report there. {did_you_mean(name, known)}")


def assign(options: Abtest, folder: Path, given: Collection[str]) -> tuple[Path, dict[str, int]]:
    """Write the identifiers with their arm; the same salt for every batch of one test.

    Returns:
        The file and how many rows each arm has.

    Raises:
        ConfigError, DataError, UserError: a file that cannot be used, or a share or column that the test did not
            begin with.
    """
    assert options.input is not None
    output = _output_of(options, Path(options.input))
    frame = plain_table(options.input, "input")
    earlier = _read(folder / ASSIGNMENT)
    identifier = options.identifier or (earlier or {}).get("identifier")
    group = options.group or (None if earlier is None or earlier["by"] == earlier["identifier"] else earlier["by"])
    options.identifier = identifier
    identifier = identifier_of(frame, options)
    if group is not None and group not in frame.columns:
        raise DataError(
            f"group={group}: input={options.input} has no such column. {did_you_mean(group, frame.columns)}"
        )
    dealt = _dealt(options, folder, given, earlier, identifier, group)
    keys = texts(frame[dealt.by])
    if keys.isna().any():
        raise DataError(
            f"input={options.input}: {int(keys.isna().sum())} rows have no {dealt.by!r}, as row "
            f"{int(keys.isna().argmax()) + 1}: the arm is dealt out by it; fill it in or leave the rows out"
        )
    column = "arm"
    while column in frame.columns:
        column += "_"
    result = frame.assign(**{column: dealt.arms(keys)})
    folders.make_folder(folder)
    with files.replacing(output) as temporary:
        temporary.write_bytes(neutral(result).to_csv(index=False).encode("utf-8-sig"))
        if earlier is None:
            kept = {"schema": 1, **{field.name: getattr(dealt, field.name) for field in fields(dealt)}}
            files.write_json(folder / ASSIGNMENT, kept)
    counts = result[column].value_counts()
    return output, {arm: int(counts.get(arm, 0)) for arm in ARMS}


def _output_of(options: Abtest, source: Path) -> Path:
    """The file to write, which must not be the input itself."""
    stem = source.name.lower().removesuffix(".gz")
    stem = source.name[: len(Path(stem).stem)] if Path(stem).suffix in TABLES else source.name
    output = Path(options.output) if options.output else source.with_name(f"{stem}-assigned.csv")
    if output.suffix.lower() != ".csv":
        raise ConfigError([f"output={output} must end in .csv"])
    if output.exists() and source.exists() and output.samefile(source):
        raise ConfigError([f"output={output} is the input itself: name another file"])
    if not output.parent.is_dir() or output.is_dir():
        raise UserError(f"output={output}: {'that is a folder' if output.is_dir() else 'there is no such folder'}")
    return output


def _dealt(
    options: Abtest,
    folder: Path,
    given: Collection[str],
    earlier: Mapping[str, Any] | None,
    identifier: str,
    group: str | None,
) -> Assignment:
    """The assignment of the test: the one of its first batch, or a new one."""
    if earlier is None:
        share = options.share
        if "share" not in given and (planned := _read(folder / PLAN_FILE)) is not None:
            share = float(planned["share"])
        return Assignment.new(share, identifier, group)
    dealt = Assignment(earlier["salt"], earlier["share"], earlier["by"], earlier["identifier"])
    now = options.share if "share" in given else dealt.share
    if (now, group or identifier) != (dealt.share, dealt.by):
        raise ConfigError(
            [
                f"the test {options.name!r} was begun with share={dealt.share:g} by {dealt.by!r}: another share or "
                "column in the midst of it would mix two tests; begin a new one with name="
            ]
        )
    return dealt


def analyse(options: Abtest, folder: Path, given: Collection[str]) -> dict[str, Any]:
    """The content of ``results.json``: what came out.

    Raises:
        ConfigError, DataError, UserError: a log or a record that cannot be used, a fixed test before its end.
    """
    assert options.input is not None
    if options.positive is not None and "better" not in given:
        raise ConfigError(
            [
                f"positive={options.positive} says which outcome is counted, not whether it is good: add better=higher "
                "if more of it is better, better=lower if less is"
            ]
        )
    planned, dealt = _read(folder / PLAN_FILE) or {}, _read(folder / ASSIGNMENT)
    _take_over(options, planned, dealt, given)
    frame = plain_table(options.input, "input")
    if options.identifier is None and dealt is not None and dealt["identifier"] in frame.columns:
        options.identifier = dealt["identifier"]
    found = analysed(read_log(frame, options), options, planned, date.today())
    before = files.read_text(folder / LOOKS).count("\n") if (folder / LOOKS).exists() else 0
    return found | {"input": options.input, "looks": before + 1}


def note_look(found: Mapping[str, Any], method: str, folder: Path) -> None:
    """Keep that there was a look at the results: an auditor asks for them all."""
    look = {"at": datetime.now().astimezone().isoformat(timespec="seconds"), "method": method}
    look |= {"rows": found["rows"], "verdict": found["verdict"]}
    files.append_line(folder / LOOKS, json.dumps(look))


def _take_over(
    options: Abtest, planned: Mapping[str, Any], dealt: Mapping[str, Any] | None, given: Collection[str]
) -> None:
    """Set the options that are not typed as the plan and the assignment of the test have them."""
    for key in KEPT:
        if key in planned and key not in given:
            setattr(options, key, planned[key])
    if dealt is not None and "share" not in given:
        options.share = dealt["share"]
    if dealt is not None and options.group is None and dealt["by"] != dealt["identifier"]:
        options.group = dealt["by"]
    end = planned.get("until")
    if end is not None and options.until is not None and day(options.until, "until") < day(end, "until"):
        raise ConfigError(
            [
                f"until={options.until} is before the planned end, {end}: a fixed test is decided once; "
                "method=always_valid may be looked at every day, if it is chosen before the first look"
            ]
        )
    until = options.until or end
    if until is not None:
        options.until = day(str(until), "until").isoformat()
    if options.method == "fixed" and until is None and "rows" not in planned:
        raise ConfigError(
            [
                "a fixed test is decided once, at its end: say until=<day>, or plan it first with step=plan, or use "
                "method=always_valid, which may be looked at every day"
            ]
        )


def digest(found: dict[str, Any]) -> str:
    """SHA-256 of a plan, so that a later change of the file can be seen."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def day(text: str, key: str) -> date:
    """Raises ConfigError for what is no day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError([f"{key}={text} is no day: write it as in 2026-12-01"]) from None


def _read(path: Path) -> dict[str, Any] | None:
    """None where it is not there yet.

    Raises:
        UserError: a broken one.
    """
    try:
        plain = files.read_json(path, SHAPES[path.name])
    except FileNotFoundError:
        return None
    except UserError as error:
        raise UserError(f"{error}: put it back, or begin a new test with name=") from None
    if plain["schema"] != 1:
        raise UserError(f"{path} is of another version of adaptact: begin a new test with name=")
    return dict(plain)

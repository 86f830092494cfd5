"""The folder of a comparison: found again by its name or its command, and never trained over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, NotRequired, TypedDict

from adaptact import files, folders, records
from adaptact.comparison.plan import Plan, Run, Threads, changes_since, digest
from adaptact.errors import UserError
from adaptact.records import PLAN_FILE

PRESENTING = (
    "report.",
    "value.",
    "output_dir",
    "compare.workers",
    "compare.backend",
    "compare.cost",
    "compare.retrain",
)


class Made(NamedTuple):
    """Origin of a folder: a command and its data."""

    words: Sequence[str]
    source: str
    rank: tuple[Any, ...] = ()  # of several folders that the same command made, the highest is gone on with


def deciding_words(words: Sequence[str], presenting: tuple[str, ...] = PRESENTING) -> set[str]:
    """The words of a command without those that change neither its runs nor its verdict."""
    return {word for word in words if not word.startswith(presenting)}


def found_again(
    parent: Path, made: Made, read: Callable[[Path], Made], presenting: tuple[str, ...] = PRESENTING
) -> Path | None:
    """The folder below ``parent`` that the same words made from the same data, whatever an option is by default now.

    Args:
        read: what a folder was made from; a UserError passes it over.
        presenting: beginnings of the words that change no run.
    """
    found: list[tuple[tuple[Any, ...], Path]] = []
    for path in sorted(parent.glob(f"*/{PLAN_FILE}")):
        with contextlib.suppress(UserError):
            other = read(path.parent)
            same_words = deciding_words(other.words, presenting) == deciding_words(made.words, presenting)
            if same_words and other.source == made.source:
                found.append((other.rank, path.parent))
    return max(found, key=lambda ranked: ranked[0], default=(None, None))[1]


def same_command(parent: Path, plan: Plan) -> Path | None:
    """The comparison below ``parent`` that the same command made: the one of just this plan, or the latest."""

    def made(other: Plan) -> Made:
        same = (other.hash, other.code) == (plan.hash, plan.code)
        return Made(other.words, other.data["fingerprint"], (same, other.decided_at))

    return found_again(parent, made(plan), lambda folder: made(Plan.read(folder)))


def threads_of(path: Path) -> int | None:
    """Threads of each run that an earlier command wrote down, as another number rounds otherwise; None: no such."""
    try:
        return files.read_json(path, _Threads).get("threads")  # type: ignore[no-any-return]
    except FileNotFoundError:
        return None


class _Threads(TypedDict):
    threads: NotRequired[Threads]


@contextlib.contextmanager
def ending(write: Callable[[Literal["interrupted", "finished"]], None]) -> Iterator[None]:
    """Write down how the command that makes a folder ends."""
    try:
        yield
    except KeyboardInterrupt:
        write("interrupted")
        raise
    write("finished")


def folder_of(parent: Path, plan: Plan, name: str | None, retrain: bool) -> Path:
    """The folder of a comparison below ``parent``: the one of its name, or that of the same command.

    Args:
        name: as typed; None: data, model and a hash of the plan.
        retrain: where runs were made otherwise, take another folder.

    Raises:
        UserError: the folder holds runs that were made otherwise, and ``retrain`` is False.
    """
    model = plan.arms[0].settings["model"]["name"]
    folder = parent / folders.safe_name(name or f"{plan.data['name']}-{model}-{plan.hash[:8]}")
    if name is None and not (folder / PLAN_FILE).is_file():
        folder = same_command(parent, plan) or folder  # what an option is by default may have changed
    if not (folder / PLAN_FILE).is_file():
        return folder
    fixed = (arm for arm in plan.arms if arm.control != "learned")  # the others depend on what runs learn
    stale = stale_runs(folder, (run for arm in fixed for run in plan.runs(arm)))
    again = folder.with_name(f"{folder.name}-{digest([plan.hash, plan.code])[:8]}")
    if stale and (retrain or _is_of(again, plan)):
        return again
    refuse_stale_runs(folder, stale, changes_since(Plan.read(folder), plan), "compare.retrain=true", again)
    return folder


def _is_of(folder: Path, plan: Plan) -> bool:
    """Return True if a folder holds just this plan, made by this code: it was asked for before."""
    try:
        other = Plan.read(folder)
    except UserError:
        return False
    return (other.hash, other.code) == (plan.hash, plan.code)


def stale_runs(folder: Path, runs: Iterable[Run]) -> list[str]:
    """Folders of runs that have ended and that other settings, data or code have made."""
    found = []
    for run in runs:
        plain = records.read_planned(folder / run.folder)
        if plain.get("status") in records.ENDED and plain.get("hash") != run.hash:
            found.append(run.folder)
    return found


def refuse_stale_runs(folder: Path, stale: Sequence[str], changed: Sequence[str], retrain: str, again: Path) -> None:
    """Raise UserError where ended runs were made otherwise: nothing is trained over them.

    Args:
        changed: what has changed, in words.
        retrain: the word that trains all anew.
        again: the folder that it would take.
    """
    if not stale:
        return
    reasons = "; ".join(changed) or "settings, data or code changed"
    raise UserError(
        f"{folder} holds {len(stale)} finished runs that were made otherwise: {reasons}. They are kept, and new runs "
        f"are not mixed with them. Add {retrain} to train all anew into {again.name}, or name=<new name>; to go on "
        "here, give the earlier command, data and version"
    )

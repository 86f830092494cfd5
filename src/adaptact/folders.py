"""Folders of runs: their names, how a new one is made, and links that lead out of one."""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from adaptact.errors import MachineError, UserError, machine_error


def safe_name(text: str) -> str:
    """``text`` as part of a file name that every file system takes; letters of any script stay.

    >>> safe_name('a/b:c*?"<>|.. 売上')
    'a-b-c-売上'
    """
    text = re.sub(r"[^\w.=+-]+", "-", unicodedata.normalize("NFC", text))
    return re.sub(r"[-.]{2,}", "-", text).strip("-. ")[:60].strip("-. ") or "unnamed"


def new_folder(parent: Path, name: str) -> Path:
    """Make ``<time>-<name>`` below ``parent``; never one that exists already.

    Raises:
        UserError: the folder cannot be made.
    """
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    for attempt in range(1, 1000):
        folder = parent / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not parent.is_dir():
                raise UserError(f"cannot make the run folder {folder}: {parent} is a file; set output_dir=") from None
            continue
        except OSError as error:
            raise _cannot_make("run folder", folder, error) from None
        return folder
    raise UserError(f"cannot make a new run folder {parent / stem}: 999 of that name exist")


def make_folder(folder: Path) -> None:
    """Make a folder that may be there already.

    Raises:
        UserError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_make("folder", folder, error) from None


def _cannot_make(kind: str, folder: Path, error: OSError) -> UserError:
    fault = MachineError if machine_error(error) is not None else UserError
    return fault(f"cannot make the {kind} {folder}: {error.strerror}; set output_dir=")


def refuse_links(folder: Path, follow: bool, start: Path | None = None) -> None:
    """Raise UserError where a link inside ``folder`` leads out of it: what is written there would land elsewhere.

    The folder itself may be a link, and links that stay inside are no danger.

    Args:
        follow: ``follow_links=true`` was typed; a ``checkpoints/`` on a bigger disk is common.
        start: look only at this path inside the folder, and below it; None: at the whole folder.
    """
    if follow:
        return
    for link in links_out_of(folder, folder if start is None else start):
        raise UserError(
            f"{link} is a link that leads out of {folder}: nothing is written or removed through it. If it is yours, "
            "add follow_links=true"
        )


def links_out_of(folder: Path, start: Path) -> Iterator[Path]:
    """Symbolic links and junctions at or below ``start`` whose target is outside ``folder``."""
    root = folder.resolve()
    below = (Path(parent) / name for parent, *names in os.walk(start) for some in names for name in some)
    for path in (start, *below) if start != folder else below:
        if not (path.is_symlink() or _is_junction(path)):
            continue
        try:
            target = path.resolve()
        except (OSError, RuntimeError):  # a loop of links
            yield path
            continue
        if target != root and root not in target.parents:
            yield path


def _is_junction(path: Path) -> bool:
    check = getattr(os.path, "isjunction", None)  # since Python 3.12
    return bool(check is not None and check(path))

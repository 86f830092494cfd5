"""Pictures for training, validation and test. Copies of a picture never stand in two parts."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import numpy as np

from adaptact import config
from adaptact.data.prepared import PARTS
from adaptact.data.splits import by_units, check, connected
from adaptact.errors import DataError


def split(
    files: list[str],
    digests: list[str],
    y: np.ndarray,
    own: list[str | None],
    labels: list[str],
    options: config.ImageFolder,
) -> tuple[dict[str, np.ndarray], np.ndarray, list[str]]:
    """Places per part, a unit per file (copies of one picture, groups by name), and what a person should know.

    Raises:
        DataError: a pattern that fits no name, a part or a class of it that stays empty.
    """
    notes = []
    twins = np.unique(digests, return_inverse=True)[1]
    spare = len(files) - (twins.max() + 1)
    if spare:
        notes.append(f"{spare} pictures are copies of another one; copies stand in the same part")
    units = connected(twins, groups(files, options.group_pattern)) if options.group_pattern else connected(twins, twins)
    grouped = f"data.group_pattern={options.group_pattern}" if options.group_pattern else None
    given = {part for part in own if part is not None}
    if not given:
        if grouped is None and _mixed(units, y):
            # copies under two labels: what is stratified class by class would tear them apart
            grouped = f"data.root={options.root}"
        rows = by_units(units, y, "classification", labels, options, grouped=grouped)
        check(rows, y, "classification", labels)
        return rows, units, notes
    if options.folds is not None:
        raise DataError(
            f"data.folds={options.folds}: the folders {', '.join(sorted(given))} split the pictures already"
        )
    rows = {part: np.flatnonzero([one == part for one in own]) for part in PARTS if part in given}
    taken = np.zeros(units.max() + 1, dtype=bool)
    for part in ("test", "val", "train"):
        if part in rows:
            again = taken[units[rows[part]]]
            if again.any():
                notes.append(
                    f"{int(again.sum())} pictures of {part} stand in a part that is for evaluation too (copies, or of "
                    "one group) and were left out of it"
                )
            rows[part] = rows[part][~again]
            taken[units[rows[part]]] = True
    train = rows["train"]
    if len(given) < len(PARTS) and len(train):
        local = np.unique(units[train], return_inverse=True)[1]
        pieces = by_units(
            connected(local, local), y[train], "classification", labels, options, own=given, grouped=grouped
        )
        rows |= {part: train[index] for part, index in pieces.items()}
    check({part: rows[part] for part in ("train", "val")}, y, "classification", labels)
    check({"test": rows["test"]}, y, "regression", labels)  # a class may be absent from a test folder
    return rows, units, notes


def _mixed(units: np.ndarray, y: np.ndarray) -> bool:
    return len(np.unique(units)) < len(np.unique(np.stack([units, y]), axis=1).T)


def groups(files: list[str], pattern: str) -> np.ndarray:
    """A number per file: the same for names that agree in the pattern's first group (or in all that it matches).

    Raises:
        DataError: a pattern that fits no name.
    """
    search = re.compile(pattern).search
    keys: list[str] = []
    fits = 0
    for place, file in enumerate(files):
        match = search(PurePosixPath(file).name)
        key = match[1 if match.re.groups else 0] if match else None
        fits += key is not None
        keys.append(f"\0{place}" if key is None else key)
    if not fits:
        example = PurePosixPath(files[0]).name
        raise DataError(f"data.group_pattern={pattern} fits no file name, as {example!r}: mend it or leave it out")
    return np.unique(keys, return_inverse=True)[1]

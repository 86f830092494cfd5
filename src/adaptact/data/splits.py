"""Rows for training, validation and test; rows that belong together never stand in two parts."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from adaptact import config
from adaptact.data.prepared import Task
from adaptact.errors import DataError

Rows = dict[str, np.ndarray]
MOST_FOLDS = 20


def split_rows(
    y: np.ndarray, task: Task, *, val_size: float, test_size: float, seed: int, labels: list[str] | None = None
) -> dict[str, np.ndarray]:
    """Row numbers per part: disjoint, together all rows, stratified by class for classification.

    With ``test_size`` 0 there are only a training and a validation part (the test part is an official one).

    Raises:
        DataError: too few rows, or too few of a class to have one in every part.
    """
    shares = {part: share for part, share in (("test", test_size), ("val", val_size)) if share}
    n_parts = len(shares) + 1
    generator = np.random.default_rng(seed)
    numbers = np.unique(y) if task == "classification" else np.zeros(1, dtype=int)
    groups = [np.flatnonzero(y == number) for number in numbers] if task == "classification" else [np.arange(len(y))]
    for number, rows in zip(numbers, groups, strict=True):
        if len(rows) < n_parts:
            name = repr(labels[number]) if labels else number
            raise DataError(
                f"{f'class {name}' if task == 'classification' else 'the table'} has {len(rows)} "
                f"row{'' if len(rows) == 1 else 's'}, too few to be in each of {n_parts} parts: collect more, merge it "
                "with another class, or leave its rows out"
            )
    rest = [generator.permutation(rows) for rows in groups]
    counts = np.array([len(rows) for rows in groups])
    held: dict[str, np.ndarray] = {}
    for later, (part, share) in zip(range(len(shares), 0, -1), shares.items(), strict=True):
        taken = _quota(share * counts, room=np.array([len(rows) for rows in rest]) - later)
        held[part] = np.sort(np.concatenate([rows[:n] for rows, n in zip(rest, taken, strict=True)]))
        rest = [rows[n:] for rows, n in zip(rest, taken, strict=True)]
    return {"train": np.sort(np.concatenate(rest)), **held}


def _quota(wanted: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Whole rows per class: at least one, at most ``room``, the largest remainders rounded up until the sum fits."""
    got = np.clip(np.floor(wanted), 1, room).astype(int)
    for number in np.argsort(got - wanted, kind="stable")[: max(0, round(wanted.sum()) - got.sum())]:
        got[number] += got[number] < room[number]
    return got


def by_units(
    units: np.ndarray,
    y: np.ndarray,
    task: Task,
    labels: list[str],
    options: config.Rows | config.ImageFolder,
    *,
    own: Collection[str] = (),
    grouped: str | None = None,
) -> Rows:
    """Row numbers per part; rows of one unit stand in one part.

    Args:
        own: parts that have rows of their own already, as from a file.
        grouped: what made units of rows that are not equal, as the user typed it; None where nothing did.

    Raises:
        DataError: too few units.
    """
    if options.folds is not None:
        return by_fold(units, y, task, labels, options, own)
    if grouped is not None:
        return by_group(units, y, task, options, own, grouped)
    shares = {part: share for part, share in _shares(options, own).items() if share}
    if not shares:
        return {"train": np.arange(len(y))}
    first = np.unique(units, return_index=True)[1]  # one row for all that are equal
    sizes = {f"{part}_size": shares.get(part, 0.0) for part in ("val", "test")}
    rows = split_rows(y[first], task, seed=options.split_seed, labels=labels, **sizes)
    return rows if len(first) == len(y) else by_size(units, y, task, shares, options.split_seed)


def _shares(options: config.Rows | config.ImageFolder, own: Collection[str]) -> dict[str, float]:
    """Shares of all rows for the parts that have none of their own."""
    return {part: size for part, size in (("test", options.test_size), ("val", options.val_size)) if part not in own}


def by_size(units: np.ndarray, y: np.ndarray, task: Task, shares: dict[str, float], seed: int) -> Rows:
    """Whole units, stratified by class: each in random order to the first part that it does not overfill.

    A unit of several classes goes where the first of them puts it.
    """
    generator = np.random.default_rng(seed)
    part_of = np.full(units.max() + 1, "train", dtype=object)
    placed = np.zeros(units.max() + 1, dtype=bool)
    for number in np.unique(y) if task == "classification" else [None]:
        mine = units if number is None else units[y == number]
        names, sizes = np.unique(mine[~placed[mine]], return_counts=True)
        placed[names] = True
        room = {part: max(1, round(share * len(mine))) for part, share in shares.items()}
        left = len(names)
        for place in generator.permutation(len(names)):
            for part, free in room.items():
                if left > 1 and sizes[place] <= free:
                    part_of[names[place]] = part
                    room[part] -= sizes[place]
                    left -= 1
                    break
    parts = part_of[units]
    return {part: np.flatnonzero(parts == part) for part in ("train", *shares)}


def connected(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A number per row: rows that agree in either are together, over any number of steps.

    >>> connected(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])).tolist()
    [0, 0, 0, 1]
    """
    n = len(first)
    rows = np.arange(n)
    size = n + int(first.max()) + int(second.max()) + 2
    left = np.concatenate([rows, rows])
    right = np.concatenate([n + first, n + int(first.max()) + 1 + second])
    graph = coo_array((np.ones(2 * n, dtype=np.int8), (left, right)), shape=(size, size))
    return pd.factorize(connected_components(graph, directed=False)[1][:n])[0]


def by_group(
    units: np.ndarray,
    y: np.ndarray,
    task: Task,
    options: config.Rows | config.ImageFolder,
    own: Collection[str],
    grouped: str,
) -> Rows:
    """Whole groups, near the asked shares and, for classes, near the same share of each class."""
    parts: Rows = {}
    rest = np.arange(len(y))
    for part, share in _shares(options, own).items():
        left = len(np.unique(units[rest]))
        if left < 2:
            way_out = " or bring data.test_path" if isinstance(options, config.Table) else " or bring a folder test"
            raise DataError(
                f"{grouped} has {len(np.unique(units))} groups, too few for parts of their own: split without it,"
                f"{way_out}"
            )
        take, folds = _fraction(share * len(y) / len(rest), min(left, MOST_FOLDS))
        taken = np.concatenate(_folds(units[rest], y[rest], task, folds, options.split_seed)[:take])
        parts[part], rest = np.sort(rest[taken]), np.delete(rest, taken)
    return {"train": rest, **parts}


def by_fold(
    units: np.ndarray,
    y: np.ndarray,
    task: Task,
    labels: list[str],
    options: config.Rows | config.ImageFolder,
    own: Collection[str],
) -> Rows:
    """Test: fold ``data.fold`` of ``data.folds``; validation: ``data.val_size`` of all rows, from the others."""
    assert options.folds is not None
    n_units = len(np.unique(units))
    if n_units < options.folds:
        raise DataError(f"data.folds={options.folds}: there are only {n_units} different rows or groups to divide")
    if task == "classification":
        for number, count in enumerate(np.bincount(y, minlength=len(labels))):
            if count < options.folds:
                raise DataError(
                    f"class {labels[number]!r} has {count} rows, too few for data.folds={options.folds}: use fewer"
                )
    test = _folds(units, y, task, options.folds, options.split_seed)[options.fold]
    rest = np.delete(np.arange(len(y)), test)
    if "val" in own:
        return {"train": rest, "test": test}
    take, folds = _fraction(options.val_size * len(y) / len(rest), min(len(np.unique(units[rest])), MOST_FOLDS))
    val = np.concatenate(_folds(units[rest], y[rest], task, folds, options.split_seed + 1)[:take])
    return {"train": np.delete(rest, val), "val": np.sort(rest[val]), "test": test}


def _fraction(share: float, most: int) -> tuple[int, int]:
    """So many of so many folds come nearest to a share, of the fewest folds that do.

    >>> _fraction(0.2, 20), _fraction(0.4, 20), _fraction(0.3, 4)
    ((1, 5), (2, 5), (1, 3))
    """
    ways = [(take, folds) for folds in range(2, max(2, most) + 1) for take in range(1, folds)]
    return min(ways, key=lambda way: (round(abs(way[0] / way[1] - share), 9), way[1]))


def _folds(units: np.ndarray, y: np.ndarray, task: Task, folds: int, seed: int) -> list[np.ndarray]:
    """Rows of each fold: whole units, large ones first, each to the fold that has least of its classes.

    What StratifiedGroupKFold does, in a hundredth of its time for thousands of groups.
    """
    unit = np.unique(units, return_inverse=True)[1]
    kinds = y if task == "classification" else np.zeros(len(y), dtype=np.int64)
    counts = np.zeros((unit.max() + 1, kinds.max() + 1))
    np.add.at(counts, (unit, kinds), 1)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(counts))
    order = order[np.argsort(-np.log2(counts.sum(axis=1)).astype(int)[order], kind="stable")]
    weights = counts / np.maximum(counts.sum(axis=0), 1) + 1e-6 / len(y)  # of folds that are even, the smaller one
    filled = np.zeros((folds, counts.shape[1]))
    fold_of = np.empty(len(counts), dtype=np.int64)
    for number in order:
        fold_of[number] = fold = int((filled @ weights[number]).argmin())
        filled[fold] += counts[number]
    of_row = generator.permutation(folds)[fold_of][unit]
    return [np.flatnonzero(of_row == which) for which in range(folds)]


def check(rows: Rows, y: np.ndarray, task: Task, labels: list[str]) -> None:
    """Raise DataError where a part is empty or lacks a class."""
    for part, index in rows.items():
        if not len(index):
            raise DataError(f"the {part} part has no rows: change data.val_size, data.test_size or the way to split")
        if task == "classification":
            counts = np.bincount(y[index], minlength=len(labels))
            if (counts == 0).any():
                lacking = labels[int(np.argmin(counts))]
                raise DataError(
                    f"class {lacking!r} has no row in the {part} part: collect more, merge it with another class, or "
                    "split the rows in another way"
                )

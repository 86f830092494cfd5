"""Which rows of a table are for training, validation and test. Repeated rows and groups never stand in two parts."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from adaptact import config
from adaptact.data.prepared import Task, split_rows
from adaptact.data.table.cell_values import as_text, numbers, texts
from adaptact.data.table.roles import Roles, date_format, dates
from adaptact.errors import DataError

Rows = dict[str, np.ndarray]
MOST_FOLDS = 20


def split_table(
    frame: pd.DataFrame,
    y: np.ndarray,
    task: Task,
    labels: list[str],
    options: config.Rows,
    roles: Roles,
    twins: np.ndarray | None = None,
) -> tuple[Rows, list[str]]:
    """Row numbers of train, val and test (those without a file of their own), and what a person should know.

    Args:
        twins: (rows,) the same number for rows that are to stay together; by default as :func:`repeated` says.

    Raises:
        DataError: a split that leaves a part or a class of it empty.
    """
    if options.time is not None:
        rows = by_time(frame[options.time], options)
        notes = [_time_note(frame[options.time], rows)]
    else:
        twins = repeated([frame], y, roles) if twins is None else twins
        rows, notes = _by_units(frame, y, task, labels, options, twins)
    check(rows, y, task, labels)
    return rows, notes


def repeated(frames: Collection[pd.DataFrame], y: np.ndarray, roles: Roles) -> np.ndarray:
    """A number per row of all frames, the same for rows equal in the target and all columns but identifiers."""
    compared = [column.name for column in roles.columns if column.role not in {"identifier", "drop", "constant"}]
    digests = np.concatenate([row_hash(frame, compared) for frame in frames])
    return pd.factorize(_mixed(digests, pd.util.hash_array(y)))[0]


def row_hash(frame: pd.DataFrame, names: Collection[str]) -> np.ndarray:
    """(rows,) uint64, the same for rows whose cells in these columns are; column by column, without a copy of all."""
    digest = np.zeros(len(frame), dtype=np.uint64)
    for name in names:
        cells = frame[name]
        if pd.api.types.is_numeric_dtype(cells):  # a number is the same in a file of float32 and in one of integers
            cells = cells.astype(np.float64) + 0.0  # and -0.0 is 0.0
        elif pd.api.types.is_datetime64_any_dtype(cells):
            cells = cells.astype("datetime64[us]")  # nor does a day depend on the unit in which a file has it
        digest = _mixed(digest, pd.util.hash_pandas_object(cells, index=False).to_numpy())
    return digest


def _mixed(digest: np.ndarray, more: np.ndarray) -> np.ndarray:
    return digest * np.uint64(0x9E3779B97F4A7C15) + more  # an odd number: nothing of what was there is lost


def _by_units(
    frame: pd.DataFrame, y: np.ndarray, task: Task, labels: list[str], options: config.Rows, twins: np.ndarray
) -> tuple[Rows, list[str]]:
    notes = []
    spare = len(y) - len(np.unique(twins))
    if spare:
        notes.append(f"{spare} rows repeat another one; rows that are equal stand in the same part")
    units = twins
    if options.group is not None:
        groups = group_numbers(frame[options.group])
        units = connected(groups, twins)
        if len(np.unique(units)) < len(np.unique(groups)):
            notes.append(f"some groups of {options.group!r} share equal rows and are kept together")
    own = {part for part, path in (("val", options.val_path), ("test", options.test_path)) if path}
    grouped = None if options.group is None else f"data.group={options.group}"
    return by_units(units, y, task, labels, options, own=own, grouped=grouped), notes


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


def group_numbers(column: pd.Series) -> np.ndarray:
    """A number per group; a row without one is a group of its own."""
    codes = pd.factorize(column)[0].astype(np.int64)
    missing = codes < 0
    codes[missing] = codes.max(initial=-1) + 1 + np.arange(missing.sum())
    return codes


def groups_of(frame: pd.DataFrame, group: str | None) -> np.ndarray | None:
    """:func:`group_numbers` of the column that names groups, as one would have typed its cells; None without one."""
    return None if group is None or group not in frame.columns else group_numbers(texts(frame[group]))


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


def moments(column: pd.Series, key: str = "data.time") -> np.ndarray:
    """A time column as numbers that can be ordered.

    Raises:
        DataError: a cell that is neither a date nor a number.
    """
    if (format := date_format(column.dropna())) is not None:
        found = dates(column, format)
        values = ((found - pd.Timestamp("1900-01-01")) / pd.Timedelta(days=1)).to_numpy(np.float64, na_value=np.nan)
    else:
        values = numbers(column).to_numpy()
    if np.isnan(values).any():
        odd = column[np.isnan(values)]
        what = "are blank" if odd.isna().all() else f"are neither dates nor numbers, as {odd.dropna().iloc[0]!r}"
        raise DataError(f"{key}={column.name}: {len(odd)} cells {what}; mend them or name another column")
    return values


def latest(when: np.ndarray, count: int) -> np.ndarray:
    """Which rows are the latest ``count``, at least one, and all of the moment at which they begin.

    >>> latest(np.array([1, 3, 2, 2]), 2).tolist()
    [False, True, True, True]
    """
    return when >= np.sort(when)[min(len(when) - 1, len(when) - count)]


def by_time(column: pd.Series, options: config.Rows) -> Rows:
    """Test: the latest rows; validation: the latest of the others. Rows of one moment stay together."""
    when = moments(column)
    order = np.sort(when)
    left = len(when)
    parts: Rows = {}
    upper = np.inf
    wanted = {} if options.test_path else {"test": options.test_size}
    wanted |= {} if options.val_path else {"val": options.val_size}
    for part, share in wanted.items():
        cut = order[max(0, min(left - 1, left - round(share * len(when))))]
        parts[part] = np.flatnonzero((when >= cut) & (when < upper))
        left, upper = int((when < cut).sum()), cut
    train = np.flatnonzero(when < upper)
    if not len(train):
        raise DataError(f"data.time={options.time} leaves no earlier rows to train on: its values are too few")
    return {"train": train, **parts}


def _time_note(column: pd.Series, rows: Rows) -> str:
    when = moments(column)
    latest = {part: column.iloc[index[np.argmax(when[index])]] for part, index in rows.items()}
    return f"split by {column.name!r}: " + ", ".join(f"{part} up to {as_text(latest[part])}" for part in rows)


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

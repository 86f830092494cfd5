"""Data that somebody's own code gives: arrays, or a LightningDataModule. The contract: docs/custom_data.md."""

from __future__ import annotations

import inspect
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adaptact import config
from adaptact.data.kinds import DataKind, same_test
from adaptact.data.positive import choose
from adaptact.data.prepared import PARTS, Part, Prepared, SourceRows, Task, classes, fingerprint, standardize, values
from adaptact.errors import DataError
from adaptact.trust import import_trusted

if TYPE_CHECKING:
    import lightning as L

Pair = tuple[np.ndarray, np.ndarray]
OURS = ("batch_size", "split_seed", "val_size")  # given to the user's code where it takes arguments of these names


class Kind(DataKind[config.CustomData]):
    """See :class:`DataKind`."""

    def read(self) -> Prepared:
        return load(self.options, self.trust)

    def shares_test(self, seeds: Sequence[Prepared]) -> bool:
        return same_test(seeds)


def load(options: config.CustomData, trust: str | None) -> Prepared:
    """Run the user's code once, check what it gives, and keep it in memory.

    Raises:
        ConfigError: code that the user does not trust, or that is not there.
        DataError: code that fails, or arrays that cannot be trained on.
    """
    target = import_trusted(options.target_class, trust)  # says what is missing before slow imports
    import lightning as L
    import torch

    where = f"data.target_class={options.target_class}"
    random.seed(options.split_seed)  # a split or an order that the code draws is the same every time
    np.random.seed(options.split_seed % 2**32)
    torch.manual_seed(options.split_seed)
    try:
        given = target(**_ours(target, options), **options.options)
        pairs = _read(given) if isinstance(given, L.LightningDataModule) else {p: getattr(given, p) for p in PARTS}
        arrays = {part: _arrays(pair) for part, pair in pairs.items()}
    except Exception as error:  # whatever somebody's code raises
        raise DataError(f"{where}: {type(error).__name__}: {error}; debug=true shows where") from error
    try:
        return _prepare(given, arrays, options)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _ours(target: Any, options: config.CustomData) -> dict[str, Any]:
    try:
        taken = inspect.signature(target).parameters
    except ValueError:  # some classes written in C have no signature
        return {}
    return {name: getattr(options, name) for name in OURS if name in taken}


def _read(module: L.LightningDataModule) -> dict[str, Any]:
    """All batches of the three loaders, one after the other."""
    module.prepare_data()
    module.setup("fit")
    loaders = {"train": module.train_dataloader(), "val": module.val_dataloader()}
    module.setup("test")
    loaders["test"] = module.test_dataloader()
    batches = {part: [_arrays(batch) for batch in loader] for part, loader in loaders.items()}
    return {part: tuple(map(np.concatenate, zip(*found))) if found else ([], []) for part, found in batches.items()}


def _arrays(pair: Any) -> Pair:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise TypeError(f"a part or a batch must be a pair (x, y), not {type(pair).__name__}")
    x, y = pair
    return np.asarray(x), np.asarray(y)


def _prepare(given: Any, arrays: dict[str, Pair], options: config.CustomData) -> Prepared:
    import torch

    for part, (x, y) in arrays.items():
        _check_part(part, x, y, arrays["train"][0].shape[1:])
    targets = {part: y for part, (_, y) in arrays.items()}
    whole = all(np.issubdtype(y.dtype, np.integer) or y.dtype == bool for y in targets.values())
    task: Task = getattr(given, "task", None) or ("classification" if whole else "regression")
    if task not in ("classification", "regression"):
        raise DataError(f"task is {task!r}: it must be 'classification' or 'regression'")
    labels = _labels(getattr(given, "labels", None), targets) if task == "classification" else []
    center, scale = standardize(targets["train"]) if task == "regression" else (0.0, 1.0)
    parts = {
        part: Part(
            torch.from_numpy(np.array(x, dtype=np.float32)),  # a copy: later changes of theirs are not ours
            values(y, center, scale) if task == "regression" else classes(y),
        )
        for part, (x, y) in arrays.items()
    }
    name = str(getattr(given, "name", None) or type(given).__name__)
    pieces = [piece for pair in arrays.values() for a in pair for piece in (f"{a.dtype}{a.shape}".encode(), a)]
    # No file is known here: the targets of all parts stand for it, so that rows stay the same when columns change.
    source = fingerprint([options.target_class.encode(), *(y for _, y in arrays.values())])
    return Prepared(
        name,
        task,
        parts,
        fingerprint(pieces),
        labels,
        center,
        scale,
        positive=choose(labels, np.concatenate([*targets.values()]).astype(np.int64), options.positive, name)
        if task == "classification"
        else choose([], np.zeros(0), options.positive, name),
        test_rows=SourceRows.of_file(source, np.arange(len(targets["test"]))),
    )


def _check_part(part: str, x: np.ndarray, y: np.ndarray, shape: tuple[int, ...]) -> None:
    least = 2 if part == "train" else 1
    if y.ndim != 1:
        raise DataError(f"y of {part} has the shape {y.shape}: give one number per row, as y.reshape(-1) does")
    if len(y) < least:
        raise DataError(f"{part} has {len(y)} rows: give it at least {least}")
    if x.ndim < 2 or x.size == 0:
        raise DataError(f"x of {part} has the shape {x.shape}: give (rows, columns) or (rows, channels, height, width)")
    if len(x) != len(y):
        raise DataError(f"{part} has {len(x)} rows in x and {len(y)} in y: give a y for every x")
    if x.shape[1:] != shape:
        raise DataError(f"a row of {part} has the shape {x.shape[1:]}, one of train {shape}: make them alike")
    for name, array in (("x", x), ("y", y)):
        if array.dtype.kind not in "fiub":
            raise DataError(f"{name} of {part} holds {array.dtype}: turn it into numbers")
        with np.errstate(over="ignore"):
            odd = ~np.isfinite(array.astype(np.float32))
        if odd.any():
            raise DataError(
                f"{name} of {part} has {int(odd.sum())} values that are missing, infinite or beyond float32, the first "
                f"in row {int(np.argwhere(odd)[0][0])}: fill them or leave these rows out"
            )


def _labels(given: Any, targets: dict[str, np.ndarray]) -> list[str]:
    """Class names; every class number must stand for one, and every one must be in the training part."""
    for part, y in targets.items():
        if (odd := y[(y < 0) | (y != np.round(y))]).size:
            raise DataError(f"y of {part} has {odd[0]}: classes are numbered 0, 1, 2 ...; for amounts set task")
    highest = int(max(y.max() for y in targets.values()))
    labels = [str(number) for number in range(highest + 1)] if given is None else [str(label) for label in given]
    if highest >= len(labels):
        raise DataError(f"y has the class {highest}, but there are {len(labels)} labels: give one label per class")
    if len(labels) < 2:
        raise DataError("y has one class: nothing to learn")
    missing = np.setdiff1d(np.arange(len(labels)), targets["train"])
    if missing.size:
        raise DataError(
            f"train has no row of class {missing[0]} ({labels[missing[0]]!r}): number the classes from 0 without gaps, "
            "and have each in train"
        )
    return labels

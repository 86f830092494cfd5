"""Rows from outside with what runs say of them and, where it is known, what came out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from adaptact import config
from adaptact.data.download import sha256
from adaptact.data.images.files import located
from adaptact.data.table import targets
from adaptact.data.table.cell_values import texts
from adaptact.data.table.reading import read
from adaptact.errors import ConfigError, DataError, did_you_mean
from adaptact.export.predict import read_rows
from adaptact.export.predict_images import ImageRun, pictures_of
from adaptact.export.trained_run import TableRun, load_run


@dataclass(frozen=True)
class Outcomes:
    """What came out.

    Args:
        known: (rows,): of which rows it is known.
        y: class numbers or values of those rows, in their order.
    """

    known: np.ndarray
    y: np.ndarray


def table_run(folder: Path, trust: str | None, key: str) -> TableRun:
    """A run that scores tables or texts.

    Raises:
        UserError, ConfigError, DataError: no such run, or one on other data.
    """
    run = load_run(folder, trust)
    if not isinstance(run, TableRun):
        raise ConfigError([f"{key}={folder} was trained on {run.record.data['name']}, which is no table and no texts"])
    return run


def metric_of(run: TableRun | ImageRun, metric: str) -> str:
    """The metric by its name; "auto" is the one that the run monitored.

    Raises:
        ConfigError: one that the run has not.
    """
    metric = str(run.record.monitor["name"]).rpartition("/")[2] if metric == "auto" else metric
    if metric not in run.record.metrics["test"]:
        raise ConfigError([f"metric={metric} is none of {run.folder}: it has {', '.join(run.record.metrics['test'])}"])
    return metric


def all_rows(run: TableRun, source: str) -> pd.DataFrame:
    """Every row of a file, or of a folder of texts."""
    return pd.concat(list(read_rows(run, source)), ignore_index=True)


def outcomes(
    run: TableRun, frame: pd.DataFrame, target: str | None, source: str, labels: str | None, key: str | None
) -> Outcomes | None:
    """What came out: of a file ``labels``, joined by an identifier, or else of a column of the rows themselves.

    Args:
        target: the column; None: the target of the run.
        key: the column that both files name their rows by; None: the run's identifier, if it is one alone.

    Returns:
        None where there is nothing of it.

    Raises:
        DataError, ConfigError: a column that is missing, identifiers that stand twice, labels unknown to the run.
    """
    column = target or run.preparation.target
    where = f"input={source}"
    if labels is None:
        if column not in frame.columns:
            if target is not None:
                raise DataError(f"{where} has no column {target!r}. {did_you_mean(target, frame.columns)}")
            return None
        cells = frame[column]
    else:
        where = f"labels={labels}"
        other = plain_table(labels, "labels")
        name = _key(run, frame, other, key, source, labels)
        if column not in other.columns:
            raise DataError(f"{where} has no column {column!r}. {did_you_mean(column, other.columns)}")
        names = texts(other[name])
        if names[names.notna()].duplicated().any():
            twice = names[names.duplicated() & names.notna()].iloc[0]
            raise DataError(f"{where} has {name}={twice!r} more than once: one outcome per row")
        given = {name: cell for name, cell in zip(names, other[column], strict=True) if isinstance(name, str)}
        cells = texts(frame[name]).map(given)
        cells.name = column
        if cells.isna().all():
            raise DataError(
                f"{where}: none of its {len(other):,} outcomes belongs to a row of input={source}; they are joined by "
                f"{name!r}, which is {names.iloc[0]!r} in the one and {texts(frame[name]).iloc[0]!r} in the other"
            )
    known = cells.notna().to_numpy()
    if not known.any():
        return None
    return Outcomes(known, encoded(run, cells[known], where))


def encoded(run: TableRun, cells: pd.Series, where: str) -> np.ndarray:
    """Class numbers, or values."""
    preparation = run.preparation
    decimal = targets.mark(cells, run.options)
    return np.array(targets.encode(targets.one_spelling(cells, decimal), preparation.labels, decimal, where))


def _key(run: TableRun, frame: pd.DataFrame, other: pd.DataFrame, key: str | None, source: str, labels: str) -> str:
    identifiers = run.preparation.roles.names("identifier") if key is None else [key]
    shared = [name for name in identifiers if name in frame.columns and name in other.columns]
    if len(shared) == 1:
        return shared[0]
    if key is not None:
        lacks = f"input={source}" if key not in frame.columns else f"labels={labels}"
        columns = frame.columns if key not in frame.columns else other.columns
        raise DataError(f"key={key}: {lacks} has no such column. {did_you_mean(key, columns)}")
    both = [name for name in frame.columns if name in other.columns]
    raise ConfigError(
        [
            f"which column names the rows of input={source} and of labels={labels}? Say key=<column>; "
            f"both have {', '.join(map(repr, both[:8])) or 'no column in common'}"
        ]
    )


def plain_table(path: str, key: str) -> pd.DataFrame:
    """A company's table as it stands, by the reader of all tables."""
    return read(path, config.Table(name="table", path=path), None, key)[0]


def digest_of(source: str) -> str:
    """SHA-256 of a file, or of all files of a folder with their names."""
    path = Path(source)
    if path.is_file():
        return sha256(path)
    whole = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        whole.update(f"{file.relative_to(path)}\0{sha256(file)}\n".encode())
    return whole.hexdigest()


def pictures(run: ImageRun, source: str) -> tuple[np.ndarray, list[str], list[str]]:
    """Pixels (rows, channels, height, width) of all pictures that can be read, their names, and the others."""
    root, names = pictures_of(source)
    pixels, good, bad = [], [], []
    for name in names:
        try:
            pixels.append(run.preparation.transform((root / located(root, name)).read_bytes()))
            good.append(name)
        except (OSError, DataError):
            bad.append(name)
    if not pixels:
        raise DataError(f"input={source}: none of {len(names)} pictures can be read")
    return np.stack(pixels), good, bad

"""Score a file with a trained run: rows in, rows out, in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from adaptact import files
from adaptact.data.table.scoring import note_drift
from adaptact.data.tally import Tally
from adaptact.errors import DataError, did_you_mean
from adaptact.export.trained_run import TableRun

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def predict_file(
    run: TableRun, source: str, target: Path, on_rows: Callable[[int], object] = lambda rows: None
) -> Tally:
    """Write ``target`` (.csv or .parquet): identifier, prediction, probabilities or value, decision; a row per row.

    The file appears whole or not at all.

    Args:
        on_rows: called with the number of rows done so far.

    Raises:
        DataError: a column that is missing or of another type than in training, an unreadable file.
    """
    tally = Tally()
    with files.replacing(target) as temporary:
        write = _parquet_writer if target.suffix.lower() in {".parquet", ".pq"} else _csv_writer
        write(temporary, _scored(run, source, tally, on_rows))
    return tally


def read_rows(run: TableRun, source: str, key: str = "input") -> Iterator[pd.DataFrame]:
    """Raw rows of a file in chunks, with all columns that the run uses.

    Args:
        key: what the user typed to name the file, for messages.

    Raises:
        DataError: an unreadable file, a column that is missing.
    """
    header: Literal["auto", "false"] = "auto" if run.preparation.form.header else "false"
    # how this file is written is detected anew; only what the columns mean is fixed
    options = replace(run.options, path=source, header=header, encoding="auto", separator="auto")
    for number, frame in enumerate(run.preparation.chunks(source, options, key)):
        if not number:
            check_names(frame, run, f"{key}={source}")
        yield frame


def _scored(run: TableRun, source: str, tally: Tally, on_rows: Callable[[int], object]) -> Iterator[pd.DataFrame]:
    preparation = run.preparation
    for frame in read_rows(run, source):
        if not tally.rows:
            wanted = {*(column.name for column in preparation.roles.columns), preparation.target}
            tally.extra = [name for name in frame.columns if name not in wanted]
        preparation.look_at(frame, source, tally)
        first = tally.rows
        tally.rows += len(frame)
        if len(frame):
            yield scored(run, frame, first)
        on_rows(tally.rows)
    note_drift(preparation.watched, tally)


def check_names(frame: pd.DataFrame, run: TableRun, where: str) -> None:
    """Raise DataError for a column that is not there, with its name; ``where`` names the file."""
    missing = [name for name in run.preparation.needed if name not in frame.columns]
    if missing:
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DataError(
            f"{where} has no column {missing[0]!r}{others}, which the run was trained on. "
            f"{did_you_mean(missing[0], frame.columns)}"
        )


def scored(run: TableRun, frame: pd.DataFrame, first: int = 0) -> pd.DataFrame:
    """One row per row of ``frame``: its identifiers (or row number from 1) and what the run says of it."""
    preparation = run.preparation
    identifiers = [name for name in preparation.roles.names("identifier") if name in frame.columns]
    columns: dict[str, Any] = {name: frame[name].to_numpy() for name in identifiers}
    if not identifiers:
        columns["row"] = np.arange(first + 1, first + 1 + len(frame))
    predicted = run.predict(frame)
    if preparation.task == "regression":
        columns[_free("prediction", columns)] = predicted
        return pd.DataFrame(columns)
    labels = np.array(preparation.labels, dtype=object)
    columns[_free("prediction", columns)] = labels[predicted.argmax(axis=1)]
    for number, label in enumerate(preparation.labels):
        columns[_free(f"probability {label}", columns)] = predicted[:, number]
    decision = run.record.decision
    if decision is not None:
        number = preparation.labels.index(decision["positive"])
        other = preparation.labels[1 - number]
        above = predicted[:, number] >= decision["threshold"]
        columns[_free("decision", columns)] = np.where(above, decision["positive"], other)
    return pd.DataFrame(columns)


def _free(name: str, taken: dict[str, Any]) -> str:
    """``name``, or one like it where an identifier has that name."""
    while name in taken:
        name += "_"
    return name


def neutralized(cell: Any) -> Any:
    """A text that a spreadsheet would run as a formula, with an apostrophe before it.

    >>> neutralized("=1+1"), neutralized("-5"), neutralized("ok")
    ("'=1+1", '-5', 'ok')
    """
    if not isinstance(cell, str) or not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
        return cell
    except ValueError:
        return f"'{cell}"


def neutral(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with no cell and no name that a spreadsheet would run."""
    cells = {
        name: frame[name] if pd.api.types.is_numeric_dtype(frame[name]) else frame[name].map(neutralized)
        for name in frame.columns
    }
    return pd.DataFrame(cells, index=frame.index).rename(columns=neutralized)


def _csv_writer(path: Path, pieces: Iterator[pd.DataFrame]) -> None:
    header = True
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # Excel reads UTF-8 by its mark
        for piece in pieces:
            neutral(piece).to_csv(file, index=False, header=header, lineterminator="\n")
            header = False


def _parquet_writer(path: Path, pieces: Iterator[pd.DataFrame]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    try:
        for piece in pieces:
            for name in piece.columns:
                if not pd.api.types.is_numeric_dtype(piece[name]):
                    piece[name] = piece[name].astype("str")
            table = pa.Table.from_pandas(piece, preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()

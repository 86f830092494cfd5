"""Score a file with a trained run: rows in, rows out, in chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from adaptact import config, files
from adaptact.data.table.profile import psi, unseen
from adaptact.data.table.reading import CHUNK_ROWS, chunks, numbers
from adaptact.data.table.roles import Column, dates
from adaptact.data.text.text import unlabelled
from adaptact.data.text.tokens import TextPreparation, joined
from adaptact.errors import DataError, did_you_mean
from adaptact.export.trained_run import TableRun

PSI_LARGE = 0.25
MOST_UNREADABLE = 0.5  # of the cells of a chunk: beyond, a column has another type than in training
DRIFT_ROWS = 50_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass
class Tally:
    """What was odd about the rows that were scored."""

    rows: int = 0
    extra: list[str] = field(default_factory=list)
    unseen: dict[str, Counter[str]] = field(default_factory=dict)
    unreadable: Counter[str] = field(default_factory=Counter)
    drift: dict[str, float] = field(default_factory=dict)
    texts: Counter[str] = field(default_factory=Counter)

    def warnings(self) -> list[str]:
        lines = []
        if self.extra:
            names = ", ".join(repr(name) for name in self.extra[:10]) + (" ..." if len(self.extra) > 10 else "")
            lines.append(f"{len(self.extra)} columns that the run does not use were ignored: {names}")
        for name, counts in self.unseen.items():
            most, _ = counts.most_common(1)[0]
            lines.append(
                f"column {name!r}: {sum(counts.values())} cells have a category that training had not, such as {most!r}"
            )
        for name, count in self.unreadable.items():
            lines.append(f"column {name!r}: {count} cells cannot be read and count as missing")
        lines += [f"{count:,} texts {what}" for what, count in self.texts.items() if count]
        for name, value in sorted(self.drift.items(), key=lambda item: -item[1]):
            lines.append(f"column {name!r} has drifted from the training data (PSI {value:.2f}): check the source")
        return lines


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
    preparation = run.preparation
    assert isinstance(run.settings.data, config.Rows)
    header: Literal["auto", "false"] = "auto" if preparation.form.header else "false"
    # how this file is written is detected anew; only what the columns mean is fixed
    options = replace(run.settings.data, path=source, header=header, encoding="auto", separator="auto")
    known = {column.name for column in preparation.roles.columns}
    if isinstance(preparation, TextPreparation) and Path(source).is_dir():
        pieces = unlabelled(source, preparation.columns[0], CHUNK_ROWS)
    else:
        pieces = chunks(source, options, known, key=key)
    for number, (frame, _) in enumerate(pieces):
        if not number:
            check_names(frame, run, f"{key}={source}")
        yield frame


def _scored(run: TableRun, source: str, tally: Tally, on_rows: Callable[[int], object]) -> Iterator[pd.DataFrame]:
    preparation = run.preparation
    kept: list[pd.DataFrame] = []
    for frame in read_rows(run, source):
        if not tally.rows:
            wanted = {*(column.name for column in preparation.roles.columns), preparation.target}
            tally.extra = [name for name in frame.columns if name not in wanted]
        if isinstance(preparation, TextPreparation):
            _look_at_texts(frame, preparation, tally)
        else:
            for name in preparation.roles.used:
                _look_at(frame[name], preparation.roles[name], preparation.profile[name], source, tally)
            if sum(map(len, kept)) < DRIFT_ROWS:
                kept.append(frame[preparation.roles.used])
        first = tally.rows
        tally.rows += len(frame)
        if len(frame):
            yield scored(run, frame, first)
        on_rows(tally.rows)
    if isinstance(preparation, TextPreparation):
        return
    look = pd.concat(kept, ignore_index=True)
    for name in preparation.roles.used:
        value = psi(preparation.profile[name], look[name], preparation.roles[name])
        slack = 20 * (1 / max(1, len(look)) + 1 / max(1, preparation.profile[name]["rows"]))  # few rows scatter
        if value is not None and value > PSI_LARGE + slack and name != preparation.time:
            tally.drift[name] = value


def check_names(frame: pd.DataFrame, run: TableRun, where: str) -> None:
    """Raise DataError for a column that is not there, with its name; ``where`` names the file."""
    missing = [name for name in run.preparation.needed if name not in frame.columns]
    if missing:
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise DataError(
            f"{where} has no column {missing[0]!r}{others}, which the run was trained on. "
            f"{did_you_mean(missing[0], frame.columns)}"
        )


def _look_at(cells: pd.Series, column: Column, known: dict[str, Any], source: str, tally: Tally) -> None:
    if column.role == "categorical":
        if new := unseen(known, cells):
            tally.unseen.setdefault(column.name, Counter()).update(new)
        return
    values = dates(cells, column.format or "") if column.role == "date" else numbers(cells, column.decimal)
    bad = values.isna() & cells.notna()
    if not bad.any():
        return
    if bad.sum() > MOST_UNREADABLE * cells.notna().sum():
        kind = "dates" if column.role == "date" else "numbers"
        raise DataError(
            f"input={source}: column {column.name!r} held {kind} in training, but here it holds {cells[bad].iloc[0]!r}"
        )
    tally.unreadable[column.name] += int(bad.sum())


def _look_at_texts(frame: pd.DataFrame, preparation: TextPreparation, tally: Tally) -> None:
    texts = joined(frame, preparation.columns)
    tokens, cut = preparation.encode(texts)
    tally.texts[f"are longer than {preparation.max_length} tokens and were cut"] += int(cut.sum())
    tally.texts["are empty"] += sum(not text.strip() for text in texts)
    tally.texts["have letters or words that the tokenizer does not know"] += int(
        (tokens == preparation.unknown).any(axis=1).sum()
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

"""Score pictures with a trained run: a row per picture, none lost."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from adaptact import config, files, records
from adaptact.data.images.decoding import SUFFIXES
from adaptact.data.images.decoding import read as picture
from adaptact.data.images.files import located, walk
from adaptact.data.images.preparation import FILE, ImagePreparation
from adaptact.errors import DataError
from adaptact.export.predict import _csv_writer, _parquet_writer
from adaptact.export.trained_run import load_settings
from adaptact.records import PREPARATION_FOLDER
from adaptact.training.checkpoints import fitted_network

BATCH = 256  # pictures
NAMED = 10


@dataclass
class Pictured:
    """How many pictures were scored, and which could not be read."""

    rows: int = 0
    bad: dict[str, str] = field(default_factory=dict)
    bad_count: int = 0

    def warnings(self) -> list[str]:
        if not self.bad_count:
            return []
        shown = ", ".join(f"{path} ({why})" for path, why in self.bad.items())
        more = f" and {self.bad_count - len(self.bad)} more" if self.bad_count > len(self.bad) else ""
        return [f"{self.bad_count} of {self.rows} pictures cannot be read, their rows are empty: {shown}{more}"]


@dataclass(frozen=True)
class ImageRun:
    """The best network of a run on pictures, with its preparation and its record."""

    folder: Path
    settings: config.Config
    record: records.Record
    network: nn.Module
    preparation: ImagePreparation

    @classmethod
    def load(cls, folder: Path, trust: str | None = None) -> ImageRun:
        """Rebuild the network from config.yaml and give it the weights of the best checkpoint.

        Args:
            trust: package whose classes the configuration may import; never taken from the folder.

        Raises:
            UserError, ConfigError, DataError: no run, an unfinished one, broken files.
        """
        record = records.Record.load(folder)
        settings = load_settings(folder, trust)
        preparation = ImagePreparation.load(folder / PREPARATION_FOLDER)
        shape, n_outputs = preparation.input_shape, len(preparation.labels)
        network = fitted_network(folder, settings, shape, n_outputs, preparation.layout)
        return cls(folder, settings, record, network, preparation)

    @torch.inference_mode()
    def answers(self, pixels: np.ndarray) -> np.ndarray:
        """Probabilities of shape (rows, classes) in float64, for uint8 of shape (rows, channels, height, width)."""
        return self.network(torch.from_numpy(pixels)).double().softmax(dim=1).numpy()  # type: ignore[no-any-return]


def is_image_run(folder: Path) -> bool:
    return (folder / PREPARATION_FOLDER / FILE).is_file()


def predict_pictures(
    run: ImageRun, source: str, target: Path, on_rows: Callable[[int], object] = lambda rows: None
) -> Pictured:
    """Write ``target`` (.csv or .parquet): path, prediction, probabilities, decision; a row per picture.

    The file appears whole or not at all.

    Args:
        source: a folder (all pictures below it), a picture, or a table with a column of paths.
        on_rows: called with the number of rows done so far.

    Raises:
        DataError: nothing to score, or nothing of it can be read.
    """
    root, names = pictures_of(source)
    tally = Pictured()
    with files.replacing(target) as temporary:
        write = _parquet_writer if target.suffix.lower() in {".parquet", ".pq"} else _csv_writer
        write(temporary, _scored(run, root, names, tally, on_rows))
        if tally.bad_count == tally.rows:
            raise DataError(f"input={source}: none of {tally.rows} pictures can be read: {tally.warnings()[0]}")
    return tally


def pictures_of(source: str) -> tuple[Path, list[str]]:
    """A folder and the paths of pictures relative to it, in the order in which they are answered.

    Raises:
        DataError: no such file, no pictures in it, a table without paths.
    """
    path = Path(source)
    if path.is_dir():
        names, _ = walk(path)
        if not names:
            raise DataError(f"input={source} has no pictures ({', '.join(sorted(SUFFIXES))})")
        return path, names
    if path.suffix.lower() in SUFFIXES:
        return path.parent, [path.name]
    from adaptact.data.table.cell_values import texts
    from adaptact.data.table.reading import read

    frame, _ = read(source, config.Table(name="table", path=source), None, "input")
    root = path.parent
    columns = {name: texts(frame[name]).astype(object).fillna("").map(str).tolist() for name in frame.columns}
    there = {n: sum((root / located(root, c)).is_file() for c in cells[:50] if c) for n, cells in columns.items()}
    best = max(there, key=lambda name: there[name])
    if not there[best]:
        raise DataError(f"input={source} has no column whose cells are pictures below {root}: paths are relative to it")
    return root, columns[best]


def _scored(
    run: ImageRun, root: Path, names: list[str], tally: Pictured, on_rows: Callable[[int], object]
) -> Iterator[pd.DataFrame]:
    def read(name: str) -> np.ndarray | str:
        try:
            return run.preparation.transform(picture(root / located(root, name)))
        except OSError as error:
            return error.strerror or str(error)
        except DataError as error:
            return str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            found = list(pool.map(read, batch))
            for name, pixels in zip(batch, found, strict=True):
                if isinstance(pixels, str):
                    tally.bad_count += 1
                    if len(tally.bad) < NAMED:
                        tally.bad[name] = pixels
            tally.rows += len(batch)
            yield scored(run, batch, found)
            on_rows(tally.rows)


def scored(run: ImageRun, names: list[str], found: list[np.ndarray | str]) -> pd.DataFrame:
    """One row per picture: its path and what the run says of it; nothing but the path where it could not be read."""
    labels = run.preparation.labels
    probabilities = np.full((len(names), len(labels)), np.nan)
    good = [place for place, pixels in enumerate(found) if not isinstance(pixels, str)]
    if good:
        probabilities[good] = run.answers(np.stack([np.asarray(found[place]) for place in good]))
    readable = np.isfinite(probabilities).all(axis=1)
    predicted = np.where(readable, np.nan_to_num(probabilities).argmax(axis=1), -1)
    columns: dict[str, Any] = {"path": names}
    columns["prediction"] = [labels[number] if number >= 0 else "" for number in predicted]
    for number, label in enumerate(labels):
        columns[f"probability {label}"] = probabilities[:, number]
    if (decision := run.record.decision) is not None:
        number = labels.index(decision["positive"])
        above = probabilities[:, number] >= decision["threshold"]
        columns["decision"] = np.where(readable, np.where(above, labels[number], labels[1 - number]), "")
    return pd.DataFrame(columns)

"""A company's pictures: a folder per class, or a table of paths and labels. Find, decode, split, prepare."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adaptact import config
from adaptact.data.images.cache import Entry, ImageCache, Pictures
from adaptact.data.images.decoding import Decoding, is_deep, size_for
from adaptact.data.images.files import NAMED, Found, discover
from adaptact.data.images.splits import split
from adaptact.data.positive import Positive, choose
from adaptact.data.prepared import PARTS, Part, Prepared, SourceRows, Task, classes, fingerprint
from adaptact.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

IN_MEMORY = 2 << 30  # bytes of decoded pictures; more are mapped from the disk
CHUNK = 1024


@dataclass(frozen=True)
class RawImages:
    """Pictures that have been decoded and split, before anything is learned from them.

    Args:
        files: those that could be read; ``y`` are their class numbers, ``own`` the parts that their folders name.
        bad: those that could not, with the reason.
        rows: per part the places in ``files``.
        units: a number per file, the same for files that must stand in one part.
    """

    name: str
    labels: list[str]
    files: list[str]
    y: np.ndarray
    own: list[str | None]
    entries: dict[str, Entry]
    bad: dict[str, str]
    pictures: Pictures
    how: Decoding
    rows: dict[str, np.ndarray]
    units: np.ndarray
    cache: ImageCache
    fingerprint: str
    notes: list[str]
    positive: Positive | None = None
    task: Task = "classification"

    @property
    def digests(self) -> list[str]:
        return [self.entries[file].digest for file in self.files]

    @property
    def places(self) -> np.ndarray:
        """Row of each file within ``pictures.pixels``."""
        return np.array([self.pictures.rows[digest] for digest in self.digests], dtype=np.int64)


def prepare(raw: RawImages, options: config.ImageFolder) -> Prepared:
    """Tensors of bytes per part, and how to standardise them."""
    from adaptact.data.images.preparation import ImagePreparation
    from adaptact.layouts import Pixels

    places = raw.places
    mean, std = moments(raw.pictures.pixels, places[raw.rows["train"]])
    total = len(places) * int(np.prod(raw.how.shape))
    parts = {}
    for part in PARTS:
        rows = raw.rows[part]
        x = tensor_of(raw.pictures.pixels, places[rows], raw.cache.folder if total > IN_MEMORY else None)
        parts[part] = Part(x, classes(raw.y[rows]))
    layout = Pixels(mean, std)
    preparation = ImagePreparation(raw.how, raw.labels, layout)
    return Prepared(
        raw.name,
        raw.task,
        parts,
        raw.fingerprint,
        raw.labels,
        preparation=preparation,
        notes=raw.notes,
        layout=layout,
        positive=raw.positive,
        test_rows=SourceRows.of_files([raw.digests[place] for place in raw.rows["test"]]),
    )


def read_and_split(options: config.ImageFolder) -> RawImages:
    """The pictures as bytes of one size, and their parts."""
    found = discover(options)
    notes = list(found.notes)
    cache = ImageCache(found.root, None if options.cache is None else Path(options.cache))
    entries = cache.scan(found.files)
    heads = [entry.facts for entry in entries.values() if entry.facts is not None]
    bad = {file: str(entry.error) for file, entry in entries.items() if entry.facts is None}
    if not heads:
        raise DataError(_all_bad(found, bad))
    how = decoding(options, entries)
    files_of = {entry.digest: file for file, entry in entries.items() if entry.facts is not None}
    pictures = cache.decode(files_of, how)
    bad |= {file: pictures.errors[e.digest] for file, e in entries.items() if e.digest in pictures.errors}
    if len(bad) == len(found.files):
        raise DataError(_all_bad(found, bad))
    if len(bad) > options.max_bad_share * len(found.files):
        raise DataError(
            f"{len(bad)} of {len(found.files)} pictures below {found.root} cannot be read, more than "
            f"data.max_bad_share={options.max_bad_share:g}: {listed(bad)}. Mend or remove them"
        )
    if bad:
        notes.append(f"{len(bad)} of {len(found.files)} pictures cannot be read and were left out: {listed(bad)}")
    good = [place for place, file in enumerate(found.files) if file not in bad]
    files = [found.files[place] for place in good]
    own = [found.parts[place] for place in good]
    labels, y = encode([found.labels[place] for place in good], own, found.root)
    digests = [entries[file].digest for file in files]
    rows, units, more = split(files, digests, y, own, labels, options)
    deep = sum(is_deep(entries[file].facts.mode) for file in files)  # type: ignore[union-attr]
    if deep:
        notes.append(
            f"{deep} pictures have more than 8 bits of grey: each is stretched from its darkest to its brightest"
        )
    kind = "grey" if how.channels == 1 else "rgb"
    notes += [*more, f"pictures are read as {how.height} x {how.width} pixels (height x width), {kind}"]
    pieces = [f"{d}\0{labels[k]}\0{part}\n".encode() for d, k, part in zip(digests, y, own, strict=True)]
    return RawImages(
        name_of(options),
        labels,
        files,
        y,
        own,
        entries,
        bad,
        pictures,
        how,
        rows,
        units,
        cache,
        fingerprint(pieces),
        notes,
        choose(labels, y, options.positive, name_of(options)),
    )


def name_of(options: config.ImageFolder) -> str:
    name = Path(options.root).absolute().name if options.root else Path(str(options.labels)).stem
    return name or "pictures"


def listed(bad: dict[str, str]) -> str:
    """The first of some bad files with their reasons."""
    shown = [f"{file} ({why})" for file, why in list(bad.items())[:NAMED]]
    return ", ".join(shown) + (f" and {len(bad) - NAMED} more" if len(bad) > NAMED else "")


def _all_bad(found: Found, bad: dict[str, str]) -> str:
    return f"none of the {len(found.files)} pictures below {found.root} can be read: {listed(bad)}"


# --- as what -----------------------------------------------------------------------------------------------------


def decoding(options: config.ImageFolder, entries: dict[str, Entry]) -> Decoding:
    """How to decode pictures with these heads."""
    heads = [entry.facts for entry in entries.values() if entry.facts is not None]
    size = options.image_size
    height, width = size_for(heads) if size is None else (size[0], size[-1])
    grey = all(head.grey for head in heads) if options.channels == "auto" else options.channels == "grey"
    return Decoding(height, width, 1 if grey else 3, options.fit)


def encode(labels: list[str], own: list[str | None], root: Path) -> tuple[list[str], np.ndarray]:
    """Class names in order, and the number of each file's.

    Raises:
        DataError: a class that is in val or test and not in train.
    """
    trained = sorted({label for label, part in zip(labels, own, strict=True) if part in {None, "train"}})
    numbers = {label: number for number, label in enumerate(trained)}
    for label, part in zip(labels, own, strict=True):
        if label not in numbers:
            raise DataError(f"{root}: class {label!r} is in {part} and not in train. {did_you_mean(label, trained)}")
    return trained, np.array([numbers[label] for label in labels], dtype=np.int64)


# --- as tensors --------------------------------------------------------------------------------------------------


def moments(pixels: np.ndarray, rows: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of some rows, from 0 to 1; 1 for a channel that is constant."""
    counts = np.zeros((pixels.shape[1], 256))
    for start in range(0, len(rows), CHUNK):
        piece = pixels[rows[start : start + CHUNK]]
        for channel, found in enumerate(counts):
            found += np.bincount(piece[:, channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    shares = counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ values
    std = np.sqrt((shares * (values - mean[:, None]) ** 2).sum(axis=1))
    return tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist())


def tensor_of(pixels: np.ndarray, rows: np.ndarray, folder: Path | None = None) -> Tensor:
    """Some rows as a tensor: in memory, or mapped from a file in ``folder`` that has no name any more."""
    import torch

    if folder is None or not len(rows):
        return torch.from_numpy(np.ascontiguousarray(pixels[rows]))
    shape = (len(rows), *pixels.shape[1:])
    with tempfile.NamedTemporaryFile(dir=folder) as file:  # gone when nobody maps it, however the process ends
        file.truncate(int(np.prod(shape)))
        mapped = torch.from_file(file.name, shared=True, size=int(np.prod(shape)), dtype=torch.uint8).view(shape)
        for start in range(0, len(rows), CHUNK):
            mapped[start : start + CHUNK] = torch.from_numpy(pixels[rows[start : start + CHUNK]])
    return mapped

"""A company's pictures: a folder per class, or a table of paths and labels. Find, decode, split, prepare."""

from __future__ import annotations

import os
import re
import tempfile
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from adaptact import config
from adaptact.data.images.cache import Entry, ImageCache, Pictures
from adaptact.data.images.decoding import SUFFIXES, Decoding, is_deep, size_for
from adaptact.data.positive import Positive, choose
from adaptact.data.prepared import PARTS, Part, Prepared, SourceRows, Task, classes, fingerprint
from adaptact.data.splits import by_units, check, connected
from adaptact.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
IN_MEMORY = 2 << 30  # bytes of decoded pictures; more are mapped from the disk
CHUNK = 1024
NAMED = 5  # bad files in a message


@dataclass
class Found:
    """Files that should be pictures, in the order of their paths (relative to the root, or absolute).

    Args:
        labels: class of each file.
        parts: the part that each file's folder names, or None.
    """

    root: Path
    files: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    parts: list[str | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, file: str, label: str, part: str | None = None) -> None:
        self.files.append(file)
        self.labels.append(unicodedata.normalize("NFC", label))
        self.parts.append(part)


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


def load(options: config.ImageFolder) -> Prepared:
    """Find, decode, split, prepare: mean and scale are those of the training pictures.

    Raises:
        DataError: no pictures, too many bad ones, labels or a split that cannot be trained on.
    """
    return prepare(read_and_split(options), options)


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


# --- which files -------------------------------------------------------------------------------------------------


def root_of(options: config.ImageFolder) -> Path:
    """The folder that paths of pictures are relative to."""
    return Path(options.root or Path(str(options.labels)).parent)


def discover(options: config.ImageFolder) -> Found:
    """Files and their labels, from the folders they stand in or from a table.

    Raises:
        DataError: no such folder, none or one class in it, a table that does not name its pictures.
    """
    root = root_of(options)
    if not root.is_dir():
        reason = "is a file" if root.exists() else "does not exist"
        raise DataError(f"data.root={options.root} {reason}: name the folder that holds a folder of pictures per class")
    found = by_table(root, options) if options.labels is not None else by_folders(root)
    if not found.files:
        raise DataError(
            f"data.root={options.root} has no pictures in folders of their own ({', '.join(sorted(SUFFIXES))}): put "
            "those of each class into a folder with its name, or give data.labels"
        )
    if len(set(found.labels)) < 2:
        only = found.labels[0]
        inner = sorted({str(Path(file).parent) for file in found.files})
        hint = f"; if its folders are the classes, set data.root={root / only}" if len(inner) > 1 else ""
        raise DataError(f"data.root={options.root} has one class, {only!r}: nothing to learn{hint}")
    return found


def walk(root: Path) -> tuple[list[str], Counter[str]]:
    """Pictures below a folder in the order of their paths, and what other files there are. Hidden ones stay out."""
    pictures: list[str] = []
    others: Counter[str] = Counter()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        for name in files:
            if name.startswith("."):
                continue
            if Path(name).suffix.lower() in SUFFIXES:
                pictures.append((Path(folder) / name).relative_to(root).as_posix())
            else:
                others[Path(name).suffix.lower() or "no ending"] += 1
    return sorted(pictures), others


def by_folders(root: Path) -> Found:
    """Classes are the folders below ``root``, or those below its folders train, val and test."""
    pictures, others = walk(root)
    found = Found(root)
    paths = [PurePosixPath(picture).parts for picture in pictures]
    tops = {path[0] for path in paths if len(path) > 1}
    named = {top: PART_NAMES.get(top.casefold()) for top in tops}
    trains = [path for path in paths if len(path) > 1 and named[path[0]] == "train"]
    official = bool(trains) and None not in named.values() and all(len(path) > 2 for path in trains)
    loose = 0
    for picture, path in zip(pictures, paths, strict=True):
        if len(path) < (3 if official else 2):
            loose += 1
        elif official:
            found.add(picture, path[1], named[path[0]])
        else:
            found.add(picture, path[0])
    if loose:
        found.notes.append(f"{loose} pictures stand in no folder of a class and were left out")
    if others:
        kinds = ", ".join(kind for kind, _ in others.most_common(NAMED))
        found.notes.append(f"{sum(others.values())} files that are no pictures were left out ({kinds})")
    return found


def by_table(root: Path, options: config.ImageFolder) -> Found:
    """Paths and labels from a table; paths are relative to ``root``."""
    from adaptact.data.table.cell_values import texts
    from adaptact.data.table.reading import read

    path = str(options.labels)
    known = {name for name in (options.image, options.target) if name is not None}
    frame, _ = read(path, config.Table(name="table", path=path), known or None, "data.labels")
    for key in ("image", "target"):
        name = getattr(options, key)
        if name is not None and name not in frame.columns:
            raise DataError(f"data.{key}: {path} has no column {name!r}. {did_you_mean(name, frame.columns)}")
    cells = {name: texts(frame[name]) for name in frame.columns}

    def share(name: str) -> float:
        head = cells[name].dropna().head(50)
        return float(np.mean([(root / located(root, str(cell))).is_file() for cell in head])) if len(head) else 0.0

    image = options.image or max((name for name in cells if name != options.target), key=share, default="")
    if not image or (options.image is None and share(image) == 0.0):
        raise DataError(
            f"data.labels={path} has no column whose cells are files below {root}: name it with data.image="
        )
    rest = [name for name in frame.columns if name != image]
    target = options.target or (rest[0] if len(rest) == 1 else None)
    if target is None:
        raise DataError(
            f"data.labels={path}: which column has the labels? Set data.target= to one of {', '.join(rest)}"
        )
    found = Found(root)
    labelled = cells[image].notna() & cells[target].notna()
    files = [located(root, str(file)) for file in cells[image][labelled]]
    pairs = sorted(set(zip(files, map(str, cells[target][labelled]), strict=True)))
    for file, label in pairs:
        found.add(file, label)
    name = Path(path).name
    if not labelled.all():
        found.notes.append(f"{int((~labelled).sum())} rows of {name} without a path or a label were left out")
    if len(pairs) < len(files):
        found.notes.append(f"{len(files) - len(pairs)} rows of {name} repeat another one")
    return found


def located(root: Path, name: str) -> str:
    """A path as a table has it; one written on Windows has the other slash."""
    return name.replace("\\", "/") if "\\" in name and not (root / name).exists() else name


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

"""Files that should be pictures, and their labels: a folder per class, or a table of paths and labels."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from adaptact import config
from adaptact.data.images.decoding import SUFFIXES
from adaptact.errors import DataError, did_you_mean

PART_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
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


def root_of(options: config.ImageFolder) -> Path:
    """The folder that paths of pictures are relative to."""
    return Path(options.root or Path(str(options.labels)).parent)


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

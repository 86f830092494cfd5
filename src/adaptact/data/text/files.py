"""Folders of .txt files: which there are, and their texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from adaptact import config
from adaptact.data.limits import check_text_file
from adaptact.data.table.reading import SHIFT_JIS, Format, Open, detect_encoding
from adaptact.errors import DataError

FILE = "file"  # column of the names of text files


def labelled_files(root: Path) -> list[tuple[Path, str]]:
    """The .txt files of each subfolder, with its name."""
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    return [(file, folder.name) for folder in folders for file in text_files(folder)]


def unlabelled(path: str, column: str, rows: int) -> Iterator[pd.DataFrame]:
    """The .txt files of a folder and its subfolders, so many at once, as a table of their names and their texts.

    Raises:
        DataError: no such files, or one that cannot be read.
    """
    files = text_files(Path(path))
    if not files:
        raise DataError(f"input={path} is a folder without .txt files")
    for first in range(0, len(files), rows):
        some = files[first : first + rows]
        texts, _ = read_files(some, key="input")
        yield pd.DataFrame({FILE: [file.relative_to(path).as_posix() for file in some], column: texts})


def text_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() == ".txt" and file.is_file())


def read_files(
    files: Sequence[Path], encoding: str = "auto", key: str = "data.path", max_cell: int = config.Rows.max_cell
) -> tuple[list[str], Format]:
    """The texts of some files, each in its own encoding where that is detected.

    Raises:
        DataError: a file that cannot be read, or one of surely more than ``max_cell`` characters.
    """
    texts: list[str] = []
    used: Counter[str] = Counter()
    for file in files:
        try:
            check_text_file(file, max_cell, key)
            content = file.read_bytes()
            found = detect_encoding(_opener(file), f"{key}: {file}") if encoding == "auto" else encoding
            found = "cp932" if found.lower() in SHIFT_JIS else found
            texts.append(content.decode("utf-8-sig" if found == "utf-8" else found))
        except OSError as error:
            raise DataError(f"{key}: {file} cannot be read: {error.strerror or error}") from None
        except (ValueError, LookupError):
            raise DataError(f"{key}: {file} is not {found} text: set data.encoding=auto, or save it anew") from None
        used["utf-8" if content.isascii() else found] += 1
    encodings = ", ".join(f"{count:,} {name}" for name, count in used.most_common())
    return texts, Format(f"text files ({encodings})", "")


def _opener(file: Path) -> Open:
    return lambda: file.open("rb")

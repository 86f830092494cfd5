"""Texts of one's own: a column of a table, or a folder of .txt files. Read, split, prepare."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from adaptact import config
from adaptact.data.download import sha256
from adaptact.data.prepared import Part, Prepared, SourceRows, classes, standardize, values
from adaptact.data.splits import check
from adaptact.data.table.reading import Format, read
from adaptact.data.table.roles import Column, Roles
from adaptact.data.table.splits import split_table
from adaptact.data.table.table import KEYS, Cells, Raw, cells_of, prepared_rows, rows_like_first
from adaptact.data.text.files import FILE, labelled_files, read_files, text_files
from adaptact.data.text.tokens import TextPreparation, joined, library
from adaptact.errors import ConfigError, DataError

TEXT, LABEL = "text", "label"  # columns of a folder, beside the files' names


def read_and_split(options: config.Text) -> Raw:
    """The texts and their parts, as cells of the text columns."""
    options = located(options)
    library()
    paths = zip(KEYS, (options.path, options.val_path, options.test_path), strict=True)
    given = {part: path for part, path in paths if path}
    frame, form = read_texts(options.path, options)
    cells = cells_of(frame, form, options, lambda columns: _roles(columns, options))
    if not cells.frame[options.text].notna().to_numpy().any():
        names = ", ".join(map(repr, options.text))
        raise DataError(f"{options.path} has no text in {names}, only blank cells: name another column by data.text")
    roles, notes = Roles([Column(name, "text") for name in options.text]), list(cells.notes)
    twins = pd.factorize(pd.Series(map(bare, joined(cells.frame, options.text))))[0]
    rows, more = split_table(cells.frame, cells.y, cells.task, cells.labels, options, cells.roles, twins)
    notes += more
    frames = {part: cells.frame[options.text].iloc[index].reset_index(drop=True) for part, index in rows.items()}
    ys = {part: cells.y[index] for part, index in rows.items()}
    test_rows = _source_rows(options.path, cells.row[rows["test"]]) if "test" in rows else None
    for part in ("val", "test"):
        if part in given:
            frames[part], ys[part], row = _other_file(given[part], part, cells, options, notes)
            if part == "test":
                test_rows = _source_rows(given[part], row)
            # a class may be absent from a test file: what it lacks cannot be mended by splitting in another way
            check(
                {part: np.arange(len(ys[part]))}, ys[part], cells.task if part == "val" else "regression", cells.labels
            )
    notes.append(f"{Path(options.path).name} was read as {form}")
    digest = _digest(given.values(), options)
    return Raw(cells.task, cells.labels, frames, ys, roles, form, digest, notes, cells.positive, test_rows)


def prepare(raw: Raw, options: config.Text) -> Prepared:
    """Learn the tokens on the training part and bring all parts through them.

    Raises:
        DataError: a vocabulary that is too small, a pretrained tokenizer that cannot be read.
    """
    options = located(options)
    center, scale = standardize(raw.y["train"]) if raw.task == "regression" else (0.0, 1.0)
    texts = {part: joined(raw.frames[part], options.text) for part in KEYS}
    preparation = TextPreparation.fit(
        texts["train"],
        options,
        raw.form,
        options.text,
        labels=raw.labels,
        task=raw.task,
        center=center,
        scale=scale,
    )
    import torch

    parts, cut = {}, {}
    for part in KEYS:
        tokens, cut[part] = preparation.encode(texts[part])
        y = values(raw.y[part], center, scale) if raw.task == "regression" else classes(raw.y[part])
        parts[part] = Part(torch.from_numpy(tokens), y)
    notes = [*raw.notes, *_notes(parts["train"], cut, preparation, options)]
    return prepared_rows(raw, options, parts, (center, scale), preparation, notes=notes, texts=texts)


def _notes(train: Part, cut: dict[str, np.ndarray], preparation: TextPreparation, options: config.Text) -> list[str]:
    """What was cut, and how much of the batches is padding."""
    import torch

    from adaptact.data.text.padding import by_length, lengths_of, padding_share

    lengths = lengths_of(train.x, preparation.layout)
    assert lengths is not None
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(lengths), generator=generator)
    share = padding_share(lengths, by_length(order, lengths, options.batch_size, generator))
    notes = [
        f"texts have {lengths.double().mean():.1f} tokens in the mean, of {preparation.vocabulary:,} different ones; "
        f"in batches of similar length {share:.1%} of the tokens are padding"
    ]
    if line := cut_note(cut, preparation.max_length):
        notes.append(line)
    return notes


def cut_note(cut: dict[str, np.ndarray], max_length: int) -> str:
    """How many texts of each part were cut; empty where none was."""
    counts = {part: int(which.sum()) for part, which in cut.items()}
    rows = sum(map(len, cut.values()))
    total = sum(counts.values())
    if not total:
        return ""
    each = ", ".join(f"{part} {count}" for part, count in counts.items())
    return (
        f"{total} of {rows:,} texts ({total / rows:.1%}) are longer than {max_length} tokens and were cut ({each}); "
        f"data.max_length={2 * max_length} keeps more"
    )


# --- reading -----------------------------------------------------------------------------------------------------


def located(options: config.Text) -> config.Text:
    """The options with the columns that a folder gives.

    Raises:
        ConfigError: no text column, or no target, of a file; a column of a folder.
    """
    if not Path(options.path).is_dir():
        lacking = [key for key in ("text", "target") if not getattr(options, key)]
        if lacking and Path(options.path).exists():
            example = "data=text data.path=my.csv data.text=column data.target=column"
            raise ConfigError([f"data.{key} is missing: {example}" for key in lacking])
        return options
    wrong = [
        f"data.{key} names a column, and data.path={options.path} is a folder: leave it out"
        for key, own in (("text", [TEXT]), ("target", LABEL), ("group", None), ("time", None))
        if (value := getattr(options, key)) and value != own
    ]
    if wrong:
        raise ConfigError(wrong)
    return replace(options, text=[TEXT], target=LABEL)


def read_texts(path: str, options: config.Text, key: str = "data.path") -> tuple[pd.DataFrame, Format]:
    """A table as :func:`reading.read` gives it, or the files of a folder as one."""
    if Path(path).is_dir():
        return read_folder(path, options.encoding, key, options.max_cell)
    return read(path, options, {options.target, *options.text}, key)


def read_folder(
    path: str, encoding: str = "auto", key: str = "data.path", max_cell: int = config.Rows.max_cell
) -> tuple[pd.DataFrame, Format]:
    """Columns file (relative to the folder), text, and label: the subfolder's name.

    Raises:
        DataError: no subfolders with .txt files, or only one; a file that cannot be read.
    """
    root = Path(path)
    rows = labelled_files(root)
    names = list(dict.fromkeys(name for _, name in rows))
    if len(names) < 2:
        has = f"only one, {names[0]!r}" if names else "none"
        raise DataError(f"{key}={path} must have a subfolder of .txt files per class, at least two; it has {has}")
    texts, form = read_files([file for file, _ in rows], encoding, key, max_cell)
    frame = pd.DataFrame(
        {
            FILE: [file.relative_to(root).as_posix() for file, _ in rows],
            TEXT: pd.Series(texts, dtype=object).str.strip().replace("", np.nan),
            LABEL: [name for _, name in rows],
        }
    )
    return frame, form


def _roles(frame: pd.DataFrame, options: config.Text) -> Roles:
    """The text columns, and what splits the rows; all other columns are left out."""
    kept = [Column(name, "text") for name in options.text]
    others = {name for name in (options.group, options.time) if name is not None} - set(options.text)
    return Roles(kept + [Column(name, "drop") for name in sorted(others)])


def _other_file(
    path: str, part: str, first: Cells, options: config.Text, notes: list[str]
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Texts, targets and row numbers of a part's own file."""
    form = first.form
    like_first = replace(options, header="true" if form.header else "false")
    if Path(path).is_dir() != Path(options.path).is_dir():
        raise ConfigError([f"{KEYS[part]}={path} and data.path={options.path}: give two folders, or two files"])
    frame, _ = read_texts(path, like_first, KEYS[part])
    columns = [options.target, *options.text]
    frame, y, row = rows_like_first(frame, path, part, columns, options, first, notes)
    return frame[options.text], y, row


def _source_rows(path: str, row: np.ndarray) -> SourceRows:
    """Rows of a table, or of a folder whose files are a row each, in the order of :func:`read_folder`."""
    if not Path(path).is_dir():
        return SourceRows.of_file(sha256(Path(path)), row)
    files = labelled_files(Path(path))
    return SourceRows.of_files([sha256(files[number][0]) for number in row])


def bare(text: object) -> str:
    """A text without what two copies of it may differ in: width and case of letters, blanks.

    >>> bare("Ｈello　 World") == bare("hello world")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", str(text)).casefold().split())


def _digest(paths: Iterable[str], options: config.Text) -> str:
    """SHA-256 of the files, and of a pretrained tokenizer: with another one the tokens mean something else."""
    digest = hashlib.sha256()
    for path in [*paths, *([options.tokenizer] if options.tokenizer else [])]:
        root = Path(path)
        own = path == options.tokenizer
        files = ([root / "tokenizer.json"] if own else text_files(root)) if root.is_dir() else [root]
        for file in files:
            if file.is_file():
                digest.update(f"{file.relative_to(root).as_posix()}\0{sha256(file)}\n".encode())
    return digest.hexdigest()

"""The choices of ``data=``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from adaptact.errors import did_you_mean
from adaptact.schema import option

TABLE_ROLES = ("drop", "numeric", "categorical", "date", "text")


@dataclass
class Data:
    name: str = option("", "the data set")
    batch_size: int = option(64, "rows per step", ge=1, le=10**9)
    split_seed: int = option(0, "seed of the split into training, validation and test part", ge=0, le=2**32 - 1)
    order_seed: int | None = option(None, "seed of the order of training rows; null: seed", ge=0, le=2**63 - 1)
    val_size: float = option(0.2, "share of rows for validation", gt=0, lt=1)
    resident: Literal["auto", "true", "false"] = option(
        "auto", "keep all tensors on the device; auto: if they take less than a quarter of its free memory"
    )
    num_workers: int = option(2, "worker processes, only where the data is not resident", ge=0, le=1000)
    positive: str | None = option(
        None,
        "two classes: the label to be found; null: the sought one of a known pair, as NG of OK, else the rarer",
    )

    def problems(self) -> list[str]:
        """Describe each combination of options that contradicts itself."""
        test_size = getattr(self, "test_size", 0.0)
        if self.val_size + test_size < 1:
            return []
        return [f"data.val_size {self.val_size} + data.test_size {test_size or 0} leaves nothing to train on"]


@dataclass
class NoData(Data):
    """For looking at networks, which then get inputs of a usual size."""


@dataclass
class Bundled(Data):
    test_size: float = option(0.2, "share of rows for the test", gt=0, lt=1)


@dataclass
class Idx(Data):
    val_size: float = option(0.1, "share of the official training part for validation", gt=0, lt=1)
    root: str | None = option(None, "folder with the four idx.gz files; null downloads them once into data/")


@dataclass
class Rows(Data):
    """A file of one's own, a row per case, one column to predict: what tables and texts share."""

    path: str = option("", "the table: CSV, TSV (also .gz), Excel or Parquet")
    target: str = option("", "name of the column to predict")
    val_path: str | None = option(None, "a table of its own for validation; null takes rows of data.path")
    test_path: str | None = option(None, "a table of its own for the test; null takes rows of data.path")
    separator: str = option("auto", "between cells: auto or one character, as in ; or \\t")
    decimal: Literal["auto", ".", ","] = option("auto", "decimal mark; auto: by the cells of each column")
    encoding: str = option("auto", "auto, utf-8, cp932 (Japanese Windows), cp1252 (western Windows) ...")
    header: Literal["auto", "true", "false"] = option(
        "auto", "whether the first line has names; false: columns are numbered from 0"
    )
    sheet: str | None = option(None, "sheet of an Excel file; null: the first")
    missing: list[str] = option([], "further marks of a missing value, as in [unknown]")
    max_columns: int = option(20_000, "columns beyond which a file is refused", ge=1)
    max_cell: int = option(1_000_000, "characters of one cell beyond which a file is refused", ge=1)
    max_ratio: float = option(
        100, "unpacked to packed size beyond which a file is refused, if it unpacks to more than 256 MB", ge=1
    )
    task: Literal["auto", "classification", "regression"] = option("auto", "auto: by the target's values")
    test_size: float = option(0.2, "share of rows for the test", gt=0, lt=1)
    group: str | None = option(None, "column whose values never stand in two parts, as customer or machine")
    time: str | None = option(None, "column of dates or numbers: the latest rows are for the test")
    folds: int | None = option(None, "k-fold: the test part is one of so many folds", ge=2, le=100_000)
    fold: int = option(0, "which fold, from 0", ge=0)
    cost_fp: float | None = option(None, "two classes: cost of a false alarm; with cost_fn it sets the threshold", ge=0)
    cost_fn: float | None = option(None, "two classes: cost of a missed case", ge=0)
    threshold_metric: Literal["accuracy", "f1", "balanced_accuracy", "mcc"] = option(
        "f1", "two classes without costs: what the decision threshold is best at, on the validation part"
    )

    @property
    def costs(self) -> tuple[float, float] | None:
        """Cost of a false alarm and of a missed case; None unless both are set."""
        return None if self.cost_fp is None or self.cost_fn is None else (self.cost_fp, self.cost_fn)

    def problems(self) -> list[str]:
        found = super().problems()
        lists = [role for role in TABLE_ROLES if hasattr(self, role)]
        for role in lists:
            if self.target in getattr(self, role):
                found.append(f"data.{role} names the target {self.target!r}; the target must stay out of it")
        named = [name for role in lists for name in getattr(self, role)]
        for name in sorted({name for name in named if named.count(name) > 1}):
            roles = [f"data.{role}" for role in lists if name in getattr(self, role)]
            found.append(f"column {name!r} is named twice, in {' and in '.join(roles)}: choose one role")
        ways = [key for key in ("group", "time") if getattr(self, key) is not None]
        ways += ["folds"] if self.folds is not None and self.time is not None else []
        if len(ways) > 1:
            found.append(f"data.{' and data.'.join(ways)} split the rows in different ways: choose one")
        own_split = self.folds is not None or (self.time is not None and self.val_path is not None)
        if self.test_path is not None and own_split:
            found.append("data.test_path brings its own test rows: leave out data.folds and data.time")
        found += _fold_problems(self.folds, self.fold)
        if (self.cost_fp is None) != (self.cost_fn is None):
            found.append("data.cost_fp and data.cost_fn belong together: give both, in the same unit")
        return found


@dataclass
class Table(Rows):
    drop: list[str] = option([], "columns to leave out")
    numeric: list[str] = option([], "columns to treat as numbers")
    categorical: list[str] = option([], "columns to treat as categories")
    date: list[str] = option([], "columns to treat as dates: they become calendar parts")
    text: list[str] = option([], "columns of free text; a table's network does not read them")
    roles: str | None = option(None, "YAML file with lists numeric, categorical, date, text, drop")
    scaling: Literal["standard", "quantile"] = option("quantile", "how numbers are scaled, fitted on the training part")
    max_categories: int = option(50, "rarer categories of a column share one slot beyond this many", ge=2)

    def problems(self) -> list[str]:
        return [
            f"data.{key} is missing: data=table needs data.path=my.csv data.target=column"
            for key in ("path", "target")
            if not getattr(self, key)
        ] + super().problems()


@dataclass
class Text(Rows):
    """A column of texts, or several that are joined; or a folder with a subfolder of .txt files per class."""

    path: str = option(
        "", "CSV, TSV (also .gz), Excel or Parquet; or a folder with a subfolder of .txt files per class"
    )
    text: list[str] = option([], "column of the texts, or several that are joined, as in [title, body]")
    vocabulary: int = option(4000, "tokens of the BPE tokenizer that is trained on the training part", ge=8, le=10**7)
    max_length: int | None = option(
        None, "tokens after which a text is cut; null: those of the longest training text, at most 256", ge=4
    )
    tokenizer: str | None = option(
        None, "a pretrained one in place of it: tokenizer.json, or a folder that has one, as transformers saves it"
    )

    def problems(self) -> list[str]:
        missing = [] if self.path else ["data.path is missing: data=text needs data.path=my.csv, or a folder"]
        return super().problems() + missing


@dataclass
class Sample(Table):
    """The synthetic table that comes with the project."""

    path: str = option("data/sample/machines.csv", "the table, relative to the project")
    target: str = option("failure_within_30_days", "name of the column to predict")
    group: str | None = option("machine.id", "column whose values never stand in two parts")
    drop: list[str] = option(["repair cost"], "columns to leave out")


AUGMENTATIONS = ("flip", "vertical_flip", "crop", "color")


@dataclass
class ImageFolder(Data):
    batch_size: int = option(32, "pictures per step", ge=1, le=10**9)
    root: str = option("", "folder with one folder of pictures per class, or train, val, test above them")
    image_size: list[int] | None = option(
        None, "height and width, or one number for both; null: by the pictures' own, at most 64", ge=8, le=1024
    )
    fit: Literal["pad", "crop"] = option("pad", "pictures of another shape: grey margins, or cut at the edges")
    channels: Literal["auto", "grey", "rgb"] = option("auto", "auto: grey where all pictures are")
    labels: str | None = option(None, "table of paths and labels, instead of a folder per class")
    image: str | None = option(None, "its column of paths; null: the one whose cells are files below data.root")
    target: str | None = option(None, "its column of labels; null: the other one")
    group_pattern: str | None = option(
        None, "regular expression on file names: pictures that agree in its first group never stand in two parts"
    )
    max_bad_share: float = option(0.05, "share of unreadable pictures beyond which the data is refused", ge=0, le=1)
    augment: list[str] = option(
        ["auto"], "training pictures are varied: flip, vertical_flip, crop, color; auto: flip, crop, color; none"
    )
    cache: str | None = option(None, "folder that keeps decoded pictures; null: data/cache of the project")
    test_size: float = option(0.2, "share of pictures for the test", gt=0, lt=1)
    folds: int | None = option(None, "k-fold: the test part is one of so many folds", ge=2, le=100_000)
    fold: int = option(0, "which fold, from 0", ge=0)

    @property
    def augmentations(self) -> tuple[str, ...]:
        """What ``augment`` asks for, written out."""
        if "none" in self.augment:
            return ()
        asked = {*self.augment, *(("flip", "crop", "color") if "auto" in self.augment else ())}
        return tuple(name for name in AUGMENTATIONS if name in asked)

    def problems(self) -> list[str]:
        found = super().problems() + _fold_problems(self.folds, self.fold)
        if not self.root and self.labels is None:
            found.append("data.root is missing: data=image_folder needs data.root=<a folder with one folder per class>")
        if self.image_size is not None and len(self.image_size) not in (1, 2):
            found.append(f"data.image_size must be [height,width] or one number, not {self.image_size}")
        if self.group_pattern is not None:
            try:
                re.compile(self.group_pattern)
            except re.error as error:
                found.append(f"data.group_pattern={self.group_pattern} is no regular expression: {error}")
        known = ("auto", "none", *AUGMENTATIONS)
        wrong = [name for name in self.augment if name not in known]
        found += [f"data.augment {name!r} is unknown. {did_you_mean(name, known)}" for name in wrong]
        if "none" in self.augment and len(self.augment) > 1:
            found.append(f"data.augment={self.augment} asks for none and for more: choose")
        if self.labels is None:
            found += [
                f"data.{key} names a column, and there is no table: give data.labels=labels.csv"
                for key in ("image", "target")
                if getattr(self, key) is not None
            ]
        elif self.image is not None and self.image == self.target:
            found.append(f"data.image and data.target both name {self.image!r}: one has the paths, one the labels")
        return found


@dataclass
class CustomData(Data):
    target_class: str = option("", "dotted path of a class or function; its package must be named by trust=")
    options: dict[str, Any] = field(default_factory=dict, metadata={"help": "all other keys: arguments of the target"})


def _fold_problems(folds: int | None, fold: int) -> list[str]:
    if folds is None and fold:
        return [f"data.fold={fold} needs data.folds, the number of folds"]
    if folds is not None and fold >= folds:
        return [f"data.fold={fold} is not below data.folds={folds}: folds are numbered from 0"]
    return []


DATA: dict[str, type[Data]] = {
    "digits": Bundled,
    "breast_cancer": Bundled,
    "wine": Bundled,
    "diabetes": Bundled,
    "mnist": Idx,
    "fashion_mnist": Idx,
    "table": Table,
    "sample": Sample,
    "image_folder": ImageFolder,
    "text": Text,
    "custom": CustomData,
    "none": NoData,
}


def gives(data: Data) -> str | None:
    """What a data set has: rows, images or texts; None where nothing is known."""
    if isinstance(data, (CustomData, NoData)):
        return None
    if isinstance(data, Text):
        return "texts"
    return "images" if isinstance(data, (Idx, ImageFolder)) or data.name == "digits" else "rows"

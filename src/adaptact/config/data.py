"""The choices of ``data=``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from adaptact.errors import ConfigError, did_you_mean
from adaptact.schema import option

Gives = Literal["rows", "images", "texts"]
TABLE_ROLES = ("drop", "numeric", "categorical", "date", "text")


@dataclass
class Data:
    """Options that all kinds of data have.

    Args:
        kind: import path of the module whose ``Kind`` reads this data: see :mod:`adaptact.data.kinds`.
        gives: the inputs that the data has; None where nothing is known.
    """

    kind: ClassVar[str] = ""
    gives: ClassVar[Gives | None] = None

    name: str = option("", "the data set", decides="rows")
    batch_size: int = option(64, "rows per step", ge=1, le=10**9)
    split_seed: int = option(
        0, "seed of the split into training, validation and test part", ge=0, le=2**32 - 1, decides="rows"
    )
    order_seed: int | None = option(None, "seed of the order of training rows; null: seed", ge=0, le=2**63 - 1)
    val_size: float = option(0.2, "share of rows for validation", gt=0, lt=1, decides="rows")
    # resident, num_workers and cache change no number, but the hashes of earlier comparisons hold them
    resident: Literal["auto", "true", "false"] = option(
        "auto",
        "keep all tensors on the device; auto: if they take less than a quarter of its free memory",
    )
    num_workers: int = option(2, "worker processes, only where the data is not resident", ge=0, le=1000)
    positive: str | None = option(
        None,
        "two classes: the label to be found; null: the sought one of a known pair, as NG of OK, else the rarer",
    )

    @property
    def third_party(self) -> tuple[str, str] | None:
        """Key and dotted path of code that is imported to read the data; None where there is none."""
        return None

    @property
    def augmentations(self) -> tuple[str, ...]:
        """Ways in which training inputs are varied."""
        return ()

    @property
    def decision(self) -> dict[str, Any]:
        """Arguments of what chooses the decision threshold of two classes."""
        return {}

    @property
    def costs_given(self) -> list[str]:
        """Names of the costs that are set."""
        return []

    @property
    def predicts(self) -> str:
        """Name of what is predicted, for messages."""
        return "class"

    def with_default_costs(self, cost_fp: float | None, cost_fn: float | None) -> None:
        """Take these costs of errors where none are set, if rows have a cost at all."""

    def windowed(self) -> Table:
        """Return the options of a table that a back-test can cut into windows of time.

        Raises:
            ConfigError: data without a time column, or rows that something else picks.
        """
        raise ConfigError(
            [f"data={self.name} has no time column: a back-test needs data=table data.path=... data.time=..."]
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

    kind = "adaptact.data.no_data"


@dataclass
class Bundled(Data):
    kind = "adaptact.data.bundled"
    gives: ClassVar[Gives | None] = "rows"

    test_size: float = option(0.2, "share of rows for the test", gt=0, lt=1, decides="rows")


@dataclass
class Digits(Bundled):
    gives = "images"


@dataclass
class Idx(Data):
    kind = "adaptact.data.idx"
    gives = "images"

    val_size: float = option(0.1, "share of the official training part for validation", gt=0, lt=1, decides="rows")
    root: str | None = option(
        None, "folder with the four idx.gz files; null downloads them once into data/", decides="rows"
    )


@dataclass
class Rows(Data):
    """A file of one's own, a row per case, one column to predict: what tables and texts share."""

    gives: ClassVar[Gives | None] = "rows"

    path: str = option("", "the table: CSV, TSV (also .gz), Excel or Parquet", decides="rows")
    target: str = option("", "name of the column to predict", decides="rows")
    val_path: str | None = option(
        None, "a table of its own for validation; null takes rows of data.path", decides="rows"
    )
    test_path: str | None = option(
        None, "a table of its own for the test; null takes rows of data.path", decides="rows"
    )
    separator: str = option("auto", "between cells: auto or one character, as in ; or \\t", decides="rows")
    decimal: Literal["auto", ".", ","] = option(
        "auto", "decimal mark; auto: by the cells of each column", decides="rows"
    )
    encoding: str = option(
        "auto", "auto, utf-8, cp932 (Japanese Windows), cp1252 (western Windows) ...", decides="rows"
    )
    header: Literal["auto", "true", "false"] = option(
        "auto", "whether the first line has names; false: columns are numbered from 0", decides="rows"
    )
    sheet: str | None = option(None, "sheet of an Excel file; null: the first", decides="rows")
    missing: list[str] = option([], "further marks of a missing value, as in [unknown]", decides="rows")
    max_columns: int = option(20_000, "columns beyond which a file is refused", ge=1, decides="rows")
    max_cell: int = option(1_000_000, "characters of one cell beyond which a file is refused", ge=1, decides="rows")
    max_ratio: float = option(
        100,
        "unpacked to packed size beyond which a file is refused, if it unpacks to more than 256 MB",
        ge=1,
        decides="rows",
    )
    task: Literal["auto", "classification", "regression"] = option(
        "auto", "auto: by the target's values", decides="rows"
    )
    test_size: float = option(0.2, "share of rows for the test", gt=0, lt=1, decides="rows")
    group: str | None = option(
        None, "column whose values never stand in two parts, as customer or machine", decides="rows"
    )
    time: str | None = option(None, "column of dates or numbers: the latest rows are for the test", decides="rows")
    folds: int | None = option(None, "k-fold: the test part is one of so many folds", ge=2, le=100_000, decides="rows")
    fold: int = option(0, "which fold, from 0", ge=0, decides="rows")
    cost_fp: float | None = option(None, "two classes: cost of a false alarm; with cost_fn it sets the threshold", ge=0)
    cost_fn: float | None = option(None, "two classes: cost of a missed case", ge=0)
    threshold_metric: Literal["accuracy", "f1", "balanced_accuracy", "mcc"] = option(
        "f1", "two classes without costs: what the decision threshold is best at, on the validation part"
    )

    @property
    def costs(self) -> tuple[float, float] | None:
        """Cost of a false alarm and of a missed case; None unless both are set."""
        return None if self.cost_fp is None or self.cost_fn is None else (self.cost_fp, self.cost_fn)

    @property
    def decision(self) -> dict[str, Any]:
        return {"metric": self.threshold_metric, "costs": self.costs}

    @property
    def costs_given(self) -> list[str]:
        return [key for key in ("cost_fp", "cost_fn") if getattr(self, key) is not None]

    @property
    def predicts(self) -> str:
        return self.target

    def with_default_costs(self, cost_fp: float | None, cost_fn: float | None) -> None:
        if self.cost_fp is None:
            self.cost_fp, self.cost_fn = cost_fp, cost_fn

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
    kind = "adaptact.data.table.kind"

    drop: list[str] = option([], "columns to leave out", decides="rows")
    numeric: list[str] = option([], "columns to treat as numbers", decides="rows")
    categorical: list[str] = option([], "columns to treat as categories", decides="rows")
    date: list[str] = option([], "columns to treat as dates: they become calendar parts", decides="rows")
    text: list[str] = option([], "columns of free text; a table's network does not read them", decides="rows")
    roles: str | None = option(None, "YAML file with lists numeric, categorical, date, text, drop", decides="rows")
    scaling: Literal["standard", "quantile"] = option("quantile", "how numbers are scaled, fitted on the training part")
    max_categories: int = option(50, "rarer categories of a column share one slot beyond this many", ge=2)

    def windowed(self) -> Table:
        problems = [
            f"data.{key} picks rows, and a back-test cuts its own windows: leave it out"
            for key in ("val_path", "test_path", "folds")
            if getattr(self, key) is not None
        ]
        if self.time is None:
            problems.append("data.time is missing: the column that says when each row was, as in data.time=date")
        if problems:
            raise ConfigError(problems)
        return self

    def problems(self) -> list[str]:
        return [
            f"data.{key} is missing: data=table needs data.path=my.csv data.target=column"
            for key in ("path", "target")
            if not getattr(self, key)
        ] + super().problems()


@dataclass
class Text(Rows):
    """A column of texts, or several that are joined; or a folder with a subfolder of .txt files per class."""

    kind = "adaptact.data.text.kind"
    gives = "texts"

    path: str = option(
        "",
        "CSV, TSV (also .gz), Excel or Parquet; or a folder with a subfolder of .txt files per class",
        decides="rows",
    )
    text: list[str] = option([], "column of the texts, or several that are joined, as in [title, body]", decides="rows")
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

    path: str = option("data/sample/machines.csv", "the table, relative to the project", decides="rows")
    target: str = option("failure_within_30_days", "name of the column to predict", decides="rows")
    group: str | None = option("machine.id", "column whose values never stand in two parts", decides="rows")
    drop: list[str] = option(["repair cost"], "columns to leave out", decides="rows")


AUGMENTATIONS = ("flip", "vertical_flip", "crop", "color")


@dataclass
class ImageFolder(Data):
    kind = "adaptact.data.images.kind"
    gives = "images"

    batch_size: int = option(32, "pictures per step", ge=1, le=10**9)
    root: str = option(
        "", "folder with one folder of pictures per class, or train, val, test above them", decides="rows"
    )
    image_size: list[int] | None = option(
        None,
        "height and width, or one number for both; null: by the pictures' own, at most 64",
        ge=8,
        le=1024,
        decides="rows",
    )
    fit: Literal["pad", "crop"] = option(
        "pad", "pictures of another shape: grey margins, or cut at the edges", decides="rows"
    )
    channels: Literal["auto", "grey", "rgb"] = option("auto", "auto: grey where all pictures are", decides="rows")
    labels: str | None = option(None, "table of paths and labels, instead of a folder per class", decides="rows")
    image: str | None = option(
        None, "its column of paths; null: the one whose cells are files below data.root", decides="rows"
    )
    target: str | None = option(None, "its column of labels; null: the other one", decides="rows")
    group_pattern: str | None = option(
        None,
        "regular expression on file names: pictures that agree in its first group never stand in two parts",
        decides="rows",
    )
    max_bad_share: float = option(
        0.05, "share of unreadable pictures beyond which the data is refused", ge=0, le=1, decides="rows"
    )
    augment: list[str] = option(
        ["auto"], "training pictures are varied: flip, vertical_flip, crop, color; auto: flip, crop, color; none"
    )
    cache: str | None = option(None, "folder that keeps decoded pictures; null: data/cache of the project")
    test_size: float = option(0.2, "share of pictures for the test", gt=0, lt=1, decides="rows")
    folds: int | None = option(None, "k-fold: the test part is one of so many folds", ge=2, le=100_000, decides="rows")
    fold: int = option(0, "which fold, from 0", ge=0, decides="rows")

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
    kind = "adaptact.data.custom"

    target_class: str = option(
        "", "dotted path of a class or function; its package must be named by trust=", decides="rows"
    )
    options: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "all other keys: arguments of the target", "decides": "rows"}
    )

    @property
    def third_party(self) -> tuple[str, str]:
        return "data.target_class", self.target_class


def _fold_problems(folds: int | None, fold: int) -> list[str]:
    if folds is None and fold:
        return [f"data.fold={fold} needs data.folds, the number of folds"]
    if folds is not None and fold >= folds:
        return [f"data.fold={fold} is not below data.folds={folds}: folds are numbered from 0"]
    return []


DATA: dict[str, type[Data]] = {
    "digits": Digits,
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

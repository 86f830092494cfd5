"""What turns a table's rows into numbers: fitted on the training part, kept with the run without pickles."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, QuantileTransformer, StandardScaler
from skops import io as skops_io

from adaptact import config, files
from adaptact.data.table.cell_values import numbers, texts
from adaptact.data.table.profile import Profile, Watched, profile
from adaptact.data.table.reading import Format, PreparationFile
from adaptact.data.table.roles import Column, Roles, calendar, calendar_parts
from adaptact.data.table.scoring import frames_of, keep, look_at
from adaptact.data.tally import Tally
from adaptact.errors import DataError
from adaptact.files import check_archive
from adaptact.layouts import MOST, Columns
from adaptact.shapes import Between

SCHEMA = 2
TRUSTED = ["numpy.dtype"]  # beyond what skops trusts by itself; a description of numbers, it runs nothing
PIECES = 48  # of a piecewise-linear embedding
PIECE = 50_000  # rows that are transformed at once
MOST_ROWS = 100_000  # of which a preparation learns: more would move no quantile by more than two thousandths


class _Columns(PreparationFile):
    """``columns.json``."""

    roles: list[Column]
    time: str | None
    missing: list[str]
    cardinalities: list[Annotated[int, Between(1, MOST)]]
    bins: list[Annotated[list[float], Between(2, MOST)]]


@dataclass
class TablePreparation:
    """Raw rows to one float32 row each: numbers imputed and scaled, flags of missing cells, codes of categories.

    A category that training has not gets the last code of its column.
    """

    transformer: ColumnTransformer
    roles: Roles
    target: str
    labels: list[str]
    task: str
    center: float
    scale: float
    form: Format
    time: str | None
    missing: list[str]
    cardinalities: list[int]
    bins: list[list[float]]
    profile: dict[str, Any]

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, roles: Roles, options: config.Table, form: Format, **target: Any
    ) -> TablePreparation:
        """Learn from the training rows; ``target``: labels, task, center, scale.

        Of a very large table from some of the rows: see :func:`some_rows`.
        """
        cells = to_cells(some_rows(frame, roles), roles, options.time)
        numeric = [name for name in cells.columns if cells[name].dtype == np.float64]
        categorical = [name for name in cells.columns if name not in numeric]
        scaler = StandardScaler()
        if options.scaling == "quantile":
            n_quantiles = max(10, min(1000, len(frame) // 30))
            scaler = QuantileTransformer(
                n_quantiles=min(n_quantiles, len(frame)), output_distribution="normal", subsample=None, random_state=0
            )
        incomplete = [name for name in numeric if cells[name].isna().any()]
        encoder = OrdinalEncoder(
            max_categories=options.max_categories, handle_unknown="use_encoded_value", unknown_value=-1
        )
        steps = [
            ("numeric", make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), scaler), numeric),
            ("missing", MissingIndicator(features="all"), incomplete),
            ("categorical", encoder, categorical),
        ]
        transformer = ColumnTransformer([step for step in steps if step[2]])
        dense = transformer.fit_transform(cells)
        codes = dense[:, len(numeric) + len(incomplete) :]
        cardinalities = [int(column.max()) + 2 for column in codes.T]  # one for what training has not
        return cls(
            transformer,
            roles,
            options.target,
            form=form,
            time=options.time,
            missing=list(options.missing),
            cardinalities=cardinalities,
            bins=[bin_edges(column) for column in dense[:, : len(numeric)].T],
            profile=profile(frame, roles),
            **target,
        )

    def transform(self, frame: pd.DataFrame) -> torch.Tensor:
        """(rows, features) in float32: numbers, flags, codes; piece by piece, as there are copies on the way."""
        found = torch.empty(len(frame), self.width, dtype=torch.float32)
        for start in range(0, len(frame), PIECE):
            dense = self.transformer.transform(to_cells(frame.iloc[start : start + PIECE], self.roles, self.time))
            for place, cardinality in enumerate(self.cardinalities, start=dense.shape[1] - len(self.cardinalities)):
                column = dense[:, place]
                column[column < 0] = cardinality - 1
            found[start : start + PIECE] = torch.from_numpy(np.asarray(dense, dtype=np.float32))
        return found

    def chunks(self, source: str, options: config.Rows, key: str) -> Iterator[pd.DataFrame]:
        """Read a table in pieces."""
        return frames_of(source, options, self.roles, key)

    def look_at(self, frame: pd.DataFrame, source: str, tally: Tally) -> None:
        """Note cells that training has not seen or that cannot be read.

        Raises:
            DataError: a column of another type than in training.
        """
        for name in self.roles.used:
            look_at(frame[name], self._watched(name), source, tally)
        keep(frame[self.roles.used], tally)

    def _watched(self, name: str) -> Watched:
        return Watched(self.roles[name], self.profile[name])

    @property
    def watched(self) -> list[Watched]:
        """All columns that are used but that of the time: later rows are later, also where time is a number."""
        return [self._watched(name) for name in self.roles.used if name != self.time]

    @property
    def time_column(self) -> Watched | None:
        return None if self.time is None or self.time not in self.profile else self._watched(self.time)

    @property
    def needed(self) -> list[str]:
        """The columns without which a file cannot be scored."""
        return self.roles.used

    @property
    def layout(self) -> Columns:
        """How the rows of :meth:`transform` are laid out."""
        n_flags = self.width - len(self.bins) - len(self.cardinalities)
        edges = tuple(torch.tensor(column, dtype=torch.float32) for column in self.bins)
        return Columns(len(self.bins), n_flags, tuple(self.cardinalities), edges)

    @property
    def numeric(self) -> list[str]:
        """Names of the features that are numbers, in their order."""
        return next((columns for name, _, columns in self.transformer.transformers_ if name == "numeric"), [])

    @property
    def width(self) -> int:
        """Number of features."""
        sizes = {name: len(columns) for name, _, columns in self.transformer.transformers_ if name != "remainder"}
        return sum(sizes.values())

    @classmethod
    def load(cls, folder: Path) -> TablePreparation:
        """The inverse of :meth:`save`. skops builds only types known to be harmless; nothing else is imported.

        Raises:
            DataError: a file that is missing, damaged or of another schema.
        """
        try:
            plain = files.read_json(folder / "columns.json", _Columns)
            if plain.pop("schema") != SCHEMA:
                raise ValueError("it is of another version of adaptact; train again")
            check_archive(folder / "transformer.skops")
            transformer = skops_io.load(folder / "transformer.skops", trusted=TRUSTED)
            if not isinstance(transformer, ColumnTransformer):
                raise TypeError(f"it holds a {type(transformer).__name__}")
            plain["roles"] = Roles(plain["roles"])
            plain["profile"] = files.read_json(folder / "profile.json", dict[str, Profile])
            if set(plain["profile"]) != set(plain["roles"].used):
                raise ValueError("its profile is of other columns")
            made = cls(transformer, **plain)
            made.check()
            return made
        except Exception as error:  # skops raises what it stumbles over in a tampered file
            raise DataError(f"{folder} holds no preparation that can be read: {error}") from None

    def check(self) -> None:
        """Raise ValueError where the fitted steps and what is said about the columns do not go together."""
        steps = {name: columns for name, _, columns in self.transformer.transformers_ if name != "remainder"}
        cells = list(sources(self.roles, self.time))
        if unknown := [name for columns in steps.values() for name in columns if name not in cells]:
            raise ValueError(f"its steps take {unknown[0]!r}, which is no column")
        expected = len(self.bins), len(self.cardinalities)
        if (len(steps.get("numeric", [])), len(steps.get("categorical", []))) != expected:
            raise ValueError("its steps are of other columns")
        if not torch.isfinite(self.transform(self._probe())).all():
            raise ValueError("its steps give no numbers")

    def _probe(self) -> pd.DataFrame:
        """A row of blanks and a row that has values: what is wrong with a fitted step shows when it is applied."""
        day = pd.Timestamp(0)
        columns = [self.roles[name] for name in self.roles.used]
        values = {c.name: day.strftime(c.format or "%Y-%m-%d") if c.role == "date" else "1" for c in columns}
        return pd.DataFrame([dict.fromkeys(values), values])

    def save(self, folder: Path) -> None:
        """``transformer.skops``, ``columns.json``, ``profile.json``: nothing in them is executed when loaded."""
        folder.mkdir(exist_ok=True)
        skops_io.dump(self.transformer, folder / "transformer.skops")
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del plain["transformer"]
        files.write_json(folder / "profile.json", plain.pop("profile"))
        plain["roles"] = [dataclasses.asdict(column) for column in self.roles.columns]
        plain["form"] = dataclasses.asdict(self.form)
        files.write_json(folder / "columns.json", {"schema": SCHEMA, **plain})


def some_rows(frame: pd.DataFrame, roles: Roles) -> pd.DataFrame:
    """At most :data:`MOST_ROWS` rows, spread evenly, and beside them what must not be missed.

    That is the first row of every category of every column, and the first one in which a column has no value.
    """
    if len(frame) <= MOST_ROWS:
        return frame
    chosen = np.zeros(len(frame), dtype=bool)
    chosen[np.linspace(0, len(frame) - 1, MOST_ROWS).round().astype(np.int64)] = True
    for name in roles.used:
        blank = frame[name].isna().to_numpy()
        if blank.any():
            chosen[blank.argmax()] = True
        if roles[name].role == "categorical":
            chosen |= ~frame[name].duplicated().to_numpy()
    return frame[chosen]


def bin_edges(values: np.ndarray) -> list[float]:
    """Quantiles of a scaled column as edges for piecewise-linear embeddings, at least two and all different."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, PIECES + 1)).astype(np.float32))
    return edges.tolist() if len(edges) > 1 else [float(edges[0]) - 0.5, float(edges[0]) + 0.5]


def sources(roles: Roles, time: str | None) -> dict[str, tuple[Column, str | None]]:
    """Names of the columns of :func:`to_cells`: the table's column that each comes from, and of a date the part."""
    found: dict[str, tuple[Column, str | None]] = {}
    used = roles.used
    for column in (roles[name] for name in used):
        if column.role != "date":
            found[column.name] = column, None
            continue
        for part in calendar_parts(column, elapsed=column.name != time):
            name = f"{column.name} ({part})"
            while name in used or name in found:  # a column that is called like a part of this one
                name += "'"
            found[name] = column, part
    return found


def to_cells(frame: pd.DataFrame, roles: Roles, time: str | None) -> pd.DataFrame:
    """Numbers and calendar parts as float64 with NaN where missing, categories as text with "" where missing."""
    cells: dict[str, Any] = {}
    parts: dict[str, np.ndarray] = {}
    for name, (column, part) in sources(roles, time).items():
        given = frame[column.name]
        if part is not None:
            key = f"{column.name} ({part})"
            if key not in parts:
                parts |= calendar(given, column)
            cells[name] = parts[key]
        elif column.role == "numeric":
            cells[name] = numbers(given, column.decimal).to_numpy()
        else:
            cells[name] = texts(given).astype(object).where(given.notna(), "").to_numpy(dtype=object)
    return pd.DataFrame(cells, index=frame.index, copy=False)

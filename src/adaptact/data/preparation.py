"""What turns a table's rows into numbers: fitted on the training part, kept with the run without pickles."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, StandardScaler
from skops import io as skops_io

from adaptact import config, records
from adaptact.errors import DataError

TRUSTED = ["numpy.dtype"]  # beyond what skops trusts by itself; a description of numbers, it runs nothing


@dataclass
class TablePreparation:
    """Raw rows to one float32 row each: numbers imputed and scaled, missing cells marked, categories one-hot."""

    transformer: ColumnTransformer
    roles: dict[str, list[str]]
    target: str
    labels: list[str]

    @classmethod
    def fit(
        cls, frame: pd.DataFrame, roles: dict[str, list[str]], options: config.Table, labels: list[str]
    ) -> TablePreparation:
        numeric, categorical = roles["numeric"], roles["categorical"]
        cells = to_cells(frame, roles)
        scaler = StandardScaler()
        if options.scaling == "quantile":
            n_quantiles = max(10, min(1000, len(frame) // 30))
            scaler = QuantileTransformer(
                n_quantiles=min(n_quantiles, len(frame)), output_distribution="normal", subsample=None, random_state=0
            )
        incomplete = [name for name in numeric if cells[name].isna().any()]
        encoder = OneHotEncoder(
            max_categories=options.max_categories, handle_unknown="infrequent_if_exist", sparse_output=False
        )
        steps = [
            ("numeric", make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), scaler), numeric),
            ("missing", MissingIndicator(features="all"), incomplete),
            ("categorical", encoder, categorical),
        ]
        transformer = ColumnTransformer([step for step in steps if step[2]])
        return cls(transformer.fit(cells), roles, options.target, labels)

    def transform(self, frame: pd.DataFrame) -> torch.Tensor:
        """(rows, features) in float32."""
        dense = self.transformer.transform(to_cells(frame, self.roles))
        return torch.from_numpy(np.ascontiguousarray(dense, dtype=np.float32))

    @classmethod
    def load(cls, folder: Path) -> TablePreparation:
        """The inverse of :meth:`save`. skops builds only types known to be harmless; nothing else is imported."""
        try:
            plain = json.loads((folder / "columns.json").read_text(encoding="utf-8"))
            transformer = skops_io.load(folder / "transformer.skops", trusted=TRUSTED)
            if not isinstance(transformer, ColumnTransformer):
                raise TypeError(f"it holds a {type(transformer).__name__}")
            return cls(transformer, plain["roles"], plain["target"], plain["labels"])
        except Exception as error:  # skops raises what it stumbles over in a tampered file
            raise DataError(f"{folder} holds no preparation that can be read: {error}") from None

    def save(self, folder: Path) -> None:
        """``transformer.skops`` and ``columns.json``: nothing in them is executed when they are loaded."""
        folder.mkdir(exist_ok=True)
        skops_io.dump(self.transformer, folder / "transformer.skops")
        plain = {"schema": 1, "roles": self.roles, "target": self.target, "labels": self.labels}
        records.write_json(folder / "columns.json", plain)


def to_cells(frame: pd.DataFrame, roles: dict[str, list[str]]) -> pd.DataFrame:
    """Numeric columns as float64 with NaN where missing, categorical ones as text with "" where missing."""
    numbers = {name: pd.to_numeric(frame[name]).astype(np.float64) for name in roles["numeric"]}
    texts = {name: frame[name].fillna("").astype(object) for name in roles["categorical"]}
    return pd.DataFrame({**numbers, **texts}, index=frame.index)

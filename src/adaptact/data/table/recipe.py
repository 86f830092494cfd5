"""How a raw row becomes numbers, as plain values that any language can follow: ``preparation.json``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import QuantileTransformer

from adaptact.data.table.cell_values import NUMERIC, SIGNS, THOUSANDS
from adaptact.data.table.preparation import TablePreparation, sources
from adaptact.data.table.reading import MISSING
from adaptact.data.table.roles import Column

SCHEMA = 1


def recipe(preparation: TablePreparation) -> dict[str, Any]:
    """The preparation of a table feature by feature, in the order of the network's inputs.

    Returns:
        "missing": cells that count as blank, trimmed. "number": how a written number is read: the "pattern" that it
        matches, "signs" to drop or to replace after NFKC, and per decimal mark the pattern of a grouped one.
        "levels": the levels of all "quantiles". "features": per input
        "kind" ("number", "flag" of a missing one, or "category"), "column", and
        for numbers "decimal" or, of a date, "format" and "part";
        "median" for missing ones; "mean" and "std", or "quantiles" that lead to a normal distribution;
        for categories "codes" by cell ("" where missing) and the code for "unknown" ones.
    """
    steps = {name: (step, names) for name, step, names in preparation.transformer.transformers_ if name != "remainder"}
    cells = sources(preparation.roles, preparation.time)
    readings = {name: _reading(*source) for name, source in cells.items()}
    features: list[dict[str, Any]] = []
    levels: list[float] = []
    if "numeric" in steps:
        (imputer, scaler), names = (step for _, step in steps["numeric"][0].steps), steps["numeric"][1]
        quantile = isinstance(scaler, QuantileTransformer)
        levels = scaler.references_.tolist() if quantile else []
        for place, name in enumerate(names):
            median = float(np.nan_to_num(imputer.statistics_[place]))  # a column without any number is filled with 0
            how: dict[str, Any] = (
                {"quantiles": scaler.quantiles_[:, place].tolist()}
                if quantile
                else {"mean": float(scaler.mean_[place]), "std": float(scaler.scale_[place])}
            )
            features.append({"name": name, "kind": "number", **readings[name], "median": median, **how})
    for name in steps["missing"][1] if "missing" in steps else []:
        features.append({"name": f"{name} is missing", "kind": "flag", **readings[name]})
    if "categorical" in steps:
        encoder, names = steps["categorical"]
        for place, name in enumerate(names):
            unknown = preparation.cardinalities[place] - 1
            codes = _codes(encoder, names, name)
            features.append({"name": name, "kind": "category", "column": name, "codes": codes, "unknown": unknown})
    return {
        "schema": SCHEMA,
        "missing": sorted(MISSING | set(preparation.missing)),
        "number": {
            "pattern": NUMERIC,
            "signs": {chr(sign): replacement or "" for sign, replacement in SIGNS.items()},
            "grouped": THOUSANDS,
        },
        "levels": levels,
        "features": features,
    }


def _reading(column: Column, part: str | None) -> dict[str, Any]:
    """Which cell gives a number, and how it is read."""
    if part is None:
        return {"column": column.name, "decimal": column.decimal}
    return {"column": column.name, "format": column.format or "%Y-%m-%d", "part": part}


def _codes(encoder: Any, names: list[str], name: str) -> dict[str, int]:
    """Code by category of one column, by asking the encoder: rare categories share one."""
    place = names.index(name)
    cells = pd.DataFrame("", index=range(len(encoder.categories_[place])), columns=names, dtype=object)
    cells[name] = encoder.categories_[place]
    codes = encoder.transform(cells)[:, place]
    return {str(category): int(code) for category, code in zip(cells[name], codes, strict=True)}

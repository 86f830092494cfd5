"""The column to predict: its task, its labels, its numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from adaptact import config
from adaptact.data.prepared import Task
from adaptact.data.table.cell_values import EXACT, decimal_mark, loses_digits, numbers, texts
from adaptact.errors import DataError

MOST_CLASSES = 20  # a numeric target with more distinct values is a quantity


def mark(target: pd.Series, options: config.Rows) -> str:
    return options.decimal if options.decimal != "auto" else decimal_mark(target) or "."


def one_spelling(target: pd.Series, decimal: str) -> pd.Series:
    """Labels as text; 1 and 1.0, or TRUE and true, are one label: the spelling that comes first.

    Codes of more digits than float64 has are told apart as they are written.
    """
    values = numbers(target, decimal)
    text = texts(target)
    if values.notna().all():
        if values.nunique() == text.nunique():
            return text
        large = values.abs() > EXACT
        return text.groupby(values.astype(object).mask(large, text) if large.any() else values).transform("first")
    if set(text.str.lower()) <= {"true", "false"}:
        return text.groupby(text.str.lower()).transform("first")
    return text


def infer_task(target: pd.Series, options: config.Rows, decimal: str) -> Task:
    """Regression for a numeric target with more than 20 values, unless it is set, or they are codes of many digits."""
    values = numbers(target, decimal)
    distinct, numeric = target.nunique(), bool(values.notna().all())
    if distinct < 2:
        raise DataError(f"the target {options.target!r} has {distinct} value: nothing to learn; name another column")
    if options.task == "auto":
        quantity = numeric and distinct > MOST_CLASSES and not loses_digits(target, values)
        return "regression" if quantity else "classification"
    if options.task == "regression" and not numeric:
        wrong = target[values.isna()].iloc[0]
        raise DataError(
            f"data.task=regression: the target {options.target!r} has values that are no numbers, as {wrong!r}"
        )
    return options.task


def find_labels(target: pd.Series, options: config.Rows, decimal: str) -> list[str]:
    """Labels as written, in sorted order, numbers by size.

    Raises:
        DataError: nearly as many labels as rows.
    """
    values = numbers(target, decimal)
    labels = [str(label) for label in target.unique()]
    if values.notna().all():
        size = dict(zip(target, values, strict=True))
        labels.sort(key=lambda label: (size[label], len(label), label))
    else:
        labels.sort()
    if len(labels) > len(target) / 2 and values.notna().all() and loses_digits(target, values):
        raise DataError(
            f"the target {options.target!r} has {len(labels)} different numbers of 16 digits or more in {len(target)} "
            "rows: they look like identifiers; name another column, or type data.task=regression, which loses their "
            "last digits"
        )
    if len(labels) > len(target) / 2:
        raise DataError(
            f"the target {options.target!r} has {len(labels)} different labels in {len(target)} rows: "
            "too many classes; if it is a quantity, write plain numbers"
        )
    return labels


def encode(target: pd.Series, labels: list[str], decimal: str, path: str) -> np.ndarray:
    """Each row's number (int64), or value (float64) where there are no labels.

    A label of another file may differ by blanks, capitals of true and false, or a final dot.

    Raises:
        DataError: a label that training has not, a value that is no number.
    """
    if not labels:
        values = numbers(target, decimal)
        if values.isna().any():
            wrong = target[values.isna()].iloc[0]
            raise DataError(f"{path}: the target {target.name!r} has a value that is no number, {wrong!r}")
        return values.to_numpy()
    known = {label: number for number, label in enumerate(labels)}
    loose = {_loose(label): number for label, number in known.items()}
    found = {label: known.get(label, loose.get(_loose(label))) for label in target.unique()}
    strange = [label for label, number in found.items() if number is None]
    if strange:
        raise DataError(
            f"{path}: the target {target.name!r} has a label {strange[0]!r} that the training table has not; "
            f"it has {', '.join(labels)}"
        )
    return target.map(found).to_numpy(dtype=np.int64)


def _loose(label: str) -> str:
    label = " ".join(label.split()).removesuffix(".")
    try:
        return repr(float(label)) if abs(float(label)) <= EXACT else label
    except ValueError:
        return label.lower() if label.lower() in {"true", "false"} else label

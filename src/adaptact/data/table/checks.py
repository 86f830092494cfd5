"""Is this table fit to be learned from? Findings about it, each with what to do, before an hour is spent on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from adaptact import config
from adaptact.data.findings import INFO, SEVERE, WARNING, Finding, by_level, report_of
from adaptact.data.table.cell_values import EXACT
from adaptact.data.table.profile import PSI_LARGE, as_values, profile, psi
from adaptact.data.table.splits import repeated, row_hash
from adaptact.data.table.table import Raw

FEW_ROWS, VERY_FEW_ROWS = 200, 50
MISSING_SHARE = 0.4
RARE_SHARE = 0.05
LEAK_SCORE = 0.95  # AUROC or R2 of one column alone
KS_LEVEL = 0.001
MOST_ROWS = 20_000  # for what need not see all
SUM_R2 = 0.9999


def findings(raw: Raw, options: config.Table, scores: dict[str, float] | None = None) -> list[Finding]:
    """All findings, the severe ones first; ``scores`` of single columns, where they are known already."""
    scores = single_scores(raw) if scores is None else scores
    found = [
        *few_rows(raw),
        *class_balance(raw),
        *_long_target(raw, options),
        *_columns(raw),
        *_leaks(raw, scores),
        *_sums(raw),
        *_noise(raw),
    ]
    found += _drift(raw, options)
    return by_level(found)


def report(raw: Raw, options: config.Table) -> dict[str, Any]:
    """``data_report.json``: verdict, columns, findings."""
    scores = single_scores(raw)
    found = findings(raw, options, scores)
    whole = pd.concat(raw.frames.values(), ignore_index=True)
    known = profile(raw.frames["train"], raw.roles)
    columns = []
    for column in raw.roles.columns:
        cells = whole[column.name]
        entry: dict[str, Any] = {"name": column.name, "role": column.role, "missing_share": float(cells.isna().mean())}
        entry["distinct"] = int(cells.nunique())
        entry["score_alone"] = scores.get(column.name)
        if column.name in known:
            entry["psi"] = psi(known[column.name], raw.frames["test"][column.name], column)
            entry |= _shape(cells, known[column.name], column)
        columns.append(entry)
    return report_of_rows(raw, options, found, columns, raw.notes)


def report_of_rows(
    raw: Raw, options: config.Rows, found: list[Finding], columns: list[dict[str, Any]], notes: list[str]
) -> dict[str, Any]:
    """Put together the report of data that has a row per case."""
    sizes = {part: len(y) for part, y in raw.y.items()}
    return report_of(
        found,
        path=options.path,
        format=str(raw.form),
        target=options.target,
        rows=sizes | {"all": sum(sizes.values())},
        task=raw.task,
        positive=raw.positive,
        target_shape=target_shape(raw),
        columns=columns,
        notes=notes,
    )


# --- the parts ---------------------------------------------------------------------------------------------------


def few_rows(raw: Raw) -> list[Finding]:
    rows = sum(map(len, raw.y.values()))
    if rows < FEW_ROWS:
        advice = "expect wide intervals: use data.folds, a smaller model, or collect more"
        level = SEVERE if rows < VERY_FEW_ROWS else WARNING
        return [Finding("rows", None, f"there are only {rows} rows", advice, level)]
    return []


def class_balance(raw: Raw) -> list[Finding]:
    if raw.task == "regression":
        return []
    y = np.concatenate(list(raw.y.values()))
    counts = np.bincount(y, minlength=len(raw.labels))
    rarest = int(counts.argmin())
    share = counts[rarest] / counts.sum()
    if share >= RARE_SHARE:
        return []
    detail = f"class {raw.labels[rarest]!r} has {counts[rarest]} of {counts.sum()} rows ({share:.1%})"
    advice = (
        "watch f1_macro and average_precision, not accuracy; try imbalance=weights or data.cost_fp and data.cost_fn"
    )
    return [Finding("imbalance", None, detail, advice)]


def _long_target(raw: Raw, options: config.Table) -> list[Finding]:
    """A quantity of 16 digits or more: float64 has no more."""
    if raw.task != "regression" or np.mean(np.abs(np.concatenate(list(raw.y.values()))) > EXACT) < 0.5:
        return []
    detail = f"the target {options.target!r} has numbers of 16 digits or more, of which the last are lost"
    return [Finding("target", options.target, detail, "is it an identifier or a code? data.task=classification")]


def _columns(raw: Raw) -> list[Finding]:
    found = []
    rows = sum(map(len, raw.y.values()))
    for column in raw.roles.columns:
        missing = sum(int(frame[column.name].isna().sum()) for frame in raw.frames.values()) / rows
        kinds = {"constant": "constant", "identifier": "identifier", "text": "text"}
        if column.role in kinds and column.note:
            advice = "nothing to do, unless you know that it matters"
            found.append(Finding(kinds[column.role], column.name, column.note, advice, INFO))
        elif column.note:
            found.append(Finding("cells", column.name, column.note, "look at these cells in the file", WARNING))
        if missing > MISSING_SHARE and column.role in {"numeric", "categorical", "date"}:
            detail = f"{missing:.0%} of the cells of {column.name!r} are missing"
            found.append(Finding("missing", column.name, detail, "ask where it is filled in; else data.drop it"))
    twins = repeated(raw.frames.values(), np.concatenate(list(raw.y.values())), raw.roles)
    spare = len(twins) - len(np.unique(twins))
    if spare:
        level = WARNING if spare > 0.05 * len(twins) else INFO
        detail = f"{spare} rows repeat another one in all columns but identifiers"
        advice = "they stand in the same part of the split; remove them if they are copies by mistake"
        found.append(Finding("duplicate", None, detail, advice, level))
        found += _straddling(raw, twins)
    return found


def _straddling(raw: Raw, twins: np.ndarray) -> list[Finding]:
    """Only with files of their own can equal rows stand in two parts."""
    parts = np.repeat(np.arange(len(raw.y)), [len(y) for y in raw.y.values()])
    both = pd.Series(parts).groupby(twins).nunique()
    count = int(np.isin(twins, both.index[both > 1]).sum())
    if not count:
        return []
    detail = f"{count} rows stand in more than one of the given files"
    return [Finding("duplicate", None, detail, "remove from the training file what is in the test file")]


def single_scores(raw: Raw, rows: int = MOST_ROWS) -> dict[str, float]:
    """How well each column alone predicts the target, on validation rows: AUROC (macro for several classes) or R2.

    A small tree on the column's numbers or, for categories, on their mean target; missing cells are a value too.
    """
    generator = np.random.default_rng(0)
    take = {part: generator.permutation(len(raw.y[part]))[:rows] for part in ("train", "val")}
    y = {part: raw.y[part][index] for part, index in take.items()}
    scores = {}
    for column in raw.roles.columns:
        if column.role not in {"numeric", "categorical", "date"}:
            continue
        cells = {part: raw.frames[part][column.name].iloc[index] for part, index in take.items()}
        if column.role == "categorical":
            kinds = cells["train"].astype(object).fillna("").value_counts().index[:200]
            codes = {name: number for number, name in enumerate(kinds)}
            raw_codes = {p: c.astype(object).fillna("").map(codes).fillna(-1).to_numpy() for p, c in cells.items()}
            means = pd.Series(y["train"], dtype=float).groupby(raw_codes["train"]).mean()
            x = {p: pd.Series(c).map(means).to_numpy(dtype=float) for p, c in raw_codes.items()}
            if raw.task == "classification" and len(raw.labels) > 2:
                x = raw_codes
        else:
            # trees compute in float32, where larger numbers are infinite
            x = {part: np.clip(as_values(values, column), -3e38, 3e38) for part, values in cells.items()}
        score = _score_alone(x["train"].reshape(-1, 1), y["train"], x["val"].reshape(-1, 1), y["val"], raw)
        if score is not None:
            scores[column.name] = score
    return scores


def _score_alone(x: np.ndarray, y: np.ndarray, x_val: np.ndarray, y_val: np.ndarray, raw: Raw) -> float | None:
    if np.isnan(x).all():
        return None
    if raw.task == "regression":
        tree = DecisionTreeRegressor(max_leaf_nodes=32, min_samples_leaf=5, random_state=0).fit(x, y)
        return float(r2_score(y_val, tree.predict(x_val))) if len(y_val) > 1 else None
    if len(np.unique(y_val)) < len(raw.labels) or len(np.unique(y)) < len(raw.labels):
        return None
    classifier = DecisionTreeClassifier(max_leaf_nodes=32, min_samples_leaf=5, random_state=0).fit(x, y)
    probabilities = classifier.predict_proba(x_val)
    if len(raw.labels) == 2:
        return float(roc_auc_score(y_val, probabilities[:, 1]))
    return float(roc_auc_score(y_val, probabilities, multi_class="ovr"))


def _leaks(raw: Raw, scores: dict[str, float]) -> list[Finding]:
    name = "R2" if raw.task == "regression" else "AUROC"
    found = []
    for column, value in sorted(scores.items(), key=lambda item: -item[1]):
        if value >= LEAK_SCORE:
            detail = f"{column!r} alone predicts the target with {name} {value:.3f} on rows it has not seen"
            advice = (
                "is it known before the answer is? If it is filled in afterwards, leave it out: data.drop=[...] with "
                "this name"
            )
            found.append(Finding("leak", column, detail, advice))
    return found


def _sums(raw: Raw) -> list[Finding]:
    """Numeric columns that together give a quantity exactly, with weights of 1 or -1."""
    if raw.task != "regression":
        return []
    names = raw.roles.names("numeric")
    if len(names) < 2:
        return []

    def matrix(part: str) -> tuple[np.ndarray, np.ndarray]:
        x = np.column_stack([as_values(raw.frames[part][name], raw.roles[name]) for name in names])[:MOST_ROWS]
        whole = ~np.isnan(x).any(axis=1)
        return x[whole], raw.y[part][:MOST_ROWS][whole]

    (x, y), (x_val, y_val) = matrix("train"), matrix("val")
    if len(y) <= len(names) + 1 or len(y_val) < 2 or y_val.std() == 0:
        return []
    center, scale = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    weights, *_ = np.linalg.lstsq((x - center) / scale, y - y.mean(), rcond=None)
    fitted = (x_val - center) / scale @ weights + y.mean()
    if r2_score(y_val, fitted) < SUM_R2:
        return []
    raw_weights = weights / scale
    summed = [
        f"{'-' if w < 0 else '+'} {name}"
        for name, w, s in zip(names, raw_weights, weights, strict=True)
        if abs(abs(w) - 1) < 0.01 and abs(s) > 1e-3 * y.std()
    ]
    what = (
        f"{' '.join(summed).removeprefix('+ ')} add up to it" if len(summed) > 1 else "a weighted sum gives it exactly"
    )
    advice = "the columns contain the answer: leave out those that are only known afterwards"
    return [Finding("leak", None, f"the target follows from numeric columns without error: {what}", advice)]


def _noise(raw: Raw) -> list[Finding]:
    """Rows with the same inputs and different labels."""
    if raw.task == "regression":
        return []
    hashes = [row_hash(frame, raw.roles.used) for frame in raw.frames.values()]
    y = pd.Series(np.concatenate(list(raw.y.values())))
    labels = y.groupby(np.concatenate(hashes)).agg(["nunique", "size"])
    count = int(labels.loc[labels["nunique"] > 1, "size"].sum())
    if not count:
        return []
    detail = f"{count} rows ({count / len(y):.1%}) have the same inputs as a row with another label"
    advice = "no model can tell these apart: check the labels, or add columns that differ"
    return [Finding("label_noise", None, detail, advice, WARNING if count > 0.01 * len(y) else INFO)]


def _drift(raw: Raw, options: config.Table) -> list[Finding]:
    """Columns whose test rows look different from the training rows (PSI, and Kolmogorov-Smirnov for numbers)."""
    known = profile(raw.frames["train"], raw.roles)
    found = []
    for name in raw.roles.used:
        column = raw.roles[name]
        value = psi(known[name], raw.frames["test"][name], column)
        # few test rows scatter: the expected PSI without any drift is about bins * (1/n + 1/m)
        slack = 10 * (1 / max(1, len(raw.y["test"])) + 1 / max(1, len(raw.y["train"])))
        if name == options.time or value is None or value < PSI_LARGE + 2 * slack:
            continue
        detail = f"{name!r} differs between training and test rows: PSI {value:.2f}"
        if column.role != "categorical":
            old, new = (as_values(raw.frames[part][name], column) for part in ("train", "test"))
            test = ks_2samp(old[~np.isnan(old)], new[~np.isnan(new)])
            if test.pvalue > KS_LEVEL:
                continue
            detail += f", KS {test.statistic:.2f}"
        advice = "ask what changed; a model learns the past, so test on the latest rows (data.time) before you trust it"
        found.append(Finding("drift", name, detail, advice))
    return found


# --- shapes for pictures -----------------------------------------------------------------------------------------


def _shape(cells: pd.Series, known: dict[str, Any], column: Any) -> dict[str, Any]:
    if column.role == "categorical":
        counts = cells.dropna().astype(str).value_counts().head(12)
        return {"top": {str(k): int(v) for k, v in counts.items()}}
    return histogram(as_values(cells, column))


def histogram(values: np.ndarray) -> dict[str, Any]:
    """Range, median and 24 bins of numbers, of which NaN are left out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return {}
    low, high = np.quantile(values, [0.005, 0.995])
    counts, edges = bins_of(values.clip(low, high))
    return {
        "min": float(values.min()),
        "median": float(np.median(values)),
        "max": float(values.max()),
        "histogram": {"counts": counts.tolist(), "low": float(edges[0]), "high": float(edges[-1])},
    }


def bins_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts and edges of 24 bins, or of one where float64 has no numbers between the values, as of 18 digits."""
    low, high = float(values.min()), float(values.max())
    fine = low == high or np.spacing(max(abs(low), abs(high))) * 48 < high - low
    return np.histogram(values, bins=24 if fine else 1)


def target_shape(raw: Raw) -> dict[str, Any]:
    y = np.concatenate(list(raw.y.values()))
    if raw.task == "classification":
        counts = np.bincount(y, minlength=len(raw.labels))
        return {"top": {label: int(n) for label, n in zip(raw.labels, counts, strict=True)}}
    counts, edges = bins_of(y)
    shown = {"min": float(y.min()), "median": float(np.median(y)), "max": float(y.max())}
    return shown | {"histogram": {"counts": counts.tolist(), "low": float(edges[0]), "high": float(edges[-1])}}

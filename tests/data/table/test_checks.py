"""Built-in faults are found, each by its name, and a clean table is ready."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from adaptact import config
from adaptact.data.table import checks, table

Check = Callable[..., dict[str, Any]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def run(frame: pd.DataFrame, target: str = "y", **options: Any) -> dict[str, Any]:
        path = tmp_path / "table.csv"
        frame.to_csv(path, index=False)
        settings = config.Table(name="table", path=str(path), target=target, **options)
        return checks.report(table.read_and_split(settings), settings)

    return run


def clean(rows: int = 1000, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=rows), draw.normal(size=rows)
    y = a + draw.normal(size=rows) > 0
    frame = pd.DataFrame({"a": a.round(4), "b": b.round(4), "c": draw.choice(list("uvw"), rows)})
    return frame.assign(y=np.where(y, "yes", "no"))


def kinds(report: dict[str, Any]) -> dict[str, str | None]:
    return {finding["kind"]: finding["column"] for finding in report["findings"]}


def test_a_clean_table_is_ready(check: Check) -> None:
    report = check(clean())
    assert report["verdict"] == "ready"
    assert report["findings"] == []
    assert [column["role"] for column in report["columns"]] == ["numeric", "numeric", "categorical"]


@pytest.mark.parametrize(
    ("change", "kind", "column"),
    [
        (lambda f: f.assign(answer=np.where(f.y == "yes", 900, 0) + np.arange(len(f)) % 50), "leak", "answer"),
        (lambda f: f.assign(answer=np.where(f.y == "yes", "paid", "open")), "leak", "answer"),
        (lambda f: f.assign(answer=np.where(f.y == "yes", 1.5, np.nan)), "leak", "answer"),
        (lambda f: f.assign(gaps=f.b.where(np.arange(len(f)) % 2 == 0)), "missing", "gaps"),
        (lambda f: f.assign(plant="Osaka"), "constant", "plant"),
        (lambda f: f.assign(code=[f"K{i:05d}" for i in range(len(f))]), "identifier", "code"),
        (lambda f: f.assign(note=[f"the customer said number {i} twice" for i in range(len(f))]), "text", "note"),
        (lambda f: pd.concat([f, f.head(100)]), "duplicate", None),
        (lambda f: pd.concat([f, f.head(100).assign(y="no"), f.head(100).assign(y="yes")]), "label_noise", None),
        (lambda f: pd.concat([f[f.y == "no"], f[f.y == "yes"].head(12)]), "imbalance", None),
        (lambda f: f.head(150), "rows", None),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_fault_is_found_and_named(check: Check, change: Any, kind: str, column: str | None) -> None:
    found = kinds(check(change(clean())))
    assert kind in found
    assert found[kind] == column
    assert all(f["advice"] for f in check(change(clean()))["findings"])


def test_drift_over_time_is_found_and_chance_is_not(check: Check) -> None:
    frame = clean(2000)
    day = pd.date_range("2024-01-01", periods=len(frame), freq="h").strftime("%Y-%m-%d %H:%M:%S")
    steady = check(frame.assign(day=day), time="day")
    assert "drift" not in kinds(steady)
    moved = frame.assign(day=day, b=frame.b + np.where(np.arange(len(frame)) >= 1600, 1.5, 0.0))
    assert kinds(check(moved, time="day"))["drift"] == "b"


def test_columns_that_add_up_to_the_target_are_named(check: Check) -> None:
    draw = np.random.default_rng(1)
    frame = pd.DataFrame(draw.uniform(0, 100, size=(800, 4)).round(2), columns=["labour", "parts", "other", "noise"])
    frame["total"] = (frame.labour + frame.parts - frame.other).round(2)
    report = check(frame, target="total")
    (leak,) = [f for f in report["findings"] if f["kind"] == "leak" and f["column"] is None]
    assert "labour + parts - other" in leak["detail"]
    assert "noise" not in leak["detail"]


def test_too_few_rows_are_unusable(check: Check) -> None:
    assert check(clean(40))["verdict"] == "unusable"


def test_scores_of_single_columns_are_those_of_scikit_learn(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    clean().to_csv(path, index=False)
    raw = table.read_and_split(config.Table(name="table", path=str(path), target="y"))
    train, val = (raw.frames[part][["a"]].astype(float) for part in ("train", "val"))
    tree = DecisionTreeClassifier(max_leaf_nodes=32, min_samples_leaf=5, random_state=0).fit(
        train.to_numpy(), raw.y["train"]
    )
    expected = roc_auc_score(raw.y["val"], tree.predict_proba(val.to_numpy())[:, 1])
    assert checks.single_scores(raw)["a"] == pytest.approx(expected, abs=0.02)  # rows in another order
    assert 0.4 < checks.single_scores(raw)["b"] < 0.6


def test_a_quantity_has_an_r2(check: Check) -> None:
    frame = clean().drop(columns="y")
    report = check(frame.assign(v=frame.a * 3 + 1), target="v")
    score = next(c["score_alone"] for c in report["columns"] if c["name"] == "a")
    assert 0.95 < score <= 1.0


def test_a_number_that_float32_rounds_to_infinity_is_no_obstacle(tmp_path: Path) -> None:
    rows = [f"{'yes' if i % 3 else 'no'},{i % 5}.0" for i in range(60)]
    for place in range(0, 60, 7):
        rows[place] = f"{rows[place].partition(',')[0]},3.4028235677973366e+38"
    (tmp_path / "t.csv").write_text("\n".join(["y,x", *rows]), encoding="utf-8")
    options = config.Table(name="table", path=str(tmp_path / "t.csv"), target="y")
    assert "x" in checks.single_scores(table.read_and_split(options))


FIRST = 202511280000000000


def test_order_numbers_of_18_digits_are_identifiers_and_said(check: Check) -> None:
    frame = clean()
    report = check(frame.assign(order=[str(FIRST + i) for i in range(len(frame))]))
    assert report["columns"][3]["role"] == "identifier"
    assert report["columns"][3]["distinct"] == len(frame)
    assert kinds(report) == {"identifier": "order"}


def test_numbers_between_which_float64_has_none_can_be_shown(check: Check) -> None:
    frame = clean()
    report = check(frame.assign(order=[str(FIRST + i % 240) for i in range(len(frame))]), numeric=["order"])
    assert [(f["column"], f["level"]) for f in report["findings"] if f["kind"] == "cells"] == [("order", "warning")]
    assert sum(report["columns"][3]["histogram"]["counts"]) == len(frame)


def test_a_quantity_of_18_digits_is_said_to_lose_the_last(check: Check) -> None:
    frame = clean().assign(y=[str(FIRST + 1009 * i) for i in range(1000)])
    report = check(frame, task="regression")
    assert [f["column"] for f in report["findings"] if f["kind"] == "target"] == ["y"]

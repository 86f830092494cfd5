"""The sample tables: made anew byte for byte, and with the traps that their README promises."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
FILES = ["machines.csv", "machines_next_quarter.csv"]
TARGET = "failure_within_30_days"
NUMBERS = ["operating hours [h]", "temperature [°C]", "振動[mm/s]", "oil pressure (bar)", "days since last service"]


@pytest.fixture(scope="module")
def tables() -> list[pd.DataFrame]:
    return [
        pd.read_csv(SAMPLE / file, sep=";", dtype=str, keep_default_na=False, encoding="utf-8-sig") for file in FILES
    ]


def numbers(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    return table[columns].apply(lambda column: pd.to_numeric(column.str.replace(",", "."), errors="coerce"))


def test_the_script_reproduces_the_files_byte_for_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SAMPLE / "make_sample.py", tmp_path], check=True, timeout=60)
    for file in FILES:
        assert (tmp_path / file).read_bytes() == (SAMPLE / file).read_bytes()
    assert (SAMPLE / FILES[0]).stat().st_size < 400_000


def test_the_table_has_the_traps_that_are_promised(tables: list[pd.DataFrame]) -> None:
    table = tables[0]
    fails = table[TARGET] == "yes"
    blank = table["oil pressure (bar)"] == ""
    assert (SAMPLE / FILES[0]).read_bytes().startswith("\ufeffinspection_id;".encode())
    assert 0.10 < fails.mean() < 0.18
    assert (table[TARGET] == "").sum() == 9
    assert 0.05 < blank.mean() < 0.08
    assert blank[fails].mean() > 2 * blank[~fails].mean()
    assert table.duplicated().sum() == 15
    assert table["inspection_id"].nunique() == len(table) - 15
    assert table["plant"].nunique() == 1
    assert table["machine.id"].nunique() == 120
    assert 20 <= table["remark"].nunique() <= 40
    assert 0 < (table["site"] != table["site"].str.strip()).mean() < 0.2
    assert ((table["repair cost"] > "0") == fails).all()  # the leak


def test_the_next_quarter_follows_and_has_drifted(tables: list[pd.DataFrame]) -> None:
    before, after = tables
    assert before["inspection date"].max() < after["inspection date"].min()
    assert set(after["model"]) - set(before["model"]) == {"MX-400"}
    last_winter = before[before["inspection date"].between("2024/01/06", "2024/04/04")]
    warmer = [numbers(table, ["temperature [°C]"]).mean().item() for table in (last_winter, after)]
    assert warmer[1] - warmer[0] > 4


def test_it_can_be_learned_and_a_split_by_rows_is_kinder_than_one_by_machines(tables: list[pd.DataFrame]) -> None:
    table = tables[0][tables[0][TARGET] != ""].drop_duplicates()
    x, y = numbers(table, NUMBERS), table[TARGET] == "yes"
    model = HistGradientBoostingClassifier(max_iter=60, random_state=0)

    def auroc(folds: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
        found = cross_val_predict(model, x, y, cv=folds, method="predict_proba")
        return float(roc_auc_score(y, found[:, 1]))

    by_rows = auroc(KFold(5, shuffle=True, random_state=0).split(x))
    by_machines = auroc(GroupKFold(5).split(x, groups=table["machine.id"]))
    assert 0.80 < by_machines < 0.88
    assert by_rows > by_machines + 0.01

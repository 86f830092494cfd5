"""Texts through the command line: checked, trained on, scored, compared, reported."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

pytest.importorskip("tokenizers")

from adaptact.comparison.analysis import SCHEMA_FILE
from commands import Done, command
from texts import messages, write_folder

SMALL = ["model.width=16", "model.n_blocks=1", "data.batch_size=16", "data.vocabulary=400", "logger=none"]
SMALL += ["trainer.max_epochs=2", "optimizer.lr=3e-3"]


def adaptact(*words: str, code: int = 0) -> Done:
    done = command(*words)
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    path = tmp_path / "お客様 の声 [1].csv"
    messages().to_csv(path, index=False)
    return ["data=text", f"data.path={path}", "data.text=本文", "data.target=評価"]


@pytest.mark.slow
def test_check_train_and_predict(tmp_path: Path, words: list[str]) -> None:
    checked = adaptact("check-data", *words, f"output_dir={tmp_path / 'runs' / 'train'}")
    page = Path(checked.stdout.splitlines()[-1])
    report = json.loads((page.parent / "data_report.json").read_text(encoding="utf-8"))
    assert "verdict: ready" in checked.stdout
    assert report["columns"][0]["name"] == "本文"
    assert "本文" in page.read_text(encoding="utf-8")
    trained = adaptact("train", *words, *SMALL, "activation=sgblend", f"output_dir={tmp_path / 'runs' / 'train'}")
    assert "linear (TF-IDF)" in trained.stdout
    assert "are padding" in trained.stderr
    run = Path(trained.stdout.splitlines()[-1])
    new = messages(30, seed=1)
    new.to_excel(tmp_path / "new.xlsx", index=False)
    scored = adaptact("predict", f"run={run}", f"input={tmp_path / 'new.xlsx'}")
    found = pd.read_csv(scored.stdout.splitlines()[-1])
    assert (found["prediction"] == new["評価"]).mean() > 0.9


@pytest.mark.slow
def test_compare_and_report(tmp_path: Path, words: list[str]) -> None:
    arguments = [*words, *SMALL[:-3], "trainer.max_epochs=2", "activations=gelu,sgblend", "seeds=2", "name=声"]
    compared = adaptact("compare", *arguments, "compare.cost=[eager]", f"output_dir={tmp_path / 'compare'}")
    folder = Path(compared.stdout.splitlines()[-1])
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    assert {row["kind"] for arm in report["robustness"] for row in arm["rows"]} == {"masked"}
    assert {reference["name"] for reference in report["references"]} == {"linear (TF-IDF)"}
    assert report["candidates"][0]["guardrails"]["latency_ratio"] > 0
    assert "a share of the tokens of a text unknown" in (folder / "report.html").read_text(encoding="utf-8")
    adaptact("report", f"name={folder}", "report.language=ja")
    assert "伏せた語" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data.text=本丈"], "has no column '本丈'"),
        (["data.target=価格"], "has no column '価格'"),
        (["data.vocabulary=10"], "too small"),
        (["data.tokenizer=nowhere"], "there is no file"),
        (["model=mlp"], "model=mlp reads images or rows"),
    ],
)
def test_mistakes_end_with_one_message(tmp_path: Path, words: list[str], changes: list[str], message: str) -> None:
    done = adaptact("train", *words, *changes, f"output_dir={tmp_path / 'runs'}", code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_folder_with_one_class_is_reported_as_unusable(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "声", messages(20).query("評価 == '良い'"))
    done = adaptact("check-data", "data=text", f"data.path={root}", f"output_dir={tmp_path / 'runs' / 't'}", code=2)
    assert "only one, '良い'" in done.stderr
    assert "verdict: unusable" in done.stdout

"""A run folder scores new rows: the same answers as in training, every row once, odd rows counted, nothing lost."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adaptact import config
from adaptact.data.table import scoring, table
from adaptact.errors import ConfigError, DataError, UserError
from adaptact.export.predict import neutralized, predict_file
from adaptact.export.trained_run import TableRun
from adaptact.jobs import predict as job
from adaptact.training.run import train

ROWS = 400


def cases(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=rows), draw.normal(size=rows)
    frame = pd.DataFrame({"番号": [f"K-{i:05d}" for i in range(rows)], "a [mm]": a.round(4), "b.c": b.round(4)})
    frame["kind"] = draw.choice(["赤", "青", "緑"], rows)
    frame["day"] = pd.date_range("2024-01-01", periods=rows).strftime("%Y/%m/%d")
    frame.loc[::9, "b.c"] = np.nan
    frame["解約"] = np.where(a + (frame.kind == "赤") + 0.5 * draw.normal(size=rows) > 0.5, "はい", "いいえ")
    frame["amount"] = (3 * a + 100).round(2)
    return frame


def fit(folder: Path, target: str, drop: str, **changes: Any) -> TableRun:
    folder.mkdir(parents=True, exist_ok=True)
    cases().to_csv(folder / "cases.csv", index=False)
    data = {"name": "table", "path": str(folder / "cases.csv"), "target": target, "drop": [drop], "batch_size": 32}
    settings = config.from_dict(
        {
            "activation": {"name": "sgblend", "kind": "sgblend"},
            "model": changes.pop("model", {"name": "mlp", "widths": [16]}),
            "data": data | changes,
            "trainer": {"max_epochs": 3, "accelerator": "cpu"},
            "logger": {"tensorboard": False},
            "references": False,
            "output_dir": str(folder / "runs"),
        }
    )
    _, run = train(settings)
    return TableRun.load(run)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TableRun:
    return fit(tmp_path_factory.mktemp("predict"), "解約", "amount", cost_fp=1.0, cost_fn=3.0)


def score(run: TableRun, frame: pd.DataFrame, folder: Path, name: str = "scored.csv") -> pd.DataFrame:
    frame.to_csv(folder / "new.csv", index=False)
    predict_file(run, str(folder / "new.csv"), folder / name)
    return pd.read_csv(folder / name) if name.endswith(".csv") else pd.read_parquet(folder / name)


def test_the_test_rows_get_the_metrics_of_the_record(run: TableRun) -> None:
    raw = table.read_and_split(run.settings.data)
    p = run.predict(raw.frames["test"])
    y = raw.y["test"]
    assert (p.argmax(axis=1) == y).mean() == pytest.approx(run.record.metrics["test"]["accuracy"], abs=1e-6)
    assert -np.log(p[np.arange(len(y)), y]).mean() == pytest.approx(run.record.metrics["test"]["log_loss"], rel=1e-5)


def test_rows_keep_their_order_and_their_identifiers(run: TableRun, tmp_path: Path) -> None:
    new = cases(50, seed=1).sample(frac=1, random_state=0)
    found = score(run, new, tmp_path)
    assert found["番号"].tolist() == new["番号"].tolist()
    assert list(found.columns) == ["番号", "prediction", "probability いいえ", "probability はい", "decision"]
    assert found.filter(like="probability").sum(axis=1).to_numpy() == pytest.approx(1.0)
    threshold = run.record.decision["threshold"]
    assert (found["decision"] == np.where(found["probability はい"] >= threshold, "はい", "いいえ")).all()
    alone = run.predict(new.astype(object).map(lambda v: v if pd.isna(v) else str(v)).astype("str").iloc[[7]])
    assert alone[0, 1] == pytest.approx(found["probability はい"].iloc[7], abs=1e-6)


def test_chunks_change_nothing(run: TableRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = cases(100, seed=2)
    whole = score(run, new, tmp_path)
    pieces = scoring.chunks
    monkeypatch.setattr(scoring, "chunks", lambda *a, **k: pieces(*a, **{**k, "rows": 7}))
    pd.testing.assert_frame_equal(score(run, new, tmp_path, "again.csv"), whole)
    assert score(run, new, tmp_path, "again.parquet")["番号"].tolist() == new["番号"].tolist()


def test_another_spelling_of_the_file_gives_the_same_answers(run: TableRun, tmp_path: Path) -> None:
    new = cases(40, seed=3).drop(columns=["解約", "amount"])
    whole = score(run, new, tmp_path)
    new.to_csv(tmp_path / "new.csv", index=False, sep=";", encoding="cp932")
    predict_file(run, str(tmp_path / "new.csv"), tmp_path / "other.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "other.csv"), whole)
    new.to_excel(tmp_path / "new.xlsx", index=False)
    predict_file(run, str(tmp_path / "new.xlsx"), tmp_path / "other.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "other.csv"), whole)


def test_a_missing_column_is_refused_by_its_name_and_nothing_is_written(run: TableRun, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'b\.c'"):
        score(run, cases(20).drop(columns="b.c"), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["new.csv"]


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("wide.csv", b",".join(b"c%d" % i for i in range(30_000)) + b"\n1\n", "max_columns"),
        ("long.csv", b"a,b\n1,2\n" + b"x" * 5_000_000, "max_cell"),
        ("bomb.csv.gz", gzip.compress(b"a,b\n") + gzip.compress(b"1,2\n" * (1 << 18)) * 300, "max_ratio"),
    ],
)
def test_a_file_beyond_a_limit_is_refused_and_nothing_is_written(
    run: TableRun, tmp_path: Path, name: str, content: bytes, key: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"input=.*{name}.* data\.{key}=\d+.*train with data\.{key}="):
        predict_file(run, str(tmp_path / name), tmp_path / "out.csv")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_column_of_another_type_is_refused_by_its_name(run: TableRun, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'a \[mm\]' held numbers in training, but here it holds 'much'"):
        score(run, cases(20).assign(**{"a [mm]": "much"}), tmp_path)
    with pytest.raises(DataError, match=r"'day' held dates"):
        score(run, cases(20).assign(day="soon"), tmp_path)


def test_odd_rows_are_scored_and_counted(run: TableRun, tmp_path: Path) -> None:
    new = cases(200, seed=4).assign(extra="x")
    new.loc[:2, "kind"] = "紫"
    new["a [mm]"] = new["a [mm]"].astype(object)
    new.loc[5, "a [mm]"] = "broken"
    new["b.c"] += 4
    new.to_csv(tmp_path / "new.csv", index=False)
    tally = predict_file(run, str(tmp_path / "new.csv"), tmp_path / "scored.csv")
    assert tally.rows == 200
    assert tally.extra == ["extra"]
    assert tally.unseen["kind"] == {"紫": 3}
    assert tally.unreadable == {"a [mm]": 1}
    assert "b.c" in tally.drift
    assert "kind" not in tally.drift
    assert np.isfinite(pd.read_csv(tmp_path / "scored.csv").filter(like="probability").to_numpy()).all()


def test_cells_that_a_spreadsheet_would_run_are_neutralized(run: TableRun, tmp_path: Path) -> None:
    new = cases(20).assign(番号=["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", *[f"K{i}" for i in range(16)]])
    found = score(run, new, tmp_path)
    assert found["番号"].head(4).tolist() == ["'=1+1", "'@SUM(A1)", "'+cmd|' /C calc'!A0", "'-2+3"]
    assert neutralized(-5) == -5


@pytest.mark.parametrize(
    "model", [{"name": "mlp"}, {"name": "mlp", "numeric": "piecewise"}, {"name": "tabm", "width": 16, "k": 4}], ids=str
)
def test_a_quantity_comes_in_its_own_unit(tmp_path: Path, model: dict[str, Any]) -> None:
    run = fit(tmp_path / "fit", "amount", "解約", model=model)
    raw = table.read_and_split(run.settings.data)
    error = np.sqrt(np.mean((run.predict(raw.frames["test"]) - raw.y["test"]) ** 2))
    assert error == pytest.approx(run.record.metrics["test"]["rmse"], rel=1e-4)
    assert list(score(run, cases(20), tmp_path).columns) == ["番号", "prediction"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["input=a.csv"], "run is missing"),
        (["run=x", "inptu=a.csv"], "'input'"),
        (["run=x", "input=a.csv", "output=a.txt"], "csv or .parquet"),
    ],
)
def test_wrong_words_are_named(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        job.run(words)


def test_what_is_no_run_is_refused(run: TableRun, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"result\.json"):
        TableRun.load(tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    (copy / "checkpoints" / "best.ckpt").write_bytes(b"PK\x03\x04 no checkpoint")
    with pytest.raises(UserError, match="cannot be read"):
        TableRun.load(copy)
    shutil.rmtree(copy / "preparation")
    shutil.copy(run.folder / "checkpoints" / "best.ckpt", copy / "checkpoints")
    with pytest.raises(DataError, match="preparation"):
        TableRun.load(copy)

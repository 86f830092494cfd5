"""Pictures scored by a run folder alone: as in training, a row per picture, none lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adaptact import config
from adaptact.errors import ConfigError, DataError, UserError
from adaptact.export.predict_images import ImageRun, is_image_run, predict_pictures
from adaptact.jobs import predict
from adaptact.training.run import train
from pictures import png, write_folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of pictures, and of a run that was trained on them."""
    parent = tmp_path_factory.mktemp("pictures")
    root = write_folder(parent / "写真 集", per_class=30)
    raw = {
        "activation": {"name": "sgblend", "kind": "sgblend"},
        "model": {"name": "cnn", "widths": [8], "hidden": 16},
        "data": {"name": "image_folder", "root": str(root), "batch_size": 8, "cache": str(parent / "cache")},
        "optimizer": {"lr": 3e-3},
        "trainer": {"max_epochs": 6, "accelerator": "cpu"},
        "logger": {"tensorboard": False},
        "output_dir": str(parent / "runs"),
    }
    record, folder = train(config.from_dict(raw), quiet=True)
    assert record.metrics["test"]["auroc"] > 0.9
    assert record.decision is not None
    assert [reference["name"] for reference in record.references] == ["linear"]
    return root, folder


def scored(run: Path, source: Path | str, target: Path) -> pd.DataFrame:
    predict_pictures(ImageRun.load(run), str(source), target)
    return pd.read_csv(target, keep_default_na=False) if target.suffix == ".csv" else pd.read_parquet(target)


def test_a_folder_is_scored_as_the_run_scored_its_test_pictures(trained: tuple[Path, Path], tmp_path: Path) -> None:
    root, run = trained
    shutil.rmtree(tmp_path / "none", ignore_errors=True)
    found = scored(run, root, tmp_path / "out.csv")
    assert list(found) == ["path", "prediction", "probability 赤い丸", "probability 青い丸", "decision"]
    assert len(found) == 60
    from adaptact.data.images.folder import read_and_split
    from adaptact.export.trained_run import load_settings

    settings = load_settings(run, None)
    assert isinstance(settings.data, config.ImageFolder)
    raw = read_and_split(settings.data)
    outputs = np.load(run / "outputs.npz")
    rows = found.set_index("path").loc[[raw.files[place] for place in raw.rows["test"]]]
    shown = rows[["probability 赤い丸", "probability 青い丸"]].to_numpy(float)
    assert np.allclose(shown, outputs["predictions"], atol=1e-5)
    assert (rows["prediction"] == np.array(raw.labels)[outputs["predictions"].argmax(axis=1)]).all()
    threshold = json.loads((run / "result.json").read_text(encoding="utf-8"))["decision"]["threshold"]
    assert ((shown[:, 1] >= threshold) == (rows["decision"] == "青い丸")).all()


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_an_unreadable_picture_has_an_empty_row_and_is_named(
    trained: tuple[Path, Path], tmp_path: Path, ending: str
) -> None:
    root, run = trained
    folder = tmp_path / "new"
    folder.mkdir()
    for name in ("000.png", "001.png"):
        shutil.copy(root / "赤い丸" / name, folder / name)
    content = (root / "赤い丸" / "002.png").read_bytes()
    (folder / "0005.png").write_bytes(content[:100])
    (folder / "bomb.png").write_bytes(png(20_000, 20_000))
    tally = predict_pictures(ImageRun.load(run), str(folder), tmp_path / f"out{ending}")
    found = pd.read_csv(tmp_path / "out.csv") if ending == ".csv" else pd.read_parquet(tmp_path / "out.parquet")
    assert found["path"].tolist() == ["000.png", "0005.png", "001.png", "bomb.png"]
    bad = found.iloc[1]
    assert bad[["probability 赤い丸", "probability 青い丸"]].isna().all()
    assert all(cell == "" or pd.isna(cell) for cell in bad[["prediction", "decision"]])
    assert found.iloc[[0, 2]]["probability 赤い丸"].notna().all()
    (warning,) = tally.warnings()
    assert "2 of 4" in warning
    assert "0005.png" in warning
    assert "bomb.png (more than 89,478,485 pixels; make it smaller)" in warning


def test_a_table_of_paths_is_answered_in_its_order(trained: tuple[Path, Path], tmp_path: Path) -> None:
    root, run = trained
    names = ["青い丸/004.png", "赤い丸/001.png", "gone.png", "青い丸\\002.png", "赤い丸/001.png"]
    table = root / "paths.csv"
    table.write_text("\n".join(["番号,写真", *(f"{i},{name}" for i, name in enumerate(names))]), encoding="utf-8")
    try:
        found = scored(run, table, tmp_path / "out.csv")
    finally:
        table.unlink()
    assert found["path"].tolist() == names
    assert found["prediction"][2] == ""
    assert found["probability 赤い丸"][1] == found["probability 赤い丸"][4]


def test_one_picture_is_scored_too(trained: tuple[Path, Path], tmp_path: Path) -> None:
    root, run = trained
    assert len(scored(run, root / "赤い丸" / "003.png", tmp_path / "out.csv")) == 1


def test_what_cannot_be_scored_is_said_and_nothing_is_written(trained: tuple[Path, Path], tmp_path: Path) -> None:
    _root, run = trained
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"no")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    before = sorted(tmp_path.iterdir())
    for source, words in {"empty": "no pictures", "bad": "none of 1", "t.csv": "no column", "none": "none"}.items():
        with pytest.raises(DataError, match=words):
            predict_pictures(ImageRun.load(run), str(tmp_path / source), tmp_path / "out.csv")
    assert sorted(tmp_path.iterdir()) == before


def test_the_job_writes_beside_its_input_and_names_the_file_last(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, run = trained
    shutil.copytree(root / "赤い丸", tmp_path / "新しい v1.2")
    predict.run([f"run={run}", f"input={tmp_path / '新しい v1.2'}"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == str(tmp_path / "新しい v1.2-scored.csv")
    assert len(pd.read_csv(last)) == 30
    with pytest.raises(ConfigError):
        predict.run([f"run={run}", f"input={root}", "output=x.txt"])


def test_a_tampered_run_is_refused(trained: tuple[Path, Path], tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(trained[1], copy)
    file = copy / "preparation" / "pictures.json"
    plain = json.loads(file.read_text(encoding="utf-8"))
    assert is_image_run(copy)
    for change in ({"how": plain["how"] | {"height": 10**9}}, {"labels": ["a", "b", "c"]}, {"layout": None}):
        file.write_text(json.dumps(plain | change), encoding="utf-8")
        with pytest.raises(UserError):
            ImageRun.load(copy)


def test_the_callback_hears_of_every_row(trained: tuple[Path, Path], tmp_path: Path) -> None:
    heard: list[int] = []
    hear: Callable[[int], object] = heard.append
    predict_pictures(ImageRun.load(trained[1]), str(trained[0]), tmp_path / "out.csv", hear)
    assert heard == [60]

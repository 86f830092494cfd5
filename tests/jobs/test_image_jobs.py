"""A folder of pictures through the command lines: check-data, train, predict, compare."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

from adaptact import records
from adaptact.comparison.analysis import SCHEMA_FILE
from commands import Done, command
from pictures import write_folder


def adaptact(folder: Path, *words: str, status: int = 0) -> Done:
    result = command(*words, folder=folder)
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr
    return result


def last_line(result: Done) -> Path:
    return Path(result.stdout.splitlines()[-1])


SHORT = ["trainer.max_epochs=2", "model=cnn", "model.widths=[8]", "data.batch_size=8", "output_dir=out/train"]


@pytest.mark.slow
def test_pictures_are_checked_trained_on_and_scored(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "検査 写真,2025(1)", per_class=20)
    content = (root / "赤い丸" / "000.png").read_bytes()
    (root / "赤い丸" / "000.png").write_bytes(content[:200])
    data = ["data=image_folder", f"data.root={root.name}", "data.cache=kept"]

    checked = adaptact(tmp_path, "check-data", *data, f"output_dir={tmp_path / 'out' / 'train'}", status=2)
    (page,) = (tmp_path / "out" / "check-data").glob("*/data_report.html")
    report = json.loads((page.parent / "data_report.json").read_text(encoding="utf-8"))
    assert report["verdict"] == "unusable"  # 39 pictures are too few
    assert "検査 写真,2025(1) cannot be used as it is: there are only 39 pictures" in checked.stderr
    assert {"unreadable", "tiny_class"} <= {finding["kind"] for finding in report["findings"]}
    assert "赤い丸/000.png" in checked.stdout

    words = [*data, *SHORT[:-1], f"output_dir={tmp_path / 'out' / 'train'}"]
    trained = adaptact(tmp_path, "train", *words)
    run = last_line(trained)
    record = json.loads((run / "result.json").read_text(encoding="utf-8"))
    jsonschema.validate(record, json.loads(records.SCHEMA_FILE.read_text(encoding="utf-8")))
    assert record["status"] == "finished"
    assert record["data"]["name"] == "検査 写真,2025(1)"
    assert record["data"]["labels"] == ["赤い丸", "青い丸"]
    assert [reference["name"] for reference in record["references"]] == ["linear"]
    assert "warning: 1 of 40 pictures cannot be read" in trained.stderr
    assert (run / "preparation" / "pictures.json").is_file()

    scored = adaptact(tmp_path, "predict", f"run={run}", f"input={root.name}", "output=結果.csv")
    assert last_line(scored) == Path("結果.csv")
    table = pd.read_csv(tmp_path / "結果.csv")
    assert len(table) == 40
    assert table["prediction"].isna().sum() == 1
    assert "note: 1 of 40 pictures cannot be read" in scored.stderr
    assert {path.name for path in tmp_path.iterdir()} == {root.name, "out", "kept", "結果.csv"}


@pytest.mark.slow
def test_a_comparison_on_pictures_ends_in_a_report(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "写真", per_class=30)
    words = ["activations=gelu,sgblend", "seeds=2", "compare.cost=[]", "data=image_folder", f"data.root={root}"]
    words += [*SHORT[:-1], f"output_dir={tmp_path / 'out'}", f"data.cache={tmp_path / 'kept'}"]
    result = adaptact(tmp_path, "compare", *words)
    folder = last_line(result)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    (candidate,) = report["candidates"]
    assert (candidate["pairs"], candidate["failures"]) == (2, 0)
    assert candidate["method"] == "nadeau-bengio"  # each seed has a split of its own
    assert [reference["name"] for reference in report["references"]] == ["linear"]
    assert {row["kind"] for arm in report["robustness"] for row in arm["rows"]} == {"noise", "covered"}
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert not plan["data"]["fixed_test"]
    assert "rows" in {warning["kind"] for warning in plan["data"]["warnings"]}
    again = adaptact(tmp_path, "compare", *words)
    assert last_line(again) == folder
    page = adaptact(tmp_path, "report", f"name={folder.name}", f"output_dir={tmp_path / 'out'}", "report.language=ja")
    assert last_line(page) == folder
    assert "写真" in (folder / "report.html").read_text(encoding="utf-8")

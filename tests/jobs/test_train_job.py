"""``train`` through its command line."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from adaptact import records
from commands import Done, command, environment

OWN_MODULE = """
import torch
from torch import nn


class Bent(nn.Module):
    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor([slope]))

    def forward(self, x):
        return torch.where(x > 0, x, self.slope * x)
"""
OWN_FILE = """# make train activation=mine trust=my_package
name: mine
kind: custom
target: my_package.Bent
slope: 0.2
"""


def run_folder(result: Done) -> Path:
    """The last line on stdout, plain and unwrapped."""
    assert result.returncode == 0, result.stderr
    folder = Path(result.stdout.splitlines()[-1])
    assert folder.is_dir()
    return folder


def record_of(folder: Path) -> dict:
    plain = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    jsonschema.validate(plain, json.loads(records.SCHEMA_FILE.read_text(encoding="utf-8")))
    return plain


def test_a_table_of_ones_own_with_japanese_names(tmp_path: Path) -> None:
    data = load_breast_cancer()
    frame = pd.DataFrame(data.data[:, :6], columns=["半径 (平均)", "b.b", "c[0]", "d,e", "f's", "g"])
    frame.loc[::7, "b.b"] = None
    frame["区分"] = ["高" if value > 14 else "低" for value in data.data[:, 0]]
    frame.insert(0, "顧客ID", range(len(frame)))
    frame["結果"] = ["良性" if value else "悪性" for value in data.target]
    frame.to_csv(tmp_path / "検査 結果,2025(1).csv", index=False)
    out = tmp_path / "out folder"
    words = ["data=table", "data.path=検査 結果,2025(1).csv", "data.target=結果", "data.drop=[顧客ID]"]
    short = ["trainer.max_epochs=4", "optimizer.lr=3e-3", f"output_dir={out}"]
    folder = run_folder(command("train", *words, *short, folder=tmp_path))
    assert folder.parent == out
    record = record_of(folder)
    assert record["metrics"]["test"]["auroc"] > 0.9
    assert record["model"]["name"] == "mlp"
    assert record["data"]["name"] == "検査 結果,2025(1)"
    assert "gap" in record["layers"][0]
    assert {path.name for path in tmp_path.iterdir()} == {"検査 結果,2025(1).csv", "out folder"}


def test_a_module_of_ones_own_is_a_file_of_five_lines(tmp_path: Path) -> None:
    (tmp_path / "my_package.py").write_text(OWN_MODULE, encoding="utf-8")
    (tmp_path / "conf" / "activation").mkdir(parents=True)
    (tmp_path / "conf" / "activation" / "mine.yaml").write_text(OWN_FILE, encoding="utf-8")
    words = ["train", "--config-dir", "conf", "activation=mine", "data=wine", "trainer.max_epochs=1", "output_dir=runs"]
    words[-1] = f"output_dir={tmp_path / 'runs'}"
    refused = command(*words, folder=tmp_path)
    assert refused.returncode == 2
    assert "trust=my_package" in refused.stderr
    assert not (tmp_path / "runs").exists()
    record = record_of(run_folder(command(*words, "trust=my_package", folder=tmp_path)))
    assert record["activation"] == "mine"
    assert record["layers"][0]["kind"] == "Bent"
    assert record["layers"][0]["slope"] != pytest.approx(0.2, abs=1e-7)  # an activation parameter like any other


def test_two_runs_started_at_once_do_not_share_a_folder(tmp_path: Path) -> None:
    words = ["train", "data=wine", "trainer.max_epochs=1", "logger=none", f"output_dir={tmp_path}"]
    real = [sys.executable, "-m", "adaptact", *words]
    both = [subprocess.Popen(real, env=environment(), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = [process.communicate(timeout=120)[0].splitlines()[-1] for process in both]
    assert len(set(folders)) == 2
    metrics = [record_of(Path(folder))["metrics"] for folder in folders]
    assert metrics[0] == metrics[1]  # the same command twice, each in a process of its own


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["data=table", "data.path=none.csv", "data.target=y"], "none.csv"),
        (["data=table", "data.target=y"], "data.path is missing"),
        (["data=mnist", "data.root=."], "train-images-idx3-ubyte.gz"),
        (["data.batch_size=5000"], "5000"),
        (["trainer=ddp", "trainer.accelerator=gpu", "trainer.devices=99", "data.batch_size=400"], "trainer=cpu"),
        (["data=wine", "model=resnet"], "model=mlp"),
        (["activation.sites=[nowhere]"], "nowhere"),
        (["monitor=val/rmse"], "val/accuracy"),
        (["trainer.precision=16-mixed", "trainer=cpu"], "bf16-mixed"),
    ],
)
def test_what_a_person_can_get_wrong_is_one_message_and_exit_code_2(
    tmp_path: Path, words: list[str], expected: str
) -> None:
    out = tmp_path / "out"
    result = command("train", *words, f"output_dir={out}", folder=tmp_path)
    assert result.returncode == 2
    assert expected in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not out.exists()


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = command("train", "data=table", "data.path=none.csv", "data.target=y", "debug=true", folder=tmp_path)
    assert result.returncode == 2
    assert "Traceback" in result.stderr

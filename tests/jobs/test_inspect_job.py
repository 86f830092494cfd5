"""``inspect`` and networks from elsewhere through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from test_train_job import record_of, run_folder  # type: ignore[import-not-found]
from torch import nn

from adaptact import config
from adaptact.errors import ConfigError
from adaptact.layouts import Tokens
from adaptact.training.inspection import inspect, usual_inputs
from commands import command

OWN = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, d_in, d_out, width):
        super().__init__()
        self.first, self.act, self.gate = nn.Linear(d_in, width), nn.ReLU(), nn.Sigmoid()
        self.last = nn.Linear(width, d_out)

    def forward(self, x):
        h = self.act(self.first(x))
        return self.last(torch.relu(h) * self.gate(h))


def build(input_shape, n_outputs, width=8):
    return Net(input_shape[0], n_outputs, width)


def broken(input_shape, n_outputs):
    raise RuntimeError("no such luck")


def nothing(input_shape, n_outputs):
    return 3
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "my_package.py").write_text(OWN, encoding="utf-8")
    return tmp_path


def settings(model: dict[str, Any], **changes: Any) -> config.Config:
    raw = {"activation": {"name": "sgblend", "kind": "sgblend"}, "model": model, "data": {"name": "none"}}
    return config.from_dict(raw | changes)


def test_every_site_is_shown_with_what_stands_there_and_what_will() -> None:
    given = settings({"name": "mlp", "widths": [8, 6]}, activation={"name": "s", "kind": "sgblend", "sites": ["4"]})
    found = inspect(given, (5,), 3, None)
    by_hand = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    total = sum(p.numel() for p in by_hand.parameters())
    assert found.parameters == (total, total + 3, total + 3)
    assert [(s.name, s.old, s.new, s.shape) for s in found.swaps] == [
        ("4", "ReLU()", "SGBlend(alpha=0.5, beta=1, gamma=0)", (2, 6))
    ]
    assert [(s.name, s.reason[:8]) for s in found.kept] == [("1", "left out")]


def test_no_site_at_all_is_an_error() -> None:
    given = settings({"name": "mlp"}, activation={"name": "s", "kind": "sgblend", "sites": ["nowhere"]})
    with pytest.raises(ConfigError, match="nowhere"):
        inspect(given, (5,), 3, None)


def test_usual_inputs_are_what_a_network_reads() -> None:
    assert usual_inputs(config.MLP("mlp"))[0] == (16,)
    assert len(usual_inputs(config.CNN("cnn"))[0]) == 3
    assert isinstance(usual_inputs(config.HFText("bert"))[2], Tokens)


def test_somebody_elses_network_is_looked_into(package: Path) -> None:
    words = ["model=custom", "model.target=my_package.build", "trust=my_package", "data=wine", "model.width=7"]
    result = command("inspect", *words, folder=package)
    assert result.returncode == 0, result.stderr
    for part in (
        "act",
        "ReLU()",
        "SGBlend(alpha=0.5, beta=1, gamma=0)",
        "Sigmoid()",
        "a gate or an output",
        "cannot be swapped",
        "Net: relu",
        "3 parameters added",
        "head: last.bias, last.weight",
    ):
        assert part in result.stdout


@pytest.mark.slow
def test_somebody_elses_network_is_trained_resumed_and_scores(package: Path) -> None:
    words = ["model=custom", "model.target=my_package.build", "trust=my_package", "data=wine", "logger=none"]
    folder = run_folder(command("train", *words, "trainer.max_epochs=1", f"output_dir={package}/ran", folder=package))
    assert record_of(folder)["model"]["sites"] == 1
    more = ["train", f"resume={folder}", "trainer.max_epochs=2"]
    refused = command(*more, folder=package)
    assert refused.returncode == 2
    assert "trust=my_package" in refused.stderr
    run_folder(command(*more, "trust=my_package", folder=package))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model.target=my_package.build"], "add trust=my_package"),
        (["model.target=my_package.broken", "trust=my_package"], "no such luck"),
        (["model.target=my_package.nothing", "trust=my_package"], "gives no nn.Module but a int"),
        (["model.target=my_package.absent", "trust=my_package"], "absent"),
        (["model.target=my_package.build", "trust=my_package", "model.widht=7"], "widht"),
    ],
)
def test_a_network_that_cannot_be_built_is_one_message(package: Path, words: list[str], message: str) -> None:
    result = command("inspect", "model=custom", "data=wine", *words, folder=package)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_checkpoint_is_fine_tuned_and_the_run_stands_alone(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    made = transformers.AutoConfig.for_model("vit", num_labels=10, image_size=8, patch_size=4, num_channels=1, **small)
    checkpoint = tmp_path / "出発点 [1]"
    transformers.AutoModelForImageClassification.from_config(made).save_pretrained(checkpoint)
    words = ["model=vit", f"model.pretrained={checkpoint}", "experiment=finetune_activations", "logger=none"]
    words += ["trainer.max_epochs=1", f"output_dir={tmp_path}/ran"]
    folder = run_folder(command("train", *words, folder=tmp_path))
    assert record_of(folder)["model"]["name"] == "vit"
    written = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["model"]
    assert written["pretrained"] == str(checkpoint)
    assert written["config"]["hidden_size"] == 16
    checkpoint.rename(tmp_path / "gone")
    again = run_folder(command("train", f"resume={folder}", "trainer.max_epochs=2", folder=tmp_path))
    assert len((again / "metrics.csv").read_text().splitlines()) == 3
    assert json.loads((again / "result.json").read_text())["status"] == "finished"

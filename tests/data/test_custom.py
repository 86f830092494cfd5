"""Data from somebody's own code: the example through the command line, and what is refused."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from adaptact import config, data
from adaptact.errors import ConfigError, DataError
from commands import command

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_data"
HERE = __name__.partition(".")[0]
X, CLASSES = np.arange(24, dtype=np.float32).reshape(12, 2), np.arange(12) % 2
AMOUNTS = np.linspace(100, 200, 12)


def given(**changes: Any) -> SimpleNamespace:
    """What the contract asks for, with some of it changed."""
    return SimpleNamespace(
        **{"name": "mine", "train": (X, CLASSES), "val": (X, CLASSES), "test": (X, CLASSES)} | changes
    )


def plain() -> SimpleNamespace:
    return given()


class Loaders(L.LightningDataModule):
    """Amounts, shuffled for training, in batches of uneven size."""

    def loader(self, shuffle: bool = False) -> DataLoader:
        return DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(AMOUNTS)), 5, shuffle=shuffle)

    def train_dataloader(self) -> DataLoader:
        return self.loader(shuffle=True)

    val_dataloader = test_dataloader = loader


class NoTest(Loaders):
    test_dataloader = L.LightningDataModule.test_dataloader


class Dictionaries(Loaders):
    def val_dataloader(self) -> list[dict[str, Any]]:
        return [{"x": X, "y": AMOUNTS}]


def load(target: str, trust: str | None = HERE, **options: Any) -> data.Prepared:
    return data.load(config.CustomData("custom", target_class=f"{__name__}.{target}", options=options), trust)


@pytest.mark.parametrize(("target", "name"), [("MyDataModule", "MyDataModule"), ("moons", "moons")])
def test_the_example_trains_through_the_command_line(tmp_path: Path, target: str, name: str) -> None:
    words = ["train", "data=custom", f"data.target_class=my_package.{target}", "data.rows=300", "data.noise=0.1"]
    words += ["trainer.max_epochs=1", "logger=none", f"output_dir={tmp_path / 'out'}"]
    refused = command(*words, folder=EXAMPLE)
    assert refused.returncode == 2
    assert "add trust=my_package" in refused.stderr
    assert not (tmp_path / "out").exists()
    done = command(*words, "trust=my_package", folder=EXAMPLE)
    assert done.returncode == 0, done.stderr
    record = json.loads((Path(done.stdout.splitlines()[-1]) / "result.json").read_text(encoding="utf-8"))
    assert record["data"]["name"] == name
    assert record["data"]["rows"] == {"train": 180, "val": 60, "test": 60}
    assert record["model"]["name"] == "mlp"


def test_arrays_become_parts_with_labels_and_a_fingerprint_of_their_content() -> None:
    prepared = load("given", labels=["低", "高"])
    assert (prepared.name, prepared.task, prepared.labels) == ("mine", "classification", ["低", "高"])
    assert torch.equal(prepared.parts["val"].x, torch.from_numpy(X))
    assert prepared.parts["val"].y.dtype == torch.int64
    assert load("given").labels == ["0", "1"]
    assert load("given").fingerprint == prepared.fingerprint != load("given", val=(X + 1, CLASSES)).fingerprint


def test_loaders_are_read_whole_and_in_the_same_order_every_time() -> None:
    first, again = load("Loaders"), load("Loaders")
    assert first.task == "regression"
    assert sorted(first.parts["train"].x[:, 0].tolist()) == X[:, 0].tolist() != first.parts["train"].x[:, 0].tolist()
    assert first.fingerprint == again.fingerprint
    assert first.center == pytest.approx(AMOUNTS.mean())
    assert first.parts["train"].y.std(correction=0).item() == pytest.approx(1.0, abs=1e-5)


def test_keys_that_are_ours_are_given_to_code_that_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def seeded(split_seed: int, rows: int) -> SimpleNamespace:
        return given(train=(X[:rows] + split_seed, CLASSES[:rows]))

    monkeypatch.setattr(sys.modules[__name__], "given_seed", seeded, raising=False)
    options = config.CustomData("custom", split_seed=7, target_class=f"{__name__}.given_seed", options={"rows": 4})
    assert data.load(options, HERE).parts["train"].x[0, 0] == 7


@pytest.mark.parametrize("trust", [None, "os", "my_package"])
def test_nothing_is_imported_from_a_package_that_is_not_trusted(trust: str | None) -> None:
    with pytest.raises(ConfigError, match=f"trust={HERE}"):
        load("given", trust=trust)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val": (X[:5], CLASSES)}, "val has 5 rows in x and 12 in y"),
        ({"val": (X[:, :1], CLASSES)}, r"a row of val has the shape \(1,\), one of train \(2,\)"),
        ({"test": (X[:0], CLASSES[:0])}, "test has 0 rows"),
        ({"train": (X[:1], CLASSES[:1])}, "train has 1 rows: give it at least 2"),
        ({"train": (X[:, 0], CLASSES)}, r"x of train has the shape \(12,\)"),
        ({"test": (X, CLASSES[:, None])}, r"y of test has the shape \(12, 1\)"),
        ({"test": (np.where(X == 5, np.nan, X), CLASSES)}, "x of test has 1 values .* row 2"),
        ({"train": (X.astype(np.float64) + 1e300, CLASSES)}, "beyond float32"),
        ({"train": (X.astype(str), CLASSES)}, "x of train holds .*: turn it into numbers"),
        ({"val": (X, CLASSES - 1)}, "y of val has -1: classes are numbered"),
        ({"val": (X, CLASSES + 0.5), "task": "classification"}, "y of val has 0.5"),
        ({"train": (X, CLASSES * 2)}, r"no row of class 1 \('1'\)"),
        ({"labels": ["only"]}, "the class 1, but there are 1 labels"),
        (dict.fromkeys(data.PARTS, (X, CLASSES * 0)), "one class: nothing to learn"),
        ({"task": "ranking"}, "task is 'ranking'"),
        ({"val": {"x": X, "y": CLASSES}}, "must be a pair .*, not dict"),
    ],
)
def test_arrays_that_cannot_be_trained_on_are_refused_in_one_message(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load("given", **changes)
    assert str(caught.value).startswith(f"data.target_class={__name__}.given: ")


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("NoTest", {}, "test_dataloader"),
        ("Dictionaries", {}, "must be a pair .*, not dict"),
        ("plain", {"rows": 3}, "unexpected keyword argument 'rows'"),
        ("SimpleNamespace", {}, "no attribute 'train'"),
    ],
)
def test_code_that_fails_is_answered_with_what_it_raised(target: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(target, **options)


def test_a_class_that_is_not_there_is_a_problem_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="cannot be imported"):
        load("Nothing")

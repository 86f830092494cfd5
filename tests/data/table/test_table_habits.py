"""Habits of spreadsheets: numbers among which other things stand, labels in several spellings."""

from pathlib import Path

import numpy as np
import pytest
import torch

from adaptact import config
from adaptact.data import Prepared, load

ROWS = 200


def load_table(folder: Path, columns: dict[str, list[str]]) -> Prepared:
    lines = [",".join(columns), *(",".join(f'"{cell}"' for cell in row) for row in zip(*columns.values(), strict=True))]
    (folder / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    return load(config.Table(name="table", path=str(folder / "t.csv"), target="y"))


def read(folder: Path, columns: dict[str, list[str]]) -> tuple[list[str], list[str], int]:
    """Notes, labels and number of features."""
    prepared = load_table(folder, columns)
    return prepared.notes, prepared.labels, prepared.input_shape[0]


VALUES = [f"{v:.3f}" for v in np.random.default_rng(0).normal(size=ROWS)]
LABELS = ["yes" if i % 3 else "no" for i in range(ROWS)]


@pytest.mark.parametrize("odd", ["不明", "-", "inf", "#N/A"])
def test_odd_cells_in_a_column_of_numbers_count_as_missing(tmp_path: Path, odd: str) -> None:
    notes, _, features = read(tmp_path, {"a": [odd if i % 20 == 0 else v for i, v in enumerate(VALUES)], "y": LABELS})
    assert features == 2  # the number, and whether it is missing
    assert f"has 10 cells that are no numbers, such as {odd!r}" in notes[0]


def test_amounts_with_separators_and_currencies_are_the_numbers_that_they_show(tmp_path: Path) -> None:
    plain = [1_000_000 + 7919 * i for i in range(ROWS)]
    notes, _, features = read(tmp_path, {"a": [f"¥{value:,}" for value in plain], "b": VALUES, "y": LABELS})
    assert features == 2
    assert len(notes) == 1  # how the file was read
    assert torch.equal(
        load_table(tmp_path, {"a": [f"¥{value:,}" for value in plain], "y": LABELS}).parts["test"].x,
        load_table(tmp_path, {"a": [str(value) for value in plain], "y": LABELS}).parts["test"].x,
    )


def test_a_column_of_many_texts_is_noted(tmp_path: Path) -> None:
    towns = [f"town {i % 84}" for i in range(ROWS)]
    notes, _, _ = read(tmp_path, {"where": towns, "y": LABELS})
    assert "84 different texts" in notes[0]


@pytest.mark.parametrize(
    ("spellings", "labels"),
    [(["0", "1", "1.0"], ["0", "1"]), (["TRUE", "false", "True"], ["TRUE", "false"]), (["A", "a"], ["A", "a"])],
)
def test_one_label_in_two_spellings_is_one_class(tmp_path: Path, spellings: list[str], labels: list[str]) -> None:
    target = [spellings[i % len(spellings)] for i in range(ROWS)]
    assert read(tmp_path, {"a": VALUES, "y": target})[1] == labels

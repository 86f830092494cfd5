"""Earlier comparisons on the same test rows, by the file and the row number."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pictures
import texts
from adaptact import config, data, files
from adaptact.comparison import earlier_looks as looks
from adaptact.comparison.earlier_looks import earlier_looks
from adaptact.comparison.plan import Plan, settle
from adaptact.data.prepared import Prepared, SourceRows

Make = Callable[..., Plan]


def compared(folder: Path, plan: Plan, rows: dict[int, SourceRows | None]) -> Path:
    """A comparison whose runs of each split seed had these test rows; None: it was made before rows were recorded."""
    settle(folder, plan)
    for arm in plan.arms:
        for run in plan.runs(arm):
            target = folder / run.folder
            target.mkdir(parents=True)
            files.write_json(target / "planned.json", {"status": "finished", "hash": run.hash})
            known = rows[run.settings["data"]["split_seed"]]
            more: dict[str, Any] = {}
            if known is not None:
                more = {"sources": np.array(known.sources), "source": known.source, "row": known.row}
            n = 3 if known is None else len(known.row)
            np.savez(target / "outputs.npz", targets=np.zeros(n), predictions=np.zeros(n), **more)
    return folder


def of(source: str, *numbers: int) -> SourceRows:
    return SourceRows.of_file(source * 64, np.array(numbers))


def test_shared_rows_are_counted_and_the_arms_compared(make_plan: Make, tmp_path: Path) -> None:
    plan = make_plan("activations=gelu,sgblend seeds=2")
    first = compared(tmp_path / "first", plan, {0: of("a", 1, 2, 3), 1: of("a", 3, 4, 5)})
    assert earlier_looks(first, plan) == []
    other = make_plan("activations=gelu,silu seeds=2", data={**plan.data, "fingerprint": "1" * 64})
    second = compared(tmp_path / "second", other, {0: of("a", 5, 6, 7), 1: of("a", 8, 9, 10)})
    (found,) = earlier_looks(second, other)
    assert (found.name, found.rows, found.share, found.same_arms) == ("first", 1, pytest.approx(1 / 6), False)
    third = compared(tmp_path / "third", make_plan("activations=sgblend,gelu", seeds=[1]), {1: of("a", 4)})
    named = {look.name: look for look in earlier_looks(third, make_plan("activations=sgblend,gelu", seeds=[1]))}
    assert named["first"].same_arms
    assert named["first"].share == 1


def test_equal_row_numbers_of_another_file_are_other_rows(make_plan: Make, tmp_path: Path) -> None:
    plan = make_plan("activations=gelu,sgblend", seeds=[0])
    compared(tmp_path / "first", plan, {0: of("a", 1, 2, 3)})
    assert earlier_looks(compared(tmp_path / "second", plan, {0: of("b", 1, 2, 3)}), plan) == []


def test_a_comparison_that_recorded_no_rows_is_named_where_it_had_the_same_file(
    make_plan: Make, tmp_path: Path
) -> None:
    plan = make_plan("activations=gelu,sgblend", seeds=[0])
    compared(tmp_path / "old", plan, {0: None})
    compared(tmp_path / "old-other-file", make_plan(data={**plan.data, "fingerprint": "1" * 64}, seeds=[0]), {0: None})
    (found,) = earlier_looks(compared(tmp_path / "new", plan, {0: of("a", 1)}), plan)
    assert (found.name, found.rows, found.same_arms) == ("old", None, True)


def test_a_later_comparison_is_no_earlier_look(make_plan: Make, tmp_path: Path) -> None:
    first, second = (make_plan("activations=gelu,sgblend", seeds=[0]) for _ in range(2))
    compared(tmp_path / "first", first, {0: of("a", 1)})
    compared(tmp_path / "second", second, {0: of("a", 1)})
    first.decided_at, second.decided_at = "2026-11-28T10:00:00+09:00", "2026-11-28T02:00:00+00:00"  # an hour later
    for name, plan in (("first", first), ("second", second)):
        plan.write(tmp_path / name)
    assert earlier_looks(tmp_path / "first", first) == []
    assert [look.name for look in earlier_looks(tmp_path / "second", second)] == ["first"]


def test_a_neighbour_that_cannot_be_read_is_passed_over(make_plan: Make, tmp_path: Path) -> None:
    plan = make_plan("activations=gelu,sgblend", seeds=[0])
    first = compared(tmp_path / "first", plan, {0: of("a", 1)})
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "plan.json").write_text("{", encoding="utf-8")
    (first / "gelu" / "seed0" / "outputs.npz").write_bytes(b"PK")
    assert {name: rows.tolist() for name, rows in looks.tested_rows(first, plan).items()} == {
        "a" * 64: [1]
    }  # of sgblend's
    assert earlier_looks(first, plan) == []


CHANGES: list[dict[str, Any]] = [
    {"drop": ["b"]},
    {"threshold_metric": "mcc"},
    {"cost_fp": 1.0, "cost_fn": 9.0},
    {"positive": "OK"},
    {"scaling": "standard"},
    {"max_categories": 3},
    {"categorical": ["a"]},
    {"missing": ["7"]},
    {"batch_size": 16},
    {"order_seed": 5},
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: next(iter(changes)))
def test_rows_of_a_table_keep_their_names_whatever_is_done_with_them(tmp_path: Path, changes: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    y = np.where(rng.random(200) < 0.4, "NG", "OK").astype(object)
    y[[3, 50]] = None  # rows without a target are left out, and the others keep their numbers
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200), "y": y})
    frame.to_csv(tmp_path / "t.csv", index=False)
    options = config.Table(name="table", path=str(tmp_path / "t.csv"), target="y")

    def names(prepared: Prepared) -> set[tuple[str, int]]:
        assert prepared.test_rows is not None
        known = prepared.test_rows
        assert len(known.row) == len(prepared.parts["test"])
        return {(known.sources[s], int(r)) for s, r in zip(known.source, known.row, strict=True)}

    plain = data.load(options)
    assert names(plain) == names(data.load(replace(options, **changes)))
    assert plain.test_rows is not None
    positive = frame["y"].iloc[plain.test_rows.row].eq("NG").to_numpy()
    assert (positive == (plain.parts["test"].y.numpy() == plain.positive_number)).all()


def test_the_test_file_is_the_source_where_there_is_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("t.csv", "test.csv"):
        frame = pd.DataFrame({"a": rng.normal(size=60), "y": np.where(rng.random(60) < 0.5, "NG", "OK")})
        frame.to_csv(tmp_path / name, index=False)
    options = config.Table(name="table", path=str(tmp_path / "t.csv"), target="y", test_path=str(tmp_path / "test.csv"))
    known = data.load(options).test_rows
    alone = data.load(replace(options, test_path=None)).test_rows
    assert known is not None
    assert alone is not None
    assert known.sources != alone.sources
    assert known.row.tolist() == list(range(60))


def names_of(options: config.Data) -> set[tuple[str, int]]:
    known = data.load(options).test_rows
    assert known is not None
    return {(known.sources[s], int(r)) for s, r in zip(known.source, known.row, strict=True)}


def test_pictures_keep_their_names_whatever_is_done_with_them(tmp_path: Path) -> None:
    root = pictures.write_folder(tmp_path / "set", per_class=10)
    options = config.ImageFolder(name="image_folder", root=str(root), cache=str(tmp_path / "cache"))
    plain = names_of(options)
    assert len(plain) == len(data.load(options).parts["test"])
    for changes in ({"image_size": [16]}, {"channels": "grey"}, {"augment": ["none"]}, {"positive": "赤い丸"}):
        assert names_of(replace(options, **changes)) == plain  # type: ignore[arg-type]
    (root / "赤い丸" / "009.png").rename(root / "赤い丸" / "first.png")  # the bytes are the same
    assert {source for source, _ in names_of(options)} & {source for source, _ in plain}


def test_texts_keep_their_names_in_a_table_and_in_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    texts.messages(120).to_csv(tmp_path / "t.csv", index=False)
    options = config.Text(name="text", path=str(tmp_path / "t.csv"), text=["本文"], target="評価", vocabulary=300)
    assert names_of(options) == names_of(replace(options, vocabulary=200, max_length=20))
    root = texts.write_folder(tmp_path / "folder", texts.messages(80))
    folder = config.Text(name="text", path=str(root), vocabulary=300)
    plain = names_of(folder)
    assert len({source for source, _ in plain}) == len(plain) == len(data.load(folder).parts["test"])
    assert plain == names_of(replace(folder, vocabulary=200))

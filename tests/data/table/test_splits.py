"""Ways to split a table: what belongs together stays together, nothing is lost, the shares are as asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptact import config
from adaptact.data import load
from adaptact.data.splits import connected
from adaptact.data.table import splits
from adaptact.data.table.roles import infer_roles
from adaptact.data.table.splits import moments, row_hash, split_table
from adaptact.data.table.table import Raw, read_and_split
from adaptact.errors import DataError

PARTS = ("train", "val", "test")


def people(n: int = 300, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "row": [f"r{i}" for i in range(n)],  # an identifier
            "x": draw.normal(size=n).round(4),
            "kind": draw.choice(["p", "q"], n),
            "customer": draw.integers(0, n // 6, n),
            "when": pd.date_range("2024-01-01", periods=n).repeat(3)[draw.permutation(n)],
            "y": draw.choice(["no", "yes"], n, p=[0.8, 0.2]),
        }
    )


def split(folder: Path, frame: pd.DataFrame, **options: Any) -> Raw:
    frame.to_csv(folder / "t.csv", index=False)
    return read_and_split(config.Table(**{"name": "table", "path": str(folder / "t.csv"), "target": "y", **options}))


def rows_of(raw: Raw) -> dict[str, list[str]]:
    return {part: raw.frames[part]["row"].tolist() for part in PARTS}


def disjoint(train: set[Any], val: set[Any], test: set[Any]) -> bool:
    return not (train & val or train & test or val & test)


def all_once(raw: Raw, frame: pd.DataFrame) -> bool:
    rows = [row for part in rows_of(raw).values() for row in part]
    return sorted(rows) == sorted(frame["row"])


# --- equal rows ----------------------------------------------------------------------------------------------------

table_rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from(["yes", "no"])), min_size=12, max_size=120
)


cells_of_a_row = st.tuples(
    st.sampled_from(["a", "b", "", None]), st.sampled_from([0.0, -0.0, 1.0, 2.5, np.nan]), st.integers(-2, 2)
)


@settings(deadline=None, max_examples=100)
@given(st.lists(cells_of_a_row, min_size=1, max_size=40), st.permutations(["a", "b", "c"]))
def test_rows_have_the_same_number_where_they_are_equal(rows: list[tuple[Any, ...]], names: list[str]) -> None:
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    known = {
        row: number for number, row in enumerate(dict.fromkeys(map(repr, frame.replace(-0.0, 0.0).to_numpy().tolist())))
    }
    expected = [known[repr(row)] for row in frame.replace(-0.0, 0.0).to_numpy().tolist()]
    assert pd.factorize(row_hash(frame, names))[0].tolist() == expected
    narrow = frame.astype({"b": np.float32, "c": np.int8})  # the same numbers in a file of other types
    days = pd.Series(pd.to_datetime("2024-01-01") + pd.to_timedelta(frame["c"], unit="D"))
    units = [pd.DataFrame({"d": days.astype(f"datetime64[{unit}]")}) for unit in ("s", "ms", "us", "ns")]
    by_unit = {row_hash(each, ["d"]).tobytes() for each in units}
    assert len(by_unit) == 1
    assert row_hash(narrow, names).tolist() == row_hash(frame, names).tolist()


@settings(deadline=None, max_examples=60)
@given(table_rows, st.sampled_from([{}, {"folds": 3, "fold": 1}, {"group": "g"}]), st.booleans(), st.integers(0, 5))
def test_equal_rows_and_groups_never_stand_in_two_parts(
    rows: list[tuple[str, int, str]], way: dict[str, Any], quantity: bool, seed: int
) -> None:
    frame = pd.DataFrame(rows, columns=["a", "b", "label"])
    frame["g"] = [f"g{(i * 7) % 11}" for i in range(len(frame))]
    y = (frame["label"] == "yes").to_numpy().astype(np.float64 if quantity else np.int64)
    options = config.Table(name="table", path="t.csv", target="label", split_seed=seed, **way)
    try:
        cells = frame.drop(columns="label")
        roles = infer_roles(cells if "group" in way else cells.drop(columns="g"), options)
        parts, _ = split_table(cells, y, "regression" if quantity else "classification", ["no", "yes"], options, roles)
    except DataError:
        return
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(frame)))
    part_of = np.empty(len(frame), dtype=object)
    for part, index in parts.items():
        part_of[index] = part
    shown = [name for name in ("a", "b") if name in roles.used]
    assert (frame.assign(part=part_of).groupby([*shown, "label"])["part"].nunique() == 1).all()
    if "group" in way:
        assert (frame.assign(part=part_of).groupby("g")["part"].nunique() == 1).all()


def test_equal_rows_are_counted_identifiers_aside_and_the_classes_keep_their_shares(tmp_path: Path) -> None:
    frame = people(600)
    copies = frame.sample(150, random_state=0).assign(row=[f"copy{i}" for i in range(150)])
    frame = pd.concat([frame, copies], ignore_index=True)
    raw = split(tmp_path, frame)
    assert "150 rows repeat another one; rows that are equal stand in the same part" in raw.notes
    assert all_once(raw, frame)
    for part, share in (("val", 0.2), ("test", 0.2)):
        counts = np.bincount(raw.y[part])
        expected = share * frame["y"].value_counts().loc[raw.labels].to_numpy()
        assert np.abs(counts - expected).max() <= 2


def test_without_equal_rows_every_class_has_its_share_within_a_row(tmp_path: Path) -> None:
    frame = people(500)
    raw = split(tmp_path, frame, test_size=0.3, val_size=0.1, split_seed=4)
    assert all_once(raw, frame)
    for part, share in (("val", 0.1), ("test", 0.3)):
        expected = share * frame["y"].value_counts().loc[raw.labels].to_numpy()
        assert np.abs(np.bincount(raw.y[part]) - expected).max() <= 1
    assert rows_of(split(tmp_path, frame, split_seed=4)) == rows_of(split(tmp_path, frame, split_seed=4))
    assert rows_of(split(tmp_path, frame, split_seed=4)) != rows_of(split(tmp_path, frame, split_seed=5))


@pytest.mark.parametrize("way", [{}, {"folds": 5}, {"group": "customer"}, {"time": "when"}], ids=str)
def test_a_class_that_is_too_rare_gets_a_message(tmp_path: Path, way: dict[str, Any]) -> None:
    frame = people(300)
    frame.loc[[3, 4], "y"] = "rare"
    with pytest.raises(DataError, match="class 'rare' has"):
        split(tmp_path, frame, **way)


def test_a_class_whose_rows_are_all_equal_gets_a_message(tmp_path: Path) -> None:
    frame = people(300)
    frame.loc[frame["y"] == "yes", ["x", "kind", "customer", "when"]] = [1.0, "p", 1, pd.Timestamp("2024-01-01")]
    with pytest.raises(DataError, match="class 'yes' has 1 row"):
        split(tmp_path, frame)


# --- groups --------------------------------------------------------------------------------------------------------


def groups_of(raw: Raw, column: str = "customer") -> list[set[str]]:
    return [set(raw.frames[part][column].dropna()) for part in PARTS]


@pytest.mark.parametrize("shares", [(0.2, 0.2), (0.1, 0.4), (0.3, 0.15)])
def test_no_group_stands_in_two_parts_and_the_shares_are_near(tmp_path: Path, shares: tuple[float, float]) -> None:
    frame = people(900)
    raw = split(tmp_path, frame, group="customer", val_size=shares[0], test_size=shares[1])
    assert disjoint(*groups_of(raw))
    assert all_once(raw, frame)
    for part, share in zip(("val", "test"), shares, strict=True):
        assert abs(len(raw.y[part]) / 900 - share) < 0.03
        assert abs(raw.y[part].mean() - (frame["y"] == "yes").mean()) < 0.05
    assert raw.roles["customer"].role == "drop"  # the test part has other customers


def test_groups_that_share_equal_rows_are_kept_together(tmp_path: Path) -> None:
    frame = people(300)
    first, second = (frame.index[frame["customer"] == number] for number in (1, 2))
    frame.loc[second[0], ["x", "kind", "when", "y"]] = frame.loc[first[0], ["x", "kind", "when", "y"]].to_numpy()
    for seed in range(5):
        raw = split(tmp_path, frame, group="customer", split_seed=seed)
        assert "some groups of 'customer' share equal rows and are kept together" in raw.notes
        together = [{"1", "2"} & groups for groups in groups_of(raw)]
        assert sorted(map(len, together)) == [0, 0, 2]


def test_a_row_without_a_group_is_one_of_its_own(tmp_path: Path) -> None:
    frame = people(300)
    frame["customer"] = [f"c{i % 40}" if i % 3 else None for i in range(300)]
    raw = split(tmp_path, frame, group="customer")
    assert min(raw.frames[part]["customer"].isna().sum() for part in PARTS) > 5
    assert all_once(raw, frame)


@pytest.mark.parametrize("groups", [1, 2])
def test_too_few_groups_get_a_message(tmp_path: Path, groups: int) -> None:
    frame = people(60)
    frame["customer"] = [f"c{i % groups}" for i in range(60)]
    with pytest.raises(DataError, match=f"data.group=customer has {groups} groups, too few"):
        split(tmp_path, frame, group="customer")


def test_rows_that_agree_in_either_are_together_over_any_number_of_steps() -> None:
    first, second = np.array([0, 1, 1, 2, 2, 3]), np.array([0, 0, 1, 1, 2, 3])
    assert connected(first, second).tolist() == [0, 0, 0, 0, 0, 1]


# --- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", ["%Y-%m-%d", "%d.%m.%Y", "%Y年%m月%d日", "number"])
def test_the_test_part_is_the_latest_and_days_are_not_cut(tmp_path: Path, format: str) -> None:
    frame = people(300)
    when = pd.Series(frame["when"].to_numpy(), index=frame["row"])
    frame["when"] = (
        (when.to_numpy() - when.min().to_numpy()).astype("timedelta64[D]").astype(int)
        if format == "number"
        else when.dt.strftime(format).to_numpy()
    )
    raw = split(tmp_path, frame, time="when")
    days = {part: when.loc[rows] for part, rows in rows_of(raw).items()}
    assert days["train"].max() < days["val"].min() <= days["val"].max() < days["test"].min()
    assert all_once(raw, frame)
    assert {part: len(rows) for part, rows in days.items()} == {"train": 180, "val": 60, "test": 60}
    latest = frame["when"].max() if format == "number" else when.max().date()
    assert any(
        note.startswith("split by 'when': train up to ") and f"test up to {latest}" in note for note in raw.notes
    )


def test_a_blank_or_odd_moment_is_shown(tmp_path: Path) -> None:
    frame = people(300)
    frame["when"] = frame["when"].astype(str)
    frame.loc[7, "when"] = "someday"
    with pytest.raises(DataError, match=r"data\.time=when: 1 cells are neither dates nor numbers, as 'someday'"):
        split(tmp_path, frame, time="when")
    frame.loc[7, "when"] = ""
    with pytest.raises(DataError, match=r"data\.time=when: 1 cells are blank"):
        split(tmp_path, frame, time="when")
    frame["when"] = "2024-01-05"
    with pytest.raises(DataError, match="leaves no earlier rows"):
        split(tmp_path, frame, time="when")


def test_later_rows_teach_no_year_and_no_elapsed_days(tmp_path: Path) -> None:
    frame = people(300)
    frame.to_csv(tmp_path / "t.csv", index=False)
    by_time, plain = (
        load(config.Table(name="table", path=str(tmp_path / "t.csv"), target="y", time=time)) for time in ("when", None)
    )
    assert plain.input_shape[0] - by_time.input_shape[0] == 2


def test_moments_are_ordered_as_time() -> None:
    assert moments(pd.Series(["02.01.2024", "31.12.2023"])).argmin() == 1
    assert moments(pd.Series(["10", "9"])).argmin() == 1
    assert moments(pd.Series(pd.to_datetime(["2024-01-02", "2024-01-01"]))).argmin() == 1


# --- folds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [{}, {"group": "customer"}, {"target": "x"}], ids=["classes", "groups", "quantity"])
def test_every_row_is_tested_in_exactly_one_fold(tmp_path: Path, way: dict[str, Any]) -> None:
    frame = people(300)
    raws = [split(tmp_path, frame, folds=4, fold=fold, **way) for fold in range(4)]
    tested = [row for raw in raws for row in rows_of(raw)["test"]]
    assert sorted(tested) == sorted(frame["row"])
    for raw in raws:
        assert all_once(raw, frame)
        assert abs(len(raw.y["test"]) - 75) <= (12 if "group" in way else 1)
        assert abs(len(raw.y["val"]) - 60) <= (12 if "group" in way else 6)
        if "group" in way:
            assert disjoint(*groups_of(raw))
        if not way:
            assert abs(raw.y["test"].sum() - (frame["y"] == "yes").sum() / 4) <= 1


def test_more_folds_than_there_are_rows_of_a_class(tmp_path: Path) -> None:
    frame = people(60)
    frame["y"] = ["yes"] * 7 + ["no"] * 53
    with pytest.raises(DataError, match=r"class 'yes' has 7 rows, too few for data\.folds=8"):
        split(tmp_path, frame, folds=8)
    with pytest.raises(DataError, match=r"data\.folds=200: there are only 60 different rows"):
        split(tmp_path, frame, folds=200)


def test_a_file_for_validation_leaves_its_rows_to_the_training_part(tmp_path: Path) -> None:
    frame = people(300)
    people(50, seed=1).to_csv(tmp_path / "val.csv", index=False)
    raw = split(tmp_path, frame, folds=3, val_path=str(tmp_path / "val.csv"))
    assert {part: len(y) for part, y in raw.y.items()} == {"train": 200, "test": 100, "val": 50}


# --- files of their own --------------------------------------------------------------------------------------------


def adult(rows: int, seed: int, dot: str = "") -> str:
    draw = np.random.default_rng(seed)
    jobs = draw.choice(["Private", "State-gov", "?"], rows)
    return "".join(
        f"{age}, {job}, {hours}, {'>50K' if age + hours > 95 else '<=50K'}{dot}\n"
        for age, job, hours in zip(draw.integers(17, 90, rows), jobs, draw.integers(20, 70, rows), strict=True)
    )


def test_files_without_a_header_whose_labels_end_in_a_dot_and_with_junk_above(tmp_path: Path) -> None:
    """The official files of the Adult set are such."""
    (tmp_path / "a.data").write_text(adult(300, 0) + "\n")
    (tmp_path / "a.test").write_text("|1x3 Cross validator\n" + adult(100, 1, dot=".") + "\n")
    options = config.Table(name="table", path=str(tmp_path / "a.data"), test_path=str(tmp_path / "a.test"), target="3")
    raw = read_and_split(options)
    assert {part: len(y) for part, y in raw.y.items()} == {"train": 240, "val": 60, "test": 100}
    assert raw.labels == ["<=50K", ">50K"]
    expected = [">50K" in line for line in adult(100, 1).splitlines()]
    assert raw.y["test"].tolist() == expected
    assert raw.frames["test"]["1"].isna().sum() == adult(100, 1).count("?")


def test_given_files_are_taken_as_they_are_in_their_order(tmp_path: Path) -> None:
    frame, val, test = people(300), people(60, 1), people(80, 2)
    val.to_csv(tmp_path / "val.csv", index=False)
    test[list(reversed(test.columns))].assign(extra=1).to_parquet(tmp_path / "test.parquet", index=False)
    raw = split(
        tmp_path, frame, val_path=str(tmp_path / "val.csv"), test_path=str(tmp_path / "test.parquet"), drop=["customer"]
    )
    assert rows_of(raw) == {"train": frame["row"].tolist(), "val": val["row"].tolist(), "test": test["row"].tolist()}
    assert list(raw.frames["test"].columns) == list(raw.frames["train"].columns)
    assert raw.frames["test"]["x"].tolist() == test["x"].tolist()
    assert [raw.labels[y] for y in raw.y["test"]] == test["y"].tolist()


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("test_path", lambda f: f.drop(columns="x"), r"data\.test_path=.*other\.csv has no column 'x'"),
        ("val_path", lambda f: f.drop(columns="y"), r"data\.val_path=.*other\.csv has no column 'y'"),
        ("test_path", lambda f: f.assign(y="perhaps"), r"other\.csv: the target 'y' has a label 'perhaps'"),
        ("test_path", lambda f: f.assign(y=""), "the test part has no rows"),
        ("test_path", lambda f: f.head(0), r"data\.test_path=.* has a header but no rows"),
        ("val_path", lambda f: f.assign(y="no"), "class 'yes' has no row in the val part"),
    ],
)
def test_a_given_file_that_does_not_fit_is_refused(tmp_path: Path, key: str, change: Any, message: str) -> None:
    change(people(60, 1)).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(DataError, match=message):
        split(tmp_path, people(300), **{key: str(tmp_path / "other.csv")})


def test_a_test_file_may_lack_a_class(tmp_path: Path) -> None:
    people(60, 1).assign(y="yes").to_csv(tmp_path / "other.csv", index=False)
    assert set(split(tmp_path, people(300), test_path=str(tmp_path / "other.csv")).y["test"]) == {1}


# --- the real ones -------------------------------------------------------------------------------------------------


def test_adult_is_read_as_its_makers_split_it(datasets: Path) -> None:
    data = load(
        config.Table(
            name="table",
            path=str(datasets / "adult/adult.data"),
            test_path=str(datasets / "adult/adult.test"),
            target="14",
        )
    )
    assert {part: len(rows) for part, rows in data.parts.items()} == {"train": 26_049, "val": 6_512, "test": 16_281}
    assert data.labels == ["<=50K", ">50K"]
    assert abs(data.parts["test"].y.double().mean().item() - 3846 / 16_281) < 1e-6
    assert all(torch.isfinite(part.x).all() for part in data.parts.values())


def test_equal_wines_never_stand_in_two_parts(datasets: Path) -> None:
    path = str(datasets / "wine_quality_white/winequality-white.csv")
    raw = read_and_split(config.Table(name="table", path=path, target="quality", task="regression"))
    assert "937 rows repeat another one; rows that are equal stand in the same part" in raw.notes
    rows = {part: set(raw.frames[part].assign(y=raw.y[part]).itertuples(index=False, name=None)) for part in PARTS}
    assert disjoint(rows["train"], rows["val"], rows["test"])
    assert abs(len(raw.y["test"]) - 0.2 * 4898) <= 3


def test_a_row_without_a_group_is_a_group_of_its_own() -> None:
    frame = pd.DataFrame({"g": ["a", None, "b", "a", np.nan]})
    assert splits.groups_of(frame, "g").tolist() == [0, 2, 1, 0, 3]
    assert splits.groups_of(pd.DataFrame({"g": [1.0, np.nan, 1.0]}), "g").tolist() == [0, 1, 0]
    assert splits.groups_of(frame, None) is splits.groups_of(frame, "absent") is None

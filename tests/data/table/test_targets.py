"""The column to predict: task, labels, and labels of another file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from adaptact import config
from adaptact.data.table import targets
from adaptact.errors import DataError

OPTIONS = config.Table(name="table", path="t.csv", target="y")


def encoded(train: list[str], other: list[str]) -> list[int]:
    labels = targets.find_labels(targets.one_spelling(pd.Series(train * 3), "."), OPTIONS, ".")
    return targets.encode(pd.Series(other, name="y"), labels, ".", "new.csv").tolist()


@pytest.mark.parametrize(
    ("train", "other", "expected"),
    [
        (["<=50K", ">50K"], [">50K.", "<=50K."], [1, 0]),
        (["no fault", "fault"], ["no  fault", "fault "], [1, 0]),
        (["True", "False"], ["false", "TRUE"], [0, 1]),
        (["0", "1"], ["1.0", "0.0", "01"], [1, 0, 1]),
        (["1.0", "2.0"], ["2", "1"], [1, 0]),
        (["A", "A."], ["A.", "A"], [1, 0]),
        (["1000000", "1000001"], ["1000001.0"], [1]),
    ],
)
def test_labels_of_another_file_may_be_spelled_a_little_differently(
    train: list[str], other: list[str], expected: list[int]
) -> None:
    assert encoded(train, other) == expected


@pytest.mark.parametrize("label", ["maybe", "YES", "", "1000002"])
def test_a_label_that_training_has_not_is_refused_and_named(label: str) -> None:
    with pytest.raises(DataError, match=rf"new\.csv: the target 'y' has a label '{label}'.*it has 1000001, no, yes"):
        encoded(["yes", "no", "1000001"], ["yes", label])


def test_a_value_that_is_no_number_is_refused_and_named() -> None:
    with pytest.raises(DataError, match=r"new\.csv: the target 'y' has a value that is no number, 'n/v'"):
        targets.encode(pd.Series(["1", "n/v"], name="y"), [], ".", "new.csv")
    assert targets.encode(pd.Series(["1,5", "¥2.000"], name="y"), [], ",", "new.csv").tolist() == [1.5, 2000.0]


def test_the_decimal_mark_of_a_target_is_its_own() -> None:
    assert targets.mark(pd.Series(["1,5", "2,25"]), OPTIONS) == ","
    assert targets.mark(pd.Series(["1", "2"]), OPTIONS) == "."
    assert targets.mark(pd.Series(["1.5"]), config.Table(name="table", path="t", target="y", decimal=",")) == ","


def test_labels_of_numbers_and_truths_are_as_one_would_have_typed_them() -> None:
    for cells, labels in [
        (np.tile([0.0, 1.0], 3), ["0", "1"]),
        (np.tile([12345678.0, 12345679.0], 3), ["12345678", "12345679"]),
        (np.tile([0.5, 2.0], 3), ["0.5", "2"]),
    ]:
        found = targets.one_spelling(pd.Series(cells), ".")
        assert targets.find_labels(found, OPTIONS, ".") == labels


FIRST = 202511280000000000


def test_codes_of_18_digits_stay_as_many_classes_as_they_are() -> None:
    target = pd.Series([str(FIRST + i % 30) for i in range(300)], name="y")
    assert targets.one_spelling(target, ".").tolist() == target.tolist()
    assert targets.infer_task(target, OPTIONS, ".") == "classification"
    labels = targets.find_labels(target, OPTIONS, ".")
    assert labels == [str(FIRST + i) for i in range(30)]
    assert targets.encode(target, labels, ".", "t.csv").tolist() == [i % 30 for i in range(300)]
    with pytest.raises(DataError, match=f"a label '{FIRST + 31}' that the training table has not"):
        targets.encode(pd.Series([str(FIRST + 31)], name="y"), labels, ".", "new.csv")


def test_short_numbers_beside_codes_of_18_digits_are_still_one_label_however_they_are_spelled() -> None:
    target = pd.Series(["1", "1.0", str(FIRST), str(FIRST + 1)])
    assert targets.one_spelling(target, ".").tolist() == ["1", "1", str(FIRST), str(FIRST + 1)]


def test_a_target_of_identifiers_is_refused_with_the_way_out() -> None:
    target = pd.Series([str(FIRST + i) for i in range(300)], name="y")
    with pytest.raises(DataError, match=r"look like identifiers; name another column, or type data\.task=regression"):
        targets.find_labels(target, OPTIONS, ".")

"""Splits: no row twice, no row lost, every class everywhere, decided by the seed alone."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptact.data.prepared import fingerprint, standardize
from adaptact.data.splits import split_rows
from adaptact.errors import DataError

modest = settings(deadline=None, max_examples=100)

seeds = st.integers(0, 2**31 - 1)
shares = st.floats(0.05, 0.45)
class_counts = st.lists(st.integers(1, 60), min_size=2, max_size=6)


def labels_of(counts: list[int]) -> list[str]:
    return [f"label-{number}" for number in range(len(counts))]


def shuffled(counts: list[int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


@modest
@given(class_counts, shares, shares, seeds)
def test_classes_are_in_every_part_and_rows_in_exactly_one_or_the_class_is_named(
    counts: list[int], val_size: float, test_size: float, seed: int
) -> None:
    y, labels = shuffled(counts, seed % 100), labels_of(counts)
    try:
        parts = split_rows(y, "classification", val_size=val_size, test_size=test_size, seed=seed, labels=labels)
    except DataError as error:
        assert any(repr(label) in str(error) for label in labels), str(error)  # noqa: PT017
        return
    assert set(parts) == {"train", "val", "test"}
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(y)))
    for rows in parts.values():
        assert set(y[rows]) == set(range(len(counts)))


@pytest.mark.parametrize("small", [3, 5, 8, 13])
def test_small_classes_of_a_large_table_are_in_every_part(small: int) -> None:
    """The shares of the default configuration; enough rows of each class for all three parts."""
    y = shuffled([900, small, 40, small + 1, 17], seed=0)
    parts = split_rows(y, "classification", val_size=0.2, test_size=0.2, seed=0)
    assert all(set(y[rows]) == set(range(5)) for rows in parts.values())


@modest
@given(st.integers(0, 80), shares, shares, seeds)
def test_rows_of_a_regression_are_in_exactly_one_part(
    n_rows: int, val_size: float, test_size: float, seed: int
) -> None:
    try:
        parts = split_rows(np.arange(n_rows) * 0.5, "regression", val_size=val_size, test_size=test_size, seed=seed)
    except DataError as error:
        assert n_rows < 20, str(error)  # noqa: PT017
        return
    assert all(len(rows) for rows in parts.values())
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(n_rows))


@modest
@given(st.lists(st.integers(2, 60), min_size=2, max_size=6), shares, seeds)
def test_without_a_test_share_there_are_two_parts(counts: list[int], val_size: float, seed: int) -> None:
    y, labels = shuffled(counts, seed % 100), labels_of(counts)
    try:
        parts = split_rows(y, "classification", val_size=val_size, test_size=0.0, seed=seed, labels=labels)
    except DataError as error:
        assert any(repr(label) in str(error) for label in labels), str(error)  # noqa: PT017
        return
    assert set(parts) == {"train", "val"}
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(len(y)))
    assert all(set(y[rows]) == set(range(len(counts))) for rows in parts.values())


@modest
@given(seeds, shares, shares)
def test_the_seed_alone_decides_which_rows_go_where(seed: int, val_size: float, test_size: float) -> None:
    y = shuffled([70, 60, 50], seed=0)

    def split(seed: int) -> dict[str, np.ndarray]:
        return split_rows(y, "classification", val_size=val_size, test_size=test_size, seed=seed)

    np.random.seed(1)
    first = split(seed)
    np.random.seed(2)
    again, other = split(seed), split(seed + 1)
    assert all(np.array_equal(first[part], again[part]) for part in first)
    assert any(not np.array_equal(first[part], other[part]) for part in first)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_parts_have_the_shares_that_were_asked_for_of_every_class(task: str) -> None:
    y = shuffled([500, 300, 200], seed=0)
    parts = split_rows(y, task, val_size=0.1, test_size=0.3, seed=0)  # type: ignore[arg-type]
    for part, share in {"train": 0.6, "val": 0.1, "test": 0.3}.items():
        assert len(parts[part]) == pytest.approx(share * 1000, abs=1)
        if task == "classification":
            assert np.bincount(y[parts[part]]) == pytest.approx(share * np.array([500, 300, 200]), abs=1)


def test_rows_keep_their_order_within_a_part() -> None:
    parts = split_rows(shuffled([30, 30], seed=0), "classification", val_size=0.2, test_size=0.2, seed=0)
    assert all(np.array_equal(rows, np.sort(rows)) for rows in parts.values())


@pytest.mark.parametrize(("counts", "test_size"), [([9, 2, 9], 0.2), ([9, 1, 9], 0.2), ([9, 1, 9], 0.0)])
def test_a_class_with_too_few_rows_is_named_with_their_number_and_a_way_out(
    counts: list[int], test_size: float
) -> None:
    message = rf"'label-1' has {counts[1]} row.*(merge|collect|leave)"
    with pytest.raises(DataError, match=message):
        split_rows(
            shuffled(counts, 0), "classification", val_size=0.2, test_size=test_size, seed=0, labels=labels_of(counts)
        )


def test_a_number_that_no_row_has_is_no_class_that_is_missing() -> None:
    y = np.repeat([0, 2], 20)
    assert set(split_rows(y, "classification", val_size=0.2, test_size=0.2, seed=0)) == {"train", "val", "test"}


def test_fingerprints_depend_on_content_and_order_alone() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert re.fullmatch("[0-9a-f]{64}", fingerprint([array]))
    assert fingerprint([np.asfortranarray(array)]) == fingerprint([array.copy()]) == fingerprint([bytes(range(6))])
    assert fingerprint([array + 1]) != fingerprint([array])
    assert fingerprint([b"a", b"b"]) != fingerprint([b"b", b"a"])


def test_a_constant_target_is_only_centred() -> None:
    assert standardize(np.full(4, 7.0)) == (7.0, 1.0)
    assert standardize(np.array([1.0, 3.0])) == (2.0, 1.0)
    assert standardize(np.array([1.0, 5.0])) == (3.0, 2.0)

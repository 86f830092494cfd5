"""Windows of time: no row in two, moments together, and never a later row in training."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from adaptact import config
from adaptact.data.table.time_windows import LEAST_ROWS, Scheme, cut, read_windows, rows_of
from adaptact.errors import DataError

moments = arrays(np.float64, st.integers(40, 150), elements=st.integers(0, 120).map(float))
schemes = st.builds(
    Scheme,
    windows=st.integers(3, 6),
    by=st.sampled_from(["rows", "time"]),
    history=st.sampled_from([1, 2, None]),
    delay=st.sampled_from([0.0, 3.0]),
)


@given(moments, schemes, st.floats(0.05, 0.6))
def test_windows_are_apart_in_time_and_nothing_later_is_trained_on(
    when: np.ndarray, scheme: Scheme, val_size: float
) -> None:
    with contextlib.suppress(DataError):  # of too few rows
        check_windows(when, cut(when, scheme), scheme, val_size)


def check_windows(when: np.ndarray, window: np.ndarray, scheme: Scheme, val_size: float) -> None:
    assert np.bincount(window).min() >= LEAST_ROWS
    for number in range(scheme.windows - 1):
        assert when[window == number].max() < when[window == number + 1].min()  # so those of a moment are together
    for origin in scheme.origins:
        try:
            rows = rows_of(when, window, origin, scheme, val_size)
        except DataError:
            continue
        train, val, test = (set(rows[part].tolist()) for part in ("train", "val", "test"))
        assert not train & val
        assert not (train | val) & test
        assert when[rows["train"]].max() < when[rows["val"]].min() < when[rows["test"]].min()
        assert when[rows["val"]].max() + scheme.delay <= when[rows["test"]].min()
        assert test == set(np.flatnonzero(window > origin).tolist())
        if scheme.history is not None:
            assert window[rows["train"]].min() > origin - scheme.history
        elif not scheme.delay:
            assert train | val == set(np.flatnonzero(window <= origin).tolist())


def test_equal_rows_and_equal_spans() -> None:
    when = np.concatenate([np.linspace(0, 10, 60), np.linspace(11, 40, 30)])
    assert np.bincount(cut(when, Scheme(3))).tolist() == [30, 30, 30]
    spans = cut(when, Scheme(4, by="time"))
    assert when[spans == 0].max() < 10 <= when[spans == 1].min()
    assert np.bincount(spans).tolist()[0] == 59


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., config.Table]:
    """120 rows in 60 days, with a decimal comma, a mark of missing and a class that comes late."""

    def write(**options: object) -> config.Table:
        random = np.random.default_rng(0)
        days = np.repeat(np.arange(60), 2)
        frame = pd.DataFrame(
            {
                "day": (pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D")).strftime("%d.%m.%Y"),
                "x": [f"{v:.2f}".replace(".", ",") for v in random.normal(0, 1, 120) + days],
                "kind": random.choice(["a", "b"], 120),
                "y": np.where(np.arange(120) % 3, "no", "yes"),
            }
        )
        frame.loc[5, "x"] = "?"
        frame.loc[days == 59, "kind"] = "new"
        path = tmp_path / "t.csv"
        frame.to_csv(path, index=False, sep=";")
        return config.Table(name="table", path=str(path), target="y", time="day", missing=["?"], **options)  # type: ignore[arg-type]

    return write


def test_a_table_is_read_once_and_prepared_on_the_training_rows_of_each_origin(
    table: Callable[..., config.Table],
) -> None:
    windows = read_windows(table(), Scheme(4))
    windows.check()
    described = list(windows.describe())
    assert [(w["rows"], w["start"], w["end"], w["length"]) for w in described[:2]] == [
        (30, "2024-01-01", "2024-01-15", 15.0),
        (30, "2024-01-16", "2024-01-30", 15.0),
    ]
    first, second = windows.prepared(0), windows.prepared(1)
    assert [len(first.parts[part]) for part in ("train", "val", "test")] == [24, 6, 90]
    assert np.bincount(windows.test_window(0)).tolist() == [0, 30, 30, 30]
    assert first.fingerprint != second.fingerprint
    assert first.labels == ["no", "yes"]
    # scaled by its own training rows: later days of a trend lie above everything that was seen
    place = first.preparation.numeric.index("x")  # type: ignore[union-attr]
    train, test = (first.parts[part].x[:, place] for part in ("train", "test"))
    assert train.median().abs() < 0.5
    assert (test > train.median()).all()
    # what comes later changes nothing that is learned: the same rows without the last window
    shorter = read_windows(table(), Scheme(4)).prepared(0)
    assert torch.equal(shorter.parts["train"].x, first.parts["train"].x)


@pytest.mark.parametrize(
    ("change", "scheme", "message"),
    [
        (lambda f: f, Scheme(20), "window 1 of 20 has 6 rows, fewer than 10"),
        (lambda f: f, Scheme(4, delay=20.0), "with delay=20 window 1 leaves no rows to train on"),
        (lambda f: f.assign(y=["yes"] * 90 + ["no"] * 30), Scheme(4), "class 'no' has no row in the train part"),
        (lambda f: f.assign(y=["yes", "no"] * 45 + ["no"] * 30), Scheme(4), "class 'yes' has no row in window 4 of 4"),
        (lambda f: f.assign(day="2024-01-01"), Scheme(3), "fewer than 10"),
        (lambda f: f.assign(day=["soon", *f["day"][1:]]), Scheme(3), "neither dates nor numbers"),
    ],
)
def test_a_table_that_cannot_be_cut_is_refused(
    table: Callable[..., config.Table],
    change: Callable[[pd.DataFrame], pd.DataFrame],
    scheme: Scheme,
    message: str,
) -> None:
    options = table()
    frame = pd.read_csv(options.path, sep=";", dtype=str)
    change(frame).to_csv(options.path, sep=";", index=False)
    with pytest.raises(DataError) as caught:
        read_windows(options, scheme).check()
    assert message in str(caught.value)

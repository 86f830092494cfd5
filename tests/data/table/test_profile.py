"""The profile of the training rows, and how far other rows are from it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from adaptact import config
from adaptact.data.table.preparation import TablePreparation
from adaptact.data.table.profile import as_values, profile, profile_column, psi, unseen
from adaptact.data.table.roles import Column, Roles
from adaptact.data.table.table import prepare, read_and_split

NUMBER, KIND = Column("n", "numeric"), Column("k", "categorical")


def test_a_profile_holds_ranges_quantiles_categories_and_missing_shares() -> None:
    frame = pd.DataFrame(
        {
            "n": [str(i) for i in range(101)] + [None] * 99,
            "k": ["b"] * 150 + ["a"] * 30 + [None] * 20,
            "d": ["2000-01-03"] * 200,
            "id": ["x"] * 200,
        }
    )
    roles = Roles([NUMBER, KIND, Column("d", "date", format="%Y-%m-%d"), Column("id", "identifier")])
    found = profile(frame, roles)
    assert list(found) == ["n", "k", "d"]
    assert found["n"]["quantiles"] == pytest.approx(range(101))
    assert (found["n"]["missing_share"], found["n"]["mean"], found["n"]["rows"]) == (0.495, 50.0, 200)
    assert found["k"]["categories"] == {"b": 150 / 180, "a": 30 / 180}
    assert (found["k"]["missing_share"], found["k"]["distinct"]) == (0.1, 2)
    assert set(found["d"]["quantiles"]) == {2.0}
    assert json.loads(json.dumps(found)) == found


def test_psi_of_categories_is_the_sum_by_hand() -> None:
    known = profile_column(pd.Series(["a"] * 50 + ["b"] * 50), KIND)
    new = pd.Series(["a"] * 80 + ["b"] * 20)
    assert psi(known, new, KIND) == pytest.approx(0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5))
    fresh = pd.Series(["a"] * 50 + ["b"] * 40 + ["c"] * 10)
    by_hand = -0.1 * np.log(0.4 / 0.5) + (0.1 - 1e-4) * np.log(0.1 / 1e-4)
    assert psi(known, fresh, KIND) == pytest.approx(by_hand)


def test_psi_of_numbers_is_the_sum_by_hand() -> None:
    known = profile_column(pd.Series(np.arange(10_001.0)), NUMBER)
    half = pd.Series(np.arange(5_000.0))  # five of ten bins, evenly
    assert psi(known, half, NUMBER) == pytest.approx(
        5 * (0.2 - 0.1) * np.log(2) + 5 * (0.1 - 1e-4) * np.log(0.1 / 1e-4), rel=0.02
    )


@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.6, 0.95])
def test_psi_is_near_zero_for_the_same_and_large_for_a_shifted_distribution(zeros: float) -> None:
    draw = np.random.default_rng(0)

    def cells(shift: float, share: float) -> pd.Series:
        values = np.exp(draw.normal(shift, 1, 5000))
        return pd.Series(np.where(draw.random(5000) < share, 0.0, values))

    known = profile_column(cells(0, zeros), NUMBER)
    assert psi(known, cells(0, zeros), NUMBER) < 0.02
    assert psi(known, cells(3, max(0.0, zeros - 0.3)), NUMBER) > 0.25


def test_psi_of_two_values_sees_that_their_shares_changed() -> None:
    known = profile_column(pd.Series([0.0] * 900 + [1.0] * 100), NUMBER)
    assert psi(known, pd.Series([0.0] * 90 + [1.0] * 10), NUMBER) < 0.01
    assert psi(known, pd.Series([0.0] * 50 + [1.0] * 50), NUMBER) > 0.25


def test_without_cells_there_is_no_psi() -> None:
    empty = pd.Series([None, None], dtype=object)
    assert psi(profile_column(pd.Series([1.0]), NUMBER), empty, NUMBER) is None
    assert psi(profile_column(empty, NUMBER), pd.Series([1.0]), NUMBER) is None
    assert psi(profile_column(empty, KIND), pd.Series(["a"]), KIND) is None
    assert psi(profile_column(pd.Series(["a"]), KIND), empty, KIND) is None


def test_categories_that_training_has_not_are_counted() -> None:
    known = profile_column(pd.Series(["1", "2"] * 9), KIND)
    assert unseen(known, pd.Series(["1", "3", None, "3", "x"])) == {"3": 2, "x": 1}
    assert unseen(known, pd.Series([1.0, 3.0, np.nan])) == {"3": 1}  # as Parquet may hold them
    many = profile_column(pd.Series([str(i) for i in range(500)]), KIND)
    assert len(many["categories"]) == 100
    assert unseen(many, pd.Series(["x"])) == {}
    assert unseen(profile_column(pd.Series([1.0]), NUMBER), pd.Series([7.0])) == {}


def test_values_of_a_column_as_they_are_compared() -> None:
    days = Column("d", "date", format="%d.%m.%Y")
    np.testing.assert_equal(as_values(pd.Series(["03.01.2000", None, "x"]), days), [2.0, np.nan, np.nan])
    np.testing.assert_equal(as_values(pd.Series(["1.000,5", "x"]), Column("n", "numeric", ",")), [1000.5, np.nan])


# --- with the preparation ------------------------------------------------------------------------------------------


def test_rows_as_they_stand_in_the_file_are_prepared_as_those_that_were_split(tmp_path: Path) -> None:
    """Prediction reads text; training has numbers and moments already. Dates, decimal commas and all."""
    rows = 150
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "preis": [f"{v:.2f}".replace(".", ",") if i % 9 else "" for i, v in enumerate(draw.normal(50, 20, rows))],
            "tag": [f"{1 + i % 28}.{1 + i % 12}.2023" for i in range(rows)],
            "ort": [["Köln", "Bonn", ""][i % 3] for i in range(rows)],
            "stufe": [str(i % 4) for i in range(rows)],
            "y": [["ja", "nein"][i % 5 % 2] for i in range(rows)],
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False, sep=";")
    options = config.Table(name="table", path=str(tmp_path / "t.csv"), target="y", categorical=["stufe"])
    raw = read_and_split(options)
    frames = dict(raw.frames)  # which are used up
    data = prepare(raw, options)
    assert isinstance(data.preparation, TablePreparation)
    data.preparation.save(tmp_path / "kept")
    kept = TablePreparation.load(tmp_path / "kept")
    whole = kept.transform(frame.replace("", np.nan))
    for part, x in ((part, data.parts[part].x) for part in data.parts):
        assert torch.equal(kept.transform(frames[part]), x)
        assert {tuple(row) for row in x.tolist()} <= {tuple(row) for row in whole.tolist()}
    assert kept.profile == profile(frames["train"], raw.roles)
    assert all(
        value < 0.25
        for name in raw.roles.used
        if (value := psi(kept.profile[name], frame[name].replace("", np.nan), raw.roles[name])) is not None
    )
    assert kept.layout.cardinalities == (3 + 1, 4 + 1)
    strange = frame.head(1).assign(ort="Ulm", stufe="9")
    assert kept.transform(strange)[0, -2:].tolist() == [3, 4]

"""The data sets of scikit-learn: their shapes, and that nothing is learned from rows held out."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from adaptact import config
from adaptact.data import PARTS, Prepared, bundled, load
from adaptact.data.splits import split_rows

SHAPES = {  # rows, input shape, outputs
    "digits": (1797, (1, 8, 8), 10),
    "breast_cancer": (569, (30,), 2),
    "wine": (178, (13,), 3),
    "diabetes": (442, (10,), 1),
}
per_set = pytest.mark.parametrize("name", SHAPES)


def rows_of(name: str, split_seed: int = 0) -> dict[str, np.ndarray]:
    """The rows of each part, found again from the source."""
    y = bundled.LOADERS[name]().target
    task = "regression" if name == "diabetes" else "classification"
    return split_rows(y, task, val_size=0.2, test_size=0.2, seed=split_seed)  # type: ignore[arg-type]


def altered(name: str, part: str, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """The data set with the inputs of one part's rows multiplied and moved in its source."""
    source = copy.deepcopy(bundled.LOADERS[name]())
    source.data[rows_of(name)[part]] = source.data[rows_of(name)[part]] * -7 + 1000
    monkeypatch.setitem(bundled.LOADERS, name, lambda: source)
    return load(config.Bundled(name=name))


def same(first: Tensor, second: Tensor) -> bool:
    return torch.equal(first, second)


@per_set
def test_rows_shapes_and_types(name: str) -> None:
    rows, input_shape, n_outputs = SHAPES[name]
    data = load(config.Bundled(name=name))
    assert data.name == name
    assert set(data.parts) == set(PARTS)
    assert sum(len(part) for part in data.parts.values()) == rows
    assert data.input_shape == input_shape
    assert data.n_outputs == n_outputs
    assert data.task == ("regression" if name == "diabetes" else "classification")
    for part in data.parts.values():
        assert part.x.dtype == torch.float32
        assert part.y.dtype == (torch.float32 if data.task == "regression" else torch.int64)
        assert part.x.isfinite().all()


def test_labels_stand_in_the_order_of_their_numbers() -> None:
    assert load(config.Bundled(name="digits")).labels == [str(digit) for digit in range(10)]
    cancer = load(config.Bundled(name="breast_cancer"))
    assert cancer.labels == ["malignant", "benign"]
    assert sum(int((part.y == 0).sum()) for part in cancer.parts.values()) == 212  # malignant ones in the source


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "diabetes"])
def test_every_column_is_standardised_on_the_training_part(name: str) -> None:
    data = load(config.Bundled(name=name))
    train = data.parts["train"].x.double()
    torch.testing.assert_close(train.mean(0), torch.zeros_like(train[0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(train.std(0, correction=0), torch.ones_like(train[0]), atol=1e-5, rtol=0)
    assert data.parts["test"].x.mean(0).abs().max() > 1e-3  # not on the test part


def test_images_are_standardised_by_one_mean_and_scale() -> None:
    data = load(config.Bundled(name="digits"))
    train = data.parts["train"].x.double()
    assert abs(train.mean().item()) < 1e-5
    assert abs(train.std(correction=0).item() - 1) < 1e-5
    assert len(train.unique()) == 17  # the 17 grey levels stay 17 levels


@per_set
@pytest.mark.parametrize("part", ["val", "test"])
def test_training_tensors_know_nothing_of_held_out_rows(name: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load(config.Bundled(name=name))
    after = altered(name, part, monkeypatch)
    assert same(before.parts["train"].x, after.parts["train"].x)
    assert same(before.parts["train"].y, after.parts["train"].y)
    assert not same(before.parts[part].x, after.parts[part].x)


@per_set
def test_training_rows_decide_how_held_out_rows_are_scaled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load(config.Bundled(name=name))
    after = altered(name, "train", monkeypatch)
    assert not same(before.parts["test"].x, after.parts["test"].x)


def test_a_target_in_its_own_unit_is_the_source_s() -> None:
    data = load(config.Bundled(name="diabetes"))
    source = bundled.LOADERS["diabetes"]().target
    for part, rows in rows_of("diabetes").items():
        restored = data.parts[part].y.double().numpy() * data.scale + data.center
        np.testing.assert_allclose(restored, source[rows], rtol=1e-5)
    train = source[rows_of("diabetes")["train"]]
    assert (data.center, data.scale) == pytest.approx((train.mean(), train.std()))


@per_set
def test_fingerprints_are_those_of_the_source(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(config.Bundled(name=name))
    other_split = load(config.Bundled(name=name, split_seed=5, val_size=0.1))
    assert first.fingerprint == other_split.fingerprint
    assert altered(name, "test", monkeypatch).fingerprint != first.fingerprint


@per_set
def test_the_split_depends_on_split_seed_alone(name: str) -> None:
    def tensors(**options: Any) -> list[Tensor]:
        data = load(config.Bundled(name=name, **options))
        return [tensor for part in PARTS for tensor in (data.parts[part].x, data.parts[part].y)]

    torch.manual_seed(1)
    np.random.seed(1)
    first = tensors()
    torch.manual_seed(2)
    np.random.seed(2)
    assert all(map(same, first, tensors(batch_size=7, resident="false", num_workers=0)))
    assert not all(a.shape == b.shape and same(a, b) for a, b in zip(first, tensors(split_seed=1), strict=True))

"""Training pictures varied: the right ones, by the right amounts, and the same for the same seed and step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from adaptact.config import AUGMENTATIONS
from adaptact.data.images.augment import (
    JITTER,
    SCALE,
    SHIFT,
    augment,
    color,
    crop,
    flip,
    generator_for,
    vertical_flip,
)


def pictures(n: int = 64, channels: int = 3, height: int = 16, width: int = 24, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (n, channels, height, width), generator=generator_for(seed), dtype=torch.uint8)


@settings(max_examples=30)
@given(
    st.integers(1, 9),
    st.sampled_from([1, 3]),
    st.integers(8, 20),
    st.integers(8, 20),
    st.lists(st.sampled_from(AUGMENTATIONS), unique=True),
    st.integers(0, 2**40),
)
def test_pictures_keep_shape_and_type_and_the_same_numbers_give_the_same_pictures(
    n: int, channels: int, height: int, width: int, kinds: list[str], seed: int
) -> None:
    x = pictures(n, channels, height, width)
    before = x.clone()
    torch.manual_seed(seed % 1000)
    state = torch.get_rng_state()
    first = augment(x, kinds, generator_for(seed, 3, 0))
    assert first.shape == x.shape
    assert first.dtype == torch.uint8
    assert torch.equal(x, before)  # not in place
    assert torch.equal(first, augment(x, kinds, generator_for(seed, 3, 0)))
    assert torch.equal(torch.get_rng_state(), state)  # dropout draws as it would without


def test_seed_and_step_each_change_what_is_drawn() -> None:
    x = pictures()
    found = {augment(x, AUGMENTATIONS, generator_for(s, step, rank)).numpy().tobytes() for s, step, rank in NUMBERS}
    assert len(found) == len(NUMBERS)


NUMBERS = [(seed, step, rank) for seed in range(3) for step in range(3) for rank in range(2)]


@pytest.mark.parametrize(("kind", "axis"), [(flip, 3), (vertical_flip, 2)])
def test_half_of_the_pictures_are_flipped_and_the_others_stay(kind: object, axis: int) -> None:
    x = pictures(1000)
    y = kind(x, generator_for(1))  # type: ignore[operator]
    mirrored = np.flip(x.numpy(), axis)
    is_flipped = (y.numpy() == mirrored).all(axis=(1, 2, 3))
    is_same = (y.numpy() == x.numpy()).all(axis=(1, 2, 3))
    assert (is_flipped | is_same).all()
    assert abs(is_flipped.mean() - 0.5) < 0.08  # five standard deviations


def test_a_crop_reads_shifted_and_scaled_places_with_the_edge_carried_on() -> None:
    side, n = 100, 2000
    place = torch.arange(side, dtype=torch.uint8)
    x = torch.stack([place.view(-1, 1).expand(side, side), place.view(1, -1).expand(side, side)])
    y = crop(x.expand(n, -1, -1, -1), generator_for(2)).long()
    rows, columns = y[:, 0, :, 0], y[:, 1, 0, :]
    assert torch.equal(y[:, 0], rows[:, :, None].expand(-1, -1, side))  # whole rows and whole columns
    assert torch.equal(y[:, 1], columns[:, None, :].expand(-1, side, -1))
    middle = slice(40, 60)  # far from the edges, where places are as drawn
    scales, shifts = [], []
    for places in (rows, columns):
        assert (places.diff(dim=1) >= 0).all()
        scales.append((places[:, 59] - places[:, 40]) / 19.0)
        shifts.append(places[:, middle].float().mean(dim=1) - (side - 1) / 2)
        assert abs(shifts[-1]).max() <= SHIFT * side + 0.5
        assert abs(shifts[-1].std() - SHIFT * side / 3**0.5) < 0.6  # of a uniform draw
    assert (scales[0] - scales[1]).abs().max() < 2.1 / 19  # the same for both sides, up to rounding
    scale = (scales[0] + scales[1]) / 2
    assert abs(scale - 1).max() < SCALE + 1.1 / 19
    assert abs(scale.std() - SCALE / 3**0.5) < 0.02
    assert abs(torch.corrcoef(torch.stack(shifts))[0, 1]) < 0.1  # each side has its own


def test_colours_change_within_their_range_and_grey_stays_grey() -> None:
    flat = torch.full((2000, 3, 4, 4), 100, dtype=torch.uint8)
    y = color(flat, generator_for(3)).float()
    assert torch.equal(y.amin(dim=(1, 2, 3)), y.amax(dim=(1, 2, 3)))  # grey and flat as before
    level = y.mean(dim=(1, 2, 3))
    assert level.min() >= 100 * (1 - JITTER) - 0.5
    assert level.max() <= 100 * (1 + JITTER) + 0.5
    assert abs(level.mean().item() - 100) < 2
    assert abs(level.std().item() - 100 * JITTER / 3**0.5) < 1.5  # of a uniform factor
    red = torch.zeros(500, 3, 4, 4, dtype=torch.uint8)
    red[:, 0] = 120
    spread = color(red, generator_for(4)).float()
    assert (spread[:, 0].mean(dim=(1, 2)) > spread[:, 1].mean(dim=(1, 2))).all()
    assert spread[:, 0].mean(dim=(1, 2)).std() > 5


def test_each_picture_is_varied_in_its_own_way() -> None:
    x = pictures(1).expand(64, -1, -1, -1).contiguous()
    y = augment(x, ("flip", "crop", "color"), generator_for(5))
    assert len({picture.tobytes() for picture in y.numpy()}) > 60

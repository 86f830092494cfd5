"""Clipping in one go against torch's, set by set."""

import math
from itertools import chain

import pytest
import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from adaptact.training.gradient_clipping import clip_apart


def parameters(scale: float, *shapes: tuple[int, ...], seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    found = [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    for parameter in found:
        parameter.grad = scale * torch.randn(parameter.shape, generator=generator)
    return found


@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0, math.inf, math.nan])
@pytest.mark.parametrize("limit", [0.5, math.inf])
@pytest.mark.parametrize("scalars", [0, 3])
def test_each_set_is_clipped_as_torch_does(scale: float, limit: float, scalars: int) -> None:
    ours, theirs = ([parameters(scale, (5, 3), (7,)), parameters(0.2, *[()] * scalars)] for _ in range(2))
    ours[0][1].requires_grad_(False).grad = None  # frozen
    theirs[0][1].requires_grad_(False).grad = None
    norms = clip_apart(ours, limit)
    expected = [clip_grad_norm_(one, limit) for one in theirs]
    torch.testing.assert_close(torch.stack(norms), torch.stack(expected), rtol=0, atol=0, equal_nan=True)
    for mine, reference in zip(chain(*ours), chain(*theirs), strict=True):
        if reference.grad is None:
            assert mine.grad is None
        else:
            torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-6, atol=0, equal_nan=True)


def test_without_any_gradient_norms_are_0() -> None:
    assert [norm.item() for norm in clip_apart([[nn.Parameter(torch.zeros(2))], []], 1.0)] == [0.0, 0.0]

"""How an implementation is chosen: by device and dtype, for plain tensors in eager mode, and in order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from adaptact.activations import functional as AF
from adaptact.activations.implementations import FASTER, Implementation


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of two implementations of Swish in float64: one that declines, and one that gives 7."""
    found: list[str] = []

    def declining(*arguments: object) -> None:
        found.append("declines")

    def forward(x: Tensor, scalars: tuple[Tensor, ...]) -> Tensor:
        found.append("forward")
        return torch.full_like(x, 7.0)

    def backward(needed: tuple[bool, ...], grad: Tensor, x: Tensor, scalars: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        found.append(f"backward of {sum(needed)}")
        return torch.full_like(x, 7.0), *(torch.full_like(each, 7.0) for each in scalars)

    both = [Implementation(declining, declining), Implementation(forward, backward)]
    monkeypatch.setitem(FASTER, ("cpu", torch.float64, "swish"), both)
    return found


def test_the_first_that_does_not_decline_computes_both_passes(asked: list[str]) -> None:
    x, beta = torch.ones(3, dtype=torch.float64, requires_grad=True), torch.ones(1, dtype=torch.float64)
    y = AF.swish(x, beta)
    y.sum().backward()
    assert y.tolist() == x.grad.tolist() == [7.0] * 3
    assert asked == ["declines", "forward", "declines", "backward of 1"]


def test_other_dtypes_functions_and_second_derivatives_take_operators(asked: list[str]) -> None:
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    AF.sg_blend(x)
    AF.swish(x.half())
    torch.func.vmap(AF.swish)(x.detach())
    assert not asked
    (slope,) = torch.autograd.grad(AF.swish(x).sum(), x, create_graph=True)
    assert asked == ["declines", "forward"]
    assert slope.requires_grad

"""The private names of torch: each still there, and answering what its place in the code expects."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from adaptact.activations import torch_private
from adaptact.activations.tensors import transformed

MOVED = f"torch {torch.__version__} has moved or changed what adaptact.activations.torch_private relies on"


def test_nothing_is_at_work_in_a_plain_call() -> None:
    x = torch.ones(2)
    found = [torch_private.inside_transform(), torch_private.forward_mode(), torch_private.recorded()]
    assert not any([*found, torch_private.lowered(), torch_private.batched(x)]), MOVED
    assert not torch_private.watched(nn.ReLU()), MOVED


def test_a_transform_of_functorch_is_seen() -> None:
    seen: list[bool] = []

    def look(x: Tensor) -> Tensor:
        seen.extend([torch_private.inside_transform(), torch_private.lowered(), transformed()])
        return x.sum()

    torch.func.vmap(look)(torch.ones(2, 3))
    torch.func.grad(look)(torch.ones(3))
    assert seen == [True] * 6, MOVED


def test_forward_mode_is_seen() -> None:
    with torch.autograd.forward_ad.dual_level():
        assert torch_private.forward_mode(), MOVED


def test_what_records_operators_is_seen() -> None:
    with FakeTensorMode():
        assert torch_private.recorded(), MOVED
    seen: list[bool] = []

    def look(x: Tensor) -> Tensor:
        seen.append(torch_private.recorded())
        return x + 1

    torch.jit.trace(look, torch.ones(2), check_trace=False)
    assert seen == [True], MOVED


def test_many_gradients_at_once_are_seen() -> None:
    class Look(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            seen.append(torch_private.batched(grad))
            return grad

    seen: list[bool] = []
    x = torch.ones(3, requires_grad=True)
    torch.autograd.grad(Look.apply(x), x, torch.eye(3), is_grads_batched=True)
    assert seen == [True], MOVED


@pytest.mark.parametrize("kind", ["forward", "forward_pre", "full_backward", "full_backward_pre"])
def test_hooks_of_a_module_are_seen(kind: str) -> None:
    module = nn.ReLU()
    handle = getattr(module, f"register_{kind}_hook")(lambda *arguments: None)
    assert torch_private.watched(module), MOVED
    handle.remove()
    assert not torch_private.watched(module), MOVED


def test_hooks_of_all_modules_are_seen() -> None:
    handle = nn.modules.module.register_module_forward_hook(lambda *arguments: None)
    try:
        assert torch_private.watched(nn.ReLU()), MOVED
    finally:
        handle.remove()


def test_a_function_is_applied() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(x: Tensor) -> Tensor:
            return 2 * x

        @staticmethod
        def setup_context(ctx: object, inputs: tuple[Tensor], output: Tensor) -> None: ...

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            return 2 * grad

    x = torch.ones(2, requires_grad=True)
    y = torch_private.apply(Double, x)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], torch.full((2,), 2.0)), MOVED

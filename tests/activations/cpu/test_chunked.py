"""Without a compiler: large tensors piece by piece, against the formula in float64."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import permutations

import pytest
import torch
from torch import Tensor

from adaptact.activations import AdaptiveActivation, Blend, SGBlend, SSwish, Swish
from adaptact.activations import functional as AF
from adaptact.activations.cpu import chunked, kernels

MAKE: list[Callable[..., AdaptiveActivation]] = [
    partial(SGBlend, 0.3, 1.4, 0.2),
    partial(SGBlend, 1.0, approximate="tanh"),
    partial(SSwish, 1.3, 0.1),
    partial(Swish, -0.7),
    *(partial(Blend, *names, 0.3) for names in permutations(["identity", "relu", "silu", "gelu"], 2)),
]
TOLERANCE = {torch.float32: {"rtol": 1e-5, "atol": 1e-5}, torch.bfloat16: {"rtol": 1e-2, "atol": 1e-2}}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of a piece, of every pass that went piece by piece; there is no compiler, and nothing is too small."""
    found: list[int] = []
    taken = chunked._pieces

    def counted(x: Tensor, grad: Tensor | None, out: Tensor, rows: int, n: int) -> object:
        found.append(rows)
        return taken(x, grad, out, rows, n)

    monkeypatch.setattr(kernels, "_decided", True)
    monkeypatch.setattr(kernels, "_library", None)
    monkeypatch.setattr(chunked, "_pieces", counted)
    monkeypatch.setattr(chunked, "LARGE", 1)
    monkeypatch.setattr(chunked, "PIECE", 4000 // torch.get_num_threads())
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("channels", [None, 48])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("make", MAKE)
def test_values_and_gradients_are_those_of_the_formula(
    make: Callable[..., AdaptiveActivation], last: bool, channels: int | None, dtype: torch.dtype, calls: list[int]
) -> None:
    torch.manual_seed(0)
    x, g = torch.randn(70, 48, 3, 3).to(dtype), torch.randn(70, 48, 3, 3).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    module = make(channels=channels)
    y = module(x.requires_grad_())
    found = [y, *torch.autograd.grad(y, [x, *module.parameters()], g)]
    assert calls == [9, 9]  # forward and backward; the last piece has 7 rows
    assert y.dtype == dtype
    assert y.stride() == x.stride()
    wide, module = x.detach().double().requires_grad_(), module.double()
    y = module(wide)
    expected = [y, *torch.autograd.grad(y, [wide, *module.parameters()], g.double())]
    assert len(calls) == 2
    for ours, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), reference, **TOLERANCE[dtype])


@pytest.mark.parametrize("make", MAKE[:5])
def test_a_clamped_alpha_learns_inward_only(make: Callable[..., AdaptiveActivation], calls: list[int]) -> None:
    x, module = torch.randn(50, 200, requires_grad=True), make()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.tensor(1.7))
    ours = torch.autograd.grad(module(x).sum(), list(module.parameters()))
    assert calls
    wide, module = x.detach().double(), module.double()
    reference = torch.autograd.grad(module(wide).sum(), list(module.parameters()))
    for mine, theirs in zip(ours, reference, strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("make", MAKE[:4])
def test_a_huge_input_has_a_gradient(make: Callable[..., AdaptiveActivation], calls: list[int]) -> None:
    x, module = torch.full((50, 200), 1e38), make()
    x[1::2] *= -1
    found = torch.autograd.grad(module(x), list(module.parameters()), torch.full((50, 200), 1e-36))
    assert calls
    wide, module = x.double(), module.double()
    expected = torch.autograd.grad(module(wide), list(module.parameters()), torch.full((50, 200), 1e-36).double())
    for ours, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.double(), reference, rtol=1e-4, atol=1e-4)


def test_only_what_is_asked_for_is_learned(calls: list[int]) -> None:
    module, x = SGBlend(0.3, learn=("beta",)), torch.randn(50, 200)
    assert torch.autograd.grad(module(x).sum(), [p for p in module.parameters() if p.requires_grad])[0].isfinite()
    assert calls


@pytest.mark.parametrize(
    "go",
    [
        pytest.param(lambda m: m(torch.randn(50, 200, dtype=torch.float64)), id="float64"),
        pytest.param(lambda m: m(torch.randn(10_000)), id="one dimension"),
        pytest.param(lambda m: torch.func.vmap(m)(torch.randn(50, 200)), id="vmap"),
        pytest.param(lambda m: AF.sg_blend(torch.randn(50, 200), torch.rand(50, 1)), id="a parameter per row"),
        pytest.param(lambda m: AF.sg_blend(torch.randn(50, 200), torch.rand(200), 1.0), id="parameters of two shapes"),
        pytest.param(lambda m: AF.swish(torch.randn(500, 1), torch.rand(3)), id="a parameter wider than x"),
        pytest.param(lambda m: AF.swish(torch.randn(50, 20), torch.ones(1, 1, 1)), id="a parameter of more dimensions"),
        pytest.param(lambda m: AF.sg_blend(torch.randn(50, 200), approximate="sigmoid"), id="a form without buffers"),
        pytest.param(lambda m: m.to("meta")(torch.randn(50, 200, device="meta")), id="no memory"),
    ],
)
def test_all_else_goes_another_way(go: Callable[[AdaptiveActivation], object], calls: list[int]) -> None:
    go(SGBlend())
    assert not calls


def test_a_second_derivative_is_one(calls: list[int]) -> None:
    x = torch.randn(4, 3, requires_grad=True)
    (once,) = torch.autograd.grad(SGBlend(0.3)(x).sum(), x, create_graph=True)
    (twice,) = torch.autograd.grad(once.sum(), x)
    wide = x.detach().double().requires_grad_()
    (once,) = torch.autograd.grad(SGBlend(0.3).double()(wide).sum(), wide, create_graph=True)
    torch.testing.assert_close(twice.double(), torch.autograd.grad(once.sum(), wide)[0], rtol=1e-4, atol=1e-4)


def test_without_a_compiler_a_network_trains_in_a_process_of_its_own() -> None:
    program = """
import torch
from adaptact import SGBlend
from adaptact.activations.cpu import kernels
act, x = SGBlend(), torch.randn(600, 1024)
optimizer = torch.optim.SGD(act.parameters(), lr=0.1)
losses = []
for _ in range(12):
    loss = (act(x) - torch.relu(x)).square().mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    losses.append(loss.item())
assert kernels._library is None
assert losses[-1] < losses[0]
"""
    environment = {**os.environ, "ADAPTACT_KERNELS": "0"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=120)

"""What holds for every parameter value: symmetries, limits, bounds, numbers far from zero."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from adaptact.activations import ABU, PELU, Blend, SGBlend, SGBlendAuthors, SSwish, create
from adaptact.activations import functional as AF

modest = settings(deadline=None, max_examples=30)


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


points = st.lists(floats(-50, 50), min_size=1, max_size=8).map(lambda xs: torch.tensor(xs, dtype=torch.float64))
alphas, betas, gammas = floats(0, 1), floats(-5, 5), floats(-3, 3)
approximations = st.sampled_from(AF.APPROXIMATIONS)

# Functions of x, alpha, beta, gamma, each of which uses what it needs.
SYMMETRIC: dict[str, Callable[[Tensor, float, float, float], Tensor]] = {
    "gelu": lambda x, alpha, beta, gamma: AF.gelu(x),
    "gelu_tanh": lambda x, alpha, beta, gamma: AF.gelu(x, "tanh"),
    "gelu_sigmoid": lambda x, alpha, beta, gamma: AF.gelu(x, "sigmoid"),
    "swish": lambda x, alpha, beta, gamma: AF.swish(x, beta),
    "sswish": lambda x, alpha, beta, gamma: AF.sswish(x, beta, gamma),
    "sg_blend": AF.sg_blend,
    "sg_blend_tanh": lambda x, *params: AF.sg_blend(x, *params, approximate="tanh"),
    "sg_blend_sigmoid": lambda x, *params: AF.sg_blend(x, *params, approximate="sigmoid"),
}


def value_and_slope(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    y = function(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    return y.detach(), slope


def assert_same(actual: Tensor, expected: Tensor, tolerance: float = 1e-12) -> None:
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def assert_same_function(
    first: Callable[[Tensor], Tensor], second: Callable[[Tensor], Tensor], x: Tensor, tolerance: float = 1e-12
) -> None:
    for actual, expected in zip(value_and_slope(first, x), value_and_slope(second, x), strict=True):
        assert_same(actual, expected, tolerance)


@pytest.mark.parametrize("name", SYMMETRIC)
@given(x=points, alpha=alphas, beta=betas, gamma=gammas)
@modest
def test_values_at_x_and_minus_x_differ_by_x(name: str, x: Tensor, alpha: float, beta: float, gamma: float) -> None:
    assert_same(SYMMETRIC[name](x, alpha, beta, gamma) - SYMMETRIC[name](-x, alpha, beta, gamma), x)


@pytest.mark.parametrize("name", SYMMETRIC)
@given(x=points, alpha=alphas, beta=betas, gamma=gammas)
@modest
def test_slopes_at_x_and_minus_x_add_to_one(name: str, x: Tensor, alpha: float, beta: float, gamma: float) -> None:
    def function(x: Tensor) -> Tensor:
        return SYMMETRIC[name](x, alpha, beta, gamma)

    assert_same(value_and_slope(function, x)[1] + value_and_slope(function, -x)[1], torch.ones_like(x))


@given(x=points, beta=betas, gamma=gammas, approximate=approximations)
@modest
def test_sgblend_at_alpha_0_is_gelu(x: Tensor, beta: float, gamma: float, approximate: AF.Approximate) -> None:
    assert_same_function(lambda x: AF.sg_blend(x, 0.0, beta, gamma, approximate), lambda x: AF.gelu(x, approximate), x)


@given(x=points, approximate=st.sampled_from(["none", "tanh"]))
@modest
def test_gelu_is_that_of_torch(x: Tensor, approximate: AF.Approximate) -> None:
    gelu = create("gelu", approximate=approximate)
    assert_same_function(lambda x: AF.gelu(x, approximate), gelu, x)
    assert_same_function(SGBlend(alpha=0.0, approximate=approximate), gelu, x)


@given(x=points, beta=betas, gamma=gammas, approximate=approximations)
@modest
def test_sgblend_at_alpha_1_is_sswish(x: Tensor, beta: float, gamma: float, approximate: AF.Approximate) -> None:
    assert_same_function(
        lambda x: AF.sg_blend(x, 1.0, beta, gamma, approximate), lambda x: AF.sswish(x, beta, gamma), x
    )


@given(x=points)
@modest
def test_sswish_and_swish_at_their_start_are_silu(x: Tensor) -> None:
    for function in (lambda x: AF.sswish(x, 1.0, 0.0), lambda x: AF.swish(x, 1.0), create("sswish"), create("swish")):
        assert_same_function(function, F.silu, x)


@given(x=points)
@modest
def test_pelu_at_its_start_is_elu(x: Tensor) -> None:
    assert_same_function(lambda x: AF.pelu(x, 1.0, 1.0), F.elu, x)
    assert_same_function(PELU(), F.elu, x.float(), tolerance=1e-6)


def test_pelu_has_slope_a_over_b_at_zero() -> None:
    _, slope = value_and_slope(lambda x: AF.pelu(x, 3.0, 2.0), torch.zeros(1, dtype=torch.float64))
    assert_same(slope, torch.tensor([1.5], dtype=torch.float64))


@given(x=points)
@modest
def test_prelu_at_0_is_relu(x: Tensor) -> None:
    assert_same_function(create("prelu", init=0.0).double(), F.relu, x)


BASES: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "elu": F.elu,
    "tanh": torch.tanh,
    "swish": lambda x: x * torch.sigmoid(x),
    "identity": lambda x: x,
}


@pytest.mark.parametrize("mode", AF.ABU_MODES)
@pytest.mark.parametrize("chosen", BASES)
@given(x=points)
@modest
def test_abu_with_all_weight_on_one_base_is_that_base(chosen: str, mode: str, x: Tensor) -> None:
    on, off = (0.0, -1000.0) if mode == "softmax" else (1.0, 0.0)
    act = ABU(tuple(BASES), mode).double()
    for base in BASES:
        nn.init.constant_(act.raw_parameters()[f"w_{base}"], on if base == chosen else off)
    assert_same_function(act, BASES[chosen], x)


@given(raw=st.lists(floats(-3, 3), min_size=1, max_size=5))
@modest
def test_clipped_abu_weights_are_the_raw_ones_limited_to_unit_range(raw: list[float]) -> None:
    weights = AF.abu_weights([torch.tensor([value]) for value in raw], "clipped")
    torch.testing.assert_close(torch.cat(weights), torch.tensor(raw).clamp(0, 1), rtol=0, atol=0)


@pytest.mark.parametrize("mode", AF.ABU_MODES)
def test_abu_starts_with_equal_weights(mode: str) -> None:
    for weight in ABU(mode=mode).scalars().values():
        torch.testing.assert_close(weight, torch.tensor([0.2]))


@given(x=points, alpha=alphas, gamma=gammas)
@modest
def test_authors_form_ignores_alpha_at_beta_1702(x: Tensor, alpha: float, gamma: float) -> None:
    weight = torch.tensor([alpha], dtype=torch.float64, requires_grad=True)
    y = AF.sg_blend(x, weight, beta=1.702, gamma=0.0, approximate="sigmoid")
    (gradient,) = torch.autograd.grad(y.sum(), weight)
    assert_same(y.detach(), AF.gelu(x, "sigmoid"))
    assert_same(gradient, torch.zeros_like(gradient))


@given(x=points, alpha=floats(0.27, 0.73))
@modest
def test_authors_module_ignores_alpha_at_beta_1702(x: Tensor, alpha: float) -> None:
    act = SGBlendAuthors(beta=1.0).double()
    act.alpha, act.beta = alpha, 1.702
    y = act(x)
    y.sum().backward()
    assert_same(y.detach(), AF.gelu(x, "sigmoid"))
    assert_same(act.raw_alpha.grad, torch.zeros(1, dtype=torch.float64))


@given(x=points, alpha=alphas, beta=betas, gamma=gammas, approximate=approximations)
@modest
def test_gamma_only_lowers_the_output_by_alpha_gamma(
    x: Tensor, alpha: float, beta: float, gamma: float, approximate: AF.Approximate
) -> None:
    assert_same_function(
        lambda x: AF.sg_blend(x, alpha, beta, gamma, approximate),
        lambda x: AF.sg_blend(x, alpha, beta, 0.0, approximate) - alpha * gamma,
        x,
    )


@given(x=points, alpha=alphas, beta=betas, gamma=gammas)
@modest
def test_sgblend_is_the_blend_of_sswish_and_gelu(x: Tensor, alpha: float, beta: float, gamma: float) -> None:
    fused, first = SGBlend(alpha, beta, gamma).double(), SSwish(beta, gamma).double()
    composed = Blend(first, "gelu", alpha).double()
    assert_same_function(fused, composed, x)
    fused(x).sum().backward()
    composed(x).sum().backward()
    assert_same(fused.raw_alpha.grad, composed.raw_alpha.grad, 1e-10)
    assert_same(fused.raw_beta.grad, first.raw_beta.grad, 1e-10)
    assert_same(fused.raw_gamma.grad, first.raw_gamma.grad, 1e-10)


@pytest.mark.parametrize(
    "act", [SGBlend(0.3, 1.4, 0.2), SGBlendAuthors(beta=0.6), Blend("pelu", "swish", 0.3)], ids=repr
)
def test_alpha_mixes_the_two_parts(act: SGBlend | Blend) -> None:
    x = torch.linspace(-4, 4, 9)
    first, second = act.parts(x)
    torch.testing.assert_close(act(x), act.alpha * first + (1 - act.alpha) * second)


RANGES: dict[str, tuple[Callable[[], SGBlend | Blend], float, float]] = {
    "sgblend": (SGBlend, 0.0, 1.0),
    "sgblend_per_channel": (lambda: SGBlend(channels=1), 0.0, 1.0),
    "blend": (lambda: Blend("relu", "identity"), 0.0, 1.0),
    "sgblend_authors": (SGBlendAuthors, 1 / (1 + math.e), math.e / (1 + math.e)),
}


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam], ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("kind", RANGES)
@given(share=floats(0.001, 0.999), gradients=st.lists(floats(-20, 20), min_size=1, max_size=12), lr=floats(0.01, 1.0))
@modest
def test_alpha_never_leaves_its_range(
    kind: str, optimizer: type[torch.optim.SGD | torch.optim.Adam], share: float, gradients: list[float], lr: float
) -> None:
    make, low, high = RANGES[kind]
    act = make()
    act.alpha = low + share * (high - low)
    descent = optimizer([act.raw_alpha], lr=lr)
    for gradient in gradients:
        descent.zero_grad()
        act.alpha.backward(torch.tensor([gradient]))
        descent.step()
        assert low - 1e-7 <= act.alpha.item() <= high + 1e-7


@given(raw=floats(-1e6, 1e6))
@modest
def test_authors_beta_never_leaves_its_range(raw: float) -> None:
    act = SGBlendAuthors()
    nn.init.constant_(act.raw_beta, raw)
    torch.testing.assert_close(act.beta.detach(), torch.tensor([min(max(raw, 0.1), 10.0)]))


@pytest.mark.parametrize(
    ("raw", "gradient", "expected"),
    [
        (0.5, 2.0, 2.0),
        (0.5, -2.0, -2.0),
        (0.0, 2.0, 0.0),
        (0.0, -2.0, -2.0),
        (-0.4, 2.0, 0.0),
        (-0.4, -2.0, -2.0),
        (1.0, -2.0, 0.0),
        (1.0, 2.0, 2.0),
        (1.4, -2.0, 0.0),
        (1.4, 2.0, 2.0),
    ],
)
def test_bound_blocks_only_the_step_that_leads_outward(raw: float, gradient: float, expected: float) -> None:
    value = torch.tensor([raw], requires_grad=True)
    AF.bounded(value).backward(torch.tensor([gradient]))
    assert value.grad.item() == expected


FAR = (-1e4, -200.0, 200.0, 1e4)
# Functions of x and parameters, with parameter values that make them steep, flat or reversed.
FAR_CASES: dict[str, tuple[Callable[..., Tensor], list[tuple[float, ...]]]] = {
    "gelu": (AF.gelu, [()]),
    "gelu_tanh": (lambda x: AF.gelu(x, "tanh"), [()]),
    "gelu_sigmoid": (lambda x: AF.gelu(x, "sigmoid"), [()]),
    "swish": (AF.swish, [(1.0,), (0.0,), (-2.0,), (30.0,)]),
    "sswish": (AF.sswish, [(1.0, 0.0), (0.01, 2.0), (-2.0, -1.0)]),
    "sg_blend": (AF.sg_blend, [(0.5, 1.0, 0.0), (0.0, -2.0, 1.0), (1.0, 0.01, -1.0)]),
    "sg_blend_tanh": (lambda x, *p: AF.sg_blend(x, *p, approximate="tanh"), [(0.5, 1.0, 0.0), (0.3, -2.0, 1.0)]),
    "sg_blend_sigmoid": (lambda x, *p: AF.sg_blend(x, *p, approximate="sigmoid"), [(0.5, 1.0, 0.0), (0.3, -2.0, 1.0)]),
    "blend": (lambda x, alpha: AF.blend(AF.swish(x), F.gelu(x), alpha), [(0.0,), (0.3,), (1.0,)]),
    "pelu": (AF.pelu, [(1.0, 1.0), (2.0, 0.01), (0.1, 50.0)]),
    "scaled": (lambda x, scale: AF.scaled(F.gelu(x), scale), [(1.0,), (-3.0,)]),
    "nonlinearity_enhanced": (AF.nonlinearity_enhanced, [(1.0, 0.0), (0.9, 0.5)]),
    **{
        f"abu_{mode}": (
            lambda x, *raw, mode=mode: AF.abu(x, dict(zip(BASES, AF.abu_weights(list(raw), mode), strict=True))),
            [(0.2, 0.2, 0.2, 0.2, 0.2), (1.0, 0.5, 0.1, -0.5, 0.25)],
        )
        for mode in AF.ABU_MODES
    },
}
FAR_PARAMS = [(name, params) for name, (_, starts) in FAR_CASES.items() for params in starts]


@pytest.mark.parametrize(("name", "params"), FAR_PARAMS, ids=str)
@pytest.mark.parametrize("x", FAR)
def test_float32_stays_finite_and_right_far_from_zero(name: str, params: tuple[float, ...], x: float) -> None:
    def value_and_gradients(dtype: torch.dtype) -> list[Tensor]:
        inputs = [torch.tensor([value], dtype=dtype, requires_grad=True) for value in (x, *params)]
        y = FAR_CASES[name][0](*inputs)
        return [y.detach(), *torch.autograd.grad(y, inputs)]

    for actual, exact in zip(value_and_gradients(torch.float32), value_and_gradients(torch.float64), strict=True):
        assert actual.isfinite().all()
        torch.testing.assert_close(actual.double(), exact, rtol=1e-4, atol=1e-3)

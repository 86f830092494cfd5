"""The activation functions as pure functions of an input and its parameters.

Every function computes in at least float32 and returns the dtype of its input, so half-precision inputs
(also under autocast) lose nothing inside. Parameters are numbers or tensors that broadcast against ``x``.

Swish, SSwish and SG-Blend have hand-written backward passes: they keep only the input for the backward pass
and give the gradients of all parameters in one pass over it. The backward passes are themselves differentiable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from adaptact.activations.cpu import chunked, kernels

Approximate = Literal["none", "tanh", "sigmoid"]
Scalar = Tensor | float

APPROXIMATIONS = ("none", "tanh", "sigmoid")
ABU_MODES = ("unrestricted", "normalized", "absnormed", "clipped", "softmax")
SIGMOID_GELU_SLOPE = 1.702


def _widen(x: Tensor) -> Tensor:
    """``x`` in at least float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _as_wide_as(y: Tensor, x: Tensor) -> Tensor:
    """``y`` in the dtype of ``x``. Where it has that, no cast is written down: torch 2.11's compiler takes the result
    of one for a tensor without a gradient.
    """
    return y if y.dtype == x.dtype else y.to(x.dtype)


def _scalar(value: Scalar, x: Tensor) -> Tensor:
    """A parameter as a tensor beside ``x``; a number takes the dtype in which ``x`` is computed."""
    if isinstance(value, Tensor):
        return value.reshape(()) if x.dim() == 0 and value.numel() == 1 else value
    return torch.as_tensor(value, dtype=torch.promote_types(x.dtype, torch.float32), device=x.device)


def _reduce(grad: Tensor, like: Tensor) -> Tensor:
    """Sum a gradient down to the shape and dtype of the broadcast parameter ``like``."""
    if like.numel() == 1:
        return grad.sum().reshape(like.shape).to(like.dtype)
    return grad.sum_to_size(like.shape).to(like.dtype)


def gelu(x: Tensor, approximate: Approximate = "none") -> Tensor:
    """GELU, x * Phi(x); "tanh" and "sigmoid" (x * sigmoid(1.702 x)) are its usual approximations.

    Source: Hendrycks and Gimpel 2016 (arXiv 1606.08415).

    >>> gelu(torch.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """
    check_approximate(approximate)
    return _gelu(_widen(x), approximate).to(x.dtype)


def check_approximate(approximate: str) -> None:
    """Raise ValueError unless ``approximate`` names a form of GELU."""
    if approximate not in APPROXIMATIONS:
        raise ValueError(f"approximate must be one of {', '.join(APPROXIMATIONS)}, not {approximate!r}")


def _gelu(x: Tensor, approximate: str) -> Tensor:
    if approximate == "sigmoid":
        return x * torch.sigmoid(SIGMOID_GELU_SLOPE * x)
    return F.gelu(x, approximate=approximate)


def _gelu_backward(grad: Tensor, x: Tensor, approximate: str) -> Tensor:
    if approximate == "sigmoid":
        s = torch.sigmoid(SIGMOID_GELU_SLOPE * x)
        return grad * (s + SIGMOID_GELU_SLOPE * x * s * (1 - s))
    return torch.ops.aten.gelu_backward(grad, x, approximate=approximate)


def _apply(function: type[torch.autograd.Function], *inputs: Any) -> Tensor:
    """``function.apply``, without its look at the signature (as dear as a small tensor's activation)."""
    if _transformed():
        return function.apply(*inputs)
    if not torch.is_grad_enabled() and function is not _Pair:
        return function.forward(*inputs)
    return super(torch.autograd.Function, function).apply(*inputs)  # type: ignore[misc]


def _transformed() -> bool:
    """Whether something other than eager reverse mode is at work: a compiler, functorch, forward mode."""
    return (
        torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()
        or torch.autograd.forward_ad._current_level >= 0
    )


class _Swish(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, beta: Tensor, gamma: Tensor | None) -> Tensor:  # type: ignore[override]
        offset = torch.zeros_like(beta) if gamma is None else gamma
        if (done := kernels.forward(x, (beta, beta, offset), "absent")) is not None:
            return done
        if (done := chunked.swish(x, beta, gamma)) is not None:
            return done
        wide = _widen(x)
        y = wide * torch.sigmoid(beta * wide)
        return _as_wide_as(y if gamma is None else y - gamma, x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, beta, gamma = ctx.saved_tensors
        need_x, need_beta, need_gamma = ctx.needs_input_grad
        offset = torch.zeros_like(beta) if gamma is None else gamma
        if (done := kernels.backward(grad, x, (beta, beta, offset), "absent")) is not None:
            return done[0], done[2], done[3] if need_gamma else None
        if offset.shape == beta.shape and (done := chunked.swish_backward(grad, x, beta)) is not None:
            return *done[:2], done[2] if need_gamma else None
        wide, g = _widen(x), _widen(grad)
        s = torch.sigmoid(beta * wide)
        x_slope = wide * s * (1 - s)  # first times s, so that a huge input never meets its own square
        grad_x = (g * (s + beta * x_slope)).to(x.dtype) if need_x else None
        grad_beta = _reduce(g * (wide * x_slope), beta) if need_beta else None
        grad_gamma = _reduce(-g, gamma) if need_gamma else None
        return grad_x, grad_beta, grad_gamma


class _SGBlend(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(  # type: ignore[override]
        x: Tensor, alpha: Tensor, beta: Tensor, gamma: Tensor, approximate: str, bounded: bool
    ) -> Tensor:
        scalars = alpha, beta, gamma
        if (done := kernels.forward(x, scalars, approximate, bounded)) is not None:
            return done
        if (done := chunked.sg_blend(x, scalars, approximate, bounded)) is not None:
            return done
        weight = alpha.clamp(0.0, 1.0) if bounded else alpha
        wide = _widen(x)
        swish_part = wide * torch.sigmoid(beta * wide)
        return _as_wide_as(weight * (swish_part - gamma) + (1 - weight) * _gelu(wide, approximate), x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *tensors, ctx.approximate, ctx.bounded = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, alpha, beta, gamma = ctx.saved_tensors
        scalars, form, bounded = (alpha, beta, gamma), ctx.approximate, ctx.bounded
        if (done := kernels.backward(grad, x, scalars, form, bounded)) is not None:
            return (*done, None, None)
        if (done := chunked.sg_blend_backward(grad, x, scalars, form, bounded)) is not None:
            by_weight = done[1]
            return done[0], _inward(by_weight, alpha, 0.0, 1.0) if bounded else by_weight, *done[2:], None, None
        need_x, need_alpha, need_beta, need_gamma = ctx.needs_input_grad[:4]
        weight = alpha.clamp(0.0, 1.0) if bounded else alpha
        wide, g = _widen(x), _widen(grad)
        s = torch.sigmoid(beta * wide)
        x_slope = wide * s * (1 - s)
        grad_x = grad_alpha = grad_beta = grad_gamma = None
        if need_x:
            of_gelu = _gelu_backward((1 - weight) * g, wide, form)
            grad_x = (weight * (g * (s + beta * x_slope)) + of_gelu).to(x.dtype)
        if need_alpha:
            grad_alpha = _reduce(g * (wide * s - gamma - _gelu(wide, form)), alpha)
            grad_alpha = _inward(grad_alpha, alpha, 0.0, 1.0) if bounded else grad_alpha
        if need_beta:
            grad_beta = _reduce(weight * (g * (wide * x_slope)), beta)
        if need_gamma:
            grad_gamma = _reduce(-weight * g, gamma)
        return grad_x, grad_alpha, grad_beta, grad_gamma, None, None


class _Pair(torch.autograd.Function):
    """A blend of two plain functions. Keeps its input alone, with a kernel and without."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: Tensor, first: str, second: str) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x, alpha)
        ctx.names = first, second
        if (done := kernels.pair(x, alpha, first, second)) is not None:
            return done
        if (done := chunked.pair(x, alpha, first, second)) is not None:
            return done
        return blend(BLENDED[first](x), BLENDED[second](x), alpha, bounded=True)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, alpha = ctx.saved_tensors
        if (done := kernels.pair_backward(grad, x, alpha, *ctx.names)) is not None:
            return *done, None, None
        if (done := chunked.pair_backward(grad, x, alpha, *ctx.names)) is not None:
            return done[0], _inward(done[1], alpha, 0.0, 1.0), None, None
        again = torch.is_grad_enabled()  # the gradient is to be differentiated once more
        with torch.enable_grad():
            if not again:
                x, alpha = (each.detach().requires_grad_() for each in (x, alpha))
            first, second = (BLENDED[name](x) for name in ctx.names)
            y = blend(first, second, alpha, bounded=True)
            wanted = [each for each, needed in zip((x, alpha), ctx.needs_input_grad) if needed]
            found = iter(torch.autograd.grad(y, wanted, grad, create_graph=again))
        return *(next(found) if needed else None for needed in ctx.needs_input_grad[:2]), None, None


def swish(x: Tensor, beta: Scalar = 1.0) -> Tensor:
    """Swish, x * sigmoid(beta * x). At beta 1 it is SiLU.

    Source: Ramachandran et al. 2017 (arXiv 1710.05941).
    """
    return _apply(_Swish, x, _scalar(beta, x), None)


def sswish(x: Tensor, beta: Scalar = 1.0, gamma: Scalar = 0.0) -> Tensor:
    """SSwish, x * sigmoid(beta * x) - gamma.

    Source: Sarkar, Gala, Tripathi 2025 (arXiv 2505.23942).
    """
    return _apply(_Swish, x, _scalar(beta, x), _scalar(gamma, x))


def sg_blend(
    x: Tensor,
    alpha: Scalar = 0.5,
    beta: Scalar = 1.0,
    gamma: Scalar = 0.0,
    approximate: Approximate = "none",
    *,
    bounded: bool = False,
) -> Tensor:
    """SG-Blend, alpha * (x * sigmoid(beta * x) - gamma) + (1 - alpha) * GELU(x).

    Source: Sarkar, Gala, Tripathi 2025 (arXiv 2505.23942). ``alpha`` is taken as it is, or with ``bounded`` clamped
    to [0, 1] as :func:`bounded` does it, in the same pass.

    >>> sg_blend(torch.tensor([-1.0, 2.0]), alpha=0.3, beta=1.5, gamma=0.1)
    tensor([-0.1958,  1.9097])
    """
    check_approximate(approximate)
    return _apply(_SGBlend, x, _scalar(alpha, x), _scalar(beta, x), _scalar(gamma, x), approximate, bounded)


def blend(first: Tensor, second: Tensor, alpha: Scalar = 0.5, *, bounded: bool = False) -> Tensor:
    """alpha * first + (1 - alpha) * second; with ``bounded`` alpha is clamped as by :func:`bounded`."""
    weight = _scalar(alpha, first)
    weight = _apply(_Bounded, weight, 0.0, 1.0) if bounded else weight
    return _as_wide_as(weight * _widen(first) + (1 - weight) * _widen(second), first)


BLENDED: Mapping[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": F.relu,
    "silu": F.silu,
    "gelu": F.gelu,
}


def blend_of(x: Tensor, first: str, second: str, alpha: Tensor) -> Tensor:
    """The bounded blend of two different functions by their names in ``BLENDED``; in one pass where a kernel can."""
    if _transformed() or torch._C._get_tracing_state() is not None or torch._C._len_torch_dispatch_stack() > 0:
        return blend(BLENDED[first](x), BLENDED[second](x), alpha, bounded=True)
    return _apply(_Pair, x, alpha, first, second)


def pelu(x: Tensor, a: Scalar = 1.0, b: Scalar = 1.0) -> Tensor:
    """PELU: (a / b) x for x >= 0, a (exp(x / b) - 1) below; a, b > 0. PELU(1, 1) is ELU.

    Source: Trottier et al. 2016 (arXiv 1605.09332).
    """
    wide, a, b = _widen(x), _scalar(a, x), _scalar(b, x)
    # Each side sees only its own half: a torch.where over exp(x / b) would give inf * 0 in the backward pass.
    return ((a / b) * wide.relu() + a * torch.expm1(wide.clamp(max=0) / b)).to(x.dtype)


def scaled(y: Tensor, scale: Scalar = 1.0) -> Tensor:
    """scale * y: an activation's output with a learned scale, the control for "any scalar would have helped"."""
    return (_scalar(scale, y) * _widen(y)).to(y.dtype)


def nonlinearity_enhanced(
    x: Tensor, a: Scalar = 1.0, b: Scalar = 0.0, *, base: Callable[[Tensor], Tensor] = F.relu, strength: float = 0.1
) -> Tensor:
    """a * base(x) + strength * b * abs(x)^3.

    After Yevick 2024 (arXiv 2403.19896), who adds an even cubic non-linearity with two learned coefficients per
    layer and a global constant. The paper's exact form could not be checked: this is adaptact's reading of it.
    """
    wide = _widen(x)
    return (_scalar(a, x) * _widen(base(x)) + strength * _scalar(b, x) * wide.abs() ** 3).to(x.dtype)


ABU_BASES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "elu": F.elu,
    "tanh": torch.tanh,
    "swish": F.silu,
    "identity": lambda x: x,
}


def abu_weights(raw: list[Tensor], mode: str = "softmax") -> list[Tensor]:
    """The effective weights of an ABU from its raw ones, each of the same shape.

    Modes: "unrestricted" w; "normalized" w / sum(w); "absnormed" w / sum(abs(w)); "clipped" to [0, 1]; "softmax".
    """
    if mode == "unrestricted":
        return raw
    if mode == "normalized":
        total = torch.stack(raw).sum(0)
        return [w / total for w in raw]
    if mode == "absnormed":
        total = torch.stack(raw).abs().sum(0)
        return [w / total for w in raw]
    if mode == "clipped":
        return [bounded(w) for w in raw]
    if mode == "softmax":
        return list(torch.stack(raw).softmax(0).unbind(0))
    raise ValueError(f"mode must be one of {', '.join(ABU_MODES)}, not {mode!r}")


def abu(x: Tensor, weights: Mapping[str, Scalar]) -> Tensor:
    """Adaptive blending unit: the sum of weight * base(x); ``weights`` maps names of bases to effective weights.

    Source: Suetfeld et al. 2018 (arXiv 1806.10064).

    >>> abu(torch.tensor([-1.0, 2.0]), {"relu": 0.5, "identity": 0.5})
    tensor([-0.5000,  2.0000])
    """
    unknown = [name for name in weights if name not in ABU_BASES]
    if unknown or not weights:
        raise ValueError(f"unknown ABU bases {unknown}; known: {', '.join(ABU_BASES)}")
    wide = _widen(x)
    total = torch.zeros((), dtype=wide.dtype, device=x.device)
    for name, weight in weights.items():
        total = total + _scalar(weight, x) * ABU_BASES[name](wide)
    return total.to(x.dtype)


def _inward(grad: Tensor, raw: Tensor, low: float, high: float) -> Tensor:
    """``grad``, but 0 where a descent step, which moves against it, would lead ``raw`` further out of its bounds."""
    return grad.masked_fill(((raw <= low) & (grad > 0)) | ((raw >= high) & (grad < 0)), 0.0)


class _Bounded(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(raw: Tensor, low: float, high: float) -> Tensor:  # type: ignore[override]
        return raw.clamp(low, high)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        raw, ctx.low, ctx.high = inputs
        ctx.save_for_backward(raw)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (raw,) = ctx.saved_tensors
        return _inward(grad, raw, ctx.low, ctx.high), None, None


def bounded(raw: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """``raw`` clamped to [low, high], with a gradient that only a bound's outward direction blocks.

    So a value that starts exactly at a bound moves inward as soon as the loss asks for it, which neither a plain
    clamp beyond its bounds nor a sigmoid near 0 or 1 allows.

    >>> raw = torch.tensor([0.0, 1.3], requires_grad=True)
    >>> bounded(raw).sum().backward()  # a positive gradient: descent moves down, out of [0, 1] at 0, inward at 1.3
    >>> raw.grad
    tensor([0., 1.])
    """
    return _apply(_Bounded, raw, low, high)

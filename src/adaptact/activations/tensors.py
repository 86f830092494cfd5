"""Helpers of the formulas: dtypes, sums of gradients, bounded values and the forms of GELU.

Every formula computes in at least float32 and returns the dtype of its input, so half-precision inputs (also under
autocast) lose nothing inside. Parameters are numbers or tensors that broadcast against the input.
"""

from __future__ import annotations

import typing
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from adaptact.activations import torch_private
from adaptact.activations.options import Approximate

__all__ = ["APPROXIMATIONS", "SIGMOID_GELU_SLOPE", "Approximate", "Scalar", "bounded", "check_approximate", "gelu"]

Scalar = Tensor | float

APPROXIMATIONS = typing.get_args(Approximate)
SIGMOID_GELU_SLOPE = 1.702


def widen(x: Tensor) -> Tensor:
    """``x`` in at least float32."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def as_wide_as(y: Tensor, x: Tensor) -> Tensor:
    """``y`` in the dtype of ``x``. Where it has that, no cast is written down: torch 2.11's compiler takes the result
    of one for a tensor without a gradient.
    """
    return y if y.dtype == x.dtype else y.to(x.dtype)


def as_scalar(value: Scalar, x: Tensor) -> Tensor:
    """A parameter as a tensor beside ``x``; a number takes the dtype in which ``x`` is computed."""
    if isinstance(value, Tensor):
        return value.reshape(()) if x.dim() == 0 and value.numel() == 1 else value
    return torch.as_tensor(value, dtype=torch.promote_types(x.dtype, torch.float32), device=x.device)


def reduced(grad: Tensor, like: Tensor) -> Tensor:
    """Sum a gradient down to the shape and dtype of the broadcast parameter ``like``."""
    if like.numel() == 1:
        return grad.sum().reshape(like.shape).to(like.dtype)
    return grad.sum_to_size(like.shape).to(like.dtype)


def apply(function: type[torch.autograd.Function], *inputs: Any) -> Tensor:
    """``function.apply`` at the least cost; without a gradient to record, its forward pass alone."""
    if transformed():
        return function.apply(*inputs)
    if not torch.is_grad_enabled():
        return function.forward(*inputs)
    return torch_private.apply(function, *inputs)


def transformed() -> bool:
    """Return True where anything but eager reverse mode is at work: a compiler, functorch, forward mode."""
    return torch.compiler.is_compiling() or torch_private.inside_transform() or torch_private.forward_mode()


def gelu(x: Tensor, approximate: Approximate = "none") -> Tensor:
    """GELU, x * Phi(x); "tanh" and "sigmoid" (x * sigmoid(1.702 x)) are its usual approximations.

    Source: Hendrycks and Gimpel 2016 (arXiv 1606.08415).

    >>> gelu(torch.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """
    check_approximate(approximate)
    return wide_gelu(widen(x), approximate).to(x.dtype)


def check_approximate(approximate: str) -> None:
    """Raise ValueError unless ``approximate`` names a form of GELU."""
    if approximate not in APPROXIMATIONS:
        raise ValueError(f"approximate must be one of {', '.join(APPROXIMATIONS)}, not {approximate!r}")


def wide_gelu(x: Tensor, approximate: str) -> Tensor:
    if approximate == "sigmoid":
        return x * torch.sigmoid(SIGMOID_GELU_SLOPE * x)
    return F.gelu(x, approximate=approximate)


def gelu_backward(grad: Tensor, x: Tensor, approximate: str) -> Tensor:
    if approximate == "sigmoid":
        s = torch.sigmoid(SIGMOID_GELU_SLOPE * x)
        return grad * (s + SIGMOID_GELU_SLOPE * x * s * (1 - s))
    return torch.ops.aten.gelu_backward(grad, x, approximate=approximate)


def inward(grad: Tensor, raw: Tensor, low: float, high: float) -> Tensor:
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
        return inward(grad, raw, ctx.low, ctx.high), None, None


def bounded(raw: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
    """``raw`` clamped to [low, high], with a gradient that only a bound's outward direction blocks.

    So a value that starts exactly at a bound moves inward as soon as the loss asks for it, which neither a plain
    clamp beyond its bounds nor a sigmoid near 0 or 1 allows.

    >>> raw = torch.tensor([0.0, 1.3], requires_grad=True)
    >>> bounded(raw).sum().backward()  # a positive gradient: descent moves down, out of [0, 1] at 0, inward at 1.3
    >>> raw.grad
    tensor([0., 1.])
    """
    return apply(_Bounded, raw, low, high)

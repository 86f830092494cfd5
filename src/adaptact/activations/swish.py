"""Swish and SSwish: x * sigmoid(beta * x), the latter with an offset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from adaptact.activations import implementations, options
from adaptact.activations.base import AdaptiveActivation, scalar
from adaptact.activations.implementations import Gradients, Implementation, Scalars
from adaptact.activations.registry import register
from adaptact.activations.tensors import Scalar, apply, as_scalar, as_wide_as, reduced, widen

_SWISH, _SSWISH = options.Swish(), options.SSwish()


def _forward(x: Tensor, scalars: Scalars) -> Tensor:
    beta, *offset = scalars
    wide = widen(x)
    y = wide * torch.sigmoid(beta * wide)
    return as_wide_as(y - offset[0] if offset else y, x)


def _backward(needed: tuple[bool, ...], grad: Tensor, x: Tensor, scalars: Scalars) -> Gradients:
    beta, *offset = scalars
    wide, g = widen(x), widen(grad)
    s = torch.sigmoid(beta * wide)
    x_slope = wide * s * (1 - s)  # first times s, so that a huge input never meets its own square
    grad_x = (g * (s + beta * x_slope)).to(x.dtype) if needed[0] else None
    grad_beta = reduced(g * (wide * x_slope), beta) if needed[1] else None
    return grad_x, grad_beta, *(reduced(-g, gamma) if needed[2] else None for gamma in offset)


_OPERATORS = Implementation(_forward, _backward)


class _Swish(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, *scalars: Tensor) -> Tensor:  # type: ignore[override]
        return implementations.forward("swish", _OPERATORS, x, scalars)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Gradients:  # type: ignore[override]
        x, *scalars = ctx.saved_tensors
        return implementations.backward("swish", _OPERATORS, ctx.needs_input_grad, grad, x, tuple(scalars))


def swish(x: Tensor, beta: Scalar = 1.0) -> Tensor:
    """Swish, x * sigmoid(beta * x). At beta 1 it is SiLU.

    Source: Ramachandran et al. 2017 (arXiv 1710.05941).
    """
    return apply(_Swish, x, as_scalar(beta, x))


def sswish(x: Tensor, beta: Scalar = 1.0, gamma: Scalar = 0.0) -> Tensor:
    """SSwish, x * sigmoid(beta * x) - gamma.

    Source: Sarkar, Gala, Tripathi 2025 (arXiv 2505.23942).
    """
    return apply(_Swish, x, as_scalar(beta, x), as_scalar(gamma, x))


@register("sswish")
class SSwish(AdaptiveActivation):
    """SSwish: x * sigmoid(beta * x) - gamma (Sarkar, Gala, Tripathi 2025). At its start it is SiLU."""

    beta = scalar("beta")
    gamma = scalar("gamma")

    def __init__(
        self,
        beta: float = _SSWISH.beta,
        gamma: float = _SSWISH.gamma,
        *,
        channels: int | None = None,
        channel_dim: int = _SSWISH.channel_dim,
        learn: Sequence[str] = tuple(_SSWISH.learn),
    ) -> None:
        super().__init__({"beta": beta, "gamma": gamma}, channels=channels, channel_dim=channel_dim, learn=learn)

    def forward(self, x: Tensor) -> Tensor:
        return sswish(x, *self._shaped(x, "beta", "gamma"))


@register("swish")
class Swish(AdaptiveActivation):
    """Swish: x * sigmoid(beta * x) with a learned beta (Ramachandran et al. 2017). At its start it is SiLU."""

    beta = scalar("beta")

    def __init__(
        self,
        beta: float = _SWISH.beta,
        *,
        channels: int | None = None,
        channel_dim: int = _SWISH.channel_dim,
        learn: Sequence[str] = tuple(_SWISH.learn),
    ) -> None:
        super().__init__({"beta": beta}, channels=channels, channel_dim=channel_dim, learn=learn)

    def forward(self, x: Tensor) -> Tensor:
        return swish(x, *self._shaped(x, "beta"))

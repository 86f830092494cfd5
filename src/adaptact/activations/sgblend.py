"""SG-Blend, and SG-Blend as its authors' code has it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from adaptact.activations import implementations, options
from adaptact.activations.base import UNIT, AdaptiveActivation, Map, scalar
from adaptact.activations.implementations import Gradients, Implementation, Scalars
from adaptact.activations.options import Approximate
from adaptact.activations.registry import register
from adaptact.activations.swish import sswish
from adaptact.activations.tensors import (
    Scalar,
    apply,
    as_scalar,
    as_wide_as,
    bounded,
    check_approximate,
    gelu,
    gelu_backward,
    inward,
    reduced,
    wide_gelu,
    widen,
)

_DEFAULT, _AUTHORS = options.SGBlend(), options.SGBlendAuthors()


def _forward(x: Tensor, scalars: Scalars, approximate: str, bounded: bool) -> Tensor:
    alpha, beta, gamma = scalars
    weight = alpha.clamp(0.0, 1.0) if bounded else alpha
    wide = widen(x)
    swish_part = wide * torch.sigmoid(beta * wide)
    return as_wide_as(weight * (swish_part - gamma) + (1 - weight) * wide_gelu(wide, approximate), x)


def _backward(
    needed: tuple[bool, ...], grad: Tensor, x: Tensor, scalars: Scalars, approximate: str, bounded: bool
) -> Gradients:
    alpha, beta, gamma = scalars
    need_x, need_alpha, need_beta, need_gamma = needed[:4]
    weight = alpha.clamp(0.0, 1.0) if bounded else alpha
    wide, g = widen(x), widen(grad)
    s = torch.sigmoid(beta * wide)
    x_slope = wide * s * (1 - s)
    grad_x = grad_alpha = grad_beta = grad_gamma = None
    if need_x:
        of_gelu = gelu_backward((1 - weight) * g, wide, approximate)
        grad_x = (weight * (g * (s + beta * x_slope)) + of_gelu).to(x.dtype)
    if need_alpha:
        grad_alpha = reduced(g * (wide * s - gamma - wide_gelu(wide, approximate)), alpha)
        grad_alpha = inward(grad_alpha, alpha, 0.0, 1.0) if bounded else grad_alpha
    if need_beta:
        grad_beta = reduced(weight * (g * (wide * x_slope)), beta)
    if need_gamma:
        grad_gamma = reduced(-weight * g, gamma)
    return grad_x, grad_alpha, grad_beta, grad_gamma


_OPERATORS = Implementation(_forward, _backward)


class _SGBlend(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(  # type: ignore[override]
        x: Tensor, alpha: Tensor, beta: Tensor, gamma: Tensor, approximate: str, bounded: bool
    ) -> Tensor:
        return implementations.forward("sg_blend", _OPERATORS, x, (alpha, beta, gamma), approximate, bounded)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        *tensors, approximate, bounded = inputs
        ctx.how = approximate, bounded
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Gradients:  # type: ignore[override]
        x, *scalars = ctx.saved_tensors
        needed = ctx.needs_input_grad
        return (
            *implementations.backward("sg_blend", _OPERATORS, needed, grad, x, tuple(scalars), *ctx.how),
            None,
            None,
        )


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
    return apply(_SGBlend, x, as_scalar(alpha, x), as_scalar(beta, x), as_scalar(gamma, x), approximate, bounded)


@register("sgblend")
class SGBlend(AdaptiveActivation):
    """SG-Blend: alpha * (x * sigmoid(beta * x) - gamma) + (1 - alpha) * GELU(x).

    Source: Sarkar, Gala, Tripathi 2025 (arXiv 2505.23942). At alpha 0 it is GELU, at alpha 1 SSwish; alpha says
    little where the two coincide, so read it beside beta and the gap between them. alpha is stored as it is and
    clamped to [0, 1] with a gradient that only the outward direction of a bound blocks.

    Args:
        alpha: start weight of SSwish, in [0, 1].
        beta: start slope of SSwish, any number.
        gamma: start offset of SSwish.
        approximate: form of GELU: "none" (erf), "tanh" or "sigmoid" (x * sigmoid(1.702 x)).
        channels: one set of scalars per channel of this many; None for one set per layer.
        channel_dim: dimension that counts channels.
        learn: which of alpha, beta, gamma are learned; the others stay at their start.

    Shape:
        Any shape in, the same shape and dtype out.

    >>> act = SGBlend(alpha=0.3)
    >>> act(torch.tensor([-1.0, 2.0]))
    tensor([-0.1917,  1.8966], grad_fn=<_SGBlendBackward>)
    >>> act.alpha
    tensor([0.3000], grad_fn=<_BoundedBackward>)
    """

    alpha = scalar("alpha", UNIT)
    beta = scalar("beta")
    gamma = scalar("gamma")

    def __init__(
        self,
        alpha: float = _DEFAULT.alpha,
        beta: float = _DEFAULT.beta,
        gamma: float = _DEFAULT.gamma,
        *,
        approximate: Approximate = _DEFAULT.approximate,
        channels: int | None = None,
        channel_dim: int = _DEFAULT.channel_dim,
        learn: Sequence[str] = tuple(_DEFAULT.learn),
    ) -> None:
        check_approximate(approximate)
        start = {"alpha": alpha, "beta": beta, "gamma": gamma}
        super().__init__(start, channels=channels, channel_dim=channel_dim, learn=learn)
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        alpha, beta, gamma = self._stored(x, "alpha", "beta", "gamma")
        return sg_blend(x, alpha, beta, gamma, self.approximate, bounded=True)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return sswish(x, *self._shaped(x, "beta", "gamma")), gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}, {super().extra_repr()}"


def _logit_alpha(raw: Tensor) -> Tensor:
    return torch.sigmoid(bounded(raw, -1.0, 1.0))


_SIGMOID_OF_ONE = 1 / (1 + math.exp(-1))
_AUTHORS_ALPHA = Map(
    _logit_alpha,
    lambda value: math.log(value / (1 - value)),
    lambda value: 1 - _SIGMOID_OF_ONE <= value <= _SIGMOID_OF_ONE,
    "from 0.269 to 0.731: the authors keep raw alpha within [-1, 1]",
)
_AUTHORS_BETA = Map(
    lambda raw: bounded(raw, 0.1, 10.0), lambda value: value, lambda value: 0.1 <= value <= 10.0, "from 0.1 to 10"
)


@register("sgblend_authors")
class SGBlendAuthors(SGBlend):
    """SG-Blend as the authors' TensorFlow code has it, for comparison with their results.

    alpha = sigmoid(raw), raw kept within [-1, 1], so alpha within [0.269, 0.731]; GELU as x * sigmoid(1.702 x);
    beta kept within [0.1, 10] and started from their Glorot-uniform draw, U(-sqrt 3, sqrt 3), so that about half
    of the layers start at the bound of 0.1. They clip after each step; here the same bounds are a map inside the
    forward pass, which does not fight Adam's moments. They share one instance over all layers; here each site has
    its own.

    Args:
        alpha: start weight, by default 0.5 (raw 0).
        beta: start slope; None draws it from torch's global generator.
        gamma: start offset.
    """

    alpha = scalar("alpha", _AUTHORS_ALPHA)
    beta = scalar("beta", _AUTHORS_BETA)

    def __init__(
        self,
        alpha: float = _AUTHORS.alpha,
        beta: float | None = _AUTHORS.beta,
        gamma: float = _AUTHORS.gamma,
        *,
        channels: int | None = None,
        channel_dim: int = _AUTHORS.channel_dim,
        learn: Sequence[str] = tuple(_AUTHORS.learn),
    ) -> None:
        if beta is None:
            beta = max(0.1, torch.empty(()).uniform_(-math.sqrt(3), math.sqrt(3)).item())
        options = {"channels": channels, "channel_dim": channel_dim, "learn": learn}
        super().__init__(alpha, beta, gamma, approximate="sigmoid", **options)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        alpha, beta, gamma = self._shaped(x, "alpha", "beta", "gamma")
        return sg_blend(x, alpha, beta, gamma, self.approximate)

"""Learned blends of two activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptact.activations import implementations, options, torch_private
from adaptact.activations.base import UNIT, AdaptiveActivation, scalar
from adaptact.activations.implementations import Gradients, Operators, Scalars
from adaptact.activations.registry import register, to_module
from adaptact.activations.tensors import Scalar, apply, as_scalar, as_wide_as, transformed, widen
from adaptact.activations.tensors import bounded as bounded_

__all__ = ["BLENDED", "Blend", "blend", "blend_of"]

_DEFAULT = options.Blend()
BLENDED: Mapping[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": F.relu,
    "silu": F.silu,
    "gelu": F.gelu,
}


def blend(first: Tensor, second: Tensor, alpha: Scalar = 0.5, *, bounded: bool = False) -> Tensor:
    """alpha * first + (1 - alpha) * second; with ``bounded`` alpha is clamped as by :func:`bounded`."""
    weight = as_scalar(alpha, first)
    weight = bounded_(weight) if bounded else weight
    return as_wide_as(weight * widen(first) + (1 - weight) * widen(second), first)


def _forward(x: Tensor, scalars: Scalars, first: str, second: str) -> Tensor:
    return blend(BLENDED[first](x), BLENDED[second](x), *scalars, bounded=True)


def _backward(
    needed: tuple[bool, ...], grad: Tensor, x: Tensor, scalars: Scalars, first: str, second: str
) -> Gradients:
    (alpha,) = scalars
    again = torch.is_grad_enabled()  # the gradient is to be differentiated once more
    with torch.enable_grad():
        if not again:
            x, alpha = (each.detach().requires_grad_() for each in (x, alpha))
        y = blend(BLENDED[first](x), BLENDED[second](x), alpha, bounded=True)
        wanted = [each for each, wants in zip((x, alpha), needed) if wants]
        found = iter(torch.autograd.grad(y, wanted, grad, create_graph=again))
    return tuple(next(found) if wants else None for wants in needed[:2])


_OPERATORS = Operators(_forward, _backward)


class _Pair(torch.autograd.Function):
    """A blend of two plain functions. Keeps its input alone, however it is computed."""

    @staticmethod
    def forward(x: Tensor, alpha: Tensor, first: str, second: str) -> Tensor:  # type: ignore[override]
        return implementations.forward("pair", _OPERATORS, x, (alpha,), first, second)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        x, alpha, *ctx.names = inputs
        ctx.save_for_backward(x, alpha)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Gradients:  # type: ignore[override]
        x, alpha = ctx.saved_tensors
        needed = ctx.needs_input_grad
        return *implementations.backward("pair", _OPERATORS, needed, grad, x, (alpha,), *ctx.names), None, None


def blend_of(x: Tensor, first: str, second: str, alpha: Tensor) -> Tensor:
    """The bounded blend of two different functions by their names in ``BLENDED``; in one pass where a kernel can."""
    if transformed() or torch_private.recorded():
        return blend(BLENDED[first](x), BLENDED[second](x), alpha, bounded=True)
    return apply(_Pair, x, alpha, first, second)


def _blended(module: nn.Module) -> str | None:
    """The name in ``BLENDED`` of a module that is nothing but that function, and that nobody watches."""
    if torch_private.watched(module) or "forward" in vars(module):
        return None
    if type(module) is nn.GELU:
        return "gelu" if module.approximate == "none" else None
    return {nn.Identity: "identity", nn.ReLU: "relu", nn.SiLU: "silu"}.get(type(module))


@register("blend")
class Blend(AdaptiveActivation):
    """alpha * first(x) + (1 - alpha) * second(x) for any two activations.

    Args:
        first, second: names of the registry or modules; learned parameters of theirs are learned too.
        alpha: start weight of ``first``, in [0, 1]; bounded as in :class:`SGBlend`.

    >>> Blend("relu", "identity", alpha=0.25)(torch.tensor([-4.0, 4.0]))
    tensor([-3.,  4.], grad_fn=<_PairBackward>)
    """

    alpha = scalar("alpha", UNIT)

    def __init__(
        self,
        first: str | nn.Module,
        second: str | nn.Module,
        alpha: float = _DEFAULT.alpha,
        *,
        channels: int | None = None,
        channel_dim: int = _DEFAULT.channel_dim,
        learn: Sequence[str] = tuple(_DEFAULT.learn),
    ) -> None:
        super().__init__({"alpha": alpha}, channels=channels, channel_dim=channel_dim, learn=learn)
        self.first = to_module(first)
        self.second = to_module(second)

    def forward(self, x: Tensor) -> Tensor:
        (alpha,) = self._stored(x, "alpha")
        first, second = _blended(self.first), _blended(self.second)
        if first is not None and second is not None and first != second:
            return blend_of(x, first, second, alpha)
        return blend(self.first(x), self.second(x), alpha, bounded=True)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.first(x), self.second(x)

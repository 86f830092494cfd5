"""An activation with a learned cubic term."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from adaptact.activations import options
from adaptact.activations.base import AdaptiveActivation, scalar
from adaptact.activations.registry import register, to_module
from adaptact.activations.tensors import Scalar, as_scalar, widen

_DEFAULT = options.NonlinearityEnhanced()


def nonlinearity_enhanced(
    x: Tensor, a: Scalar = 1.0, b: Scalar = 0.0, *, base: Callable[[Tensor], Tensor] = F.relu, strength: float = 0.1
) -> Tensor:
    """a * base(x) + strength * b * abs(x)^3.

    After Yevick 2024 (arXiv 2403.19896), who adds an even cubic non-linearity with two learned coefficients per
    layer and a global constant. The paper's exact form could not be checked: this is adaptact's reading of it.
    """
    wide = widen(x)
    return (as_scalar(a, x) * widen(base(x)) + strength * as_scalar(b, x) * wide.abs() ** 3).to(x.dtype)


@register("nonlinearity_enhanced")
class NonlinearityEnhanced(AdaptiveActivation):
    """a * base(x) + strength * b * abs(x)^3, after Yevick 2024 (arXiv 2403.19896).

    The paper's exact form could not be checked: this is adaptact's reading of it.

    Args:
        base: a name of the registry or a module.
        strength: the global constant, not learned.
    """

    a = scalar("a")
    b = scalar("b")

    def __init__(
        self,
        base: str | nn.Module = _DEFAULT.base,
        strength: float = _DEFAULT.strength,
        a: float = _DEFAULT.a,
        b: float = _DEFAULT.b,
        *,
        channels: int | None = None,
        channel_dim: int = _DEFAULT.channel_dim,
        learn: Sequence[str] = tuple(_DEFAULT.learn),
    ) -> None:
        super().__init__({"a": a, "b": b}, channels=channels, channel_dim=channel_dim, learn=learn)
        self.base = to_module(base)
        self.strength = strength

    def forward(self, x: Tensor) -> Tensor:
        a, b = self._shaped(x, "a", "b")
        return nonlinearity_enhanced(x, a, b, base=self.base, strength=self.strength)

"""PELU: ELU with a learned scale and slope."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from adaptact.activations import options
from adaptact.activations.base import POSITIVE, AdaptiveActivation, scalar
from adaptact.activations.registry import register
from adaptact.activations.tensors import Scalar, as_scalar, widen

_DEFAULT = options.PELU()


def pelu(x: Tensor, a: Scalar = 1.0, b: Scalar = 1.0) -> Tensor:
    """PELU: (a / b) x for x >= 0, a (exp(x / b) - 1) below; a, b > 0. PELU(1, 1) is ELU.

    Source: Trottier et al. 2016 (arXiv 1605.09332).
    """
    wide, a, b = widen(x), as_scalar(a, x), as_scalar(b, x)
    # Each side sees only its own half: a torch.where over exp(x / b) would give inf * 0 in the backward pass.
    return ((a / b) * wide.relu() + a * torch.expm1(wide.clamp(max=0) / b)).to(x.dtype)


@register("pelu")
class PELU(AdaptiveActivation):
    """PELU: (a / b) x for x >= 0, a (exp(x / b) - 1) below (Trottier et al. 2016). At its start it is ELU.

    a and b are kept positive by softplus.
    """

    a = scalar("a", POSITIVE)
    b = scalar("b", POSITIVE)

    def __init__(
        self,
        a: float = _DEFAULT.a,
        b: float = _DEFAULT.b,
        *,
        channels: int | None = None,
        channel_dim: int = _DEFAULT.channel_dim,
        learn: Sequence[str] = tuple(_DEFAULT.learn),
    ) -> None:
        super().__init__({"a": a, "b": b}, channels=channels, channel_dim=channel_dim, learn=learn)

    def forward(self, x: Tensor) -> Tensor:
        return pelu(x, *self._shaped(x, "a", "b"))

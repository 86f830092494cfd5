"""An activation's output with a learned scale."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from adaptact.activations import options
from adaptact.activations.base import AdaptiveActivation, scalar
from adaptact.activations.registry import register, to_module
from adaptact.activations.tensors import Scalar, as_scalar, widen

_DEFAULT = options.Scaled()


def scaled(y: Tensor, scale: Scalar = 1.0) -> Tensor:
    """scale * y: an activation's output with a learned scale, the control for "any scalar would have helped"."""
    return (as_scalar(scale, y) * widen(y)).to(y.dtype)


@register("scaled")
class Scaled(AdaptiveActivation):
    """scale * base(x) with one learned scale: the control that tells mere scaling from adapting the shape."""

    scale = scalar("scale")

    def __init__(
        self,
        base: str | nn.Module = _DEFAULT.base,
        scale: float = _DEFAULT.scale,
        *,
        channels: int | None = None,
        channel_dim: int = _DEFAULT.channel_dim,
        learn: Sequence[str] = tuple(_DEFAULT.learn),
    ) -> None:
        super().__init__({"scale": scale}, channels=channels, channel_dim=channel_dim, learn=learn)
        self.base = to_module(base)

    def forward(self, x: Tensor) -> Tensor:
        return scaled(self.base(x), *self._shaped(x, "scale"))

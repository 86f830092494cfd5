"""Adaptive blending units: learned sums of several functions."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from adaptact.activations import options
from adaptact.activations.base import AdaptiveActivation
from adaptact.activations.registry import register
from adaptact.activations.tensors import Scalar, as_scalar, bounded, widen

__all__ = ["ABU", "ABU_BASES", "ABU_MODES", "abu", "abu_weights"]

_DEFAULT = options.ABU()
ABU_MODES = typing.get_args(options.Mode)
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
    wide = widen(x)
    total = torch.zeros((), dtype=wide.dtype, device=x.device)
    for name, weight in weights.items():
        total = total + as_scalar(weight, x) * ABU_BASES[name](wide)
    return total.to(x.dtype)


@register("abu")
class ABU(AdaptiveActivation):
    """Adaptive blending unit: a weighted sum of base activations (Suetfeld et al. 2018, arXiv 1806.10064).

    Args:
        bases: names out of relu, elu, tanh, swish, identity.
        mode: how raw weights become effective ones: "unrestricted", "normalized", "absnormed", "clipped" or
            "softmax". Every effective weight starts at 1 / number of bases.
        learn: "weights" or nothing.
    """

    def __init__(
        self,
        bases: Sequence[str] = tuple(_DEFAULT.bases),
        mode: str = _DEFAULT.mode,
        *,
        channels: int | None = None,
        channel_dim: int = _DEFAULT.channel_dim,
        learn: Sequence[str] = tuple(_DEFAULT.learn),
    ) -> None:
        if not bases or len(set(bases)) < len(bases) or not set(bases) <= set(ABU_BASES):
            raise ValueError(f"bases must be different names out of {', '.join(ABU_BASES)}, not {list(bases)}")
        if mode not in ABU_MODES:
            raise ValueError(f"mode must be one of {', '.join(ABU_MODES)}, not {mode!r}")
        if isinstance(learn, str) or not set(learn) <= {"weights"}:
            raise ValueError(f"learn must be ('weights',) or (), not {learn!r}")
        start = {f"w_{base}": 0.0 if mode == "softmax" else 1 / len(bases) for base in bases}
        names = tuple(start) if "weights" in learn else ()
        super().__init__(start, channels=channels, channel_dim=channel_dim, learn=names)
        self.bases = tuple(bases)
        self.mode = mode

    def weights(self) -> dict[str, Tensor]:
        """Effective weights by base, each of shape (1,) or (channels,)."""
        raw = [getattr(self, f"raw_w_{base}") for base in self.bases]
        return dict(zip(self.bases, abu_weights(raw, self.mode), strict=True))

    def scalars(self) -> dict[str, Tensor]:
        return {f"w_{base}": weight for base, weight in self.weights().items()}

    def forward(self, x: Tensor) -> Tensor:
        weights = self.weights()
        return abu(x, dict(zip(weights, self._beside(x, list(weights.values())), strict=True)))

    def extra_repr(self) -> str:
        return f"bases={self.bases}, mode={self.mode!r}, {super().extra_repr()}"

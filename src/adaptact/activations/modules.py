"""Adaptive activations as modules: one instance per site, parameters of its own. Formulas: ``functional``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from adaptact.activations import functional as AF
from adaptact.activations.adaptive import POSITIVE, UNIT, AdaptiveActivation, Map, scalar


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
        alpha: float = 0.5,
        beta: float = 1.0,
        gamma: float = 0.0,
        *,
        approximate: AF.Approximate = "none",
        channels: int | None = None,
        channel_dim: int = 1,
        learn: Sequence[str] = ("alpha", "beta", "gamma"),
    ) -> None:
        AF.check_approximate(approximate)
        start = {"alpha": alpha, "beta": beta, "gamma": gamma}
        super().__init__(start, channels=channels, channel_dim=channel_dim, learn=learn)
        self.approximate = approximate

    def forward(self, x: Tensor) -> Tensor:
        alpha, beta, gamma = self._stored(x, "alpha", "beta", "gamma")
        return AF.sg_blend(x, alpha, beta, gamma, self.approximate, bounded=True)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return AF.sswish(x, *self._shaped(x, "beta", "gamma")), AF.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}, {super().extra_repr()}"


def _logit_alpha(raw: Tensor) -> Tensor:
    return torch.sigmoid(AF.bounded(raw, -1.0, 1.0))


_SIGMOID_OF_ONE = 1 / (1 + math.exp(-1))
AUTHORS_ALPHA = Map(
    _logit_alpha,
    lambda value: math.log(value / (1 - value)),
    lambda value: 1 - _SIGMOID_OF_ONE <= value <= _SIGMOID_OF_ONE,
    "from 0.269 to 0.731: the authors keep raw alpha within [-1, 1]",
)
AUTHORS_BETA = Map(
    lambda raw: AF.bounded(raw, 0.1, 10.0), lambda value: value, lambda value: 0.1 <= value <= 10.0, "from 0.1 to 10"
)


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

    alpha = scalar("alpha", AUTHORS_ALPHA)
    beta = scalar("beta", AUTHORS_BETA)

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float | None = None,
        gamma: float = 0.0,
        *,
        channels: int | None = None,
        channel_dim: int = 1,
        learn: Sequence[str] = ("alpha", "beta", "gamma"),
    ) -> None:
        if beta is None:
            beta = max(0.1, torch.empty(()).uniform_(-math.sqrt(3), math.sqrt(3)).item())
        options = {"channels": channels, "channel_dim": channel_dim, "learn": learn}
        super().__init__(alpha, beta, gamma, approximate="sigmoid", **options)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        alpha, beta, gamma = self._shaped(x, "alpha", "beta", "gamma")
        return AF.sg_blend(x, alpha, beta, gamma, self.approximate)


class SSwish(AdaptiveActivation):
    """SSwish: x * sigmoid(beta * x) - gamma (Sarkar, Gala, Tripathi 2025). At its start it is SiLU."""

    beta = scalar("beta")
    gamma = scalar("gamma")

    def __init__(
        self,
        beta: float = 1.0,
        gamma: float = 0.0,
        *,
        channels: int | None = None,
        channel_dim: int = 1,
        learn: Sequence[str] = ("beta", "gamma"),
    ) -> None:
        super().__init__({"beta": beta, "gamma": gamma}, channels=channels, channel_dim=channel_dim, learn=learn)

    def forward(self, x: Tensor) -> Tensor:
        return AF.sswish(x, *self._shaped(x, "beta", "gamma"))


class Swish(AdaptiveActivation):
    """Swish: x * sigmoid(beta * x) with a learned beta (Ramachandran et al. 2017). At its start it is SiLU."""

    beta = scalar("beta")

    def __init__(
        self,
        beta: float = 1.0,
        *,
        channels: int | None = None,
        channel_dim: int = 1,
        learn: Sequence[str] = ("beta",),
    ) -> None:
        super().__init__({"beta": beta}, channels=channels, channel_dim=channel_dim, learn=learn)

    def forward(self, x: Tensor) -> Tensor:
        return AF.swish(x, *self._shaped(x, "beta"))


class PELU(AdaptiveActivation):
    """PELU: (a / b) x for x >= 0, a (exp(x / b) - 1) below (Trottier et al. 2016). At its start it is ELU.

    a and b are kept positive by softplus.
    """

    a = scalar("a", POSITIVE)
    b = scalar("b", POSITIVE)

    def __init__(
        self,
        a: float = 1.0,
        b: float = 1.0,
        *,
        channels: int | None = None,
        channel_dim: int = 1,
        learn: Sequence[str] = ("a", "b"),
    ) -> None:
        super().__init__({"a": a, "b": b}, channels=channels, channel_dim=channel_dim, learn=learn)

    def forward(self, x: Tensor) -> Tensor:
        return AF.pelu(x, *self._shaped(x, "a", "b"))


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
        bases: Sequence[str] = ("relu", "elu", "tanh", "swish", "identity"),
        mode: str = "softmax",
        *,
        channels: int | None = None,
        channel_dim: int = 1,
        learn: Sequence[str] = ("weights",),
    ) -> None:
        if not bases or len(set(bases)) < len(bases) or not set(bases) <= set(AF.ABU_BASES):
            raise ValueError(f"bases must be different names out of {', '.join(AF.ABU_BASES)}, not {list(bases)}")
        if mode not in AF.ABU_MODES:
            raise ValueError(f"mode must be one of {', '.join(AF.ABU_MODES)}, not {mode!r}")
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
        return dict(zip(self.bases, AF.abu_weights(raw, self.mode), strict=True))

    def scalars(self) -> dict[str, Tensor]:
        return {f"w_{base}": weight for base, weight in self.weights().items()}

    def forward(self, x: Tensor) -> Tensor:
        weights = self.weights()
        return AF.abu(x, dict(zip(weights, self._beside(x, list(weights.values())), strict=True)))

    def extra_repr(self) -> str:
        return f"bases={self.bases}, mode={self.mode!r}, {super().extra_repr()}"


def _base_module(base: str | nn.Module) -> nn.Module:
    if isinstance(base, nn.Module):
        return base
    from adaptact.activations.registry import create  # the registry knows this module

    return create(base)


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
        base: str | nn.Module = "relu",
        strength: float = 0.1,
        a: float = 1.0,
        b: float = 0.0,
        *,
        channels: int | None = None,
        channel_dim: int = 1,
        learn: Sequence[str] = ("a", "b"),
    ) -> None:
        super().__init__({"a": a, "b": b}, channels=channels, channel_dim=channel_dim, learn=learn)
        self.base = _base_module(base)
        self.strength = strength

    def forward(self, x: Tensor) -> Tensor:
        a, b = self._shaped(x, "a", "b")
        return AF.nonlinearity_enhanced(x, a, b, base=self.base, strength=self.strength)


class Scaled(AdaptiveActivation):
    """scale * base(x) with one learned scale: the control that tells mere scaling from adapting the shape."""

    scale = scalar("scale")

    def __init__(
        self,
        base: str | nn.Module = "gelu",
        scale: float = 1.0,
        *,
        channels: int | None = None,
        channel_dim: int = 1,
        learn: Sequence[str] = ("scale",),
    ) -> None:
        super().__init__({"scale": scale}, channels=channels, channel_dim=channel_dim, learn=learn)
        self.base = _base_module(base)

    def forward(self, x: Tensor) -> Tensor:
        return AF.scaled(self.base(x), *self._shaped(x, "scale"))


def _blended(module: nn.Module) -> str | None:
    """The name in ``functional.BLENDED`` of a module that is nothing but that function, and that nobody watches."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    if any(hooks) or torch.nn.modules.module._has_any_global_hook() or "forward" in vars(module):
        return None
    if type(module) is nn.GELU:
        return "gelu" if module.approximate == "none" else None
    return {nn.Identity: "identity", nn.ReLU: "relu", nn.SiLU: "silu"}.get(type(module))


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
        alpha: float = 0.5,
        *,
        channels: int | None = None,
        channel_dim: int = 1,
        learn: Sequence[str] = ("alpha",),
    ) -> None:
        super().__init__({"alpha": alpha}, channels=channels, channel_dim=channel_dim, learn=learn)
        self.first = _base_module(first)
        self.second = _base_module(second)

    def forward(self, x: Tensor) -> Tensor:
        (alpha,) = self._stored(x, "alpha")
        first, second = _blended(self.first), _blended(self.second)
        if first is not None and second is not None and first != second:
            return AF.blend_of(x, first, second, alpha)
        return AF.blend(self.first(x), self.second(x), alpha, bounded=True)

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.first(x), self.second(x)

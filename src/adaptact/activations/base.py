"""The base of all activations with learned scalars."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptact.activations.tensors import bounded


@dataclass(frozen=True)
class Map:
    """How a stored ("raw") parameter becomes an effective value, and back for start values.

    ``accepts`` says in words which values have an inverse.
    """

    forward: Callable[[Tensor], Tensor]
    inverse: Callable[[float], float]
    allows: Callable[[float], bool]
    accepts: str


FREE = Map(lambda raw: raw, lambda value: value, math.isfinite, "a finite number")
UNIT = Map(bounded, lambda value: value, lambda value: 0.0 <= value <= 1.0, "a number from 0 to 1")
# log(expm1(v)), written so that it does not overflow for large v
POSITIVE = Map(
    F.softplus,
    lambda value: value + math.log(-math.expm1(-value)),
    lambda value: 0.0 < value < math.inf,
    "a number above 0",
)


def scalar(name: str, mapping: Map = FREE) -> property:
    """A property that reads the effective value of ``raw_<name>`` and, when set to a number, writes its inverse."""

    def read(self: AdaptiveActivation) -> Tensor:
        return mapping.forward(getattr(self, f"raw_{name}"))

    def write(self: AdaptiveActivation, value: float) -> None:
        with torch.no_grad():
            getattr(self, f"raw_{name}").fill_(_raw(name, value, mapping))

    read.mapping = mapping  # type: ignore[attr-defined]
    return property(read, write, doc=f"Effective value of {name}, shape (1,) or (channels,).")


def _raw(name: str, value: float, mapping: Map) -> float:
    if not mapping.allows(float(value)):
        raise ValueError(f"{name} must be {mapping.accepts}, not {value!r}")
    return mapping.inverse(float(value))


class AdaptiveActivation(nn.Module):
    """Base of the activations that learn scalars.

    Each scalar is one parameter ``raw_<name>`` of shape (1,), or (channels,) with one value per channel. The
    parameters stay float32 when a model is cast to half precision: steps of 1e-3 vanish in bfloat16 at 0.5.
    The values belong to the site, not to the input: one set serves every row of a batch.

    Args:
        start: start value of every scalar, in the order in which they are shown.
        channels: number of channels for one value per channel; None for one value per layer.
        channel_dim: dimension of the input that counts channels.
        learn: names of the scalars that are learned; the others stay frozen at their start.

    Raises:
        ValueError: a start value outside its range, an unknown name in ``learn``, channels < 1.
    """

    def __init__(
        self, start: dict[str, float], *, channels: int | None, channel_dim: int, learn: Sequence[str] | None = None
    ) -> None:
        super().__init__()
        if isinstance(learn, str):
            raise ValueError(f"learn must be a sequence of names, not {learn!r}")
        learn = tuple(start) if learn is None else tuple(learn)
        unknown = [name for name in learn if name not in start]
        if unknown:
            raise ValueError(f"learn names {unknown}; {type(self).__name__} has {', '.join(start)}")
        if channels is not None and channels < 1:
            raise ValueError(f"channels must be None or at least 1, not {channels}")
        self.scalar_names = tuple(start)
        self.learn = tuple(learn)
        self.channels = channels
        self.channel_dim = channel_dim
        for name, value in start.items():
            raw = torch.full((channels or 1,), _raw(name, value, self._map(name)), dtype=torch.float32)
            self.register_parameter(f"raw_{name}", nn.Parameter(raw, requires_grad=name in learn))

    def _map(self, name: str) -> Map:
        prop = getattr(type(self), name, None)
        return getattr(prop.fget, "mapping", FREE) if isinstance(prop, property) else FREE

    def scalars(self) -> dict[str, Tensor]:
        """Effective values by name, each of shape (1,) or (channels,)."""
        return {name: getattr(self, name) for name in self.scalar_names}

    def raw_parameters(self) -> dict[str, nn.Parameter]:
        """The stored parameters by the name of their scalar."""
        return {name: getattr(self, f"raw_{name}") for name in self.scalar_names}

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor] | None:
        """The two functions that alpha mixes, at ``x``; None for an activation that is no blend."""
        return None

    def _shaped(self, x: Tensor, *names: str) -> list[Tensor]:
        """Effective values by name, shaped to broadcast along the channels of ``x``."""
        return self._beside(x, [getattr(self, name) for name in names])

    def _stored(self, x: Tensor, *names: str) -> list[Tensor]:
        """Stored ("raw") values by name, shaped likewise."""
        return self._beside(x, [getattr(self, f"raw_{name}") for name in names])

    def _beside(self, x: Tensor, values: list[Tensor]) -> list[Tensor]:
        """``values`` shaped to broadcast along the channels of ``x``."""
        if self.channels is None:
            return values
        if not -x.dim() <= self.channel_dim < x.dim() or x.shape[self.channel_dim] != self.channels:
            raise ValueError(
                f"{type(self).__name__} has {self.channels} channels in dimension {self.channel_dim}, "
                f"but its input has shape {tuple(x.shape)}"
            )
        shape = [1] * x.dim()
        shape[self.channel_dim] = self.channels
        return [value.view(shape) for value in values]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> AdaptiveActivation:
        own = {id(tensor) for p in self.parameters(recurse=False) for tensor in (p, p.grad)}

        def keep_float32(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            halved = moved.dtype in (torch.float16, torch.bfloat16)
            return tensor.to(moved.device, torch.float32) if halved and id(tensor) in own else moved

        return super()._apply(keep_float32, recurse)

    def extra_repr(self) -> str:
        shown = [f"learn={self.learn}"]
        if self.channels is not None:
            shown.append(f"channels={self.channels}, channel_dim={self.channel_dim}")
        return ", ".join(shown)


def effective_values(module: nn.Module) -> dict[str, Tensor]:
    """Effective values by name of an activation and of the activations inside it ("first.alpha").

    For a class that is not adaptact's own these are its parameters by their own names (``nn.PReLU``: "weight").
    """
    values: dict[str, Tensor] = dict(
        module.scalars() if isinstance(module, AdaptiveActivation) else _own_parameters(module)
    )
    for prefix, child in module.named_children():
        values.update({f"{prefix}.{name}": value for name, value in effective_values(child).items()})
    return values


def learned_values(module: nn.Module) -> dict[str, Tensor]:
    """:func:`effective_values`, detached."""
    return {name: value.detach() for name, value in effective_values(module).items()}


def stored_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters behind :func:`effective_values`, by the same names."""
    parameters = module.raw_parameters() if isinstance(module, AdaptiveActivation) else _own_parameters(module)
    for prefix, child in module.named_children():
        parameters.update({f"{prefix}.{name}": value for name, value in stored_parameters(child).items()})
    return parameters


def _own_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    return dict(module.named_parameters(recurse=False))

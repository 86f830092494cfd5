"""The choices of ``activation=``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from adaptact.errors import did_you_mean
from adaptact.schema import option


@dataclass
class Activation:
    name: str = option("", "label of the choice, as it stands in records and tables")
    kind: str = option("", "what is built: a name of the registry, native or custom")
    sites: list[str] | None = option(None, "swap only at these sites: glob patterns over their dotted paths")
    only: list[str] | None = option(None, "swap only activations of these kinds, as in [GELU, ReLU]")
    preserve: bool = option(False, "start as the function that stood there, so that a trained network keeps its output")
    start: dict[str, Any] | None = option(
        None, "start values of single sites, {site: {parameter: value}}; written by comparisons"
    )
    frozen: bool = option(False, "everything that the activation could learn keeps its start; written by comparisons")

    @property
    def learnable(self) -> set[str]:
        """Names that ``learn`` may list: the parameters with an option for their start."""
        return {each.name for each in fields(self)} & {*SETTABLE, "scale"}

    def problems(self) -> list[str]:
        """Describe each combination of options that contradicts itself."""
        found = []
        unknown = [name for name in getattr(self, "learn", []) if name not in self.learnable]
        if unknown:
            can = ", ".join(sorted(self.learnable))
            found.append(f"activation.learn names {', '.join(unknown)}; {self.name} can learn {can}")
        bases = ["identity", *(kind for kind in ACTIVATIONS if kind not in {"native", "custom", "blend"})]
        for key in ("base", "first", "second"):
            named = getattr(self, key, "relu")
            if named not in bases:
                found.append(f"activation.{key} {named!r} is unknown. {did_you_mean(named, bases)}")
        return found


@dataclass
class PerChannel(Activation):
    per_channel: bool = option(False, "one set of parameters per channel instead of one per layer")
    channel_dim: int = option(1, "dimension that counts channels; -1 for transformers")


@dataclass
class LeakyReLU(Activation):
    negative_slope: float = option(0.01, "slope below 0")


@dataclass
class PReLU(PerChannel):
    init: float = option(0.25, "start of the learned slope below 0")


@dataclass
class ELU(Activation):
    alpha: float = option(1.0, "scale below 0")


@dataclass
class GELU(Activation):
    approximate: Literal["none", "tanh"] = option("none", "none (erf) or tanh")


@dataclass
class Swish(PerChannel):
    beta: float = option(1.0, "start of the slope")
    learn: list[str] = option(["beta"], "parameters that are learned")


@dataclass
class SSwish(PerChannel):
    beta: float = option(1.0, "start of the slope")
    gamma: float = option(0.0, "start of the offset")
    learn: list[str] = option(["beta", "gamma"], "parameters that are learned")


@dataclass
class SGBlend(PerChannel):
    alpha: float = option(0.5, "start weight of SSwish; 1 - alpha is the weight of GELU", ge=0, le=1)
    beta: float = option(1.0, "start slope of SSwish")
    gamma: float = option(0.0, "start offset of SSwish")
    approximate: Literal["none", "tanh", "sigmoid"] = option("none", "form of GELU: none (erf), tanh, sigmoid")
    learn: list[str] = option(["alpha", "beta", "gamma"], "parameters that are learned")


@dataclass
class SGBlendAuthors(PerChannel):
    alpha: float = option(0.5, "start weight of SSwish", ge=0.269, le=0.731)
    beta: float | None = option(None, "start slope; null draws it as the authors do", ge=0.1, le=10)
    gamma: float = option(0.0, "start offset of SSwish")
    learn: list[str] = option(["alpha", "beta", "gamma"], "parameters that are learned")


@dataclass
class PELU(PerChannel):
    a: float = option(1.0, "start of a", gt=0)
    b: float = option(1.0, "start of b", gt=0)
    learn: list[str] = option(["a", "b"], "parameters that are learned")


@dataclass
class ABU(PerChannel):
    bases: list[str] = option(["relu", "elu", "tanh", "swish", "identity"], "functions that are added up")
    mode: Literal["unrestricted", "normalized", "absnormed", "clipped", "softmax"] = option(
        "softmax", "how raw weights become effective ones"
    )
    learn: list[str] = option(["weights"], "[weights] or []")

    @property
    def learnable(self) -> set[str]:
        return {"weights"}

    def problems(self) -> list[str]:
        known = ABU().bases
        wrong = [base for base in self.bases if base not in known]
        found = [f"activation.bases {base!r} is unknown. {did_you_mean(base, known)}" for base in wrong]
        if len(set(self.bases)) < max(1, len(self.bases)):
            found.append(f"activation.bases must be different names and at least one, not {self.bases}")
        return super().problems() + found


@dataclass
class NonlinearityEnhanced(PerChannel):
    base: str = option("relu", "activation that is enhanced")
    strength: float = option(0.1, "global constant of the cubic term, not learned")
    a: float = option(1.0, "start scale of the base")
    b: float = option(0.0, "start weight of the cubic term")
    learn: list[str] = option(["a", "b"], "parameters that are learned")


@dataclass
class Scaled(PerChannel):
    base: str = option("gelu", "activation that is scaled")
    scale: float = option(1.0, "start of the scale")
    learn: list[str] = option(["scale"], "parameters that are learned")


@dataclass
class Blend(PerChannel):
    first: str = option("relu", "activation with weight alpha")
    second: str = option("gelu", "activation with weight 1 - alpha")
    alpha: float = option(0.5, "start weight of first", ge=0, le=1)
    learn: list[str] = option(["alpha"], "parameters that are learned")


@dataclass
class CustomActivation(Activation):
    target: str = option("", "dotted path of a class or function; its package must be named by trust=")
    options: dict[str, Any] = field(default_factory=dict, metadata={"help": "all other keys: arguments of the target"})


SETTABLE = {"alpha", "beta", "gamma", "a", "b"}  # parameters that have an option for their start


def starts_from_options(activation: Mapping[str, Any]) -> bool:
    """Return True if options set the start of all that an activation learns; else ``start`` gives its whole state.

    Args:
        activation: the options as plain values.
    """
    if activation.get("preserve"):  # the blend with what stood there learns, too
        return False
    return set(activation.get("learn", ["state"])) <= SETTABLE


ACTIVATIONS: dict[str, type[Activation]] = {
    "native": Activation,
    "relu": Activation,
    "leaky_relu": LeakyReLU,
    "prelu": PReLU,
    "elu": ELU,
    "gelu": GELU,
    "silu": Activation,
    "mish": Activation,
    "pelu": PELU,
    "swish": Swish,
    "sswish": SSwish,
    "sgblend": SGBlend,
    "sgblend_authors": SGBlendAuthors,
    "abu": ABU,
    "nonlinearity_enhanced": NonlinearityEnhanced,
    "scaled": Scaled,
    "blend": Blend,
    "custom": CustomActivation,
}

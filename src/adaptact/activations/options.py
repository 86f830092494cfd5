"""Options of every activation: default, range and help, and the row of the README's table.

All of them stand in this one file, apart from the modules that they build, because a configuration is checked before
torch is imported. The docstring of a class is its row in the table: formula, source and, where that cannot be read off
``learn``, what is learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from adaptact.errors import did_you_mean
from adaptact.schema import option

ACTIVATIONS: dict[str, type[Activation]] = {}  # by kind
BASES = ["identity"]  # kinds that may stand inside another activation
Options = TypeVar("Options", bound="type[Activation]")


def choice(*kinds: str, base: bool = True) -> Callable[[Options], Options]:
    """Make a class the options of these kinds; ``base=False``: they may not stand inside another activation."""

    def add(cls: Options) -> Options:
        ACTIVATIONS.update(dict.fromkeys(kinds, cls))
        BASES.extend(kinds if base else ())
        return cls

    return add


@choice("native", base=False)
@dataclass
class Activation:
    """the model keeps its own"""

    name: str = option("", "label of the choice, as it stands in records and tables")
    kind: str = option("", "what is built: a name of the registry, native or custom")
    sites: list[str] | None = option(None, "swap only at these sites: glob patterns over their dotted paths")
    only: list[str] | None = option(None, "swap only activations of these kinds, as in [GELU, ReLU]")
    preserve: bool = option(False, "start as the function that stood there, so that a trained network keeps its output")
    start: dict[str, Any] | None = option(
        None, "start values of single sites, {site: {parameter: value}}; written by comparisons"
    )
    frozen: bool = option(False, "everything that the activation could learn keeps its start; written by comparisons")

    @classmethod
    def learnable(cls) -> list[str]:
        """Names that ``learn`` may list; empty for an activation without that option."""
        return list(getattr(cls(), "learn", []))

    def problems(self) -> list[str]:
        """Describe each combination of options that contradicts itself."""
        found = []
        unknown = [name for name in getattr(self, "learn", []) if name not in self.learnable()]
        if unknown:
            can = ", ".join(sorted(self.learnable()))
            found.append(f"activation.learn names {', '.join(unknown)}; {self.name} can learn {can}")
        for key in ("base", "first", "second"):
            named = getattr(self, key, "identity")
            if named not in BASES:
                found.append(f"activation.{key} {named!r} is unknown. {did_you_mean(named, BASES)}")
        return found


@choice("relu")
@dataclass
class Plain(Activation):
    """torch's own"""


@dataclass
class PerChannel(Activation):
    per_channel: bool = option(False, "one set of parameters per channel instead of one per layer")
    channel_dim: int = option(1, "dimension that counts channels; -1 for transformers")


@choice("leaky_relu")
@dataclass
class LeakyReLU(Activation):
    """torch's own"""

    negative_slope: float = option(0.01, "slope below 0")


@choice("prelu")
@dataclass
class PReLU(PerChannel):
    """max(0, x) + a min(0, x)

    He et al. 2015, [1502.01852](https://arxiv.org/abs/1502.01852)

    a (0.25)
    """

    init: float = option(0.25, "start of the learned slope below 0")


@choice("elu")
@dataclass
class ELU(Activation):
    """torch's own"""

    alpha: float = option(1.0, "scale below 0")


@choice("gelu")
@dataclass
class GELU(Activation):
    """torch's own"""

    approximate: Literal["none", "tanh"] = option("none", "none (erf) or tanh")


choice("silu", "mish")(Plain)


@choice("pelu")
@dataclass
class PELU(PerChannel):
    """(a/b) x above 0, a (exp(x/b) − 1) below

    Trottier et al. 2016, [1605.09332](https://arxiv.org/abs/1605.09332)
    """

    a: float = option(1.0, "start of a", gt=0)
    b: float = option(1.0, "start of b", gt=0)
    learn: list[str] = option(["a", "b"], "parameters that are learned")


@choice("swish")
@dataclass
class Swish(PerChannel):
    """x s(βx)

    Ramachandran et al. 2017, [1710.05941](https://arxiv.org/abs/1710.05941)
    """

    beta: float = option(1.0, "start of the slope")
    learn: list[str] = option(["beta"], "parameters that are learned")


@choice("sswish")
@dataclass
class SSwish(PerChannel):
    """x s(βx) − γ

    Sarkar, Gala, Tripathi 2025, [arXiv 2505.23942](https://arxiv.org/abs/2505.23942)
    """

    beta: float = option(1.0, "start of the slope")
    gamma: float = option(0.0, "start of the offset")
    learn: list[str] = option(["beta", "gamma"], "parameters that are learned")


Approximate = Literal["none", "tanh", "sigmoid"]


@choice("sgblend")
@dataclass
class SGBlend(PerChannel):
    """α (x s(βx) − γ) + (1 − α) x Φ(x)

    Sarkar, Gala, Tripathi 2025, [arXiv 2505.23942](https://arxiv.org/abs/2505.23942)
    """

    alpha: float = option(0.5, "start weight of SSwish; 1 - alpha is the weight of GELU", ge=0, le=1)
    beta: float = option(1.0, "start slope of SSwish")
    gamma: float = option(0.0, "start offset of SSwish")
    approximate: Approximate = option("none", "form of GELU: none (erf), tanh, sigmoid")
    learn: list[str] = option(["alpha", "beta", "gamma"], "parameters that are learned")


@choice("sgblend_authors")
@dataclass
class SGBlendAuthors(PerChannel):
    """as in its authors' code: α through a sigmoid, GELU as x s(1.702x), random β

    Sarkar, Gala, Tripathi 2025, [arXiv 2505.23942](https://arxiv.org/abs/2505.23942)
    """

    alpha: float = option(0.5, "start weight of SSwish", ge=0.269, le=0.731)
    beta: float | None = option(None, "start slope; null draws it as the authors do", ge=0.1, le=10)
    gamma: float = option(0.0, "start offset of SSwish")
    learn: list[str] = option(["alpha", "beta", "gamma"], "parameters that are learned")


Mode = Literal["unrestricted", "normalized", "absnormed", "clipped", "softmax"]


@choice("abu")
@dataclass
class ABU(PerChannel):
    """sum of w·g(x) over ReLU, ELU, tanh, Swish, x

    Sütfeld et al. 2018, [1806.10064](https://arxiv.org/abs/1806.10064)

    w (1/5 each)
    """

    bases: list[str] = option(["relu", "elu", "tanh", "swish", "identity"], "functions that are added up")
    mode: Mode = option("softmax", "how raw weights become effective ones")
    learn: list[str] = option(["weights"], "[weights] or []")

    def problems(self) -> list[str]:
        known = ABU().bases
        wrong = [base for base in self.bases if base not in known]
        found = [f"activation.bases {base!r} is unknown. {did_you_mean(base, known)}" for base in wrong]
        if len(set(self.bases)) < max(1, len(self.bases)):
            found.append(f"activation.bases must be different names and at least one, not {self.bases}")
        return super().problems() + found


@choice("nonlinearity_enhanced")
@dataclass
class NonlinearityEnhanced(PerChannel):
    """a f(x) + strength · b abs(x)³

    after Yevick 2024, [2403.19896](https://arxiv.org/abs/2403.19896); its exact form could not be
    checked, this is our reading
    """

    base: str = option("relu", "activation that is enhanced")
    strength: float = option(0.1, "global constant of the cubic term, not learned")
    a: float = option(1.0, "start scale of the base")
    b: float = option(0.0, "start weight of the cubic term")
    learn: list[str] = option(["a", "b"], "parameters that are learned")


@choice("scaled")
@dataclass
class Scaled(PerChannel):
    """scale · f(x)"""

    base: str = option("gelu", "activation that is scaled")
    scale: float = option(1.0, "start of the scale")
    learn: list[str] = option(["scale"], "parameters that are learned")


@choice("blend", base=False)
@dataclass
class Blend(PerChannel):
    """α first(x) + (1 − α) second(x), any two"""

    first: str = option("relu", "activation with weight alpha")
    second: str = option("gelu", "activation with weight 1 - alpha")
    alpha: float = option(0.5, "start weight of first", ge=0, le=1)
    learn: list[str] = option(["alpha"], "parameters that are learned")


@choice("custom", base=False)
@dataclass
class CustomActivation(Activation):
    """a class or function of the user's"""

    target: str = option("", "dotted path of a class or function; its package must be named by trust=")
    options: dict[str, Any] = field(default_factory=dict, metadata={"help": "all other keys: arguments of the target"})


# Modules of the same names are built from these.
LEARNING = sorted({cls.__name__ for cls in ACTIVATIONS.values() if cls.learnable()})
# Learned scalars with an option for their start. A comparison keeps the whole state of a scale, as of all else.
SETTABLE = {name for cls in ACTIVATIONS.values() for name in cls.learnable() if hasattr(cls, name)} - {"scale"}


def starts_from_options(activation: Mapping[str, Any]) -> bool:
    """Return True if options set the start of all that an activation learns; else ``start`` gives its whole state.

    Args:
        activation: the options as plain values.
    """
    if activation.get("preserve"):  # the blend with what stood there learns, too
        return False
    return set(activation.get("learn", ["state"])) <= SETTABLE

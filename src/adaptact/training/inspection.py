"""Looking into a network before it is trained: where activations stand, what will stand there, what stays."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from adaptact import config
from adaptact.activations import learned_values
from adaptact.errors import ConfigError
from adaptact.layouts import Layout, Pixels, Tokens
from adaptact.sites import Survey, kind_of
from adaptact.surgery import named_activations, survey
from adaptact.training.build import build_network, example_of, swap
from adaptact.training.finetune import freeze, head_of

# inputs of a usual size, where no data is named
USUAL: dict[str, tuple[tuple[int, ...], Layout | None]] = {
    "rows": ((16,), None),
    "images": ((3, 64, 64), Pixels((0.5,), (0.25,))),
    "texts": ((64,), Tokens(1000)),
}
USUAL_OUTPUTS = 2


@dataclass(frozen=True)
class Swap:
    """One activation: what stands at a site, what will, and why it may be the old one."""

    name: str
    old: str
    new: str | None
    shape: tuple[int, ...] | None
    parameters: int
    reason: str = ""


@dataclass(frozen=True)
class Inspection:
    """What :func:`inspect` found.

    Args:
        swaps: activations that are replaced, in the order of the network.
        kept: activations that stay, with the reason.
        functional: calls that cannot be swapped, as "where: function".
        parameters: before the swap, after it, and those of them that will learn.
        head: names of the head's parameters.
    """

    input_shape: tuple[int, ...]
    n_outputs: int
    swaps: list[Swap]
    kept: list[Swap]
    functional: list[str]
    parameters: tuple[int, int, int]
    head: list[str]


def usual_inputs(model: config.Model) -> tuple[tuple[int, ...], int, Layout | None]:
    """Shape of one input, number of outputs and layout for a network that is looked at without data.

    Raises:
        ConfigError: somebody's own network, of which nothing is known.
    """
    reads = config.MODEL_READS.get(type(model))
    if reads is None:
        raise ConfigError([f"model={model.name}: say what it reads by data=, as in data=digits"])
    shape, layout = USUAL["rows" if "rows" in reads else min(reads)]
    return shape, USUAL_OUTPUTS, layout


def inspect(settings: config.Config, input_shape: tuple[int, ...], n_outputs: int, layout: Layout | None) -> Inspection:
    """Build the network, look at it, swap, and look again.

    Raises:
        ConfigError: what building the network raises.
    """
    native = replace(settings, activation=config.Activation("native", "native"), finetune=config.Finetune())
    network = build_network(native, input_shape, n_outputs, layout)
    before = sum(p.numel() for p in network.parameters())
    example = example_of(input_shape, layout)
    found = survey(network, example=example)
    others = _others(network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are in what is returned
        replacements = {r.name: r for r in swap(network, settings, example)}
    freeze(network, settings.finetune)
    swaps = [
        Swap(
            r.name, described(r.old), described(r.new), _shape(found, name), sum(p.numel() for p in r.new.parameters())
        )
        for name, r in replacements.items()
    ]
    taken = {name.partition("#")[0] for name in replacements}
    why = "activation=native" if settings.activation.kind == "native" else "left out by activation.sites or .only"
    kept = [Swap(s.name, described(s.current), None, s.shape, 0, why) for s in found.sites if s.name not in taken]
    kept += [Swap(name, described(m), None, None, 0, "a gate or an output") for name, m in others.items()]
    after = sum(p.numel() for p in network.parameters())
    learning = sum(p.numel() for p in network.parameters() if p.requires_grad)
    head = sorted(head_of(network, settings.finetune.head))
    return Inspection(input_shape, n_outputs, swaps, kept, found.functional, (before, after, learning), head)


def _shape(found: Survey, name: str) -> tuple[int, ...] | None:
    path, _, call = name.partition("#")
    site = next((s for s in found.sites if s.name in (name, path)), None)
    if site is None or not site.shapes:
        return None
    return site.shapes[int(call) - 1 if call and site.name == path else -1]


def _others(network: nn.Module) -> dict[str, nn.Module]:
    """Nonlinearities that are no rectifiers: sigmoid, tanh, softmax ..., also as transformers writes them."""
    inside = {id(m) for site in named_activations(network).values() for m in site.modules()}
    places = ("torch.nn.modules.activation", "transformers.activations")
    return {
        name: module
        for name, module in network.named_modules()
        if type(module).__module__ in places
        and id(module) not in inside
        and kind_of(module) is None
        and not isinstance(module, nn.MultiheadAttention)
    }


def described(value: Any) -> str:
    """An activation in a few words: its class, its parts, and the values it starts from (per channel the mean).

    >>> described(nn.LeakyReLU(0.3)), described(nn.functional.relu)
    ('LeakyReLU(negative_slope=0.3)', 'relu()')
    """
    if not isinstance(value, nn.Module):
        return f"{getattr(value, '__name__', value)}()"
    words = [described(child) for child in value.children()]
    words += [f"{key}={start.float().mean():.3g}" for key, start in learned_values(value).items() if "." not in key]
    return f"{type(value).__name__}({', '.join(words) or value.extra_repr()})"

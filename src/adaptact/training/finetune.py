"""What of a network learns, and how fast, when it has been trained before."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from adaptact import config
from adaptact.errors import ConfigError
from adaptact.surgery import is_norm, named_activations


def layers(network: nn.Module) -> list[list[str]]:
    """Names of all parameters, layer by layer from the input to the output.

    A layer begins where a module has a weight of two or more dimensions; biases, normalisations and activations belong
    to the layer before them.

    >>> layers(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1)))
    [['0.weight', '0.bias', '1.weight', '1.bias'], ['3.weight', '3.bias']]
    """
    found: list[list[str]] = [[]]
    seen: set[int] = set()
    for name, module in network.named_modules():
        own = [(f"{name}.{key}" if name else key, p) for key, p in module.named_parameters(recurse=False)]
        own = [(key, parameter) for key, parameter in own if id(parameter) not in seen]
        seen |= {id(parameter) for _, parameter in own}
        if any(parameter.dim() > 1 for _, parameter in own) and found[-1]:
            found.append([])
        found[-1] += [key for key, _ in own]
    return [names for names in found if names]


def head_of(network: nn.Module, patterns: list[str] | None) -> set[str]:
    """Names of the head's parameters: those that match, or those of the last layer.

    Raises:
        ConfigError: a pattern that matches none.
    """
    every = layers(network)
    if patterns is None:
        return set(every[-1])
    names = [name for layer in every for name in layer]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ConfigError([f"finetune.head: no parameter matches {pattern!r}; the last are {', '.join(every[-1])}"])
    return {name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}


def freeze(network: nn.Module, options: config.Finetune) -> None:
    """With ``learn=activations`` only activations, normalisation layers and the head keep their gradient."""
    head = head_of(network, options.head)
    if options.learn == "all":
        return
    kept = {id(p) for activation in named_activations(network).values() for p in activation.parameters()}
    kept |= {id(p) for m in network.modules() if is_norm(m) for p in m.parameters(recurse=False)}
    for name, parameter in network.named_parameters():
        if id(parameter) not in kept and name not in head:
            parameter.requires_grad_(False)


def spread(groups: list[dict[str, Any]], network: nn.Module, options: config.Finetune) -> list[dict[str, Any]]:
    """Optimizer groups split by layer: learning rates from ``first_layer_lr`` times theirs to theirs at the head.

    Each group says by "head" whether it is of the head.
    """
    if options.first_layer_lr == 1 and not options.head_epochs:
        return groups
    head = head_of(network, options.head)
    by_name = dict(network.named_parameters())
    body = [names for names in ([n for n in layer if n not in head] for layer in layers(network)) if names]
    places = {id(by_name[name]): place for place, names in enumerate(body) for name in names}
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for number, group in enumerate(groups):
        for parameter in group["params"]:
            place = places.get(id(parameter), len(body))
            factor = options.first_layer_lr ** (1 - place / max(1, len(body)))
            own = {**group, "lr": group["lr"] * factor, "params": [], "head": place == len(body)}
            found.setdefault((number, place), own)["params"].append(parameter)
    return [found[key] for key in sorted(found)]

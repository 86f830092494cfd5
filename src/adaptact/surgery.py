"""Put an activation into any ``nn.Module``: the one place that swaps activations.

:func:`replace_activations` swaps in place; :func:`param_groups` keeps activation parameters apart in an optimizer.
:func:`survey`, which only looks, and :func:`named_activations` are in ``sites``.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from adaptact.activations.blend import Blend
from adaptact.activations.sgblend import SGBlend
from adaptact.sites import (
    FUNCTIONS,
    MARK,
    RECTIFIERS,
    Example,
    PerCall,
    Site,
    Survey,
    kind_of,
    named_activations,
    survey,
    survey_sites,
)

__all__ = [
    "RECTIFIERS",
    "Example",
    "PerCall",
    "Replacement",
    "Site",
    "Survey",
    "named_activations",
    "param_groups",
    "replace_activations",
    "survey",
]


@dataclass(frozen=True)
class Replacement:
    """One swap: ``new`` stands where ``old`` stood, at the dotted path ``name`` (``path#2``: its second call)."""

    name: str
    old: nn.Module | Callable[..., Any]
    new: nn.Module


class _CountedPass:
    """Forward hooks of the root around each pass. A plain object, so that deepcopy and pickle take it along."""

    def __init__(self, modules: dict[str, PerCall]) -> None:
        self.modules = modules
        self.warned = False

    def begin(self, root: nn.Module, args: Any) -> None:
        for module in self.modules.values():
            module.begin()

    def end(self, root: nn.Module, args: Any, output: Any) -> None:
        missing = {}
        for name, module in self.modules.items():
            missing[name] = module.end()
        if not torch.compiler.is_compiling():
            self.warn(missing)

    def warn(self, missing: dict[str, int]) -> None:
        if self.warned or not any(missing.values()):
            return
        self.warned = True
        expected = {name: len(self.modules[name].calls) for name in missing}
        said = ", ".join(f"{name} {expected[name] - n} of {expected[name]}" for name, n in missing.items() if n)
        warnings.warn(
            f"a forward pass made fewer calls than the example: {said}. Calls are told apart by their order: the last "
            "activations were left out and learn nothing from such inputs, and if it is an earlier call that is "
            "missing, those after it used the wrong activations. Give an example that takes the usual way through "
            "the network, or replace without `example`.",
            stacklevel=2,
        )


def replace_activations(
    model: nn.Module,
    make: Callable[..., nn.Module],
    *,
    kinds: Sequence[str | type[nn.Module]] | None = None,
    names: Sequence[str] | None = None,
    example: Example | None = None,
    preserve: bool = False,
) -> list[Replacement]:
    """Replace the activations of a network, in place, by new ones that share no parameters.

    By default the sites are rectifier-like activations: modules, Hugging Face's own classes, adaptact's own, and
    functions held as attributes (``nn.TransformerEncoderLayer``). Sigmoid, tanh and softmax are gates and outputs
    and stay. New modules take the device and the training mode of what they replace.

    Args:
        model: any module; it must not itself be an activation.
        make: called once per site (or once per call of a site that runs several times); called with the
            :class:`Site` if it has a required argument.
        kinds: which activations, as classes or names ("GELU" means Hugging Face's GELUs too).
        names: which sites, as glob patterns over their dotted paths.
        example: an input (a tensor, a tuple of positional or a mapping of keyword arguments, such as a tokenizer
            gives). The network runs once; a module that it calls several times then gets one activation per call,
            ``path#1``, ``path#2``.
        preserve: the network computes the same function at first: the new activation starts wholly on the old
            one, as SG-Blend can on GELU or SiLU, or as a :class:`Blend` of both.

    Returns:
        One :class:`Replacement` per new activation, in the order of the modules.

    Raises:
        ValueError: no site found; the message says what was looked for and which functional calls were seen.
        TypeError: ``make`` is a module or no callable.

    Warns:
        UserWarning: functional calls that cannot be swapped; modules that share one new activation over several
            calls because no ``example`` was given; sites that the ``example`` did not reach.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> [r.name for r in replace_activations(model, SGBlend)]
    ['1']
    """
    if isinstance(make, nn.Module) or not callable(make):
        raise TypeError(
            "make must give a new module for every site: pass a class or a function such as SGBlend or "
            f"lambda: SGBlend(alpha=0.2), not {make!r}"
        )
    found, counted = survey_sites(model, kinds, names, example)
    if not found.sites:
        raise ValueError(_nothing_found(model, kinds, names, found.functional))
    _warn_of_unreached(found)
    new = [_activations_of(site, make, model, preserve, apart=example is not None) for site in found.sites]
    for site, (module, _) in zip(found.sites, new, strict=True):
        site.put(module)
    per_call = {site.name: m for site, (m, _) in zip(found.sites, new, strict=True) if isinstance(m, PerCall)}
    if per_call:
        counted_pass = _CountedPass(per_call)
        model.register_forward_pre_hook(counted_pass.begin)
        model.register_forward_hook(counted_pass.end)
    _reset_fast_paths(model, found.sites)
    if example is None:
        shared = {site.name: site.calls for site in found.sites if site.calls > 1 and not site.is_one_call}
        if shared:
            _warn_shared(shared)
        elif not counted:
            alone = zip(found.sites, new, strict=True)
            _CountFirstPass(model, {site.name: module for site, (module, _) in alone if not site.is_one_call})
    return [replacement for _, replacements in new for replacement in replacements]


def _warn_of_unreached(found: Survey) -> None:
    """Warn of functional calls, which stay, and of sites that the example did not reach."""
    if found.functional:
        warnings.warn(
            f"these functional calls cannot be swapped and stay as they are: {', '.join(found.functional)}. "
            "Write them as modules (nn.ReLU() in __init__) to swap them.",
            stacklevel=3,
        )
    if unused := [site.name for site in found.sites if site.calls == 0]:
        warnings.warn(
            f"the network did not call these with the example: {', '.join(unused)}. What stands there now learns "
            "nothing unless another input reaches it.",
            stacklevel=3,
        )


def _activations_of(
    site: Site, make: Callable[..., nn.Module], model: nn.Module, preserve: bool, *, apart: bool
) -> tuple[nn.Module, list[Replacement]]:
    """Make the module to put at a site, with one activation per call if they are to be kept ``apart``."""
    if not apart or site.is_one_call or site.calls <= 1:
        new = _new_activation(site, make, model, preserve)
        return new, [Replacement(site.name, site.current, new)]
    calls, replacements = [], []
    for i, shape in enumerate(site.shapes, start=1):
        if site.chosen is None or i in site.chosen:
            call = dataclasses.replace(site, name=f"{site.name}#{i}", calls=1, shape=shape)
            calls.append(_new_activation(call, make, model, preserve))
            replacements.append(Replacement(call.name, site.current, calls[-1]))
        else:
            calls.append(site.current if isinstance(site.current, nn.Module) else FUNCTIONS[site.current]())
    return PerCall(calls).train(_training(site)), replacements


def _new_activation(site: Site, make: Callable[..., nn.Module], model: nn.Module, preserve: bool) -> nn.Module:
    new = make(site) if _wants_site(make) else make()
    if not isinstance(new, nn.Module):
        raise ValueError(f"make() must give an nn.Module for {site.name!r}, not {new!r}")
    owners = [site.current, site.parent, model]
    device = next((p.device for owner in owners if isinstance(owner, nn.Module) for p in owner.parameters()), None)
    if preserve:
        new = _starting_on(site.current, new)
    new = new.to(device) if device is not None else new
    new.train(_training(site))
    if kind_of(new) is None:
        setattr(new, MARK, True)  # somebody's own class: found again, and kept apart in param_groups
    return new


def _training(site: Site) -> bool:
    return (site.current if isinstance(site.current, nn.Module) else site.parent).training


def _wants_site(make: Callable[..., nn.Module]) -> bool:
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _starting_on(old: nn.Module | Callable[..., Any], new: nn.Module) -> nn.Module:
    """``new`` set to compute what ``old`` does, or a blend that starts wholly on ``old``."""
    module = copy.deepcopy(old) if isinstance(old, nn.Module) else FUNCTIONS[old]()
    if type(new) is SGBlend and "alpha" in new.learn:
        kind, given = kind_of(module), copy.deepcopy(new.state_dict())
        if kind == "GELU":
            new.alpha = 0.0
        elif kind == "SiLU":
            new.alpha, new.beta, new.gamma = 1.0, 1.0, 0.0
        if kind in {"GELU", "SiLU"} and _coincide(new, module):
            return new
        new.load_state_dict(given)
    for part in module.modules():
        if hasattr(part, "inplace"):
            part.inplace = False  # type: ignore[assignment]  # it would overwrite the input that the new activation needs for its gradient
    # Where both compute the same, alpha 0 would leave neither alpha nor the new activation a gradient, ever.
    return Blend(new, module, alpha=1.0 if _coincide(new, module) else 0.0)


def _coincide(first: nn.Module, second: nn.Module) -> bool:
    x = torch.linspace(-16, 16, 257)[:, None].expand(-1, getattr(first, "channels", None) or 1)
    try:
        with torch.no_grad():
            one, other = (copy.deepcopy(module).cpu().eval()(x) for module in (first, second))
            return torch.allclose(one, other, rtol=1e-5, atol=1e-6)  # as formulas written out in Python do
    except (RuntimeError, ValueError, TypeError):  # parameters without values, another shape
        return False


def _reset_fast_paths(model: nn.Module, sites: list[Site]) -> None:
    """Keep torch's evaluation fast path, which ignores a swapped activation, only where it computes the same."""
    swapped = [s.parent for s in sites if isinstance(s.parent, nn.TransformerEncoderLayer)]
    for layer in swapped:
        exact_gelu = type(layer.activation) is nn.GELU and layer.activation.approximate == "none"
        layer.activation_relu_or_gelu = 1 if type(layer.activation) is nn.ReLU else 2 if exact_gelu else 0
    slow = {id(layer) for layer in swapped if not layer.activation_relu_or_gelu}
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoder) and any(id(layer) in slow for layer in module.layers):
            module.use_nested_tensor = False


def _warn_shared(calls: dict[str, int]) -> None:
    places = ", ".join(f"{name} ({count} calls)" for name, count in calls.items())
    warnings.warn(
        f"one activation now serves several calls per forward pass: {places}. Its parameters are shared between "
        "them; give `example=` to get one activation per call.",
        stacklevel=3,
    )


class _CountFirstPass:
    """Where tracing failed: count during the first forward pass, warn if a module is shared, and go away.

    A plain object, so that deepcopy and pickle take it along.
    """

    def __init__(self, model: nn.Module, activations: dict[str, nn.Module]) -> None:
        self.counts = dict.fromkeys(activations, 0)
        self.hooks = [m.register_forward_pre_hook(functools.partial(self.count, n)) for n, m in activations.items()]
        self.hooks.append(model.register_forward_hook(self.finish, always_call=True))

    def count(self, name: str, module: nn.Module, args: Any) -> None:
        if not torch.compiler.is_compiling():
            self.counts[name] += 1

    def finish(self, root: nn.Module, args: Any, output: Any) -> None:
        if torch.compiler.is_compiling():  # wait for a pass that runs eagerly
            return
        for hook in self.hooks:
            hook.remove()
        if shared := {name: calls for name, calls in self.counts.items() if calls > 1}:
            _warn_shared(shared)


def _nothing_found(model: nn.Module, kinds: Any, names: Any, functional: list[str]) -> str:
    wanted = ", ".join(k if isinstance(k, str) else k.__name__ for k in kinds or RECTIFIERS)
    message = f"no activation to replace in {type(model).__name__}: looked for {wanted}"
    if names is not None:
        message += f" at {', '.join(names)}"
        have = [] if kind_of(model) else [site.name for site in survey(model).sites]
        message += f"; sites are {', '.join(have)}" if have else ""
    if kind_of(model):
        message += "; the model itself is an activation: put it into an nn.Sequential"
    if functional:
        message += f"; these functional calls were seen and cannot be swapped: {', '.join(functional)}"
    return message + "."


def param_groups(
    model: nn.Module, lr: float, weight_decay: float, activation_lr_scale: float = 1.0
) -> list[dict[str, Any]]:
    """Optimizer groups "weights", "no_decay" and "activations"; every trainable parameter is in exactly one.

    Activation parameters never decay (decay would pull a scalar toward an arbitrary 0) and have a learning rate
    of ``lr * activation_lr_scale``. They are chosen by the module that owns them, not by shape or name. Biases and
    the parameters of normalisation layers do not decay either. Empty groups are left out.

    >>> model = nn.Sequential(nn.Linear(2, 3), SGBlend())
    >>> [(g["name"], len(g["params"]), g["weight_decay"]) for g in param_groups(model, 1e-3, 0.01)]
    [('weights', 1, 0.01), ('no_decay', 1, 0.0), ('activations', 3, 0.0)]
    """
    owners = [model] if kind_of(model) else named_activations(model).values()
    activation_ids = {id(p) for module in owners for p in module.parameters()}
    no_decay_ids = {
        id(p)
        for module in model.modules()
        for name, p in module.named_parameters(recurse=False)
        if name.startswith("bias") or name.endswith("bias") or (is_norm(module) and p.dim() <= 1)
    }
    groups: dict[str, list[nn.Parameter]] = {"weights": [], "no_decay": [], "activations": []}
    for parameter in model.parameters():
        if parameter.requires_grad:
            key = "activations" if id(parameter) in activation_ids else "no_decay"
            groups["weights" if id(parameter) not in activation_ids | no_decay_ids else key].append(parameter)
    rates = {"weights": lr, "no_decay": lr, "activations": lr * activation_lr_scale}
    return [
        {"name": name, "params": params, "lr": rates[name], "weight_decay": weight_decay if name == "weights" else 0.0}
        for name, params in groups.items()
        if params
    ]


def is_norm(module: nn.Module) -> bool:
    """Whether a module normalises, by the name of its class."""
    return "norm" in type(module).__name__.lower()

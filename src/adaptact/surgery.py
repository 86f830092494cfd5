"""Put an activation into any ``nn.Module``: the one place that swaps activations.

:func:`replace_activations` swaps in place, :func:`survey` only looks, :func:`named_activations` lists what stands in
a network, :func:`param_groups` keeps activation parameters apart in an optimizer.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from adaptact.activations import AdaptiveActivation, Blend, SGBlend

RECTIFIERS: tuple[type[nn.Module], ...] = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
)
# transformers.activations writes some of the same kinds as classes of its own; by name, so as not to import it.
HUGGING_FACE = {
    "GELUActivation": "GELU",
    "NewGELUActivation": "GELU",
    "FastGELUActivation": "GELU",
    "QuickGELUActivation": "GELU",
    "ClippedGELUActivation": "GELU",
    "AccurateGELUActivation": "GELU",
    "GELUTanh": "GELU",
    "PytorchGELUTanh": "GELU",
    "SiLUActivation": "SiLU",
    "MishActivation": "Mish",
}
# Functions that do what a rectifier module does, as a module may hold them in an attribute or call them directly.
FUNCTIONS: dict[Callable[..., Any], type[nn.Module]] = {
    F.relu: nn.ReLU,
    torch.relu: nn.ReLU,
    torch.relu_: nn.ReLU,
    Tensor.relu: nn.ReLU,
    Tensor.relu_: nn.ReLU,
    F.relu6: nn.ReLU6,
    F.leaky_relu: nn.LeakyReLU,
    F.elu: nn.ELU,
    F.selu: nn.SELU,
    torch.selu: nn.SELU,
    F.celu: nn.CELU,
    torch.celu: nn.CELU,
    F.gelu: nn.GELU,
    F.silu: nn.SiLU,
    F.mish: nn.Mish,
    F.hardswish: nn.Hardswish,
}
FUNCTION_NAMES = {"relu", "relu_", "prelu"}  # as methods of a tensor in a traced graph
_MARK = "_adaptact_site"

Example = Tensor | tuple[Any, ...] | dict[str, Any]


@dataclass(frozen=True)
class Replacement:
    """One swap: ``new`` stands where ``old`` stood, at the dotted path ``name`` (``path#2``: its second call)."""

    name: str
    old: nn.Module | Callable[..., Any]
    new: nn.Module


@dataclass
class Site:
    """A place where an activation stands.

    ``calls`` per forward pass and ``shape`` of its input are known after an example has run, else 1 and None.
    """

    name: str
    kind: str
    current: nn.Module | Callable[..., Any]
    parent: nn.Module = field(repr=False)
    attribute: str = field(repr=False)
    calls: int = 1
    shape: tuple[int, ...] | None = None

    def put(self, value: nn.Module | Callable[..., Any]) -> None:
        if isinstance(value, nn.Module):
            self.parent.__dict__.pop(self.attribute, None)
        else:
            self.parent._modules.pop(self.attribute, None)
        setattr(self.parent, self.attribute, value)


@dataclass(frozen=True)
class Survey:
    """What stands in a network: sites that can be swapped, and functional calls ("where: name") that cannot."""

    sites: list[Site]
    functional: list[str]


class PerCall(nn.Module):
    """One activation per call of a module that runs several times in a forward pass.

    The root of the network resets the counter before each forward pass.
    """

    def __init__(self, activations: Sequence[nn.Module]) -> None:
        super().__init__()
        self.calls = nn.ModuleList(activations)
        self.next = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.next >= len(self.calls):
            raise RuntimeError(
                f"an activation with {len(self.calls)} calls per forward pass was called once more. Activation "
                "checkpointing calls it again during the backward pass, which would give wrong gradients: switch "
                "checkpointing off, or replace without `example`. The network must be called through the module "
                "that was given to replace_activations."
            )
        activation = self.calls[self.next]
        self.next += 1
        return activation(x)


class _ResetCalls:
    """Forward pre-hook of the root. A plain object, so that deepcopy and pickle take the counters along."""

    def __init__(self, modules: list[PerCall]) -> None:
        self.modules = modules

    def __call__(self, root: nn.Module, args: Any) -> None:
        for module in self.modules:
            module.next = 0


class _Probe(nn.Module):
    """Stands at a site while an example runs: counts calls and notes the shape of the input."""

    def __init__(self, current: nn.Module | Callable[..., Any]) -> None:
        super().__init__()
        object.__setattr__(self, "current", current)  # not registered: the probe owns nothing
        self.count = 0
        self.shape: tuple[int, ...] | None = None

    def forward(self, x: Any) -> Any:
        self.count += 1
        if isinstance(x, Tensor):
            self.shape = tuple(x.shape)
            return self.current(x)  # type: ignore[operator]
        return x  # a proxy of torch.fx


def kind_of(value: Any) -> str | None:
    """Canonical kind of an activation ("ReLU", "GELU", "SGBlend" ...), or None where ``value`` is no such thing."""
    if isinstance(value, AdaptiveActivation) or getattr(value, _MARK, False):
        return type(value).__name__
    for kind in RECTIFIERS:
        if isinstance(value, kind):
            return kind.__name__
    if isinstance(value, nn.Module):
        hugging_face = type(value).__module__ == "transformers.activations"
        return HUGGING_FACE.get(type(value).__name__) if hugging_face else None
    if callable(value) and getattr(value, "__hash__", None) and value in FUNCTIONS:
        return FUNCTIONS[value].__name__
    return None


def _chosen(value: Any, kinds: Sequence[str | type[nn.Module]] | None) -> str | None:
    kind = kind_of(value)
    if kinds is None:
        return kind
    for wanted in kinds:
        if isinstance(wanted, str):
            if wanted.lower() in {str(kind).lower(), type(value).__name__.lower()}:
                return kind or type(value).__name__
        elif isinstance(value, wanted) or kind == wanted.__name__:
            return kind or type(value).__name__
    return None


def _walk(
    module: nn.Module, prefix: str, kinds: Sequence[str | type[nn.Module]] | None, seen: set[int]
) -> Iterator[Site]:
    """Sites below ``module``, every place once, also where a block is registered under two names."""
    if id(module) in seen:
        return
    seen.add(id(module))
    children = [(name, child) for name, child in module._modules.items() if child is not None]
    functions = list(vars(module).items())
    for name, child in children + functions:
        path = f"{prefix}{name}"
        if isinstance(child, PerCall):
            for index, activation in enumerate(child.calls):
                if kind := _chosen(activation, kinds):
                    yield Site(f"{path}#{index + 1}", kind, activation, child.calls, str(index))
        elif kind := _chosen(child, kinds):
            yield Site(path, kind, child, module, name)
        elif isinstance(child, nn.Module) and kind_of(child) is None:
            yield from _walk(child, f"{path}.", kinds, seen)


def named_activations(model: nn.Module) -> dict[str, nn.Module]:
    """All activation modules of a network by the name of their site, functions held as attributes left out.

    >>> from adaptact.activations import SGBlend
    >>> named_activations(nn.Sequential(nn.Linear(2, 2), SGBlend(), nn.Tanh()))
    {'1': SGBlend(approximate='none', learn=('alpha', 'beta', 'gamma'))}
    """
    return {s.name: s.current for s in _walk(model, "", None, set()) if isinstance(s.current, nn.Module)}


def survey(
    model: nn.Module,
    *,
    kinds: Sequence[str | type[nn.Module]] | None = None,
    names: Sequence[str] | None = None,
    example: Example | None = None,
) -> Survey:
    """Find the activation sites of a network, and the functional calls that cannot be swapped. Changes nothing.

    With ``example`` the network runs once, in eval mode and without gradients; without it, calls are counted by
    symbolic tracing where that works.
    """
    return _survey(model, kinds, names, example)[0]


def _survey(
    model: nn.Module,
    kinds: Sequence[str | type[nn.Module]] | None,
    names: Sequence[str] | None,
    example: Example | None,
) -> tuple[Survey, bool]:
    """The survey, and whether the calls were really counted."""
    sites = [
        site
        for site in _walk(model, "", kinds, set())
        if names is None or any(fnmatchcase(site.name, p) or fnmatchcase(site.name.split("#")[0], p) for p in names)
    ]
    probes = [_Probe(site.current) for site in sites]
    try:
        for site, probe in zip(sites, probes, strict=True):
            site.put(probe)
        functional = _run(model, example) if example is not None else _trace(model)
    finally:
        for site in sites:
            site.put(site.current)
    for site, probe in zip(sites, probes, strict=True):
        site.calls, site.shape = max(1, probe.count), probe.shape
    return Survey(sites, functional or []), functional is not None


def _run(model: nn.Module, example: Example) -> list[str]:
    """Run the example and return the functional calls that it made, as "where: name"."""
    stack: list[tuple[str, nn.Module]] = [("", model)]
    seen: dict[str, None] = {}

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            path, module = stack[-1]
            if (func in FUNCTIONS or func is F.prelu) and not isinstance(module, _Probe) and kind_of(module) is None:
                seen[f"{path or type(model).__name__}: {func.__name__}"] = None
            return func(*args, **(kwargs or {}))

    def enter(path: str) -> Callable[..., None]:
        return lambda module, args: stack.append((path, module))

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        stack.pop()

    hooks = []
    modes = {module: module.training for module in model.modules()}
    fast_path = torch.backends.mha.get_fastpath_enabled()
    for path, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(enter(path)))
        hooks.append(module.register_forward_hook(leave))
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # it would call no activation at all
        model.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]), Watch():
            if isinstance(example, dict):
                model(**example)
            else:
                model(*(example if isinstance(example, tuple) else (example,)))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
        for module, training in modes.items():
            module.training = training
        for hook in hooks:
            hook.remove()
    return list(seen)


def _trace(model: nn.Module) -> list[str] | None:
    """Functional calls seen by symbolic tracing, which also makes the probes count; None where it does not work."""

    class Tracer(torch.fx.Tracer):
        def is_leaf_module(self, m: nn.Module, qualified_name: str) -> bool:
            known = isinstance(m, _Probe) or kind_of(m) is not None
            return known or super().is_leaf_module(m, qualified_name)

        def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
            if isinstance(m, _Probe):
                m.count += 1
            return super().call_module(m, forward, args, kwargs)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = Tracer().trace(model)
    except Exception:  # data-dependent control flow, unusual arguments: tracing is an offer, not a duty
        return None
    seen: dict[str, None] = {}
    for node in graph.nodes:
        function = node.op == "call_function" and (node.target in FUNCTIONS or node.target is F.prelu)
        if function or (node.op == "call_method" and node.target in FUNCTION_NAMES):
            stack = list(node.meta.get("nn_module_stack", {}).values())
            where = (stack[-1][0] if stack else "") or type(model).__name__
            seen[f"{where}: {getattr(node.target, '__name__', node.target)}"] = None
    return list(seen)


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
        example: an input (a tensor, a tuple of positional or a dict of keyword arguments). The network runs once;
            a module that it calls several times then gets one activation per call, ``path#1``, ``path#2``.
        preserve: the network computes the same function at first: the new activation starts wholly on the old
            one, as SG-Blend can on GELU or SiLU, or as a :class:`Blend` of both.

    Returns:
        One :class:`Replacement` per new activation, in the order of the modules.

    Raises:
        ValueError: no site found; the message says what was looked for and which functional calls were seen.

    Warns:
        UserWarning: functional calls that cannot be swapped; modules that share one new activation over several
            calls because no ``example`` was given.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> [r.name for r in replace_activations(model, SGBlend)]
    ['1']
    """
    found, counted = _survey(model, kinds, names, example)
    if not found.sites:
        raise ValueError(_nothing_found(model, kinds, names, found.functional))
    if found.functional:
        warnings.warn(
            f"these functional calls cannot be swapped and stay as they are: {', '.join(found.functional)}. "
            "Write them as modules (nn.ReLU() in __init__) to swap them.",
            stacklevel=2,
        )
    replacements: list[Replacement] = []
    per_call: list[PerCall] = []
    for site in found.sites:
        splits = site.calls if example is not None and "#" not in site.name else 1
        new = [_new_activation(site, make, model, preserve) for _ in range(splits)]
        if splits == 1:
            site.put(new[0])
            replacements.append(Replacement(site.name, site.current, new[0]))
            continue
        per_call.append(PerCall(new).train(_training(site)))
        site.put(per_call[-1])
        replacements += [Replacement(f"{site.name}#{i}", site.current, n) for i, n in enumerate(new, start=1)]
    if per_call:
        model.register_forward_pre_hook(_ResetCalls(per_call))
    _reset_fast_paths(model, found.sites)
    if example is None:
        shared = {site.name: site.calls for site in found.sites if site.calls > 1 and "#" not in site.name}
        if shared:
            _warn_shared(shared)
        elif not counted:
            _count_first_call(model, {r.name: r.new for r in replacements if "#" not in r.name})
    return replacements


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
        setattr(new, _MARK, True)  # somebody's own class: found again, and kept apart in param_groups
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
    if isinstance(new, SGBlend) and "alpha" in new.learn and type(new) is SGBlend:
        if type(module) is nn.GELU and module.approximate == new.approximate:
            new.alpha = 0.0
            return new
        if type(module) is nn.SiLU:
            new.alpha, new.beta, new.gamma = 1.0, 1.0, 0.0
            return new
    return Blend(new, module, alpha=0.0)


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


def _count_first_call(model: nn.Module, activations: dict[str, nn.Module]) -> None:
    """Where tracing failed: count during the first forward pass, warn if a module is shared, and go away."""
    counts = dict.fromkeys(activations, 0)
    hooks: list[Any] = []

    def count(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any) -> None:
            counts[name] += 1

        return hook

    def finish(root: nn.Module, args: Any, output: Any) -> None:
        for hook in hooks:
            hook.remove()
        if shared := {name: calls for name, calls in counts.items() if calls > 1}:
            _warn_shared(shared)

    hooks += [module.register_forward_pre_hook(count(name)) for name, module in activations.items()]
    hooks.append(model.register_forward_hook(finish, always_call=True))


def _nothing_found(model: nn.Module, kinds: Any, names: Any, functional: list[str]) -> str:
    wanted = ", ".join(k if isinstance(k, str) else k.__name__ for k in kinds or RECTIFIERS)
    message = f"no activation to replace in {type(model).__name__}: looked for {wanted}"
    if names is not None:
        message += f" at {', '.join(names)}"
        have = list(named_activations(model))
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
    activation_ids = {id(p) for module in named_activations(model).values() for p in module.parameters()}
    no_decay_ids = {
        id(p)
        for module in model.modules()
        for name, p in module.named_parameters(recurse=False)
        if name == "bias" or name.endswith("_bias") or _is_norm(module)
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


def _is_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower()

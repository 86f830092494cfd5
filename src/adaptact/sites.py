"""Where activations stand in a network: what counts as one, their names, and how often each is called."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from adaptact.activations import AdaptiveActivation

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
    F.leaky_relu_: nn.LeakyReLU,
    F.elu: nn.ELU,
    F.elu_: nn.ELU,
    F.selu: nn.SELU,
    torch.selu: nn.SELU,
    torch.selu_: nn.SELU,
    F.celu: nn.CELU,
    torch.celu: nn.CELU,
    torch.celu_: nn.CELU,
    F.gelu: nn.GELU,
    F.silu: nn.SiLU,
    F.mish: nn.Mish,
    F.hardswish: nn.Hardswish,
}
REPORTED = {*FUNCTIONS, F.prelu, Tensor.prelu}  # prelu takes its parameter from the caller: no attribute can be swapped
FUNCTION_NAMES = {"relu", "relu_", "prelu"}  # as methods of a tensor in a traced graph
MARK = "_adaptact_site"  # on classes of somebody else that adaptact put into a network

Example = Tensor | tuple[Any, ...] | Mapping[str, Any]


@dataclass
class Site:
    """A place where an activation stands.

    ``calls`` per forward pass and ``shape`` of its input are known after an example has run, else 1 and None. A site
    with 0 calls stands in the network but was not used.
    """

    name: str
    kind: str
    current: nn.Module | Callable[..., Any]
    parent: nn.Module = field(repr=False)
    attribute: str = field(repr=False)
    calls: int = 1
    shape: tuple[int, ...] | None = None
    shapes: tuple[tuple[int, ...] | None, ...] = field(default=(), repr=False)
    path: str = ""
    chosen: frozenset[int] | None = field(default=None, repr=False)

    @property
    def is_one_call(self) -> bool:
        """Whether this is one call of a module that was split already."""
        return self.name != self.path

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


class _Pass:
    """A forward pass: the number of calls made so far."""

    def __init__(self, made: int) -> None:
        self.made = made


class _Passes(threading.local):
    """The forward pass of this thread; outside one, all calls have been made.

    A thread that no forward pass has begun in expects no call: the backward pass of a GPU is such a thread, and with
    activation checkpointing it calls again. A copy or a pickle begins anew.
    """

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.current = _Pass(calls)  # changed in place: torch.compile follows no assignment to a thread's attribute

    def __reduce__(self) -> tuple[type[_Passes], tuple[int]]:
        return type(self), (self.calls,)


class PerCall(nn.Module):
    """One activation per call of a module that runs several times in a forward pass.

    The root of the network begins and ends the counting of each forward pass, for each thread by itself.
    """

    def __init__(self, activations: Sequence[nn.Module]) -> None:
        super().__init__()
        self.calls = nn.ModuleList(activations)
        self.passes = _Passes(len(self.calls))

    def begin(self) -> None:
        self.passes.current.made = 0

    def end(self) -> int:
        """Expect no further call; return the number of calls that were expected and not made."""
        missing = len(self.calls) - self.passes.current.made
        self.passes.current.made = len(self.calls)
        return missing

    def forward(self, x: Tensor) -> Tensor:
        call = self.passes.current.made
        if call >= len(self.calls):
            raise RuntimeError(
                f"an activation with {len(self.calls)} calls per forward pass was called once more. Activation "
                "checkpointing calls it again during the backward pass, which would give wrong gradients: switch "
                "checkpointing off, or replace without `example`. The network must be called through the module "
                "that was given to replace_activations."
            )
        self.passes.current.made = call + 1
        return self.calls[call](x)  # type: ignore[no-any-return]


class _Probe(nn.Module):
    """Stands at a site while an example runs: counts calls and notes the shape of the input."""

    def __init__(self, current: nn.Module | Callable[..., Any]) -> None:
        super().__init__()
        object.__setattr__(self, "current", current)  # not registered: the probe owns nothing
        self.count = 0
        self.shapes: list[tuple[int, ...] | None] = []

    def forward(self, x: Any) -> Any:
        self.count += 1
        self.shapes.append(tuple(x.shape) if isinstance(x, Tensor) else None)
        if isinstance(x, Tensor):
            return self.current(x)  # type: ignore[operator]
        return x  # a proxy of torch.fx


def kind_of(value: Any) -> str | None:
    """Canonical kind of an activation ("ReLU", "GELU", "SGBlend" ...), or None where ``value`` is no such thing."""
    if isinstance(value, AdaptiveActivation) or (isinstance(value, nn.Module) and getattr(value, MARK, False)):
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
                    yield Site(f"{path}#{index + 1}", kind, activation, child.calls, str(index), path=path)
        elif kind := _chosen(child, kinds):
            yield Site(path, kind, child, module, name, path=path)
        elif isinstance(child, nn.Module) and kind_of(child) is None:
            yield from _walk(child, f"{path}.", kinds, seen)


def named_activations(model: nn.Module) -> dict[str, nn.Module]:
    """All activation modules of a network by the name of their site, functions held as attributes left out.

    >>> from adaptact.activations import SGBlend
    >>> named_activations(nn.Sequential(nn.Linear(2, 2), SGBlend(), nn.Tanh()))
    {'1': SGBlend(approximate='none', learn=('alpha', 'beta', 'gamma'))}
    """
    return {s.name: s.current for s in _walk(model, "", None, set()) if isinstance(s.current, nn.Module)}


def module_path(site: str) -> str:
    """The dotted path of the module at a site, as it stands in a state dictionary.

    >>> module_path("net.1"), module_path("block.relu#2")
    ('net.1', 'block.relu.calls.1')
    """
    path, _, call = site.partition("#")
    return f"{path}.calls.{int(call) - 1}" if call else path


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
    return survey_sites(model, kinds, names, example)[0]


def survey_sites(
    model: nn.Module,
    kinds: Sequence[str | type[nn.Module]] | None,
    names: Sequence[str] | None,
    example: Example | None,
) -> tuple[Survey, bool]:
    """The survey, and whether the calls were really counted."""
    kinds = [kinds] if isinstance(kinds, (str, type)) else kinds
    names = [names] if isinstance(names, str) else names
    is_activation = kind_of(model) is not None  # never descended into
    sites = [] if is_activation else list(_walk(model, "", kinds, set()))
    places = {(id(site.parent), site.attribute) for site in sites}
    # Functions held as attributes that were not asked for are no functional calls either: watch them, too.
    others = (
        [] if is_activation else [s for s in _walk(model, "", None, set()) if (id(s.parent), s.attribute) not in places]
    )
    probes = [_Probe(site.current) for site in [*sites, *others]]
    lazy = nn.modules.lazy.LazyModuleMixin  # becomes another class at its first input
    saved = [(m, dict(vars(m))) for m in model.modules() if not isinstance(m, lazy)]
    try:
        for site, probe in zip([*sites, *others], probes, strict=True):
            site.put(probe)
        functional = _run(model, example) if example is not None else _trace(model)
    finally:
        for module, attributes in saved:  # what a forward pass remembered
            vars(module).clear()
            vars(module).update(attributes)
        for site in [*sites, *others]:
            site.put(site.current)
    for site, probe in zip(sites, probes, strict=False):
        site.calls = probe.count if example is not None else max(1, probe.count)
        site.shapes = tuple(probe.shapes)
        site.shape = probe.shapes[-1] if probe.shapes else None
    return Survey([s for s in sites if _named(s, names, example is not None)], functional or []), functional is not None


def _named(site: Site, names: Sequence[str] | None, split: bool) -> bool:
    if names is None or any(fnmatchcase(n, p) for p in names for n in (site.name, site.path)):
        return True
    if not split or site.is_one_call:
        return False
    calls = range(1, site.calls + 1) if site.calls > 1 else ()
    site.chosen = frozenset(i for i in calls if any(fnmatchcase(f"{site.name}#{i}", p) for p in names))
    return bool(site.chosen)


def _run(model: nn.Module, example: Example) -> list[str]:
    """Run the example and return the functional calls that it made, as "where: name"."""
    stack: list[tuple[str, nn.Module]] = [("", model)]
    seen: dict[str, None] = {}

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            path, module = stack[-1]
            if func in REPORTED and not isinstance(module, _Probe) and kind_of(module) is None:
                seen[f"{path or type(model).__name__}: {func.__name__}"] = None
            return func(*args, **(kwargs or {}))

    def enter(path: str) -> Callable[..., None]:
        return lambda module, args: stack.append((path, module))

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        stack.pop()

    hooks = []
    probed = [m.current for m in model.modules() if isinstance(m, _Probe) and isinstance(m.current, nn.Module)]
    modes = {module: module.training for root in [model, *probed] for module in root.modules()}
    fast_path = torch.backends.mha.get_fastpath_enabled()
    for path, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(enter(path)))
        hooks.append(module.register_forward_hook(leave))
    try:
        torch.backends.mha.set_fastpath_enabled(False)  # it would call no activation at all
        for root in [model, *probed]:
            root.eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]), Watch():
            if isinstance(example, Mapping):
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
            if self.is_leaf_module(m, self.path_of_module(m)):
                for probe in m.modules():
                    if isinstance(probe, _Probe):
                        probe.count += 1
            return super().call_module(m, forward, args, kwargs)

    split = [module for module in model.modules() if isinstance(module, PerCall)]
    for module in split:
        module.begin()  # tracing runs forward without the hook of the root
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = Tracer().trace(model)
    except Exception:  # data-dependent control flow, unusual arguments: tracing is an offer, not a duty
        return None
    finally:
        for module in split:
            module.end()
    seen: dict[str, None] = {}
    for node in graph.nodes:
        function = node.op == "call_function" and node.target in REPORTED
        if function or (node.op == "call_method" and node.target in FUNCTION_NAMES):
            stack = list(node.meta.get("nn_module_stack", {}).values())
            where = (stack[-1][0] if stack else "") or type(model).__name__
            seen[f"{where}: {getattr(node.target, '__name__', node.target)}"] = None
    return list(seen)

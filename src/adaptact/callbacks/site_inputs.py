"""What an activation site sees: its inputs and the gap between the two functions it blends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from adaptact.activations import AdaptiveActivation, learned_values
from adaptact.surgery import named_activations

BINS = 60
GAP_ELEMENTS = 16_384


@dataclass(frozen=True)
class Inputs:
    """Inputs of a site: quantiles 0.001 and 0.999 as range, and counts of equal bins over it.

    Args:
        moved: root mean square, over these inputs, of how far the curve is from the one it started as.
    """

    low: float
    high: float
    counts: list[float]
    gap: float | None
    moved: float | None = None


def gap(module: nn.Module, x: Tensor) -> Tensor | None:
    """Root mean square of first - second over ``x``, on its device; None where nothing is blended.

    Of a large input only the first rows are taken, about 16,384 elements: enough for three digits, and cheap.
    """
    with torch.no_grad():
        x = x[: max(1, GAP_ELEMENTS * len(x) // x.numel())] if x.dim() and x.numel() > GAP_ELEMENTS else x
        wide = x.detach().to(torch.promote_types(x.dtype, torch.float32))
        parts = module.parts(wide) if isinstance(module, AdaptiveActivation) else None
        return None if parts is None else (parts[0] - parts[1]).square().mean().sqrt()


def sample(flat: Tensor, most: int) -> Tensor:
    """At most so many elements, always the same ones.

    By chance: every n-th would take some channels and leave others out.
    """
    if len(flat) <= most:
        return flat
    chosen = torch.randint(len(flat), (most,), generator=torch.Generator().manual_seed(0))
    return flat[chosen.to(flat.device)]


def watched(pl_module: nn.Module) -> nn.Module:
    """What is looked at: the attribute ``network`` where all parameters are in it, else the whole module."""
    network = getattr(pl_module, "network", None)
    if not isinstance(network, nn.Module):
        return pl_module
    inside = {id(parameter) for parameter in network.parameters()}
    return network if all(id(parameter) in inside for parameter in pl_module.parameters()) else pl_module


def eagerly() -> AbstractContextManager[None]:
    """A block in which what is compiled runs eagerly, so that hooks see its modules.

    Where nothing can be compiled it does nothing: the switch imports the compiler, which takes seconds.
    """
    compiler = "torch._dynamo" in sys.modules
    return torch.compiler.set_stance("force_eager") if compiler else nullcontext()


@contextmanager
def watch(modules: dict[str, nn.Module], see: Any) -> Iterator[None]:
    """Call ``see(name, module, input)`` at each forward pass of each module; the hooks live inside the block only."""

    def hook(name: str) -> Any:
        return lambda module, args, kwargs: see(name, module, [*args, *kwargs.values()][0])

    hooks = [module.register_forward_pre_hook(hook(name), with_kwargs=True) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in hooks:
            handle.remove()


def moved(module: nn.Module, start: nn.Module, x: Tensor) -> float:
    """Root mean square of the difference between an activation and the one it started as, over ``x``."""
    with torch.no_grad():
        wide = x.detach().to(torch.promote_types(x.dtype, torch.float32))
        # not module(wide): that would call the hooks that watch it
        return (module.forward(wide) - start.to(x.device).forward(wide)).square().mean().sqrt().item()


@torch.no_grad()
def observe(network: nn.Module, x: Tensor, starts: dict[str, nn.Module] | None = None) -> dict[str, Inputs]:
    """Run the network on ``x`` in eval mode and describe the inputs of every site.

    Args:
        starts: copies of the activations as they were before the training.
    """
    seen: dict[str, Inputs] = {}

    def see(name: str, module: nn.Module, value: Tensor) -> None:
        flat = value.detach().float().flatten()
        flat = flat[torch.isfinite(flat)]
        if not len(flat):
            return
        low, high = torch.quantile(sample(flat, 100_000), torch.tensor([0.001, 0.999], device=flat.device)).tolist()
        counts = torch.histc(flat.cpu(), BINS, low, high) if high > low else torch.zeros(BINS)
        difference = gap(module, value)
        start = (starts or {}).get(name)
        how_far = None if start is None else moved(module, start, value)
        seen[name] = Inputs(low, high, counts.tolist(), None if difference is None else difference.item(), how_far)

    training = network.training
    network.eval()
    try:
        with eagerly(), watch(named_activations(network), see):
            network(x)
    finally:
        network.train(training)
    return seen


def describe_layers(
    network: nn.Module, inputs: dict[str, Inputs], starts: dict[str, nn.Module] | None = None
) -> list[dict[str, Any]]:
    """The "layers" of a record: name, kind, every parameter (per channel the mean, and all values), the gap.

    With ``starts``, copies of the activations as they were: also the parameters' start values, and how far the curve
    moved over the site's inputs.
    """
    layers = []
    for name, module in named_activations(network).items():
        layer: dict[str, Any] = {"name": name, "kind": type(module).__name__}
        for key, value in learned_values(module).items():
            layer[key] = value.mean().item()
            if value.numel() > 1:
                layer[f"{key}_channels"] = value.tolist()
        layer["gap"] = inputs[name].gap if name in inputs else None
        if starts is not None:
            layer["moved"] = inputs[name].moved if name in inputs else None
            layer["start"] = {key: value.mean().item() for key, value in learned_values(starts[name]).items()}
        layers.append(layer)
    return layers


@torch.no_grad()
def curves(
    network: nn.Module, inputs: dict[str, Inputs], starts: dict[str, nn.Module], points: int = 61
) -> dict[str, dict[str, list[float]]]:
    """Of every site that learned: "x" over the range of its inputs, "start" and "learned": the curve before and after.

    Per-channel activations, whose curve is many, are left out.
    """
    found = {}
    for name, module in named_activations(network).items():
        values = learned_values(module)
        if (
            name not in inputs
            or not values
            or any(value.numel() > 1 for key, value in values.items() if key != "weights")
        ):
            continue
        like = next(module.parameters())
        x = torch.linspace(inputs[name].low, inputs[name].high, points, device=like.device)
        found[name] = {
            "x": x.tolist(),
            "start": starts[name].to(like.device).forward(x).tolist(),
            "learned": module.forward(x).tolist(),
        }
    return found

"""What an activation site sees: its inputs and the gap between the two functions it blends."""

from __future__ import annotations

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
    """Inputs of a site: quantiles 0.001 and 0.999 as range, and counts of equal bins over it."""

    low: float
    high: float
    counts: list[float]
    gap: float | None


def gap(module: nn.Module, x: Tensor) -> Tensor | None:
    """Root mean square of first - second over ``x``, on its device; None where nothing is blended.

    Of a large input only the first rows are taken, about 16,384 elements: enough for three digits, and cheap.
    """
    with torch.no_grad():
        x = x[: max(1, GAP_ELEMENTS * len(x) // x.numel())] if x.dim() and x.numel() > GAP_ELEMENTS else x
        wide = x.detach().to(torch.promote_types(x.dtype, torch.float32))
        parts = module.parts(wide) if isinstance(module, AdaptiveActivation) else None
        return None if parts is None else (parts[0] - parts[1]).square().mean().sqrt()


def eagerly(network: nn.Module) -> AbstractContextManager[None]:
    """A block in which a compiled network runs eagerly, so that hooks see its modules.

    Only where something is compiled: the switch imports the compiler, which takes seconds.
    """
    compiled = any(getattr(module, "_compiled_call_impl", None) is not None for module in network.modules())
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


@contextmanager
def watch(modules: dict[str, nn.Module], see: Any) -> Iterator[None]:
    """Call ``see(name, module, input)`` at each forward pass of each module; the hooks live inside the block only."""
    hooks = [
        module.register_forward_pre_hook(lambda m, args, name=name: see(name, m, args[0]))
        for name, module in modules.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def observe(network: nn.Module, x: Tensor) -> dict[str, Inputs]:
    """Run the network on ``x`` in eval mode and describe the inputs of every site."""
    seen: dict[str, Inputs] = {}

    def see(name: str, module: nn.Module, value: Tensor) -> None:
        flat = value.detach().float().flatten()
        flat = flat[torch.isfinite(flat)]
        if not len(flat):
            return
        sample = flat[:: max(1, len(flat) // 100_000)]
        low, high = torch.quantile(sample, torch.tensor([0.001, 0.999], device=flat.device)).tolist()
        counts = torch.histc(flat.cpu(), BINS, low, high) if high > low else torch.zeros(BINS)
        difference = gap(module, value)
        seen[name] = Inputs(low, high, counts.tolist(), None if difference is None else difference.item())

    training = network.training
    network.eval()
    try:
        with eagerly(network), watch(named_activations(network), see):
            network(x)
    finally:
        network.train(training)
    return seen


def describe_layers(network: nn.Module, inputs: dict[str, Inputs]) -> list[dict[str, Any]]:
    """The "layers" of a record: name, kind, every parameter (per channel the mean, and all values), the gap."""
    layers = []
    for name, module in named_activations(network).items():
        layer: dict[str, Any] = {"name": name, "kind": type(module).__name__}
        for key, value in learned_values(module).items():
            layer[key] = value.mean().item()
            if value.numel() > 1:
                layer[f"{key}_channels"] = value.tolist()
        layer["gap"] = inputs[name].gap if name in inputs else None
        layers.append(layer)
    return layers

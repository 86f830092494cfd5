"""Where a step began that ended in numbers that are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn


@torch.enable_grad()
def first_nonfinite_layer(learner: Any, batch: tuple[Tensor, Tensor]) -> str | None:
    """Where a bad step began: the first layer whose output is not finite though its inputs are, in a repetition of the
    step; if all outputs are finite, the last layer with a gradient that is not. None where it cannot be repeated.
    """
    network: nn.Module = learner.network
    if any(hasattr(p, "full_tensor") for p in network.parameters()):
        return None  # a step of sharded weights cannot be repeated apart from the others
    found: list[str] = []

    def watch(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            inputs = [a for a in args if isinstance(a, Tensor)]
            if isinstance(output, Tensor) and not _finite(output) and all(map(_finite, inputs)):
                found.append(name)

        return hook

    leaves = {name: m for name, m in network.named_modules() if not list(m.children())}
    hooks = [module.register_forward_hook(watch(name)) for name, module in leaves.items()]
    buffers = [(b, b.clone()) for b in network.buffers()]
    try:
        with torch.random.fork_rng(devices=[]):
            if not _finite(batch[0]):
                return "the input"
            loss = learner.training_step(batch, 0)
            if found:
                return found[0]
            named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
            gradients = torch.autograd.grad(loss, [p for _, p in named], allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
    bad = [name for (name, _), g in zip(named, gradients, strict=True) if g is not None and not _finite(g)]
    return bad[-1].rpartition(".")[0] if bad else None


def _finite(x: Tensor) -> bool:
    return bool(torch.isfinite(x).all()) if x.is_floating_point() else True


def float_buffers(network: nn.Module) -> Iterator[Tensor]:
    """Running statistics of normalisation layers: a forward pass that overflows would spoil them for good."""
    return (buffer for buffer in network.buffers() if buffer.is_floating_point())

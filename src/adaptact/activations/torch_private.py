"""Private names of torch, each with the question that it answers and no public name does.

Checked with torch 2.13; a test says when one of them moves, vanishes or answers otherwise.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def inside_transform() -> bool:
    """Return True inside functorch's vmap, grad and the like."""
    return torch._C._are_functorch_transforms_active()


def forward_mode() -> bool:
    """Return True inside ``torch.autograd.forward_ad.dual_level``."""
    return torch.autograd.forward_ad._current_level >= 0


def recorded() -> bool:
    """Return True where a dispatch mode (FakeTensorMode, a profiler of operators) or a tracer sees every operator."""
    return torch._C._len_torch_dispatch_stack() > 0 or torch.jit.is_tracing()


def lowered() -> bool:
    """Return True inside functorch's transforms, also where they have stepped down to what they are made of."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def batched(x: Tensor) -> bool:
    """Return True for a tensor that stands for many, as ``is_grads_batched`` hands them to a backward pass."""
    return torch._C._functorch.is_legacy_batchedtensor(x)


def apply(function: type[torch.autograd.Function], *inputs: Any) -> Tensor:
    """``function.apply`` without its look at the signature, which costs as much as a small tensor's activation."""
    return super(torch.autograd.Function, function).apply(*inputs)  # type: ignore[misc]


def watched(module: nn.Module) -> bool:
    """Return True for a module with hooks of its own, or where every module has one."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks) or torch.nn.modules.module._has_any_global_hook()

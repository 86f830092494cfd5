"""The one place that chooses how a function is computed: in operators of PyTorch, or faster where tensors allow it.

Operators can be differentiated, transformed, traced and compiled. What is faster reads plain memory and can none of
that. Each takes ``forward(x, scalars, *how)`` and ``backward(grad, x, scalars, *how)``, which gives the gradients of x
and of every scalar; a faster one gives None for shapes that it does not take, and the next one is asked. One for
another kind of device is added to ``FASTER``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from adaptact.activations import torch_private
from adaptact.activations.cpu import chunked, kernels

Scalars = tuple[Tensor, ...]
Gradients = tuple[Tensor | None, ...]


class Operators(NamedTuple):
    """A function in operators of PyTorch; ``backward`` begins with what needs a gradient, of x and the scalars."""

    forward: Callable[..., Tensor]
    backward: Callable[..., Gradients]


class Faster(NamedTuple):
    forward: Callable[..., Tensor | None]
    backward: Callable[..., Gradients | None]


FASTER: dict[tuple[str, torch.dtype, str], list[Faster]] = {
    ("cpu", dtype, function): [Faster(*kernels.IMPLEMENTATIONS[function]), Faster(*chunked.IMPLEMENTATIONS[function])]
    for dtype in (torch.float32, torch.bfloat16)
    for function in kernels.IMPLEMENTATIONS
}


def forward(function: str, operators: Operators, x: Tensor, scalars: Scalars, *how: str | bool) -> Tensor:
    for each in _faster(function, x):
        if (y := each.forward(x, scalars, *how)) is not None:
            return y
    return operators.forward(x, scalars, *how)


def backward(
    function: str,
    operators: Operators,
    needed: tuple[bool, ...],
    grad: Tensor,
    x: Tensor,
    scalars: Scalars,
    *how: str | bool,
) -> Gradients:
    """Gradients of x and of every scalar.

    Args:
        needed: which of them; the others may be None.
    """
    for each in _faster(function, x, grad):
        if (done := each.backward(grad, x, scalars, *how)) is not None:
            return done
    return operators.backward(needed, grad, x, scalars, *how)


def _faster(function: str, x: Tensor, grad: Tensor | None = None) -> list[Faster]:
    """Faster implementations for the device and dtype of ``x``, where its memory can be read now and nothing is
    recorded of what is done with it.
    """
    if torch.compiler.is_compiling() or torch_private.lowered() or torch_private.recorded() or not _plain(x):
        return []
    if grad is not None and (torch.is_grad_enabled() or grad.dtype != x.dtype or not _plain(grad)):
        return []  # with gradients enabled, the backward pass itself is to be differentiated
    return FASTER.get((x.device.type, x.dtype, function), [])


def _plain(x: Tensor) -> bool:
    return (
        type(x) is Tensor
        and x.layout == torch.strided
        and not x.is_neg()
        and not torch_private.batched(x)
        and x.numel() > 0
    )

"""The one place that chooses how a function is computed: in operators of PyTorch, or faster where tensors allow it.

Operators can be differentiated, transformed, traced and compiled. What is faster reads plain memory and supports none
of that. All have one signature, that of :class:`Implementation`. One for another kind of device is added to ``FASTER``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from adaptact.activations import torch_private
from adaptact.activations.cpu import chunked, kernels

Scalars = tuple[Tensor, ...]
Gradients = tuple[Tensor | None, ...]


class Implementation(NamedTuple):
    """``forward(x, scalars, *how)`` and ``backward(needed, grad, x, scalars, *how)`` of a function.

    The latter gives the gradients of x and of every scalar; those that are not ``needed`` may be None. Either gives
    None, as a whole, for shapes that it does not take, and the next implementation is asked.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]


FASTER: dict[tuple[str, torch.dtype, str], list[Implementation]] = {
    ("cpu", dtype, function): [Implementation(*cpu.IMPLEMENTATIONS[function]) for cpu in (kernels, chunked)]
    for dtype in (torch.float32, torch.bfloat16)
    for function in kernels.IMPLEMENTATIONS
}


def forward(function: str, operators: Implementation, x: Tensor, scalars: Scalars, *how: str | bool) -> Tensor:
    for each in _faster(function, x):
        if (y := each.forward(x, scalars, *how)) is not None:
            return y
    return operators.forward(x, scalars, *how)


def backward(
    function: str,
    operators: Implementation,
    needed: tuple[bool, ...],
    grad: Tensor,
    x: Tensor,
    scalars: Scalars,
    *how: str | bool,
) -> Gradients:
    for each in _faster(function, x, grad):
        if (done := each.backward(needed, grad, x, scalars, *how)) is not None:
            return done
    return operators.backward(needed, grad, x, scalars, *how)


def _faster(function: str, x: Tensor, grad: Tensor | None = None) -> list[Implementation]:
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

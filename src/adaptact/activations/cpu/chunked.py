"""Activations of large tensors in operators, piece by piece in a small workspace: for machines without a compiler.

Operator by operator a large tensor goes through memory twenty times, and what lies between two operators costs the
system's clearing of new pages. Here pieces of it go through all operators, and these write into the same few buffers,
which stay in a cache. Every function gives None where it does not apply. ``scalars``: parameters of one shape that
broadcast against x. ``IMPLEMENTATIONS`` has what :mod:`adaptact.activations.implementations` chooses from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from adaptact.activations.tensors import inward

LARGE = 2**18  # elements from which it pays
PIECE = 2**17  # elements of a piece, per thread: docs/benchmarks.md has the choice
aten = torch.ops.aten


def _copy(x: Tensor, out: Tensor) -> Tensor:
    return out.copy_(x)


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "identity": _copy,
    "relu": aten.relu.out,
    "silu": aten.silu.out,
    "gelu": aten.gelu.out,
}
SLOPES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {  # gradient times slope at x, into out
    "identity": lambda g, x, out: out.copy_(g),
    "relu": lambda g, x, out: aten.threshold_backward.grad_input(g, x, 0, grad_input=out),
    "silu": lambda g, x, out: aten.silu_backward.grad_input(g, x, grad_input=out),
    "gelu": lambda g, x, out: aten.gelu_backward.grad_input(g, x, grad_input=out),
}


def sg_blend(x: Tensor, scalars: tuple[Tensor, Tensor, Tensor], approximate: str, bounded: bool) -> Tensor | None:
    rows = _rows(x, *scalars)
    if rows is None or approximate == "sigmoid":
        return None
    alpha, beta, gamma = scalars
    weight = alpha.clamp(0.0, 1.0) if bounded else alpha
    y, rest = torch.empty_like(x), 1 - weight
    for wide, _, into, (swish_part,) in _pieces(x, None, y, rows, 1):
        torch.mul(beta, wide, out=swish_part).sigmoid_().mul_(wide).sub_(gamma)
        aten.gelu.out(wide, approximate=approximate, out=into)
        into.mul_(rest).addcmul_(weight, swish_part)
    return y


def sg_blend_backward(
    needed: tuple[bool, ...],
    grad: Tensor,
    x: Tensor,
    scalars: tuple[Tensor, Tensor, Tensor],
    approximate: str,
    bounded: bool,
) -> tuple[Tensor, ...] | None:
    """Gradients of x, alpha, beta and gamma."""
    rows = _rows(x, *scalars)
    if rows is None or approximate == "sigmoid":
        return None
    alpha, beta, gamma = scalars
    weight = alpha.clamp(0.0, 1.0) if bounded else alpha
    grad_x, rest = torch.empty_like(x), 1 - weight
    sums = []
    for wide, g, into, (s, swish_part, slope) in _pieces(x, grad, grad_x, rows, 3):
        torch.mul(beta, wide, out=s).sigmoid_()
        torch.mul(wide, s, out=swish_part)
        torch.sub(1, s, out=slope).mul_(swish_part)  # slope of s by beta, over wide
        aten.gelu_backward.grad_input(g, wide, approximate=approximate, grad_input=into)
        into.mul_(rest).addcmul_(weight, s.addcmul_(beta, slope).mul_(g))
        by_alpha = _total(swish_part.sub_(aten.gelu.out(wide, approximate=approximate, out=s)), g, alpha)
        by_beta = _total(torch.mul(slope, wide, out=s), g, beta)  # the slope first: a huge input has none
        sums.append(torch.stack((by_alpha, by_beta, _sum(g, gamma))))
    by_alpha, by_beta, total = torch.stack(sums).sum(0)
    by_weight = by_alpha - gamma * total
    by_alpha = inward(by_weight, alpha, 0.0, 1.0) if bounded else by_weight
    return grad_x, by_alpha, weight * by_beta, -weight * total


def swish(x: Tensor, scalars: tuple[Tensor, ...]) -> Tensor | None:
    rows = _rows(x, *scalars)
    if rows is None:
        return None
    beta, *offset = scalars
    y = torch.empty_like(x)
    for wide, _, into, _ in _pieces(x, None, y, rows, 0):
        torch.mul(beta, wide, out=into).sigmoid_().mul_(wide)
        for gamma in offset:
            into.sub_(gamma)
    return y


def swish_backward(
    needed: tuple[bool, ...], grad: Tensor, x: Tensor, scalars: tuple[Tensor, ...]
) -> tuple[Tensor, ...] | None:
    """Gradients of x, beta and, if it is there, gamma."""
    rows = _rows(x, *scalars)
    if rows is None:
        return None
    beta = scalars[0]
    grad_x, sums = torch.empty_like(x), []
    for wide, g, into, (s, slope) in _pieces(x, grad, grad_x, rows, 2):
        torch.mul(beta, wide, out=s).sigmoid_()
        torch.sub(1, s, out=slope).mul_(s).mul_(wide)
        torch.mul(s.addcmul_(beta, slope), g, out=into)
        by_beta = _total(torch.mul(slope, wide, out=s), g, beta)
        sums.append(torch.stack((by_beta, _sum(g, beta))))
    by_beta, total = torch.stack(sums).sum(0)
    return (grad_x, by_beta, -total)[: 1 + len(scalars)]


def pair(x: Tensor, scalars: tuple[Tensor], first: str, second: str) -> Tensor | None:
    (alpha,) = scalars
    rows = _rows(x, alpha)
    if rows is None:
        return None
    weight = alpha.clamp(0.0, 1.0)
    y, rest = torch.empty_like(x), 1 - weight
    for wide, _, into, (other,) in _pieces(x, None, y, rows, 1):
        FUNCTIONS[second](wide, out=into)
        into.mul_(rest).addcmul_(weight, FUNCTIONS[first](wide, out=other))
    return y


def pair_backward(
    needed: tuple[bool, ...], grad: Tensor, x: Tensor, scalars: tuple[Tensor], first: str, second: str
) -> tuple[Tensor, Tensor] | None:
    """Gradients of x and alpha."""
    (alpha,) = scalars
    rows = _rows(x, alpha)
    if rows is None:
        return None
    weight = alpha.clamp(0.0, 1.0)
    grad_x, rest, sums = torch.empty_like(x), 1 - weight, []
    for wide, g, into, (a, b) in _pieces(x, grad, grad_x, rows, 2):
        SLOPES[second](g, wide, into)
        into.mul_(rest).addcmul_(weight, SLOPES[first](g, wide, a))
        difference = FUNCTIONS[first](wide, out=a).sub_(FUNCTIONS[second](wide, out=b))
        sums.append(_total(difference, g, alpha))
    return grad_x, inward(torch.stack(sums).sum(0), alpha, 0.0, 1.0)


IMPLEMENTATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sg_blend": (sg_blend, sg_blend_backward),
    "swish": (swish, swish_backward),
    "pair": (pair, pair_backward),
}


def _rows(x: Tensor, *scalars: Tensor) -> int | None:
    """Rows (of the first dimension) of a piece; None where a tensor goes another way."""
    if x.dim() < 2 or x.numel() < LARGE:
        return None
    first = scalars[0]
    for each in scalars:
        if each.shape != first.shape or each.dtype != torch.float32 or each.device != x.device or each.is_neg():
            return None
    if torch.broadcast_shapes(first.shape, x.shape) != x.shape:
        return None  # the result is larger than x
    if first.numel() > 1 and (first.dim() > x.dim() or (first.dim() == x.dim() and first.shape[0] > 1)):
        return None  # they differ by row
    return max(1, PIECE * torch.get_num_threads() * len(x) // x.numel())


def _pieces(
    x: Tensor, grad: Tensor | None, out: Tensor, rows: int, n: int
) -> Iterator[tuple[Tensor, Tensor, Tensor, list[Tensor]]]:
    """Pieces of x and of the gradient in float32, where the result goes, and ``n`` buffers of their shape."""
    narrow = x.dtype != torch.float32
    own = [torch.empty_like(x[:rows], dtype=torch.float32) for _ in range(n + (narrow and (2 if grad is None else 3)))]
    gradients = x if grad is None else grad  # without one, something to go along with
    for piece, g, into in zip(x.split(rows), gradients.split(rows), out.split(rows)):
        free, result = [buffer[: len(piece)] for buffer in own], into
        if narrow:
            piece, result = free.pop().copy_(piece), free.pop()
            g = g if grad is None else free.pop().copy_(g)
        yield piece, g, result, free
        if narrow:
            into.copy_(result)


def _sum(grad: Tensor, like: Tensor) -> Tensor:
    return grad.sum().reshape(like.shape) if like.numel() == 1 else grad.sum_to_size(like.shape)


def _total(scratch: Tensor, other: Tensor, like: Tensor) -> Tensor:
    """Sum of a product in the shape of a parameter; ``scratch`` is used up."""
    if like.numel() == 1 and scratch.is_contiguous() and other.is_contiguous():
        return torch.dot(scratch.view(-1), other.view(-1)).reshape(like.shape)
    return _sum(scratch.mul_(other), like)

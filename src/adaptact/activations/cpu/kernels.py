"""Compiled kernels of SG-Blend, SSwish, Swish and common blends on a CPU, for plain float32 and bfloat16 tensors.

A process decides once, by :func:`settle` or at its first call: it uses what :mod:`compiling` has made on this machine,
or operators of PyTorch. No call of an activation starts a compiler: ``make setup`` does, a training run before its
first step, with a line on stderr, and :func:`compile_kernels`. ``ADAPTACT_KERNELS=0`` in the environment keeps to
operators.

``IMPLEMENTATIONS`` has what :mod:`adaptact.activations.implementations` chooses from.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adaptact.activations.cpu.compiling import NoKernelError, check_owner, compiled, compiled_file

FORMS = {"none": 0, "tanh": 1, "sigmoid": 2, "absent": 3}
PAIRED = {"identity": 0, "relu": 1, "silu": 2, "gelu": 3}
GRAIN = 2**15  # fewer elements are one thread's

log = logging.getLogger(__name__)
_library: ctypes.CDLL | None = None
_decided = False


def compile_kernels() -> Path:
    """Compile the activations for this machine's processor, also where that has failed before, and return the file.

    One compilation, of some seconds, serves every later process. This one uses the result from now on; call it before
    the first forward pass, as results differ in their last bits from those of operators.

    Raises:
        NoKernelError: no compiler, one that fails, a cache folder that cannot be written or that others can write to.
    """
    file = compiled(again=True)
    settle(compiling=False)
    return file


def settle(compiling: bool, use: bool = True) -> bool:
    """Decide now, for the rest of the process, and say whether there are kernels.

    Args:
        compiling: compile them if that has not been done, nor failed, on this machine.
        use: False keeps to operators until a later call.
    """
    global _library, _decided
    _decided = True
    if not use or os.environ.get("ADAPTACT_KERNELS") == "0":
        _library = None
    elif _library is None:
        try:
            with contextlib.suppress(NoKernelError):  # one that cannot be used is made again, or the reason told then
                _library = _load(compiled_file()) if compiled_file().is_file() else None
            if _library is None and compiling:
                _library = _load(compiled(again=False))
        except (NoKernelError, OSError) as error:
            log.warning("SG-Blend runs in operators of PyTorch, two to four times slower on a CPU: %s", error)
    return _library is not None


def _ready() -> bool:
    return _library is not None if _decided else settle(compiling=False)


def _load(file: Path) -> ctypes.CDLL:
    number, pointer, size = ctypes.c_int, ctypes.c_void_p, ctypes.c_int64
    # scalars, bounded; the shape, threads
    rest: list[Any] = [pointer, pointer, pointer, number, size, size, size, number]
    try:
        check_owner(file.parent)
        check_owner(file)
        library = ctypes.CDLL(str(file))
        library.adaptact_forward.argtypes = [number, number, *[pointer] * 2, *rest]
        library.adaptact_backward.argtypes = [number, number, *[pointer] * 4, *rest]
        library.adaptact_pair.argtypes = [number, number, number, *[pointer] * 2, *rest]
        library.adaptact_pair_backward.argtypes = [number, number, number, *[pointer] * 4, *rest]
    except (OSError, AttributeError) as error:
        raise NoKernelError(str(error)) from None
    return library


def _shape(x: Tensor, scalars: tuple[Tensor, ...]) -> tuple[int, int, int] | None:
    """(outer, channels, inner) of ``x`` as it lies in memory, for scalars that are one per layer or per channel."""
    channels = scalars[0].numel()
    for each in scalars:
        if each.numel() != channels or each.dtype != torch.float32 or each.device.type != "cpu" or each.is_neg():
            return None
        if each.dim() > max(1, x.dim()):  # the result has more dimensions than x
            return None
    if channels == 1:
        return (1, 1, x.numel()) if x.is_contiguous() or x.is_contiguous(memory_format=_last(x)) else None
    if scalars[0].dim() != x.dim():
        return None
    where = next((k for k in range(x.dim()) if scalars[0].shape[k] == channels), None)
    if (
        where is None
        or x.shape[where] != channels
        or any(s.shape != scalars[0].shape or not s.is_contiguous() for s in scalars)
    ):
        return None
    if x.is_contiguous():
        inner = x.shape[where + 1 :].numel()
        return x.numel() // (channels * inner), channels, inner
    if where == 1 and x.is_contiguous(memory_format=_last(x)):
        return x.numel() // channels, channels, 1
    return None


def _last(x: Tensor) -> torch.memory_format:
    """The format with channels last for as many dimensions as ``x`` has."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    return formats.get(x.dim(), torch.contiguous_format)


def _rest(x: Tensor, scalars: tuple[Tensor, ...], bounded: bool, shape: tuple[int, int, int]) -> tuple[int, ...]:
    """The arguments that all kernels end with."""
    alpha, beta, gamma = scalars
    threads = torch.get_num_threads() if x.numel() >= GRAIN else 1
    return alpha.data_ptr(), beta.data_ptr(), gamma.data_ptr(), bounded, *shape, threads


def _like(x: Tensor, other: Tensor) -> Tensor:
    """``other`` in the order of ``x`` in memory."""
    return other.contiguous(memory_format=torch.contiguous_format if x.is_contiguous() else _last(x))


def forward(x: Tensor, scalars: tuple[Tensor, Tensor, Tensor], form: str, bounded: bool = False) -> Tensor | None:
    """SG-Blend at ``x``; None where that takes operators.

    Args:
        x: any shape.
        scalars: alpha, beta and gamma.
        form: of GELU; "absent" for SSwish, which has no alpha.
        bounded: clamp alpha to [0, 1].
    """
    if (shape := _shape(x, scalars)) is None or not _ready():
        return None
    assert _library is not None
    y = torch.empty_like(x)
    pointers = x.data_ptr(), y.data_ptr()
    _library.adaptact_forward(FORMS[form], x.dtype == torch.bfloat16, *pointers, *_rest(x, scalars, bounded, shape))
    return y


def backward(
    grad: Tensor, x: Tensor, scalars: tuple[Tensor, Tensor, Tensor], form: str, bounded: bool = False
) -> tuple[Tensor, ...] | None:
    """Gradients of ``x`` and of alpha, beta and gamma, each in its shape; None where that takes operators."""
    if _library is None or (shape := _shape(x, scalars)) is None:
        return None
    grad, grad_x, sums = _like(x, grad), torch.empty_like(x), scalars[0].new_empty((3, shape[1]))
    pointers = grad.data_ptr(), x.data_ptr(), grad_x.data_ptr(), sums.data_ptr()
    _library.adaptact_backward(FORMS[form], x.dtype == torch.bfloat16, *pointers, *_rest(x, scalars, bounded, shape))
    return grad_x, *(total.view(each.shape) for total, each in zip(sums.unbind(0), scalars))


def swish(x: Tensor, scalars: tuple[Tensor, ...]) -> Tensor | None:
    """Swish (scalars: beta) or SSwish (beta, gamma)."""
    return forward(x, _of_swish(scalars), "absent")


def swish_backward(grad: Tensor, x: Tensor, scalars: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    done = backward(grad, x, _of_swish(scalars), "absent")
    return None if done is None else (done[0], *done[2 : 2 + len(scalars)])


def _of_swish(scalars: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    beta = scalars[0]
    return beta, beta, scalars[1] if len(scalars) > 1 else torch.zeros_like(beta)


def pair(x: Tensor, scalars: tuple[Tensor], first: str, second: str) -> Tensor | None:
    """alpha * first(x) + (1 - alpha) * second(x) of two different functions in ``PAIRED``, alpha clamped to [0, 1].

    None where that takes operators.
    """
    of_kernel = scalars * 3
    if (shape := _shape(x, of_kernel)) is None or not _ready():
        return None
    assert _library is not None
    y = torch.empty_like(x)
    which = PAIRED[first], PAIRED[second], x.dtype == torch.bfloat16
    _library.adaptact_pair(*which, x.data_ptr(), y.data_ptr(), *_rest(x, of_kernel, True, shape))
    return y


def pair_backward(
    grad: Tensor, x: Tensor, scalars: tuple[Tensor], first: str, second: str
) -> tuple[Tensor, Tensor] | None:
    """Gradients of ``x`` and alpha, each in its shape; None where that takes operators."""
    of_kernel = scalars * 3
    if _library is None or (shape := _shape(x, of_kernel)) is None:
        return None
    (alpha,) = scalars
    grad, grad_x, sums = _like(x, grad), torch.empty_like(x), alpha.new_empty((3, shape[1]))
    which = PAIRED[first], PAIRED[second], x.dtype == torch.bfloat16
    pointers = grad.data_ptr(), x.data_ptr(), grad_x.data_ptr(), sums.data_ptr()
    _library.adaptact_pair_backward(*which, *pointers, *_rest(x, of_kernel, True, shape))
    return grad_x, sums[0].view(alpha.shape)


IMPLEMENTATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sg_blend": (forward, backward),
    "swish": (swish, swish_backward),
    "pair": (pair, pair_backward),
}


def main() -> None:
    """Compile in advance, as ``make setup`` does."""
    try:
        print(f"activations: kernels in {compile_kernels()}")
    except NoKernelError as error:
        print(f"activations: no kernels ({error}); operators of PyTorch do the same, slower", file=sys.stderr)

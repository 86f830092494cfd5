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
Tensors = tuple[Tensor, ...]
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


def _like(x: Tensor, other: Tensor) -> Tensor:
    """``other`` in the order of ``x`` in memory."""
    return other.contiguous(memory_format=torch.contiguous_format if x.is_contiguous() else _last(x))


def _forward(kernel: str, which: tuple[int, ...], x: Tensor, scalars: Tensors, bounded: bool) -> Tensor | None:
    """The result of a kernel; None where that takes operators.

    Args:
        which: of the functions that the kernel knows.
        scalars: three of them, alpha, beta and gamma, as all kernels have.
        bounded: clamp alpha to [0, 1].
    """
    if (shape := _shape(x, scalars)) is None or not _ready():
        return None
    y = torch.empty_like(x)
    _run(kernel, which, (x, y), scalars, bounded, shape)
    return y


def _backward(
    kernel: str, which: tuple[int, ...], grad: Tensor, x: Tensor, scalars: Tensors, bounded: bool
) -> tuple[Tensor, Tensors] | None:
    """Gradients of ``x`` and of alpha, beta and gamma, these without their shape; None where that takes operators."""
    if _library is None or (shape := _shape(x, scalars)) is None:
        return None
    grad, grad_x, sums = _like(x, grad), torch.empty_like(x), scalars[0].new_empty((3, shape[1]))
    _run(kernel, which, (grad, x, grad_x, sums), scalars, bounded, shape)
    return grad_x, sums.unbind(0)


def _shaped(found: tuple[Tensor, Tensors] | None, scalars: Tensors, first: int = 0) -> Tensors | None:
    """Gradients of x and of ``scalars``, whose sums begin at ``first``."""
    return found and (found[0], *(total.view(each.shape) for total, each in zip(found[1][first:], scalars)))


def _run(
    kernel: str,
    which: tuple[int, ...],
    tensors: Tensors,
    scalars: Tensors,
    bounded: bool,
    shape: tuple[int, int, int],
) -> None:
    x = tensors[0]
    threads = torch.get_num_threads() if x.numel() >= GRAIN else 1
    pointers = [each.data_ptr() for each in (*tensors, *scalars)]
    getattr(_library, kernel)(*which, x.dtype == torch.bfloat16, *pointers, bounded, *shape, threads)


def sg_blend(x: Tensor, scalars: Tensors, form: str, bounded: bool) -> Tensor | None:
    return _forward("adaptact_forward", (FORMS[form],), x, scalars, bounded)


def sg_blend_backward(grad: Tensor, x: Tensor, scalars: Tensors, form: str, bounded: bool) -> Tensors | None:
    return _shaped(_backward("adaptact_backward", (FORMS[form],), grad, x, scalars, bounded), scalars)


def swish(x: Tensor, scalars: Tensors) -> Tensor | None:
    """Swish (scalars: beta) or SSwish (beta, gamma)."""
    return _forward("adaptact_forward", (FORMS["absent"],), x, _of_swish(scalars), False)


def swish_backward(grad: Tensor, x: Tensor, scalars: Tensors) -> Tensors | None:
    found = _backward("adaptact_backward", (FORMS["absent"],), grad, x, _of_swish(scalars), False)
    return _shaped(found, scalars, first=1)


def _of_swish(scalars: Tensors) -> Tensors:
    beta = scalars[0]
    return beta, beta, scalars[1] if len(scalars) > 1 else torch.zeros_like(beta)


def pair(x: Tensor, scalars: Tensors, first: str, second: str) -> Tensor | None:
    """alpha * first(x) + (1 - alpha) * second(x) of two different functions in ``PAIRED``, alpha clamped to [0, 1]."""
    return _forward("adaptact_pair", (PAIRED[first], PAIRED[second]), x, scalars * 3, True)


def pair_backward(grad: Tensor, x: Tensor, scalars: Tensors, first: str, second: str) -> Tensors | None:
    which = PAIRED[first], PAIRED[second]
    return _shaped(_backward("adaptact_pair_backward", which, grad, x, scalars * 3, True), scalars)


IMPLEMENTATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sg_blend": (sg_blend, sg_blend_backward),
    "swish": (swish, swish_backward),
    "pair": (pair, pair_backward),
}


def main() -> None:
    """Compile in advance, as ``make setup`` does."""
    try:
        print(f"activations: kernels in {compile_kernels()}")
    except NoKernelError as error:
        print(f"activations: no kernels ({error}); operators of PyTorch do the same, slower", file=sys.stderr)

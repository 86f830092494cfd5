"""Compiled kernels of SG-Blend, SSwish, Swish and common blends on a CPU, for plain float32 and bfloat16 tensors.

``kernels.cpp`` is compiled once per machine, in a few seconds, into a folder of the user's (``cache_folder``). Where
there is no compiler, and for everything but a plain tensor in eager mode (other devices and dtypes, tracing, vmap,
derivatives of derivatives), :mod:`functional` does the same in operators of PyTorch.

A process decides once. A kernel that has been compiled earlier is used from the first call. Else a process uses
operators until its eighth call with a large tensor, and compiles then: a short run never waits for a compiler.
``make setup`` compiles in advance; a training run decides before its first step (:func:`settle`), so that its numbers
do not depend on when. ``ADAPTACT_KERNELS=0`` in the environment keeps to operators.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FORMS = {"none": 0, "tanh": 1, "sigmoid": 2, "absent": 3}
PAIRED = {"identity": 0, "relu": 1, "silu": 2, "gelu": 3}
SOURCE = Path(__file__).with_suffix(".cpp")
LARGE = 2**18  # elements of a tensor whose activation a compiler is worth
WARM_UP = 8  # such calls in operators before a compiler is started
GRAIN = 2**15  # fewer elements are one thread's
COMPILE_S = 120.0
ACCURACY = ("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-ffp-contract=fast")
# OpenMP's functions are those that torch has loaded: a second runtime would fight over the cores
FLAGS = (
    ("-march=native", "-mprefer-vector-width=512", "-fopenmp"),
    ("-march=native", "-fopenmp"),
    ("-march=native", "-fopenmp-simd"),
    ("-fopenmp-simd",),
)

log = logging.getLogger(__name__)
_library: ctypes.CDLL | None = None
_looked = False  # for what was compiled earlier
_settled = False
_large_calls = 0


class NoKernelError(Exception):
    """The kernels cannot be compiled or loaded here; the message says why."""


def cache_folder() -> Path:
    """``adaptact/kernels`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adaptact" / "kernels"


def compiled_file() -> Path:
    """Where this source, compiled for this machine's processor, is kept.

    Raises:
        NoKernelError: there is no home folder.
    """
    try:
        cpuinfo = Path("/proc/cpuinfo")
        lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
        flags = {line for line in lines if line.startswith(("flags", "Features"))}
        source = SOURCE.read_text(encoding="utf-8")
        folder = cache_folder()
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        raise NoKernelError(str(error)) from None
    kind = "\n".join([source, repr(FLAGS), repr(ACCURACY), platform.platform(), platform.machine(), *sorted(flags)])
    return folder / f"{hashlib.sha256(kind.encode()).hexdigest()[:24]}.so"


def compile_kernels() -> Path:
    """Compile now and return the file. Processes that do so at the same time do not disturb each other.

    Raises:
        NoKernelError: no compiler, one that fails, a cache folder that cannot be written or that others can write to.
    """
    found = next((c for c in ("g++", "clang++", "c++") if shutil.which(c)), None)
    compiler = shlex.split(os.environ.get("CXX") or found or "")
    if not compiler:
        raise NoKernelError("there is no C++ compiler (g++ or clang++)")
    target = compiled_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_owner(target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            for flags in FLAGS:
                made = Path(folder) / "kernels.o", Path(folder) / "kernels.so"
                commands = (
                    [*compiler, "-std=c++17", "-O3", "-fPIC", *ACCURACY, *flags, "-c", str(SOURCE), "-o", str(made[0])],
                    [*compiler, "-shared", str(made[0]), "-o", str(made[1])],
                )
                done = [_run(command) for command in commands]
                if all(each.returncode == 0 for each in done) and _loads(made[1]):
                    made[1].chmod(0o700)
                    os.replace(made[1], target)
                    return target
    except (OSError, subprocess.SubprocessError) as error:
        raise NoKernelError(str(error)) from None
    reason = "\n".join(each.stderr for each in done).strip().splitlines()
    raise NoKernelError(f"{compiler[0]} failed: {reason[0] if reason else 'its result cannot be loaded'}")


def _check_owner(path: Path) -> None:
    """Nobody else may have put code there.

    Raises:
        NoKernelError: somebody else can.
    """
    if hasattr(os, "getuid") and ((found := path.stat()).st_uid not in (os.getuid(), 0) or found.st_mode & 0o022):
        raise NoKernelError(f"others can write to {path}: chmod go-w it, or remove it")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_S, check=False)


def _loads(file: Path) -> bool:
    try:
        ctypes.CDLL(str(file))
    except OSError:
        return False
    return True


def _load(file: Path) -> ctypes.CDLL:
    number, pointer, size = ctypes.c_int, ctypes.c_void_p, ctypes.c_int64
    # scalars, bounded; the shape, threads
    rest: list[Any] = [pointer, pointer, pointer, number, size, size, size, number]
    try:
        _check_owner(file.parent)
        _check_owner(file)
        library = ctypes.CDLL(str(file))
        library.adaptact_forward.argtypes = [number, number, *[pointer] * 2, *rest]
        library.adaptact_backward.argtypes = [number, number, *[pointer] * 4, *rest]
        library.adaptact_pair.argtypes = [number, number, number, *[pointer] * 2, *rest]
        library.adaptact_pair_backward.argtypes = [number, number, number, *[pointer] * 4, *rest]
    except (OSError, AttributeError) as error:
        raise NoKernelError(str(error)) from None
    return library


def settle(compiling: bool, use: bool = True) -> bool:
    """Decide now, for the rest of the process, and say whether there are kernels.

    Args:
        compiling: compile them if that has not been done on this machine; else only a later call with True does.
        use: False keeps to operators until a later call.
    """
    global _library, _settled
    _settled = True
    if not use:
        _library = None
        return False
    return _open(compiling)


def _open(compiling: bool) -> bool:
    global _library, _looked
    _looked = True
    if _library is None and os.environ.get("ADAPTACT_KERNELS") != "0":
        try:
            with contextlib.suppress(NoKernelError):  # one that cannot be used is made again, or the reason told then
                _library = _load(compiled_file()) if compiled_file().is_file() else None
            if _library is None and compiling:
                _library = _load(compile_kernels())
        except (NoKernelError, OSError) as error:
            log.warning("SG-Blend runs in operators of PyTorch, two to four times slower on a CPU: %s", error)
    return _library is not None


def _ready(x: Tensor) -> bool:
    """Whether kernels are there; looks for them once, and has them made after some calls with large tensors."""
    global _large_calls
    if _library is None and not _settled and torch._C._current_graph_task_id() == -1:  # not amid a backward pass
        if not _looked:
            _open(compiling=False)
        if _library is None and x.numel() >= LARGE:
            _large_calls += 1
            if _large_calls >= WARM_UP:
                settle(compiling=True)
    return _library is not None


def plain(x: Tensor) -> bool:
    """Whether ``x`` is memory to read now, and nothing records what is done with it."""
    return (
        type(x) is Tensor
        and not torch.compiler.is_compiling()
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.layout == torch.strided
        and not x.is_neg()
        and torch._C._functorch.peek_interpreter_stack() is None
        and not torch._C._functorch.is_legacy_batchedtensor(x)
        and torch._C._len_torch_dispatch_stack() == 0
        and torch._C._get_tracing_state() is None
        and x.numel() > 0
    )


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
    if not plain(x) or (shape := _shape(x, scalars)) is None or not _ready(x):
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
    if _library is None or torch.is_grad_enabled():  # then the backward pass itself is to be differentiated
        return None
    if not plain(grad) or not plain(x) or grad.dtype != x.dtype or (shape := _shape(x, scalars)) is None:
        return None
    grad, grad_x, sums = _like(x, grad), torch.empty_like(x), scalars[0].new_empty((3, shape[1]))
    pointers = grad.data_ptr(), x.data_ptr(), grad_x.data_ptr(), sums.data_ptr()
    _library.adaptact_backward(FORMS[form], x.dtype == torch.bfloat16, *pointers, *_rest(x, scalars, bounded, shape))
    return grad_x, *(total.view(each.shape) for total, each in zip(sums.unbind(0), scalars))


def pair(x: Tensor, alpha: Tensor, first: str, second: str) -> Tensor | None:
    """alpha * first(x) + (1 - alpha) * second(x) of two different functions in ``PAIRED``, alpha clamped to [0, 1].

    None where that takes operators.
    """
    scalars = alpha, alpha, alpha
    if not plain(x) or (shape := _shape(x, scalars)) is None or not _ready(x):
        return None
    assert _library is not None
    y = torch.empty_like(x)
    which = PAIRED[first], PAIRED[second], x.dtype == torch.bfloat16
    _library.adaptact_pair(*which, x.data_ptr(), y.data_ptr(), *_rest(x, scalars, True, shape))
    return y


def pair_backward(grad: Tensor, x: Tensor, alpha: Tensor, first: str, second: str) -> tuple[Tensor, Tensor] | None:
    """Gradients of ``x`` and alpha, each in its shape; None where that takes operators."""
    scalars = alpha, alpha, alpha
    if _library is None or torch.is_grad_enabled():
        return None
    if not plain(grad) or not plain(x) or grad.dtype != x.dtype or (shape := _shape(x, scalars)) is None:
        return None
    grad, grad_x, sums = _like(x, grad), torch.empty_like(x), alpha.new_empty((3, shape[1]))
    which = PAIRED[first], PAIRED[second], x.dtype == torch.bfloat16
    pointers = grad.data_ptr(), x.data_ptr(), grad_x.data_ptr(), sums.data_ptr()
    _library.adaptact_pair_backward(*which, *pointers, *_rest(x, scalars, True, shape))
    return grad_x, sums[0].view(alpha.shape)


def main() -> None:
    """Compile in advance, as ``make setup`` does."""
    try:
        print(f"activations: kernels in {compile_kernels()}")
    except NoKernelError as error:
        print(f"activations: no kernels ({error}); operators of PyTorch do the same, slower", file=sys.stderr)

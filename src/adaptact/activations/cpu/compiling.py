"""Compile ``kernels.cpp`` once per machine into a folder of the user's, and remember a failure there.

A failure is kept beside the file that it should have made, under the same key, so that no other process starts the
compiler again; :func:`compiled` with ``again=True`` does.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).with_name("kernels.cpp")
COMPILE_S = 120.0
ACCURACY = ("-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-ffp-contract=fast")
# OpenMP's functions are those that torch has loaded: a second runtime would fight over the cores
FLAGS = (
    ("-march=native", "-mprefer-vector-width=512", "-fopenmp"),
    ("-march=native", "-fopenmp"),
    ("-march=native", "-fopenmp-simd"),
    ("-fopenmp-simd",),
)


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


def compiled(*, again: bool) -> Path:
    """Compile now, unless another process has just done so, and return the file.

    Args:
        again: also where that has failed before.

    Raises:
        NoKernelError: no compiler, one that fails or has failed, a cache folder that cannot be written, that no code
            can be loaded from, or that others can write to.
    """
    found = next((c for c in ("g++", "clang++", "c++") if shutil.which(c)), None)
    compiler = shlex.split(os.environ.get("CXX") or found or "")
    if not compiler:
        raise NoKernelError("there is no C++ compiler (g++ or clang++)")
    target = compiled_file()
    failure = target.with_suffix(".failed")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        check_owner(target.parent)
        if hasattr(os, "ST_NOEXEC") and os.statvfs(target.parent).f_flag & os.ST_NOEXEC:
            raise NoKernelError(f"{target.parent} is mounted noexec: XDG_CACHE_HOME names another folder")
        with _alone(target.parent):
            if target.is_file() and _own(target) and loads(target):
                return target
            if failure.is_file() and not again:
                reason = failure.read_text(encoding="utf-8")
                raise NoKernelError(f"{reason} (in an earlier process; adaptact.compile_kernels() tries again)")
            failure.unlink(missing_ok=True)
            try:
                _compile(compiler, target)
            except NoKernelError as error:
                failure.write_text(str(error), encoding="utf-8")
                raise
    except OSError as error:
        raise NoKernelError(str(error)) from None
    return target


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait for other processes that compile; where the system has no such lock, they do the same work twice."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            opened = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, opened)
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield


def _compile(compiler: list[str], target: Path) -> None:
    """Make ``target`` with the first flags that give something to load.

    Raises:
        NoKernelError: the compiler fails or takes too long.
        OSError: the folder cannot be written, or the compiler not be started.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        print("compiling the activations for this processor, once ...", file=sys.stderr, flush=True)
        made = Path(folder) / "kernels.o", Path(folder) / "kernels.so"
        for flags in FLAGS:
            commands = (
                [*compiler, "-std=c++17", "-O3", "-fPIC", *ACCURACY, *flags, "-c", str(SOURCE), "-o", str(made[0])],
                [*compiler, "-shared", str(made[0]), "-o", str(made[1])],
            )
            try:
                done = [_run(command) for command in commands]
            except subprocess.SubprocessError as error:
                raise NoKernelError(str(error)) from None
            if all(each.returncode == 0 for each in done) and loads(made[1]):
                made[1].chmod(0o700)
                os.replace(made[1], target)
                return
    reason = "\n".join(each.stderr for each in done).strip().splitlines()
    raise NoKernelError(f"{compiler[0]} failed: {reason[0] if reason else 'its result cannot be loaded'}")


def check_owner(path: Path) -> None:
    """Nobody else may have put code there.

    Raises:
        NoKernelError: somebody else can.
    """
    if hasattr(os, "getuid") and ((found := path.stat()).st_uid not in (os.getuid(), 0) or found.st_mode & 0o022):
        raise NoKernelError(f"others can write to {path}: chmod go-w it, or remove it")


def _own(path: Path) -> bool:
    try:
        check_owner(path)
    except NoKernelError:
        return False
    return True


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_S, check=False)


def loads(file: Path) -> bool:
    try:
        ctypes.CDLL(str(file))
    except OSError:
        return False
    return True

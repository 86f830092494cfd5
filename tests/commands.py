"""The command line inside the process of the test: what a command prints and answers, without the start of a process.

A process spends 3 to 10 s of processor time on imports. Tests about a process (its signals, its limits, what it
imports) and one test of each job use ``start``, which is the real ``python -m adaptact``.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import multiprocessing
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from unittest import mock

from adaptact.__main__ import main

Done = subprocess.CompletedProcess[str]
# Children of a process that has imported everything and has no threads: no imports to wait for, and no lock is
# inherited that a thread of the test process holds (joblib's, for one).
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["adaptact.training.run"])


def environment(**more: str) -> dict[str, str]:
    """The variables of a process of its own: nothing of a make around the tests, one thread."""
    return {k: v for k, v in os.environ.items() if k != "MAKEFLAGS"} | {"OMP_NUM_THREADS": "1"} | more


def start(*words: str, folder: Path | None = None, **more: str) -> Done:
    """``python -m adaptact <words>`` in a process of its own, started in ``folder``."""
    command = [sys.executable, "-m", "adaptact", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=600, check=False
    )


def command(*words: str, folder: Path | None = None, **more: str) -> Done:
    """The same without a process of its own, and on one core: with one worker a comparison trains where it is.

    An unexpected error ends in a traceback on stderr and exit code 1, as in a process.
    """
    out, err = io.StringIO(), io.StringIO()
    one_core = mock.patch(
        "adaptact.comparison.worker_pool.cores", return_value=1
    )  # the others are for the tests beside this one
    with _as_started(folder, more), one_core, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(words))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:
            traceback.print_exc()
            code = 1
    return subprocess.CompletedProcess(list(words), code, out.getvalue(), err.getvalue())


def in_a_child(work: Callable[..., object], *arguments: object) -> int:
    """Call a function of a module in a child; its exit code, or minus the number of the signal that ended it."""
    child = CHILDREN.Process(target=work, args=arguments)
    child.start()
    child.join(600)
    if child.exitcode is None:  # given up
        child.kill()
        raise TimeoutError(f"{work} has not ended")
    return child.exitcode


@contextlib.contextmanager
def _as_started(folder: Path | None, more: Mapping[str, str]) -> Iterator[None]:
    """Folder, path and variables of a new process; afterwards the old ones, and none of the folder's own modules."""
    before, arguments, path, known = dict(os.environ), sys.argv, sys.path[:], set(sys.modules)
    os.environ.pop("MAKEFLAGS", None)
    os.environ.update(more)
    added = [str(folder)] if folder else []
    added += filter(None, more.get("PYTHONPATH", "").split(os.pathsep))
    own = [Path(entry).resolve() for entry in added]
    sys.path[:0] = added
    importlib.invalidate_caches()
    try:
        with contextlib.chdir(folder or Path.cwd()):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        sys.argv, sys.path[:] = arguments, path
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file and any(Path(file).resolve().is_relative_to(entry) for entry in own):
                del sys.modules[name]

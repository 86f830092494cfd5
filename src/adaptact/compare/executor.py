"""Runs of a plan in worker processes that are reused: no import is paid per run, and no run takes another down."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import joblib
from joblib.externals.loky import ProcessPoolExecutor, get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from adaptact.errors import UserError

Work = Callable[..., dict[str, Any]]
KILLED = {
    "status": "failed",
    "reason": "its process was killed, as it happens when memory runs out: use compare.workers=1 or a smaller batch",
}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def execute(
    work: Work,
    tasks: Sequence[tuple[Any, ...]],
    report: Callable[[int, dict[str, Any]], None],
    *,
    workers: int,
    backend: str = "loky",
) -> None:
    """Call ``work(*task)`` for every task, and ``report(number of the task, what work returned)`` as each ends.

    Each worker has its share of the cores. A task whose process dies is tried once more by itself, so that its death
    takes no other down, and is reported as failed if it dies again.

    Args:
        work: a function of a module, which catches its own errors.

    Raises:
        UserError: a back end that is not installed.
    """
    with _interrupts() as check:
        _execute(work, dict(enumerate(tasks)), report, check, workers, backend)


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], None]]:
    """Gives a function that raises KeyboardInterrupt if Ctrl-C was pressed.

    Python raises it wherever the process is, which may be where a library takes it for an error of a worker.
    """
    seen: list[int] = []

    def note(number: int, frame: Any) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    def check() -> None:
        if seen:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # which alone may set a handler
        yield check
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)


def _execute(
    work: Work,
    left: dict[int, tuple[Any, ...]],
    report: Callable[[int, dict[str, Any]], None],
    check: Callable[[], None],
    workers: int,
    backend: str,
) -> None:
    def run(numbers: Sequence[int], at_once: int) -> None:
        threads = max(1, cores() // at_once)
        inner = {"inner_max_num_threads": threads} if backend == "loky" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a worker that was stopped or grew and is started again
            with joblib.parallel_config(backend=backend, n_jobs=at_once, **inner):
                jobs = [joblib.delayed(_numbered)(number, work, threads, left[number]) for number in numbers]
                for number, result in _as_they_end(jobs, at_once, backend):
                    check()
                    del left[number]
                    report(number, result)

    if backend == "ray":
        _start_ray()
    try:
        try:
            run(list(left), workers)
        except TerminatedWorkerError:  # of what task is not known: one by one, each in a process of its own
            check()
        else:
            check()
            return
    except KeyboardInterrupt:
        get_reusable_executor().shutdown(kill_workers=True)
        raise
    for number in list(left):
        try:
            with ProcessPoolExecutor(max_workers=1) as alone:
                result = alone.submit(_numbered, number, work, cores(), left[number]).result()[1]
        except TerminatedWorkerError:
            result = dict(KILLED)
        del left[number]
        report(number, result)


def _as_they_end(jobs: list[Any], at_once: int, backend: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Results as they come; of ray, whose back end gives them together, in portions."""
    if backend == "loky":
        yield from joblib.Parallel(return_as="generator_unordered", batch_size=1)(jobs)
        return
    for first in range(0, len(jobs), 2 * at_once):
        yield from joblib.Parallel(batch_size=1)(jobs[first : first + 2 * at_once])


def _numbered(number: int, work: Work, threads: int, task: tuple[Any, ...]) -> tuple[int, dict[str, Any]]:
    import torch

    if multiprocessing.current_process().name != "MainProcess":
        # a terminal sends Ctrl-C to all its processes; the one that compares ends the others
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return number, work(*task)
    finally:
        torch.set_num_threads(before)  # with one worker this is the process that asked


def _start_ray() -> None:
    try:
        from ray.util.joblib import register_ray
    except ImportError:
        raise UserError(
            "compare.backend=ray needs ray: make setup EXTRAS=dev,ray, or pip install 'adaptact[ray]'"
        ) from None
    register_ray()

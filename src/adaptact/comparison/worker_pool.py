"""Runs of a plan in worker processes that are reused: no import is paid per run, and no run takes another down."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import joblib
from joblib.externals.loky import ProcessPoolExecutor, get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from adaptact.errors import MachineError, UserError
from adaptact.interrupts import end_with, heeded, raise_as

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
    threads: int | None = None,
    backend: str = "loky",
) -> None:
    """Call ``work(*task)`` for every task, and ``report(number of the task, what work returned)`` as each ends.

    A task whose process dies is tried once more by itself, so that its death takes no other down, and is reported as
    failed if it dies again. All workers end with this process, however it ends.

    Args:
        work: a function of a module, which catches its own errors. What it returns has a "status"; "interrupted" and
            "undone", with the fault of the machine as its "reason", end the whole, and are not reported.
        threads: of each worker; None: its share of the cores.

    Raises:
        UserError: a back end that is not installed.
        MachineError: the machine cannot go on, as with a full disk.
        KeyboardInterrupt: Ctrl-C, or SIGTERM.
    """
    with _interrupts() as check:
        _execute(work, dict(enumerate(tasks)), report, check, workers, threads or share(workers), backend)


@contextlib.contextmanager
def ended_afterwards() -> Iterator[None]:
    """End the workers with the job that used them: the next one in this process has its own environment and code."""
    try:
        yield
    finally:
        if has_semaphores():  # else there can be no workers
            get_reusable_executor().shutdown(kill_workers=True)


def share(workers: int) -> int:
    """Threads of each of some workers."""
    return max(1, cores() // workers)


def has_semaphores() -> bool:
    """Check for what worker processes need; a container without /dev/shm lacks it."""
    try:
        multiprocessing.get_context("spawn").Semaphore(1)
    except (ImportError, OSError):
        return False
    return True


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[], None]]:
    """Gives a function that raises KeyboardInterrupt if Ctrl-C was pressed or SIGTERM came.

    Python raises it wherever the process is, which may be where a library takes it for an error of a worker.
    """
    seen: list[str] = []

    def note(number: int, frame: Any) -> None:
        seen.append(signal.Signals(number).name)
        raise_as(seen[0])

    def check() -> None:
        if seen:
            raise_as(seen[0])

    if threading.current_thread() is not threading.main_thread():  # which alone may set a handler
        yield check
        return
    before = {number: signal.signal(number, note) for number in heeded(signal.SIGINT, signal.SIGTERM)}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _execute(
    work: Work,
    left: dict[int, tuple[Any, ...]],
    report: Callable[[int, dict[str, Any]], None],
    check: Callable[[], None],
    workers: int,
    threads: int,
    backend: str,
) -> None:
    ending: dict[str, Any] = {"initializer": end_with, "initargs": (os.getpid(),)}
    if workers > 1 and not has_semaphores():
        print("note: this machine has no shared memory for workers: one run after the other", file=sys.stderr)
        workers = 1

    def ended(number: int, result: dict[str, Any]) -> None:
        check()
        status = result.get("status")
        if status == "interrupted":
            raise_as("SIGTERM" if "SIGTERM" in str(result["reason"]) else "SIGINT")
        if status == "undone":
            raise MachineError(result["reason"])
        del left[number]
        report(number, result)

    def run(numbers: Sequence[int]) -> None:
        inner = {"inner_max_num_threads": threads, **ending} if backend == "loky" and workers > 1 else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a worker that was stopped or grew and is started again
            with joblib.parallel_config(backend=backend, n_jobs=workers, **inner):
                jobs = [joblib.delayed(_numbered)(number, work, threads, left[number]) for number in numbers]
                for number, result in _as_they_end(jobs, workers, backend):
                    ended(number, result)

    if backend == "ray":
        _start_ray()
    try:
        try:
            run(list(left))
        except TerminatedWorkerError:  # of what task is not known: one by one, each in a process of its own
            check()
        else:
            check()
            return
        for number in list(left):
            ended(number, _alone(number, work, threads, left[number], ending))
    except (KeyboardInterrupt, MachineError):
        get_reusable_executor().shutdown(kill_workers=True)
        raise


def _alone(number: int, work: Work, threads: int, task: tuple[Any, ...], ending: dict[str, Any]) -> dict[str, Any]:
    executor = ProcessPoolExecutor(max_workers=1, **ending)
    try:
        return executor.submit(_numbered, number, work, threads, task).result()[1]  # type: ignore[no-any-return]
    except TerminatedWorkerError:
        return dict(KILLED)
    finally:
        executor.shutdown(kill_workers=True)


def _as_they_end(jobs: list[Any], at_once: int, backend: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Results as they come; of ray, whose back end gives them together, in portions."""
    if backend == "loky":
        yield from joblib.Parallel(return_as="generator_unordered", batch_size=1)(jobs)
        return
    for first in range(0, len(jobs), 2 * at_once):
        yield from joblib.Parallel(batch_size=1)(jobs[first : first + 2 * at_once])


def _numbered(number: int, work: Work, threads: int, task: tuple[Any, ...]) -> tuple[int, dict[str, Any]]:
    import torch

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

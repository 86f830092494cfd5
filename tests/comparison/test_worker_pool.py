"""Tasks in worker processes: each is reported once, whatever happens to its process."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from adaptact.comparison import worker_pool
from adaptact.comparison.worker_pool import cores, execute
from adaptact.errors import UserError


def work(number: int, folder: str) -> dict[str, Any]:
    with (Path(folder) / f"{number}").open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"status": "finished", "reason": None, "number": number, "pid": os.getpid()}


def executed(tasks: list[tuple[Any, ...]], workers: int) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}

    def report(number: int, result: dict[str, Any]) -> None:
        assert number not in found
        found[number] = result

    execute(work, tasks, report, workers=workers)
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_once(tmp_path: Path, workers: int) -> None:
    found = executed([(n, str(tmp_path)) for n in range(6)], workers)
    assert {n: result["number"] for n, result in found.items()} == {n: n for n in range(6)}
    assert all(len((tmp_path / f"{n}").read_text().split()) == 1 for n in range(6))
    assert len({result["pid"] for result in found.values()}) <= workers  # workers are reused


def test_a_task_that_kills_its_process_takes_no_other_down(tmp_path: Path) -> None:
    found = executed([(n, str(tmp_path)) for n in (0, 1, -5, 2, 3)], 2)
    assert [found[n]["status"] for n in range(5)] == ["finished", "finished", "failed", "finished", "finished"]
    assert "killed" in found[2]["reason"]


def threads() -> dict[str, Any]:
    return {"threads": torch.get_num_threads()}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_has_its_share_of_the_cores_and_the_process_that_asks_keeps_its_own(workers: int) -> None:
    before = torch.get_num_threads()
    found: list[int] = []
    execute(threads, [()] * 2, lambda _, result: found.append(result["threads"]), workers=workers)
    assert found == [max(1, cores() // workers)] * 2
    assert torch.get_num_threads() == before


def test_nothing_to_do_is_done_at_once(tmp_path: Path) -> None:
    assert executed([], 1) == {}


def test_a_back_end_that_is_not_installed_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UserError, match="adaptact\\[ray\\]"):
        execute(work, [(1, "")], lambda *_: None, workers=1, backend="ray")


def test_an_interruption_that_a_library_took_for_a_broken_worker_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> Iterator[tuple[int, dict[str, Any]]]:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise TerminatedWorkerError
        yield

    monkeypatch.setattr(worker_pool, "_as_they_end", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        execute(dict, [()], lambda number, result: None, workers=1)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_the_shell_has_ignored_stays_ignored() -> None:
    """As Ctrl-C is for a command that a shell script has put into the background."""
    found: list[dict[str, Any]] = []

    def report(number: int, result: dict[str, Any]) -> None:
        signal.raise_signal(signal.SIGINT)
        found.append(result)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        execute(dict, [()], report, workers=1)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert found == [{}]

"""One writer at a time: locks, links out of a folder, and the ends of processes."""

import multiprocessing
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from adaptact import files, folders, locks
from adaptact.__main__ import main
from adaptact.errors import UserError
from adaptact.interrupts import Terminated, continues, sigterm_raises
from adaptact.jobs import monitor
from adaptact.locks import lock_file, locked


def hold(folder: str, said: Connection) -> None:
    with locked(Path(folder)):
        said.send("held")
        said.recv()


@pytest.fixture
def holder(tmp_path: Path) -> tuple[multiprocessing.Process, Connection, Path]:  # type: ignore[misc]
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=hold, args=(str(tmp_path / "test"), theirs))
    process.start()
    assert ours.recv() == "held"
    yield process, ours, tmp_path / "test"  # type: ignore[misc]
    process.kill()
    process.join()


def test_who_holds_a_folder_is_named_by_process_and_host(
    holder: tuple[multiprocessing.Process, Connection, Path],
) -> None:
    process, said, folder = holder
    with pytest.raises(UserError, match=f"process {process.pid} on {platform.node()}"), locked(folder, patience=0.1):
        pass
    said.send("end")
    with locked(folder, patience=30):
        assert lock_file(folder).exists()
    assert not lock_file(folder).exists()


def test_the_lock_of_a_killed_process_is_taken_over(holder: tuple[multiprocessing.Process, Connection, Path]) -> None:
    process, _, folder = holder
    process.kill()
    process.join()
    assert lock_file(folder).exists()
    with locked(folder):
        assert str(os.getpid()) in lock_file(folder).read_text()
    assert not lock_file(folder).exists()


def test_the_lock_of_another_host_is_refused_by_its_name(tmp_path: Path) -> None:
    lock_file(tmp_path / "a").write_text("12\nreception-pc\n")
    with pytest.raises(UserError, match=r"process 12 on reception-pc.*remove") as error, locked(tmp_path / "a", 0.1):
        pass
    assert str(lock_file(tmp_path / "a")) in str(error.value)


def test_the_lock_of_a_process_killed_before_it_wrote_its_name_is_taken_over(tmp_path: Path) -> None:
    lock_file(tmp_path / "a").touch()
    with locked(tmp_path / "a", patience=0.1):
        assert str(os.getpid()) in lock_file(tmp_path / "a").read_text()
    assert not lock_file(tmp_path / "a").exists()


@pytest.fixture
def zombie() -> Iterator[int]:
    """A process that has ended, and whose end nobody asks for: as orphans in a container without an init."""
    process = os.fork()
    if not process:
        os._exit(0)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    yield process
    os.waitpid(process, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_locks_and_temporary_files_of_a_zombie_are_those_of_a_dead_process(tmp_path: Path, zombie: int) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for path in (lock_file(folder), folder / ".seed0.lock"):
        path.write_text(f"{zombie}\n{platform.node()}\n")
    (folder / f".best.ckpt.{files._HOST}.{zombie}.1.tmp").touch()
    with locked(folder, patience=0.1):
        assert os.listdir(folder) == []
        assert str(os.getpid()) in lock_file(folder).read_text()


def test_locks_of_dead_processes_below_a_folder_are_removed_and_no_others(tmp_path: Path) -> None:
    dead = os.fork()
    if not dead:
        os._exit(0)
    os.waitpid(dead, 0)
    arm = tmp_path / "c" / "gelu"
    arm.mkdir(parents=True)
    host = platform.node()
    for name, text in {"dead": f"{dead}\n{host}\n", "alive": f"{os.getpid()}\n{host}\n", "far": "1\nfar\n"}.items():
        (arm / f".{name}.lock").write_text(text)
    (arm / ".of-the-user.lock").touch()
    with locked(tmp_path / "c"):
        assert sorted(path.name for path in arm.iterdir()) == [".alive.lock", ".far.lock", ".of-the-user.lock"]


def test_a_lock_inside_itself_says_so(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "a"),
        pytest.raises(UserError, match="this very command"),
        locked(tmp_path / "a", patience=0.1),
    ):
        pass


def test_a_folder_without_the_right_to_write_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError), locked(tmp_path / "file" / "below"):
        pass

    def refused(self: object, *args: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / ".a.lock"))

    monkeypatch.setattr(locks.SoftFileLock, "acquire", refused)
    with pytest.raises(UserError, match="ask for the right"), locked(tmp_path / "a"):
        pass


def test_taking_a_lock_removes_what_killed_processes_left(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    (folder / "gelu" / "seed0").mkdir(parents=True)
    dead = os.fork()
    if not dead:
        os._exit(0)
    os.waitpid(dead, 0)
    left = folder / "gelu" / "seed0" / f".result.json.{files._HOST}.{dead}.3.tmp"
    left.write_text("")
    with locked(folder):
        assert not left.exists()


# --- links --------------------------------------------------------------------------------------------------------


def test_links_that_leave_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    for folder in (run / "inside", outside):
        folder.mkdir(parents=True)
    (run / "to-inside").symlink_to(run / "inside")
    (tmp_path / "alias").symlink_to(run)
    for folder in (run, tmp_path / "alias"):
        folders.refuse_links(folder, follow=False)
    for name, target in {"checkpoints": outside, "figures": Path("../outside"), "loop": run / "loop"}.items():
        (run / name).symlink_to(target)
        with pytest.raises(UserError, match=name) as error:
            folders.refuse_links(run, follow=False)
        assert "follow_links=true" in str(error.value)
        folders.refuse_links(run, follow=True)
        folders.refuse_links(run, follow=False, start=run / "inside")
        (run / name).unlink()
    (run / "inside" / "deep.json").symlink_to(outside / "not-there")
    with pytest.raises(UserError, match=r"deep\.json"):
        folders.refuse_links(run, follow=False)
    (run / "export").symlink_to(outside)
    with pytest.raises(UserError, match="export"):
        folders.refuse_links(run, follow=False, start=run / "export")


# --- signals ------------------------------------------------------------------------------------------------------


def test_sigterm_is_treated_like_ctrl_c_and_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated, match=r"SIGTERM.*again"), sigterm_raises(), continues("give it again"):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(KeyboardInterrupt, match="SIGINT"), continues("give it again"):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_every_interrupted_command_says_how_to_go_on(
    error: type[BaseException], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(words: list[str]) -> None:
        raise error

    monkeypatch.setattr(monitor, "run", interrupted)
    assert main(["monitor"]) == code
    assert "the same command begins again" in capsys.readouterr().err.splitlines()[-1]


ORPHAN = """
import os, sys, time
from adaptact.interrupts import end_with
child = os.fork()
if not child:
    end_with(os.getppid())
    print(os.getpid(), flush=True)
    while True:
        time.sleep(60)
sys.stdin.read()
"""


@pytest.mark.parametrize("kernel", [True, False])
def test_a_worker_ends_when_its_parent_is_killed(kernel: bool) -> None:
    source = ORPHAN if kernel else ORPHAN.replace("child =", "sys.platform = 'other'\nchild =")
    parent = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    parent.kill()
    assert parent.stdout.read() == ""  # the pipe ends with its last writer, the worker
    parent.wait()
    assert worker != parent.pid

"""Machines that are not as one would like them: each ends well, or with exit code 2 and one message."""

import ctypes
import itertools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adaptact.records import Record
from commands import command, environment

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2  # of linux/capability.h
PR_CAPBSET_DROP = 24  # of linux/prctl.h
TRAIN = ["train", "data=wine", "trainer.max_epochs=1", "logger=none", "references=false"]


def started(
    words: list[str], before: Callable[[], None] | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """A real command; ``before`` is called in its process first."""
    return subprocess.run(
        [sys.executable, "-m", "adaptact", *words],
        env=environment(**more),
        preexec_fn=before,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=600,
        check=False,
    )


def drop_rights() -> None:
    """Take from root what lets it write into any folder; another user has not got it."""
    system = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        system.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A folder that nothing can be written to."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    said = subprocess.run(["touch", str(folder / "a")], preexec_fn=drop_rights, capture_output=True, check=False)
    if said.returncode == 0:
        pytest.skip("this container lets root write everywhere")
    return folder


def test_a_folder_without_the_right_to_write_is_one_message(closed: Path) -> None:
    done = started([*TRAIN, f"output_dir={closed / 'runs'}"], drop_rights, HOME=str(closed))
    assert done.returncode == 2, done.stderr
    assert "Permission denied" in done.stderr
    assert "output_dir=" in done.stderr
    assert "Traceback" not in done.stderr
    assert os.listdir(closed) == []


def test_a_home_and_a_cache_that_cannot_be_written_cost_nothing(closed: Path, tmp_path: Path) -> None:
    words = [*TRAIN[:-2], "activation=sgblend", f"output_dir={tmp_path / 'runs'}"]
    done = started(words, drop_rights, HOME=str(closed), XDG_CACHE_HOME=str(closed), MPLCONFIGDIR=str(closed))
    assert done.returncode == 0, done.stderr
    assert Record.load(Path(done.stdout.splitlines()[-1])).status == "finished"
    assert os.listdir(closed) == []


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def test_few_open_files_are_enough(tmp_path: Path) -> None:
    done = started([*TRAIN[:-2], f"output_dir={tmp_path}"], few_files)
    assert done.returncode == 0, done.stderr


def test_far_too_few_open_files_are_one_message(tmp_path: Path) -> None:
    def very_few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))

    done = started([*TRAIN, f"output_dir={tmp_path}"], very_few)
    assert done.returncode in {0, 2}, done.stderr
    assert "Traceback" not in done.stderr


def test_without_shared_memory_runs_are_trained_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import _multiprocessing, errno\n"
        "class SemLock:\n"
        "    SEM_VALUE_MAX = 1\n"
        "    def __init__(self, *arguments, **named): raise OSError(errno.ENOSYS, 'Function not implemented')\n"
        "_multiprocessing.SemLock = SemLock\n"
    )
    words = ["compare", "activations=relu,gelu", "seeds=2", "data=wine", "trainer.max_epochs=1", "compare.cost=[]"]
    done = started([*words, f"output_dir={tmp_path}", "name=c", "references=false"], PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert len(json.loads((tmp_path / "c" / "report.json").read_text(encoding="utf-8"))["candidates"]) == 1


def test_a_clock_that_goes_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backwards = itertools.count(1_800_000_000, -3600)
    monkeypatch.setattr(time, "time", lambda: float(next(backwards)))
    done = command(*TRAIN, f"output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    assert Record.load(folder).status == "finished"
    again = command("train", f"resume={folder}", "trainer.max_epochs=2")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("console", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "cp932"}])
def test_consoles_without_the_letters_get_all_of_the_table(tmp_path: Path, console: dict[str, str]) -> None:
    table = tmp_path / "顧客.csv"
    rows = [f"{n},{'はい' if n % 3 else 'いいえ'},{'é' if n % 2 else '한'}" for n in range(60)]
    table.write_text("\n".join(["数値–a,解約,種別", *rows]), encoding="utf-8")
    words = ["check-data", "data=table", f"data.path={table}", "data.target=解約", f"output_dir={tmp_path / 'runs'}"]
    done = started(words, **console)
    assert done.returncode == 0, done.stderr
    assert "verdict" in done.stdout
    assert "Traceback" not in done.stderr

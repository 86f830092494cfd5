"""A thin sample of ``kill_and_race.py``, and that it finds what it looks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adaptact import files
from conftest import REPOSITORY
from events import Event, install
from kill_jobs import unfinished_business

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.mark.slow
def test_nothing_is_lost_left_behind_or_different_after_kills_and_races() -> None:
    words = ["--jobs", "compare,monitor,assign", "--events", "2", "--races", "2"]
    script = [sys.executable, str(REPOSITORY / "tests" / "kill_and_race.py"), *words]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(script, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" 2 tried,   0 with a finding") == 3 * 4  # three signals and a race of each


def leave(folder: Path) -> Path:
    """A finished run below the output folder of a command."""
    run = folder / "out" / "c" / "gelu" / "seed0"
    run.mkdir(parents=True)
    (run / "planned.json").write_text(json.dumps({"hash": "h", "status": "finished"}))
    (run / "metrics.csv").write_text("epoch,step\n0,1\n1,2\n")
    return run


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (".result.json.0.1.1.tmp", "", "is left"),
        (".seed1.lock", "", "is left"),
        ("error.txt", "Traceback", "has an error.txt"),
        ("metrics.csv", "2,3\nepoch,step\n0,1\n1,2\n", "has the rows"),
        ("planned.json", '{"hash": "h", "status": "failed"}', "has not finished"),
    ],
)
def test_what_a_killed_command_left_is_a_finding(tmp_path: Path, name: str, content: str, problem: str) -> None:
    run = leave(tmp_path)
    assert unfinished_business(tmp_path) == []
    (run / name).write_text(content)
    (found,) = unfinished_business(tmp_path)
    assert problem in found


def test_an_event_is_the_chosen_call_and_happens_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    monkeypatch.setattr(os, "kill", lambda process, number: sent.append(len(written)))
    monkeypatch.setattr(files, "write_text", files.write_text)  # given back after the test
    written: list[Path] = []
    event = Event(
        "adaptact.files:write_text", "b.txt", number=2, when="before", action="SIGTERM", mark=str(tmp_path / "mark")
    )
    install(event)
    for name in ("a.txt", "b.txt", "b.txt", "b.txt"):
        files.write_text(tmp_path / name, "text")
        written.append(tmp_path / name)
    assert sent == [2]
    assert (tmp_path / "mark").exists()

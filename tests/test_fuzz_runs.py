"""A thin sample of the fuzzer of run folders, and checks that it sees what it looks for."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import adaptact.__main__
import fuzz_runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and forked processes as Linux has them")
SCRIPT = Path(__file__).with_name("fuzz_runs.py")


@pytest.mark.slow
def test_damaged_run_folders_are_refused_or_used_but_break_no_job() -> None:
    words = [sys.executable, SCRIPT, "25", "7", "table,comparison"]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| traceback | 0 |" in done.stdout


def _print(text: str) -> int:
    print(text)
    return 0


def _raise() -> int:
    raise RuntimeError("boom")


def _loop() -> int:
    while True:
        pass


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (lambda: 0, []),
        (lambda: 2, []),
        (lambda: 1, ["traceback"]),
        (_raise, ["traceback"]),
        (lambda: _print("Traceback (most recent call last):"), ["traceback"]),
        (lambda: _print("\x1b[2J"), ["control character"]),
        (lambda: _print("\u202e"), ["control character"]),
        (lambda: _print("memory ran out"), ["memory"]),
        (_loop, ["slow"]),
    ],
)
def test_the_guard_names_what_a_job_did_wrong(
    job: Callable[[], int], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptact.__main__, "main", lambda words: job())
    monkeypatch.setattr(fuzz_runs, "CPU_LIMIT", 1)
    assert fuzz_runs.run_job([], tmp_path).found == expected


def test_the_fingerprint_changes_with_every_write_that_is_not_allowed(tmp_path: Path) -> None:
    sandbox = tmp_path / "sandbox"
    for folder in ("run", "out", "outside"):
        (sandbox / folder).mkdir(parents=True)
    seen = [fuzz_runs.fingerprint(tmp_path, sandbox)]
    (sandbox / "run" / "allowed.txt").write_text("x")
    (sandbox / "out" / "allowed.txt").write_text("x")
    assert fuzz_runs.fingerprint(tmp_path, sandbox) == seen[0]
    for path in (sandbox / "outside" / "mine.txt", sandbox / "beside.txt", tmp_path / "evil"):
        path.write_text("x")
        seen.append(fuzz_runs.fingerprint(tmp_path, sandbox))
    assert len(set(seen)) == 4

"""Kill commands at events and race them against each other: is anything lost, left behind or different afterwards?

    python tests/kill_and_race.py --jobs compare,monitor --events 10 --races 20

Each command is a fork of this process, which has imported everything: no start is paid, and two begin at one moment.
Events are calls of functions (see ``events.py``), never a clock. A row per job and signal is printed, and each finding;
the exit code is 1 if there is one. Linux only: it looks into /proc.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import importlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "COLUMNS": "200"}

from adaptact.__main__ import main as adaptact
from events import Event, install
from forked_workers import keep_ready
from kill_jobs import TINY, Job, make_inputs, make_jobs, unfinished_business

NAMES = ("compare", "tune", "backtest", "monitor", "assign", "analyse", "predict", "check-data")
RACED = ("compare", "monitor", "assign")

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT")
CODES = {"SIGKILL": -signal.SIGKILL, "SIGTERM": 143, "SIGINT": 130}
WORKERS = 4  # forked beforehand; 0: loky starts its own
PATIENCE = 120.0  # seconds until a command counts as hung
MOST_AFTER = 5.0  # seconds that a process may outlive its command
IMPORTS = (
    *(f"adaptact.jobs.{job}" for job in ("abtest", "backtest", "check_data", "compare", "monitor", "predict", "tune")),
    *(f"adaptact.report.{name}" for name in ("backtest", "comparison", "rollout")),
    *(f"adaptact.rollout.{name}" for name in ("abtest_steps", "monitor", "monitor_batch", "monitor_history")),
    *(f"adaptact.comparison.{name}" for name in ("execute", "backtest_windows", "backtest_execute", "search")),
    "optuna",
    "torch.utils.tensorboard",
)


@dataclass
class Done:
    """What came of a command."""

    process: int
    code: int
    out: str
    err: str


@dataclass
class Findings:
    """What was wrong, with the figures of what was tried."""

    found: list[str] = field(default_factory=list)
    table: list[tuple[str, str, int, int]] = field(default_factory=list)  # job, what, tried, with a finding

    def count(self, job: str, what: str, problems: Sequence[Sequence[str]]) -> None:
        self.table.append((job, what, len(problems), sum(map(bool, problems))))
        print(f"{job:16} {what:24} {len(problems):3} tried, {sum(map(bool, problems)):3} with a finding", flush=True)
        for problem in (one for some in problems for one in some):
            self.found.append(f"{job}, {what}: {problem}")
            print(f"  FINDING {problem}", flush=True)


def begin(words: Sequence[str], log: Path, event: Event | None = None, gate: tuple[int, int] | None = None) -> int:
    """Start a command in a fork of this process and a session of its own, and return its number.

    Args:
        log: its output goes to ``<log>.out`` and ``<log>.err``.
        gate: it begins when this pipe is closed at its other end.
    """
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
        for number, suffix in ((1, ".out"), (2, ".err")):
            os.dup2(os.open(f"{log}{suffix}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        if gate is not None:
            os.close(gate[1])
            os.read(gate[0], 1)
        keep_ready(WORKERS)
        install(event)
        code = adaptact(list(words))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def wait(process: int, log: Path) -> Done:
    """Wait for the end of a command; one that hangs is killed, with code 124."""
    until = time.monotonic() + PATIENCE
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > until:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            status = 124 << 8
            break
        time.sleep(0.02)
    read = (Path(f"{log}{suffix}").read_text(encoding="utf-8", errors="replace") for suffix in (".out", ".err"))
    return Done(process, os.waitstatus_to_exitcode(status), *read)


def run(words: Sequence[str], log: Path, event: Event | None = None) -> Done:
    return wait(begin(words, log, event), log)


def living(session: int) -> list[str]:
    """Processes of a command, by the session that it began: zombies, which only wait to be counted, left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text().rpartition(")")
            state, _, _, own, *_ = rest.split()
            if int(own) == session and state != "Z":
                words = (path.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found.append(f"{name.partition(' ')[0]} {words.strip()[-80:]}")
    return found


def outlived(session: int) -> list[str]:
    """The processes of a command that are still there some seconds after it, if any."""
    until = time.monotonic() + MOST_AFTER
    while (found := living(session)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def last_words(done: Done, code: int) -> list[str]:
    """Problems of how a command ended: its exit code, a traceback, no word on how to go on."""
    lines = done.err.strip().splitlines() or [""]
    problems = [] if done.code == code else [f"exit code {done.code}, not {code}: {' | '.join(lines[-3:])}"]
    if "Traceback" in done.err:
        problems.append("a traceback: " + " | ".join(lines[-6:]))
    if code > 0 and not ("same command" in lines[-1] or (code == 2 and lines[-1].startswith("error: "))):
        problems.append(f"its last line does not say how to go on: {lines[-1]!r}")
    return problems


def killed(job: Job, event: Event, folder: Path, wanted: object) -> list[str]:
    """Problems of a command that meets an event, and of the same command after it."""
    job.prepare(folder)
    words = job.words(folder)
    event = replace(event, mark=str(folder / "event"))
    first = run(words, folder / "first", event)
    if not Path(event.mark).exists():
        return [f"it did not happen: exit code {first.code}, {first.err.strip()[-300:]}"]
    if event.target == "self":  # a worker's death is an outcome of its run, not of the command
        problems = last_words(first, 0)
    else:
        problems = last_words(first, 2 if event.action == "ENOSPC" else CODES[event.action])
    at_once = event.action == "SIGKILL" and event.when == "before"  # the next command comes while orphans may live
    if not at_once:
        problems += [f"a process is left: {left}" for left in outlived(first.process)]
    kept = job.ended(folder)
    before = job.promised(folder)
    second = run(words, folder / "second")
    if second.code not in job.codes:
        return [*problems, f"the same command again ends with {second.code}: {second.err.strip()[-600:]}"]
    problems += [f"a process is left: {left}" for pid in (first.process, second.process) for left in outlived(pid)]
    again = job.ended(folder)
    problems += [f"{name} had ended and was trained again" for name, what in kept.items() if again.get(name) != what]
    if (found := job.result(folder)) != wanted:
        problems.append(f"other results: {found!r:.500} instead of {wanted!r:.500}")
    problems += [
        f"{what} is no longer what it was" for what in before.items() if what not in job.promised(folder).items()
    ]
    return problems + unfinished_business(folder)


def raced(job: Job, folder: Path, wanted: object) -> list[str]:
    """Problems of two commands that begin at one moment."""
    job.prepare(folder)
    gate = os.pipe()
    logs = [folder / "one", folder / "two"]
    processes = [begin(words, log, gate=gate) for words, log in zip(job.pair(folder), logs)]
    for end in gate:
        os.close(end)
    both = [wait(process, log) for process, log in zip(processes, logs)]
    problems = []
    for mine, other in (both, both[::-1]):
        busy = mine.code == 2 and f"process {other.process} on" in mine.err
        if "Traceback" in mine.err or not (mine.code in job.codes or busy):
            problems.append(f"exit code {mine.code}: {mine.err.strip()[-400:]}")
        problems += [f"a process is left: {left}" for left in outlived(mine.process)]
    if not any(done.code in job.codes for done in both):
        problems.append("neither came to its end")
    if not problems and (found := job.raced_result(folder)) != wanted:
        problems.append(f"other results: {found!r:.500} instead of {wanted!r:.500}")
    return problems + unfinished_business(folder)


def undisturbed(job: Job, folder: Path) -> tuple[object, object]:
    """What comes of a command, and of the two that are to race, one after the other."""
    results = []
    for name, commands in (("alone", [job.words]), ("pair", [lambda f: job.pair(f)[0], lambda f: job.pair(f)[1]])):
        one = folder / name
        if name == "pair" and job.pair(one)[0] == job.pair(one)[1]:
            break
        job.prepare(one)
        for number, words in enumerate(commands):
            done = run(words(one), one / str(number))
            if done.code not in job.codes:
                raise SystemExit(f"{job.name} does not run: {done.err}")
        results.append(job.result(one) if name == "alone" else job.raced_result(one))
    return results[0], results[-1]


def trial(work: Callable[[], list[str]]) -> list[str]:
    """Problems of one try; that its results cannot be read is one."""
    try:
        return work()
    except Exception:
        return [f"its results cannot be read: {traceback.format_exc()[-600:]}"]


def try_all(job: Job, name: str, folder: Path, options: argparse.Namespace, findings: Findings) -> None:
    """All signals at all events of a job, and its races."""
    alone, pair = undisturbed(job, folder)
    for action in options.signals.split(","):
        problems = []
        for number, event in enumerate(job.events[: options.events]):
            place = folder / f"{action}{number}"
            found = trial(partial(killed, job, replace(event, action=action), place, alone))
            problems.append([f"{event.name}: {problem}" for problem in found])
            if not found and not options.keep:
                shutil.rmtree(place, ignore_errors=True)
        findings.count(name, action, problems)
    if name in RACED and options.races:
        races = (folder / f"race{number}" for number in range(options.races))
        findings.count(name, "two at once", [trial(partial(raced, job, place, pair)) for place in races])


def begin_all(folder: Path) -> dict[str, Job]:
    """Import everything, and write what the commands read."""
    for module in IMPORTS:
        importlib.import_module(module)
    inputs = folder / "inputs"
    inputs.mkdir()
    make_inputs(inputs)
    words = ["train", "data=table", f"data.path={inputs / 'table.csv'}", "data.target=late", *TINY]
    done = run([*words, "data.batch_size=16", f"output_dir={inputs / 'runs'}"], inputs / "train")
    if done.code:
        raise SystemExit(f"train does not run: {done.err}")
    return make_jobs(inputs, done.out.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", default=",".join(NAMES), help=f"of {', '.join(NAMES)}")
    parser.add_argument("--signals", default=",".join(SIGNALS), help="and ENOSPC, a full disk")
    parser.add_argument("--events", type=int, default=10, help="per job and signal")
    parser.add_argument("--races", type=int, default=20, help="per job of compare, monitor and assign")
    parser.add_argument("--keep", action="store_true", help="keep the folders")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kill_and_race-"))
    findings = Findings()
    begun = time.monotonic()
    try:
        jobs = begin_all(folder)
        for name in options.jobs.split(","):
            try_all(jobs[name], name, folder / name, options, findings)
    finally:
        if not (options.keep or findings.found):
            shutil.rmtree(folder, ignore_errors=True)
    print(
        f"{len(findings.found)} findings, {time.monotonic() - begun:.0f} s"
        + (f", see {folder}" if findings.found else "")
    )
    return int(bool(findings.found))


if __name__ == "__main__":
    sys.exit(main())

"""Damage run folders, one file at a time, and run the jobs on them: nothing may break, leak, hang or be overwritten.

    PYTHONPATH=src:tests .venv/bin/python tests/fuzz_runs.py 500 1

The two numbers are how many damages, and the seed; a third word names the folders, as in ``table,comparison``. Prints a
table, and exits 1 if there is a finding: a traceback or an exit code that no job has; a control character on the
terminal; a write outside the folder; more than 10 s of processor time beyond that of the same job on the undamaged
folder, or none of it for a minute; more than 2 GB. Ctrl-C ends it with the table of what was done so far.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import pictures
import texts
from damages import Damage, damage

SECONDS, MEMORY = 10.0, 2 << 30
CPU_LIMIT = 25  # seconds of processor time after which a job is ended
PATIENCE = 60.0  # seconds by the clock until a job that only waits is ended
EXIT_CODES = {0, 2, 3, 4}
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
FINDINGS = ("traceback", "control character", "write outside", "slow", "memory")
COMMON = ["activation=sgblend", "trainer=cpu", "trainer.max_epochs=1", "data.batch_size=8", "references=false"]
MODULES = (
    *("jobs.compare", "jobs.train", "jobs.predict", "jobs.monitor", "jobs.export", "jobs.report"),
    *("training.run", "report.comparison", "report.rollout", "rollout.monitor", "export.write", "models"),
    *("export.predict_images", "data.images.folder", "data.text.text", "data.table.table"),
)
JOBS = {
    "table": ["predict", "resume", "monitor", "export", "export onnx"],
    "text": ["predict", "resume", "monitor", "export"],
    "pictures": ["predict", "resume", "export"],
    "comparison": ["report"],
}


@dataclass(frozen=True)
class Outcome:
    """How a job ended: exit code (negative: a signal), what it printed, processor seconds, bytes, findings."""

    code: int
    text: str
    seconds: float
    memory: int
    found: list[str] = field(default_factory=list)


# --- undamaged folders --------------------------------------------------------------------------------------------


def make_runs(root: Path, kinds: list[str]) -> None:
    """Small data, and by real jobs the folders ``table``, ``text``, ``pictures`` and ``comparison`` below ``root``."""
    write_data(root / "data")
    table = ["data=table", f"data.path={root / 'data' / 'table.csv'}", "data.target=y", "model=mlp", "model.widths=[8]"]
    words = {
        "table": ["train", *table, *COMMON],
        "text": [
            *(
                "train",
                "data=text",
                f"data.path={root / 'data' / 'texts.csv'}",
                "data.text='本文'",
                "data.target='評価'",
            ),
            *("data.vocabulary=300", "model=text_transformer", "model.width=16", "model.n_blocks=1", "model.n_heads=2"),
            *COMMON,
        ],
        "pictures": [
            *("train", "data=image_folder", f"data.root={root / 'data' / 'pictures'}", "data.image_size=16"),
            *("model=resnet", "model.depth=8", *COMMON),
        ],
        "comparison": [
            *("compare", *table, "activations=gelu,sgblend", "seeds=2", "compare.controls=false", "compare.workers=1"),
            *COMMON[1:],
        ],
    }
    for kind in kinds:
        outcome = run_job([*words[kind], f"output_dir={root / 'made'}"], root)
        made = [line for line in outcome.text.splitlines() if line.startswith(str(root / "made"))]
        if outcome.code != 0 or not made:
            raise SystemExit(f"{kind}: exit code {outcome.code}\n{outcome.text}")
        shutil.move(made[-1], root / kind)


def write_data(folder: Path) -> None:
    """The files that the runs are trained on."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"amount": draw.normal(size=120).round(3), "kind": draw.choice(list("abc"), 120)})
    frame["day"] = pd.date_range("2026-01-01", periods=120).strftime("%Y-%m-%d")
    frame["y"] = np.where(frame["amount"] + draw.normal(size=120) > 0, "yes", "no")
    frame.to_csv(folder / "table.csv", index=False)
    texts.messages(80).to_csv(folder / "texts.csv", index=False)
    pictures.write_folder(folder / "pictures", 12)


def words_of(job: str, kind: str, sandbox: Path, data: Path) -> list[str]:
    """The command line of a job on the folder ``run`` of a sandbox."""
    run = sandbox / "run"
    batch = data / {"table": "table.csv", "text": "texts.csv", "pictures": "pictures"}.get(kind, "")
    return {
        "predict": ["predict", f"run={run}", f"input={batch}", f"output={sandbox / 'out' / 'scored.csv'}"],
        "resume": ["train", f"resume={run}", "trainer.max_epochs=2"],
        "monitor": ["monitor", f"run={run}", f"input={batch}", f"output_dir={sandbox / 'out'}"],
        "export": ["export", f"run={run}", "formats=[torch]"],
        "export onnx": ["export", f"run={run}"],
        "report": ["report", f"name={run}"],
    }[job]


# --- a job under guard --------------------------------------------------------------------------------------------


def import_all() -> None:
    """Import what the jobs need, so that a forked process has it at once."""
    for name in ("matplotlib.pyplot", "skops.io", "torch.utils.tensorboard", *(f"adaptact.{name}" for name in MODULES)):
        with contextlib.suppress(ImportError):  # another version of adaptact has other modules
            importlib.import_module(name)


def run_job(words: list[str], scratch: Path) -> Outcome:
    """Run ``adaptact`` in a forked process, with limits, and say how it ended."""
    printed = scratch / "printed.txt"
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _in_child(words, printed)
    deadline = time.monotonic() + PATIENCE
    ended, status, used = os.wait4(child, os.WNOHANG)
    try:
        while not ended and time.monotonic() < deadline:
            time.sleep(0.01)
            ended, status, used = os.wait4(child, os.WNOHANG)
    finally:
        if not ended:
            os.killpg(child, signal.SIGKILL)
            _, status, used = os.wait4(child, 0)
    text = printed.read_text("utf-8", "surrogateescape")
    code = os.waitstatus_to_exitcode(status)
    seconds, memory = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
    found = []
    if "Traceback (most recent" in text or (code not in EXIT_CODES and code not in {-signal.SIGKILL, -signal.SIGXCPU}):
        found.append("traceback")
    if CONTROL.search(text):
        found.append("control character")
    if code in {-signal.SIGKILL, -signal.SIGXCPU}:
        found.append("slow")
    if memory > MEMORY or "memory ran out" in text:
        found.append("memory")
    return Outcome(code, text, seconds, memory, found)


def _in_child(words: list[str], printed: Path) -> None:
    code = 70
    try:
        os.setpgrp()
        file = os.open(printed, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process ends
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + 2 * MEMORY, -1))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT + 5))
        from adaptact.__main__ import main

        code = main(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# --- damages ------------------------------------------------------------------------------------------------------


class Bench:
    """Undamaged folders, what each job takes on them, and a place to damage copies."""

    def __init__(self, root: Path, kinds: list[str]) -> None:
        self.root, self.kinds = root, kinds
        import_all()
        make_runs(root, kinds)
        self.undamaged = {(kind, job): self._run(kind, job, None)[1].seconds for kind in kinds for job in JOBS[kind]}

    def one(self, seed: str) -> tuple[Damage, str, str, Outcome]:
        """Damage a copy of a folder and run a job on it; the same text gives the same damage."""
        draw = random.Random(seed)
        kind = draw.choice(self.kinds)
        job = draw.choice(JOBS[kind])
        damaged, outcome = self._run(kind, job, draw)
        assert damaged is not None
        return damaged, kind, job, outcome

    def _run(self, kind: str, job: str, draw: random.Random | None) -> tuple[Damage | None, Outcome]:
        with tempfile.TemporaryDirectory(dir=self.root) as name:
            sandbox = Path(name) / "1" / "2" / "3"  # room for an arm called ../../../evil
            for folder in ("out", "outside"):
                (sandbox / folder).mkdir(parents=True)
            (sandbox / "outside" / "mine.txt").write_text("mine")
            shutil.copytree(self.root / kind, sandbox / "run")
            damaged = None if draw is None else damage(sandbox / "run", draw, sandbox / "outside")
            before = fingerprint(Path(name), sandbox), fingerprint(self.root / "data")
            outcome = run_job(words_of(job, kind, sandbox, self.root / "data"), self.root)
            if before != (fingerprint(Path(name), sandbox), fingerprint(self.root / "data")):
                outcome.found.append("write outside")
            if draw is None:
                if outcome.code not in EXIT_CODES - {2} or outcome.found:
                    raise SystemExit(f"{job} on an undamaged {kind}: {outcome.found}\n{outcome.text}")
            elif outcome.seconds > SECONDS + self.undamaged[kind, job] and "slow" not in outcome.found:
                outcome.found.append("slow")
            return damaged, outcome


def fingerprint(root: Path, sandbox: Path | None = None) -> str:
    """Of all names and contents below ``root``, without what a job may write: ``run``, ``out`` and the lock."""
    whole = hashlib.sha256()
    skipped = [] if sandbox is None else [sandbox / "run", sandbox / "out"]
    for path in sorted(root.rglob("*")):
        if any(one == path or one in path.parents for one in skipped) or path.name == ".run.lock":
            continue
        whole.update(str(path).encode())
        if path.is_file():
            whole.update(path.read_bytes())
    return whole.hexdigest()


def main(arguments: list[str]) -> int:
    number, seed = int(arguments[0]), arguments[1]
    folders = arguments[2].split(",") if len(arguments) > 2 else list(JOBS)
    done: list[tuple[Damage, str, Outcome]] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name, contextlib.suppress(KeyboardInterrupt):
        bench = Bench(Path(name), folders)
        for i in range(number):
            damaged, folder, job, outcome = bench.one(f"{seed}/{i}")
            done.append((damaged, f"{job} on {folder}", outcome))
            if outcome.found:
                print(f"--- {seed}/{i} {job} on {folder}: {', '.join(outcome.found)}: {damaged}, code {outcome.code}")
                print(
                    f"    {outcome.seconds:.1f} s, {outcome.memory / 1e6:.0f} MB\n{outcome.text[-1500:]!r}", flush=True
                )
    return summarise(done)


def summarise(done: list[tuple[Damage, str, Outcome]]) -> int:
    """Print how often each kind, job, exit code and finding came up; 1 if there was a finding, else 0."""
    outcomes = [outcome for *_, outcome in done]
    findings = Counter(name for outcome in outcomes for name in outcome.found)
    tables: dict[str, Counter[str]] = {
        "damage": Counter(damaged.kind for damaged, *_ in done),
        "job": Counter(job for _, job, _ in done),
        "exit code": Counter(str(outcome.code) for outcome in outcomes),
        f"finding in {len(done)} damages": Counter({name: findings[name] for name in FINDINGS}),
    }
    for title, counts in tables.items():
        print(f"\n| {title} | times |\n|---|---|")
        print("\n".join(f"| {name} | {n} |" for name, n in sorted(counts.items())))
    slowest = max((outcome.seconds for outcome in outcomes), default=0.0)
    largest = max((outcome.memory for outcome in outcomes), default=0)
    print(f"\nlongest {slowest:.1f} s of processor time, largest {largest / 1e6:.0f} MB")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

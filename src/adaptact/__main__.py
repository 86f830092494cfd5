"""The command line: ``adaptact <job> name=value ...``."""

from __future__ import annotations

import importlib
import os
import sys
import traceback

from adaptact import clock as clock  # noqa: PLC0414 - imported first: it notes when the process began
from adaptact import launcher, terminal
from adaptact.errors import ConfigError, UserError, did_you_mean, machine_error
from adaptact.interrupts import EXIT_CODES, name_of, sigterm_raises
from adaptact.memory import keep_freed_memory
from adaptact.words import words_from_make

JOBS = {
    "train": "train one network: model, data and activation by name",
    "compare": "is another activation better, by enough and safely? activations=gelu,sgblend seeds=8",
    "report": "a comparison's report again, without training: name=..., report.language=ja, value....",
    "tune": "equally many trials for every activation, on validation rows; compare.tuned= takes what was found",
    "backtest": "how fast models age on a table with dates, and how often to retrain: data.time=date windows=6",
    "check-data": "look at a table before an hour is spent on it: leaks, blanks, drift, duplicates",
    "inspect": "look into a network: activations found, what will stand there, what cannot be swapped; model=vit",
    "predict": "score a new file with a trained run: run=<folder> input=new.csv",
    "export": "a trained run as ONNX and torch.export, checked and timed: run=<folder>",
    "shadow": "two runs on the same new rows, before anybody depends on the new one: runs=<a>,<b> input=batch.csv",
    "abtest": "a test on a limited line: step=plan (how long?), step=assign (who gets which?), step=analyse",
    "monitor": "new rows against the run in use: ok, watch or retrain; run=<folder> input=batch.csv",
    "benchmark": "what adaptive activations cost on this machine, against GELU: groups=kernels,step,loop",
    "tensorboard": "open the dashboards of all runs on this machine (localhost)",
}
CONFIGURED = {"train", "check-data", "inspect"}  # take a whole configuration
OPTIONS = {  # have keys of their own beside it
    "compare": ("adaptact.comparison.options", "Comparison"),
    "report": ("adaptact.comparison.options", "Presentation"),
    "tune": ("adaptact.comparison.tuning", "Tuning"),
    "backtest": ("adaptact.comparison.backtest_options", "Backtest"),
    "predict": ("adaptact.export.options", "Predict"),
    "export": ("adaptact.export.options", "Export"),
    "benchmark": ("adaptact.benchmark.options", "Benchmark"),
    "shadow": ("adaptact.rollout.options", "Shadow"),
    "abtest": ("adaptact.rollout.options", "Abtest"),
    "monitor": ("adaptact.rollout.options", "Monitor"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run a job; 0 if it came to its end, 2 for an error that the user can mend; `monitor` also says 3 and 4."""
    words = sys.argv[1:] if arguments is None else arguments
    # Threads of torch that spin while they wait slow a busy laptop down, those that sleep at once an idle one: they
    # spin for a fraction of a millisecond (docs/benchmarks.md). Set before torch is imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    keep_freed_memory()
    os.environ["ADAPTACT_JOB"] = "1"  # this process and its workers are adaptact's own: see adaptact.training
    with terminal.guarded_output(), sigterm_raises():
        return _main(words)


def _main(words: list[str]) -> int:
    from_make = "--make" in words[:1]
    words = words[1:] if from_make else words
    if not words or words[0] in {"-h", "--help", "help"}:
        print("adaptact <job> name=value ...\n")
        print("\n".join(f"  {job:12} {meaning}" for job, meaning in JOBS.items()))
        return 0
    job, *words = words
    if from_make:
        words += words_from_make(os.environ)
    try:
        return _run(job, words)
    except (UserError, BrokenPipeError, KeyboardInterrupt, OSError, MemoryError) as error:
        if "debug=true" in [word.lower() for word in words] and not isinstance(error, KeyboardInterrupt):
            traceback.print_exc()
        return _ended_by(error)


def _run(job: str, words: list[str]) -> int:
    """Run a job, or print its help.

    Raises:
        ConfigError: an unknown job; also all that the job raises.
    """
    if job not in JOBS:
        raise ConfigError([f"there is no job {job!r}. {did_you_mean(job, JOBS)}"])
    asks = {"-h", "--help"} & set(words)
    if job in CONFIGURED and asks:
        print(launcher.help_text(job))
        return 0
    if job in OPTIONS and asks:
        module, name = OPTIONS[job]
        print(launcher.help_of(job, getattr(importlib.import_module(module), name)))
        return 0
    module = f"adaptact.jobs.{job.replace('-', '_')}"
    if job not in CONFIGURED:
        return importlib.import_module(module).run(words) or 0
    if job == "inspect" and not any(word.startswith("data=") for word in words):
        words.append("data=none")
    launcher.run_job(
        job,
        words,
        lambda settings: importlib.import_module(module).run(settings),
        lambda outcomes: importlib.import_module(module).after_sweep(outcomes),
    )
    return 0


def _ended_by(error: BaseException) -> int:
    """Say on stderr what ended a job, and return the exit code."""
    if isinstance(error, UserError):
        problems = error.problems if isinstance(error, ConfigError) else [str(error)]
        print("\n".join(f"error: {problem}" for problem in problems), file=sys.stderr)
        return 2
    if isinstance(error, BrokenPipeError):  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, KeyboardInterrupt):
        way_out = "nothing is half written; the same command begins again"
        print(str(error) or f"interrupted by {name_of(error)}: {way_out}", file=sys.stderr)
        return EXIT_CODES[name_of(error)]
    assert isinstance(error, (OSError, MemoryError))  # of the machine, wherever it struck
    print(f"error: {_of_machine(error)}", file=sys.stderr)
    return 2


def _of_machine(error: OSError | MemoryError) -> str:
    """Words for an error of the operating system that nothing closer to it has explained."""
    if isinstance(error, MemoryError):
        return "memory ran out: close other programs, or take fewer rows, a smaller batch or fewer workers"
    where = "" if error.filename is None else f"{error.filename}: "
    return str(machine_error(error) or f"{where}{error.strerror or error}; debug=true shows where")


if __name__ == "__main__":
    sys.exit(main())

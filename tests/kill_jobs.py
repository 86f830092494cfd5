"""The commands that ``kill_and_race.py`` kills and races: their words, their events, and what must come of them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adaptact import records
from adaptact.rollout.assignment import Assignment
from events import Event

TIMES = {"seconds", "fit_s", "seen_at"}  # columns that no two runs share
TINY = ["model.widths=[8]", "trainer.max_epochs=2", "logger=none", "references=false"]
EPOCHS = 2


def _in_worker(call: str, about: str = "", number: int = 1, when: str = "after") -> Event:
    return Event(call, about, number, when, where="worker")


MAKE_ROOM = _in_worker("adaptact.comparison.one_run:make_room")
BORN = Event("joblib.externals.loky.backend.fork_exec:fork_exec")
LOCK = Event("os:open", ".lock")
TRAINING = [
    _in_worker("adaptact.callbacks.metrics_csv:History.on_validation_end"),
    LOCK,
    BORN,
    MAKE_ROOM,
    _in_worker("pathlib:Path.replace", "best.ckpt", when="before"),
    _in_worker("pathlib:Path.replace", "planned.json"),
]


@dataclass
class Job:
    """A command and what must be the same after it was killed.

    Args:
        name: of the job.
        given: its words.
        events: at which it is killed, the most telling first.
        inputs: folder of the files that it reads.
        codes: exit codes of a good end.
    """

    name: str
    given: list[str]
    events: list[Event]
    inputs: Path
    codes: tuple[int, ...] = (0,)

    def prepare(self, folder: Path) -> None:
        folder.mkdir(parents=True)

    def words(self, folder: Path) -> list[str]:
        return [self.name, *self.given, f"output_dir={folder / 'out'}"]

    def pair(self, folder: Path) -> tuple[list[str], list[str]]:
        """The words of two commands that are to race."""
        return self.words(folder), self.words(folder)

    def ended(self, folder: Path) -> dict[str, tuple[int, int]]:
        """Each run that has ended, with the inode and time of its record."""
        found = {}
        for path in (folder / "out").rglob(records.PLANNED_FILE):
            result = path.with_name("result.json")
            if json.loads(path.read_text())["status"] in records.ENDED and result.exists():
                found[str(path.parent.relative_to(folder))] = (result.stat().st_ino, result.stat().st_mtime_ns)
        return found

    def promised(self, folder: Path) -> dict[str, str]:
        """What must stay as it is, once it is there."""
        return {}

    def result(self, folder: Path) -> Any:
        """What came out, without times."""
        raise NotImplementedError

    def raced_result(self, folder: Path) -> Any:
        return self.result(folder)


class Compare(Job):
    def result(self, folder: Path) -> Any:
        (report,) = (folder / "out").glob("*/report.json")
        plain = json.loads(report.read_text())
        state = json.loads((report.parent / "plan.json").read_text())["state"]
        verdicts = [(one["activation"], one["verdict"], one["differences"]) for one in plain["candidates"]]
        return rows_of(report.parent / "runs.csv"), verdicts, state


class Tune(Job):
    def result(self, folder: Path) -> Any:
        (path,) = (folder / "out").glob("*/trials.csv")
        # a trial that was cut off is tried again under the next number
        rows = [{key: value for key, value in row.items() if key != "trial"} for row in rows_of(path)]
        return rows, (path.parent / "tuned.yaml").read_text()


class Backtest(Job):
    def result(self, folder: Path) -> Any:
        (path,) = (folder / "out").glob("*/backtest.csv")
        plain = json.loads((path.parent / "backtest.json").read_text())
        return rows_of(path), plain["windows"], plain["failures"]


class Monitor(Job):
    def result(self, folder: Path) -> Any:
        (path,) = (folder / "out").glob("*/history.csv")
        rows = rows_of(path)
        for row in rows:
            page = path.parent / f"batch{int(row['batch']):04}"
            found = json.loads((page / "monitor.json").read_text())
            row["its page"] = str(Path(found["input"]).name == row["file"] and (page / "monitor.ja.html").is_file())
        return rows, [float(point) for point in scalars(path.parent / "tensorboard")]

    def pair(self, folder: Path) -> tuple[list[str], list[str]]:
        words = self.words(folder)
        return words, [word.replace("batch.csv", "batch2.csv") for word in words]

    def raced_result(self, folder: Path) -> Any:
        """Rows by file: which of the two comes first is open."""
        rows = self.result(folder)[0]
        assert [row["batch"] for row in rows] == [str(number + 1) for number in range(len(rows))], rows
        return sorted(tuple((key, value) for key, value in row.items() if key != "batch") for row in rows)


class Assign(Job):
    def words(self, folder: Path, name: str = "one") -> list[str]:
        words = [self.name, *self.given, f"output_dir={folder / 'out'}"]
        return [*words, f"input={self.inputs / f'{name}.csv'}", f"output={folder / 'out' / f'{name}-assigned.csv'}"]

    def prepare(self, folder: Path) -> None:
        (folder / "out").mkdir(parents=True)

    def pair(self, folder: Path) -> tuple[list[str], list[str]]:
        return self.words(folder), self.words(folder, "two")

    def promised(self, folder: Path) -> dict[str, str]:
        """The salt, and the arms that somebody may have read."""
        paths = [*(folder / "out").glob("*/assignment.json"), *(folder / "out").glob("*-assigned.csv")]
        return {str(path): path.read_text(encoding="utf-8") for path in paths}

    def result(self, folder: Path) -> Any:
        """Whether every file has all rows, each with the arm that the salt gives it, and half the arms."""
        (path,) = (folder / "out").glob("*/assignment.json")
        plain = {key: value for key, value in json.loads(path.read_text()).items() if key != "schema"}
        found = []
        for path in sorted((folder / "out").glob("*-assigned.csv")):
            frame = pd.read_csv(path, encoding="utf-8-sig")
            right = bool((Assignment(**plain).arms(frame["id"]) == frame["arm"]).all())
            found.append((path.name, len(frame), right))
        return found, [plain[key] for key in ("share", "by", "identifier")]


class Analyse(Job):
    def result(self, folder: Path) -> Any:
        (path,) = (folder / "out").glob("*/results.json")
        plain = json.loads(path.read_text())
        looks = (path.parent / "looks.jsonl").read_text().splitlines()
        verdicts = {json.loads(line)["verdict"] for line in looks}  # a look that was cut off may count as one
        about = {key: value for key, value in plain.items() if key not in {"looks", "notes"}}
        return about, sorted(verdicts), plain["looks"] == len(looks)


class Predict(Job):
    def words(self, folder: Path) -> list[str]:
        return [self.name, *self.given, f"output={folder / 'out' / 'scored.csv'}"]

    def prepare(self, folder: Path) -> None:
        (folder / "out").mkdir(parents=True)

    def result(self, folder: Path) -> Any:
        return (folder / "out" / "scored.csv").read_text(encoding="utf-8-sig")


class CheckData(Job):
    def words(self, folder: Path) -> list[str]:
        return [self.name, *self.given, f"output_dir={folder / 'out' / 'runs'}"]

    def result(self, folder: Path) -> Any:
        """The report and its page: each command has a folder of its own, by the time."""
        found = sorted((folder / "out" / "check-data").glob("*/data_report.json"))
        return json.loads(found[-1].read_text()), found[-1].with_suffix(".html").is_file()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]


def scalars(folder: Path) -> list[float]:
    """Values of ``monitor/status`` by batch; one that was written twice counts once."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: dict[int, float] = {}
    for path in folder.glob("events.*"):
        events = EventAccumulator(str(path)).Reload()
        if "monitor/status" in events.Tags()["scalars"]:
            found |= {point.step: point.value for point in events.Scalars("monitor/status")}
    return [found[step] for step in sorted(found)]


def unfinished_business(folder: Path) -> list[str]:
    """What a killed command must not leave once the next one has ended."""
    out = folder / "out"
    hidden = [path for path in out.rglob(".*") if path.suffix in {".tmp", ".lock"}]
    problems = [f"{path.relative_to(folder)} is left" for path in [*hidden, *out.rglob("*.log.lock*")]]
    for path in out.rglob(records.PLANNED_FILE):
        if json.loads(path.read_text())["status"] != "finished":
            problems.append(f"{path.parent.relative_to(folder)} has not finished: {path.read_text()}")
        if (path.parent / "error.txt").exists():
            problems.append(f"{path.parent.relative_to(folder)} has an error.txt")
        lines = (path.parent / "metrics.csv").read_text().splitlines()
        epochs = [line.partition(",")[0] for line in lines]
        if epochs != ["epoch", *map(str, range(EPOCHS))]:
            problems.append(f"{path.parent.relative_to(folder)}/metrics.csv has the rows {epochs}")
    return problems


def make_inputs(folder: Path) -> None:
    """Write the files that all commands read, but for the run that `monitor` watches."""
    random = np.random.default_rng(0)

    def table(rows: int) -> pd.DataFrame:
        x = random.normal(size=(rows, 2))
        days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows) * 360 // rows, unit="D")
        frame = pd.DataFrame({"date": days.strftime("%Y/%m/%d"), "a": x[:, 0], "b": x[:, 1]})
        return frame.assign(late=np.where(x[:, 0] + random.normal(0, 0.3, rows) > 0, "yes", "no"))

    table(300).to_csv(folder / "table.csv", index=False)
    for name in ("batch", "batch2"):
        table(200).to_csv(folder / f"{name}.csv", index=False)
    ids = pd.DataFrame({"id": [f"A{number:05}" for number in range(3000)]})
    for name in ("one", "two"):
        ids.to_csv(folder / f"{name}.csv", index=False)
    arms = np.where(random.random(3000) < 0.5, "candidate", "baseline")
    log = ids.assign(arm=arms, outcome=np.where(random.random(3000) < 0.2, "yes", "no"))
    log.to_csv(folder / "log.csv", index=False)


def write(name: str, number: int = 1, when: str = "after") -> Event:
    """The renaming of a file to its name."""
    return Event("pathlib:Path.replace", f"/{name}", number, when)


def make_jobs(inputs: Path, run: str) -> dict[str, Job]:
    """All jobs by the names of the command line; ``run`` is the run that `monitor` watches."""
    arms = ["activations=gelu,sgblend", *TINY]
    dated = ["data=table", f"data.path={inputs / 'table.csv'}", "data.target=late", "data.time=date"]
    dated += ["data.batch_size=16"]
    return {
        "compare": Compare(
            "compare",
            [*arms, "data=wine", "seeds=2", "compare.cost=[]", "compare.workers=2", "name=c"],
            [
                write("report.html", 2),
                *TRAINING,
                write("plan.json", when="before"),
                Event("adaptact.comparison.progress:Progress.done", number=2),
                Event("adaptact.report.comparison:to_html", when="before"),
            ],
            inputs,
        ),
        "tune": Tune(
            "tune",
            [*arms, "data=wine", "trials=2", "workers=2", "name=t"],
            [
                *TRAINING,
                Event("adaptact.comparison.tuning:Study.ask", number=1),
                Event("adaptact.comparison.tuning:Study.tell", number=1),
                Event("adaptact.comparison.tuning:Study.tell", number=3, when="before"),
                write("tuned.yaml", 2),
            ],
            inputs,
        ),
        "backtest": Backtest(
            "backtest",
            [*arms, *dated, "windows=3", "seeds=1", "workers=2", "name=b"],
            [
                *TRAINING,
                write("plan.json"),
                Event("adaptact.comparison.progress:Progress.done", number=1),
                Event("adaptact.report.backtest:to_html", when="before"),
                write("backtest.json"),
            ],
            inputs,
        ),
        "monitor": Monitor(
            "monitor",
            [f"run={run}", f"input={inputs / 'batch.csv'}"],
            [
                write("history.csv", when="before"),
                write("history.csv"),
                LOCK,
                Event("adaptact.rollout.monitor_batch:read_batch", when="before"),
                write("monitor.json", when="before"),
                write("monitor.json", 2),
                write("monitor.html", 1),
                write("monitor.html", 2, when="before"),
                Event("adaptact.rollout.monitor_history:_scalars", when="before"),
                Event("os:fsync", number=3),
            ],
            inputs,
            codes=(0, 3, 4),
        ),
        "assign": Assign(
            "abtest",
            ["step=assign", "share=0.5", "name=a"],
            [
                write("assignment.json"),
                write("one-assigned.csv", when="before"),
                LOCK,
                Event("adaptact.rollout.outcomes:plain_table", when="before"),
                Event("adaptact.rollout.outcomes:plain_table"),
                Event("os:fsync", when="before"),
                Event("os:fsync", number=2, when="before"),
                write("assignment.json", when="before"),
                write("one-assigned.csv"),
                Event("filelock:SoftFileLock._release", when="before"),
            ],
            inputs,
        ),
        "analyse": Analyse(
            "abtest",
            ["step=analyse", f"input={inputs / 'log.csv'}", "method=always_valid", "identifier=id", "name=n"],
            [
                Event("adaptact.files:append_line", when="before"),
                Event("adaptact.files:append_line"),
                LOCK,
                Event("adaptact.rollout.outcomes:plain_table"),
                Event("os:fsync", number=1, when="before"),
                Event("os:fsync", number=4),
                write("results.json", when="before"),
                write("results.json", 2),
                write("results.html", 2, when="before"),
                Event("filelock:SoftFileLock._release"),
            ],
            inputs,
        ),
        "predict": Predict(
            "predict",
            [f"run={run}", f"input={inputs / 'batch.csv'}"],
            [
                write("scored.csv", when="before"),
                Event("adaptact.export.predict:files.replacing", when="before"),
                Event("os:fsync"),
                Event("adaptact.export.trained_run:TableRun.load"),
                write("scored.csv"),
            ],
            inputs,
        ),
        "check-data": CheckData(
            "check-data",
            dated[:-1],
            [
                write("data_report.html", when="before"),
                Event("adaptact.folders:new_folder"),
                write("data_report.json"),
                write("data_report.json", 2),
                Event("os:fsync"),
            ],
            inputs,
        ),
    }

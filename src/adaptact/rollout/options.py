"""What the jobs of a roll-out take. Knows nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from adaptact.comparison.options import unknown_metric
from adaptact.schema import option


@dataclass
class Shadow:
    """Everything that `shadow` takes."""

    runs: list[str] = option([], "two folders of trained runs: the one in use first, then the candidate")
    input: str | None = option(None, "file of rows that both score, the same rows for both")
    target: str | None = option(None, "column with what came out; null: the runs' target, where the file has it")
    labels: str | None = option(None, "file with what came out, where the rows' own file has it not")
    key: str | None = option(None, "column that names a row in both files; null: the runs' identifier")
    group: str | None = option(None, "column of rows that belong together, as a machine; null: as the runs were split")
    metric: str = option("auto", "what is compared, as in auroc; auto: the metric that the runs monitor")
    margin: float | None = option(
        None, "smallest difference worth a change; null: 0.005, or 1 % of the error for log_loss, rmse, mae, r2", gt=0
    )
    error: float = option(0.05, "of an interval that leaves the true difference out", gt=0, lt=0.5)
    name: str | None = option(None, "name of the folder; null: time and the file's name")
    output_dir: str = option("runs/shadow", "folder of shadow runs; relative to the project")
    trust: str | None = option(None, "package whose code the runs' configurations may import")
    follow_links: bool = option(False, "write through links that lead out of the folder")
    debug: bool = option(False, "show the traceback of an error")

    def problems(self) -> list[str]:
        """What contradicts itself."""
        found = unknown_metric("metric", self.metric)
        if len(self.runs) != 2:
            found.append("runs must name two run folders, the one in use first: shadow runs=<a>,<b> input=batch.csv")
        if self.input is None:
            found.append("input is missing: shadow runs=<a>,<b> input=batch.csv target=<column>")
        return found


@dataclass
class Abtest:
    """Everything that `abtest` takes."""

    step: str = option("", "plan (how long?), assign (who gets which model?), analyse (what came out?)")
    name: str = option("abtest", "of the test: its plan, its assignment and its results are in one folder")
    output_dir: str = option("runs/abtest", "folder of the tests; relative to the project")
    share: float = option(0.5, "of the identifiers that the candidate serves; as assigned, for analyse", gt=0, lt=1)
    error: float = option(0.05, "of taking no difference for one", gt=0, lt=0.5)
    method: Literal["fixed", "always_valid"] = option(
        "fixed", "fixed: one look, at the planned end; always_valid: may be looked at every day, takes longer"
    )
    better: Literal["higher", "lower"] = option("higher", "of the outcome")
    smallest: float | None = option(
        None,
        "plan: smallest difference worth having, in the outcome's unit; null: 0.005, or 1 % of the error",
        gt=0,
    )
    compare: str | None = option(None, "plan: name or folder of the comparison whose records say what to expect")
    run: str | None = option(None, "plan: folder of a run, where there is no comparison")
    rate: float | None = option(None, "plan: share of yes in the baseline, for an outcome of your own", gt=0, lt=1)
    deviation: float | None = option(None, "plan: standard deviation of one row, for a number of your own", gt=0)
    rows_per_week: float | None = option(None, "plan: rows that are decided on in a week, of both arms", gt=0)
    power: float = option(0.8, "plan: with which the smallest difference is to be shown", gt=0.05, lt=1)
    start: str | None = option(None, "plan: first day, as in 2026-12-01; the end is counted from it")
    input: str | None = option(None, "assign: file of identifiers; analyse: log, a row per decision")
    output: str | None = option(None, "assign: file to write; null: beside the input")
    identifier: str | None = option(None, "column that names a case; null: identifier, or the only column")
    group: str | None = option(None, "column of what stays in one arm, as a customer or a machine")
    arm: str = option("arm", "analyse: column of the arm, baseline or candidate")
    outcome: str = option("outcome", "analyse: column of what came out: yes or no, or a number")
    positive: str | None = option(None, "analyse: the outcome that counts as yes; null: yes, true, 1 and はい")
    value: str | None = option(None, "analyse: column of a value per row, higher is better; a guardrail")
    latency: str | None = option(None, "analyse: column of the time of an answer; a guardrail")
    max_latency_ratio: float = option(1.2, "analyse: how many times the baseline's 95th percentile is allowed", gt=0)
    guardrails: list[str] = option([], "analyse: further columns, higher is worse, as complaints")
    segments: list[str] = option([], "analyse: columns to look into, corrected for their number")
    time: str | None = option(None, "analyse: column of the day of a row; its last day counts as today")
    until: str | None = option(None, "analyse: day from which a fixed test is decided; null: as planned")
    follow_links: bool = option(False, "write through links that lead out of the folder")
    debug: bool = option(False, "show the traceback of an error")

    def problems(self) -> list[str]:
        """What contradicts itself."""
        steps = ("plan", "assign", "analyse")
        if self.step not in steps:
            return [f"step={self.step or '(none)'} is unknown: say step=plan, step=assign or step=analyse"]
        problems = []
        if self.step == "plan":
            given = [key for key in ("compare", "run", "rate", "deviation") if getattr(self, key) is not None]
            if len(given) != 1:
                problems.append(
                    "step=plan needs one of compare=<name> (your comparison), run=<folder>, rate=<share of yes> and "
                    f"deviation=<of a number>{', not ' + ' and '.join(given) if given else ''}"
                )
            if self.rows_per_week is None:
                problems.append("step=plan needs rows_per_week=: how many rows are decided on in a week")
            if self.smallest is None and self.compare is None:
                problems.append(
                    "step=plan needs smallest=: the smallest difference worth having, in the outcome's unit"
                )
        elif self.input is None:
            what = "ids.csv share=0.1" if self.step == "assign" else "log.csv"
            problems.append(f"input is missing: abtest step={self.step} input={what}")
        return problems


@dataclass
class Monitor:
    """Everything that `monitor` takes."""

    run: str | None = option(None, "folder of the trained run that is in use")
    input: str | None = option(None, "file, or folder, of new rows: a batch, as of a week")
    labels: str | None = option(None, "file with what came out, also later and also of a part of the rows")
    target: str | None = option(None, "column with what came out; null: the run's target")
    key: str | None = option(None, "column that names a row in input and labels; null: the run's identifier")
    group: str | None = option(None, "column of rows that belong together; null: as the run was split")
    metric: str = option("auto", "what is held against the test rows; auto: the metric that the run monitored")
    margin: float | None = option(
        None, "smallest loss that matters; null: 0.005, or 1 % of the error for log_loss, rmse, mae, r2", gt=0
    )
    false_alarms: float = option(0.05, "chance that so many batches without a change give any alarm", gt=0, lt=0.5)
    batches: int = option(12, "of that chance; a year of months", ge=1)
    least: float = option(
        0.05, "share of rows that must have moved, or an alarm that large batches give for nothing is kept quiet", ge=0
    )
    backtest: str | None = option(None, "folder of a back-test: says what waiting costs, and when to retrain")
    language: Literal["en", "ja"] = option("en", "of what is printed; pages are written in both")
    output_dir: str = option("runs/monitor", "folder of what was watched; relative to the project")
    trust: str | None = option(None, "package whose code the run's configuration may import")
    follow_links: bool = option(False, "write through links that lead out of the folder")
    debug: bool = option(False, "show the traceback of an error")

    def problems(self) -> list[str]:
        """Describe each option that is missing or unknown."""
        missing = [key for key in ("run", "input") if getattr(self, key) is None]
        found = [f"{key} is missing: monitor run=<run folder> input=batch.csv" for key in missing]
        return unknown_metric("metric", self.metric) + found

"""What a run leaves behind: its folder, its files, and the Record that machines read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict, TypeVar

from adaptact.errors import UserError
from adaptact.files import read_json, read_yaml, write_json
from adaptact.folders import new_folder, safe_name
from adaptact.shapes import Between, Count, Shaped, Share, conform, repr_short

T = TypeVar("T")
SCHEMA = 1
ENDED = {"finished", "diverged", "failed"}  # status of a planned run that is not tried again
PLANNED_FILE = "planned.json"  # what a run of a comparison leaves beside its record
WINDOWS_FILE = "windows.json"  # and one of a back-test: its metrics per later window
PLAN_FILE = "plan.json"  # of a comparison, a back-test or a test on a limited line
REPORT_FILE = "report.json"  # of a comparison
BACKTEST_FILE = "backtest.json"  # the report of a back-test
RESULTS_FILE = "results.json"  # of a test on a limited line
COST_FILE = "cost.json"  # what each arm of a comparison costs
RESULT_FILE = "result.json"  # the record of a run
CONFIG_FILE = "config.yaml"
METRICS_FILE = "metrics.csv"  # a row per epoch of a run
ACTIVATIONS_FILE = "activations.csv"  # what its activations have learned after each epoch
CURVES_FILE = "curves.json"  # the functions that they are in the end
ENVIRONMENT_FILE = "environment.json"  # versions, device, precision
BEST_FILE, LAST_FILE = "best.ckpt", "last.ckpt"  # below checkpoints/
PREPARATION_FOLDER = "preparation"  # of a run: how its data becomes the network's input
REPORT_PAGE = "report.html"  # of a comparison, for people
COST = "cost"  # of a decision: beside those metrics, where costs are given
SCHEMA_FILE = Path(__file__).parent / "schemas" / "result.json"


Status = Literal["finished", "diverged", "failed", "interrupted"]
Number = float | None  # null where it is not known or not finite
Metrics = dict[str, Number]


Positive = Annotated[int, Between(1, 10**12)]


class Rows(TypedDict):
    train: Positive
    val: Positive
    test: Positive


class RunData(TypedDict):
    name: str
    task: Literal["classification", "regression"]
    rows: Rows
    fingerprint: str
    labels: NotRequired[list[str] | None]
    positive: NotRequired[str | None]


class RunModel(TypedDict):
    name: str
    parameters: Count
    activation_parameters: Count
    sites: Count
    trainable_parameters: NotRequired[Count]


class Monitored(TypedDict):
    name: str
    mode: Literal["min", "max"]
    best: Number
    best_epoch: Count | None


class Stability(TypedDict):
    nonfinite_steps: Count
    loss_spikes: Count
    grad_norm_max: Number
    grad_norm_median: Number
    grad_norm_cv: Number
    epochs_to_90pct: Count | None
    scaler_skipped_steps: NotRequired[Count]
    first_nonfinite: NotRequired[str | None]


class Inference(TypedDict):
    batch_size: Count
    p50_ms: Number
    p95_ms: Number
    samples_per_second: Number


class Speed(TypedDict):
    import_s: Number
    first_step_s: Number
    fit_s: float
    train_samples_per_second: Number
    inference: Inference | None


class _Layer(TypedDict):
    name: str
    kind: str
    gap: Number
    start: NotRequired[Metrics]


class Decision(TypedDict):
    positive: str
    threshold: Share
    chosen_for: str
    val: Metrics
    test: Metrics


class Reference(TypedDict):
    name: str
    metrics: dict[str, Metrics]
    seconds: Number


class _Metrics(TypedDict):
    train: Metrics
    val: Metrics
    test: Metrics


class _Planned(TypedDict):
    """``planned.json``: how a run of a plan ended."""

    hash: str
    status: str
    reason: NotRequired[str | None]
    seconds: NotRequired[Number]
    constant: NotRequired[dict[str, Metrics] | None]
    robustness: NotRequired[dict[str, dict[str, Metrics]] | None]


@dataclass
class Record:
    """``result.json``: what was run, what came out, how steadily, how fast. See ``schemas/result.json``."""

    status: Status
    reason: str | None
    data: RunData
    model: RunModel
    activation: str
    seed: int
    monitor: Monitored
    metrics: Annotated[dict[str, dict[str, float]], Shaped(_Metrics)]
    stability: Stability
    speed: Speed
    layers: Annotated[list[dict[str, Any]], Shaped(list[_Layer])]
    versions: dict[str, str]
    device: str
    decision: Annotated[dict[str, Any] | None, Shaped(Decision | None)] = None
    references: Annotated[list[dict[str, Any]], Shaped(list[Reference])] = field(default_factory=list)
    schema: int = field(default=SCHEMA)

    def __post_init__(self) -> None:
        self.folder: Path | None = None  # where it was written to, or read from
        named = [self.data.get("positive"), (self.decision or {}).get("positive")]
        if unknown := [label for label in named if label is not None and label not in self.labels]:
            raise ValueError(f"{unknown[0]!r} is none of its labels")
        if len({frozenset(metrics) for metrics in self.metrics.values()}) > 1:
            raise ValueError("its parts have different metrics")

    @property
    def labels(self) -> list[str]:
        """Names of the classes in the order of their numbers; empty for regression."""
        return list(self.data.get("labels") or [])

    @property
    def positive(self) -> str | None:
        """Label of the class to be found; None unless there are two. Earlier versions took the second."""
        if len(self.labels) != 2:
            return None
        return str((self.decision or {}).get("positive") or self.data.get("positive") or self.labels[1])

    @property
    def positive_number(self) -> int:
        """Class number of :attr:`positive`; 1 where there is none."""
        return 1 if self.positive is None else self.labels.index(self.positive)

    def save(self, folder: Path) -> None:
        """Write ``result.json``; values that are not finite become null."""
        self.folder = folder
        plain = {"schema": self.schema, **dataclasses.asdict(self)}
        write_json(folder / RESULT_FILE, plain)

    @classmethod
    def load(cls, folder: Path) -> Record:
        """Read a run folder's record.

        Raises:
            UserError: no record, a broken one, or one of another schema.
        """
        record = read_versioned(
            folder / RESULT_FILE,
            SCHEMA,
            lambda plain: conform(plain, cls),
            missing=f"{folder} is no finished run: it has no result.json",
            way_out="run again",
        )
        record.folder = folder
        return record


def read_versioned(path: Path, schema: int, make: Callable[[dict[str, Any]], T], *, missing: str, way_out: str) -> T:
    """Read a JSON file that says the version of its schema, and make of it what it stands for.

    Args:
        make: from plain values; raises ValueError for wrong ones.
        missing: the message where there is no such file.
        way_out: what to do where it is broken.

    Raises:
        UserError: no such file, a broken one, or one of another version.
    """
    try:
        plain = read_json(path)
        if "schema" not in plain:
            raise ValueError("it has no schema")
        if plain["schema"] != schema:
            found = repr_short(plain["schema"])
            raise UserError(f"{path} has schema {found}; this version of adaptact reads schema {schema}")
        return make(plain)
    except FileNotFoundError:
        raise UserError(missing) from None
    except ValueError as error:
        raise UserError(f"{path} is broken ({error}): {way_out}") from None


def read_config(folder: Path) -> dict[str, Any]:
    """``config.yaml`` of a run folder as plain values; nothing in it is executed.

    Raises:
        UserError: no such file, or one that holds no keys.
    """
    try:
        return dict(read_yaml(folder / CONFIG_FILE))
    except FileNotFoundError:
        raise UserError(f"{folder} is no run folder: it has no config.yaml") from None


def new_run_folder(parent: Path, *, data: str, model: str, activation: str, seed: int) -> Path:
    """Make ``<time>-<data>-<model>-<activation>-seed<n>`` below ``parent``; never one that exists already."""
    return new_folder(parent, f"{safe_name(data)}-{safe_name(model)}-{safe_name(activation)}-seed{seed}")


def read_planned(folder: Path) -> dict[str, Any]:
    """The content of a run's ``planned.json``; empty where there is none, or a broken one."""
    try:
        return dict(read_json(folder / PLANNED_FILE, _Planned))
    except (FileNotFoundError, UserError):
        return {}


def project_root() -> Path:
    """The clone that holds ``conf/``, or the current folder where adaptact was installed from a wheel."""
    clone = Path(__file__).resolve().parents[2]
    return clone if (clone / "conf" / "train.yaml").is_file() else Path.cwd()


def conf_dir() -> Path:
    """The folder of the Hydra groups: ``conf/`` of the clone, or the copy that travels in a wheel."""
    packaged = Path(__file__).resolve().parent / "conf"
    return packaged if packaged.is_dir() else project_root() / "conf"

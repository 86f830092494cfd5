"""What a comparison will do, written down before its first run: arms, seeds, folds, what decides, hashes."""

from __future__ import annotations

import copy
import datetime
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import numpy as np

from adaptact import files, folders, records
from adaptact.comparison.code_files import code_files
from adaptact.comparison.options import Comparison
from adaptact.config import SETTABLE, decisive, starts_from_options
from adaptact.records import PLAN_FILE
from adaptact.shapes import Between, Shaped, conform

SCHEMA = 1


MOST_RUNS = 100_000
Name = Annotated[str, Between(1, 200)]
Seed = Annotated[int, Between(0, 2**63 - 1)]
Threads = Annotated[int, Between(1, 10_000)]


class _DataSettings(TypedDict):
    split_seed: Seed


class _ActivationSettings(TypedDict):
    name: str
    kind: str


class _ModelSettings(TypedDict):
    name: str


class _Settings(TypedDict):
    """Settings of an arm that a plan itself relies on; the rest is checked before a run."""

    seed: Seed
    data: _DataSettings
    activation: _ActivationSettings
    model: _ModelSettings


class _Data(TypedDict):
    name: str
    task: Literal["classification", "regression"]
    fingerprint: str
    rows: records.Rows
    fixed_test: bool
    labels: NotRequired[list[str] | None]
    positive: NotRequired[dict[str, Any] | None]
    warnings: NotRequired[list[dict[str, Any]]]


@dataclass(frozen=True)
class Arm:
    """One activation of a comparison.

    Args:
        settings: its whole configuration as plain values; seeds and fold are set per run.
        role: "baseline", "candidate" or "control".
        of: the candidate that a control belongs to.
        control: "frozen" (at its start), "learned" (frozen at the mean of what the runs of ``of`` learned) or "scale".
        seed_offset: added to the seeds of start and order, where one activation stands twice (an A/A comparison).
    """

    name: Name
    activation: Name
    settings: Annotated[dict[str, Any], Shaped(_Settings)]
    role: Literal["baseline", "candidate", "control"]
    of: str | None = None
    control: Literal["frozen", "learned", "scale"] | None = None
    seed_offset: Seed = 0


@dataclass(frozen=True)
class Run:
    """One training of the plan. ``folder`` is relative to that of the comparison."""

    arm: str
    seed: int
    fold: int | None
    settings: dict[str, Any]
    hash: str

    @property
    def folder(self) -> str:
        return f"{folders.safe_name(self.arm)}/seed{self.seed}" + ("" if self.fold is None else f"-fold{self.fold}")


@dataclass
class Plan:
    """``plan.json``. See the fields of :class:`adaptact.comparison.options.Compare` for what they mean.

    Args:
        margin: in the metric's unit, or None for the rule that ``margin_rule`` names.
        data: name, task, fingerprint, rows per part, whether all seeds share the test rows (``fixed_test``), and the
            positive class with how it was decided.
        code: hash of the code that trains; ``code_files`` are its files, to say which of them changed.
        changes: what became different after the first runs, each with the time it was seen.
        threads: of each run, the same for all, as another number rounds otherwise; None in plans of earlier versions.
        state: of the command that makes the comparison; "running" after one that was killed.
    """

    baseline: str
    metric: str
    mode: Annotated[str, Shaped(Literal["min", "max"])]
    margin: Annotated[float, Between(0, 1e100)] | None
    margin_rule: str
    error: Annotated[float, Between(1e-100, 0.5 - 1e-12)]
    strict: bool
    vary: Annotated[list[str], Shaped(list[Literal["init", "order", "split"]])]
    seeds: Annotated[list[Seed], Between(1, MOST_RUNS)]
    folds: Annotated[int, Between(2, MOST_RUNS)] | None
    limits: dict[str, float | None]
    arms: Annotated[list[Arm], Between(1, 1000)]
    data: Annotated[dict[str, Any], Shaped(_Data)]
    code: str
    words: list[str]
    decided_at: str = ""
    changes: list[dict[str, str]] = field(default_factory=list)
    code_files: dict[str, str] = field(default_factory=dict)
    threads: Threads | None = None
    state: Literal["running", "interrupted", "finished"] | None = None
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        names = [arm.name for arm in self.arms]
        if len(set(map(folders.safe_name, names))) < len(names):
            raise ValueError("two of its arms have one name")
        if self.baseline not in names or any(arm.of is not None and arm.of not in names for arm in self.arms):
            raise ValueError("an arm is named that it does not have")
        if len(names) * len(self.seeds) * (self.folds or 1) > MOST_RUNS:
            raise ValueError(f"it has more than {MOST_RUNS:,} runs")

    @property
    def candidates(self) -> list[Arm]:
        return [arm for arm in self.arms if arm.role == "candidate"]

    @property
    def controls(self) -> list[Arm]:
        return [arm for arm in self.arms if arm.role == "control"]

    def arm(self, name: str) -> Arm:
        return next(arm for arm in self.arms if arm.name == name)

    @property
    def hash(self) -> str:
        """Of everything that was decided; the same command gives the same one, whatever the code and the day."""
        plain = asdict(self)
        for key in ("decided_at", "changes", "code", "code_files", "words", "threads", "state"):
            plain.pop(key)
        for arm in plain["arms"]:
            arm["settings"] = decisive(arm["settings"])
        return digest(plain)

    def runs(self, arm: Arm) -> Iterator[Run]:
        """The runs of one arm, seed by seed."""
        for seed in self.seeds:
            for fold in [None] if self.folds is None else range(self.folds):
                settings = self._settings(arm, seed, fold)
                key = [decisive(settings), self.data["fingerprint"], self.code]
                yield Run(arm.name, seed, fold, settings, digest(key))

    def _settings(self, arm: Arm, seed: int, fold: int | None) -> dict[str, Any]:
        settings = copy.deepcopy(arm.settings)
        base = settings["seed"]
        settings["seed"] = seed + arm.seed_offset if "init" in self.vary else base
        settings["data"]["order_seed"] = seed + arm.seed_offset if "order" in self.vary else base
        if "split" in self.vary:
            settings["data"]["split_seed"] = seed
        if fold is not None:
            settings["data"]["fold"] = fold
        return settings

    def write(self, folder: Path) -> None:
        files.write_json(folder / PLAN_FILE, {"hash": self.hash, **asdict(self)})

    def end(self, folder: Path, state: Literal["interrupted", "finished"]) -> None:
        """Write down how the command that makes the comparison has ended."""
        self.state = state
        self.write(folder)

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """The plan of a comparison's folder.

        Raises:
            UserError: no plan, a broken one, or one of another schema.
        """
        return records.read_versioned(
            folder / PLAN_FILE,
            SCHEMA,
            lambda plain: conform({key: value for key, value in plain.items() if key != "hash"}, cls),
            missing=f"{folder} is no comparison: it has no {PLAN_FILE}",
            way_out="compare again, in another folder",
        )


def arms_of(options: Comparison, compose: Callable[[str], dict[str, Any]], adaptive: Collection[str] = ()) -> list[Arm]:
    """Baseline, candidates and controls, with the settings that ``compose(activation)`` gives.

    Args:
        adaptive: activations that learn something; they get controls.

    A name that stands twice is an arm of its own with other seeds: the difference between the two is chance.
    """
    baseline = options.baseline or options.activations[0]
    ordered = sorted(range(len(options.activations)), key=lambda i: options.activations[i] != baseline)  # stable
    arms: list[Arm] = []
    for activation in (options.activations[i] for i in ordered):
        again = sum(arm.activation == activation for arm in arms)
        arms.append(
            Arm(
                name=activation if not again else f"{activation}-{again + 1}",
                activation=activation,
                settings=compose(activation),
                role="candidate" if arms else "baseline",
                seed_offset=1_000_000 * again,
            )
        )
    if options.compare.controls:
        candidates = [arm for arm in arms if arm.role == "candidate" and arm.activation in adaptive]
        arms += [control for arm in candidates for control in _controls(arm, arms[0])]
    return arms


def _controls(arm: Arm, baseline: Arm) -> Iterator[Arm]:
    """Arms that show how much of a gain is due to learning, to the learned shape, and to scale alone."""
    chosen = arm.settings["activation"]
    shared = {key: chosen[key] for key in ("sites", "only", "preserve", "start", "frozen")}

    def control(kind: Literal["frozen", "learned", "scale"], activation: dict[str, Any]) -> Arm:
        name = f"{arm.name}-{kind}"
        settings = {**copy.deepcopy(arm.settings), "activation": {**activation, "name": name}}
        return Arm(name, arm.activation, settings, "control", arm.name, kind, arm.seed_offset)

    # an option of its own where the activation has one; any other module keeps its values without gradients
    frozen: dict[str, Any] = {"learn": []} if "learn" in chosen and not chosen["preserve"] else {"frozen": True}
    yield control("frozen", {**chosen, **frozen})
    if starts_from_options(chosen):
        yield control("learned", {**chosen, "learn": [], "per_channel": False})
    else:
        yield control("learned", {**chosen, "frozen": True})
    fixed = baseline.settings["activation"]["kind"]
    base = fixed if fixed in {"relu", "elu", "gelu", "silu", "mish"} else "gelu"
    yield control("scale", {**shared, "kind": "scaled", "base": base})


def with_learned_values(
    arm: Arm, layers: Sequence[Sequence[dict[str, Any]]], states: Sequence[dict[str, dict[str, Any]]] = ()
) -> Arm:
    """The control "learned": each site starts, and stays, at the mean of what the runs learned there.

    Args:
        layers: the "layers" of every record of the adaptive arm.
        states: per run {site: {parameter: value or nested lists}}, where options cannot set the start.
    """
    start: dict[str, Any]
    if states:
        start = {
            site: {key: np.mean([run[site][key] for run in states], axis=0).tolist() for key in first}
            for site, first in states[0].items()
        }
    else:
        start = {
            layer["name"]: {key: sum(run[i][key] for run in layers) / len(layers) for key in layer if key in SETTABLE}
            for i, layer in enumerate(layers[0])
        }
    settings = copy.deepcopy(arm.settings)
    settings["activation"]["start"] = start
    return Arm(**{**asdict(arm), "settings": settings})


def now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def changes_since(old: Plan, new: Plan) -> list[str]:
    """What a plan decides otherwise than the one that was written before the first run, in words."""
    found = []
    for key in ("baseline", "metric", "margin", "error", "strict", "vary", "seeds", "folds", "limits"):
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            found.append(f"{key}: {before} became {after}")
    before, after = ({arm.name: decisive(arm.settings) for arm in plan.arms} for plan in (old, new))
    found += [f"arm {name} was left out" for name in before if name not in after]
    found += [f"arm {name} was added" for name in after if name not in before]
    for name in (name for name in before if name in after):
        if keys := _differing(before[name], after[name]):
            found.append(f"settings of arm {name} changed ({_some(keys)})")
    if old.data["fingerprint"] != new.data["fingerprint"]:
        found.append("the data changed")
    if old.code != new.code:
        found.append(f"the code that trains changed ({_changed_files(old.code_files, new.code_files)})")
    return found


def _changed_files(old: dict[str, str], new: dict[str, str]) -> str:
    """Names of the files that differ, the first few of them."""
    if not old:
        return "it was made by an earlier version of adaptact"
    return _some(_differing(old, new))


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Dotted keys whose values differ."""
    found = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            found += [f"{key}.{name}" for name in _differing(before, after)]
        elif before != after:
            found.append(key)
    return found


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def settle(folder: Path, plan: Plan) -> Plan:
    """The plan as it stands in its folder: written now, or the one of before with what has changed since."""
    if (folder / PLAN_FILE).is_file():
        before = Plan.read(folder)
        plan.decided_at, plan.changes = before.decided_at, before.changes
        plan.threads = before.threads or plan.threads
        plan.changes += [{"seen_at": now(), "what": what} for what in changes_since(before, plan)]
    else:
        plan.decided_at = now()
    folders.make_folder(folder)
    plan.state = "running"
    plan.write(folder)
    return plan


def code_version() -> str:
    """Hash of the source files that a run's numbers depend on, and of the version of torch."""
    return digest(code_files())


def digest(plain: Any) -> str:
    """SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

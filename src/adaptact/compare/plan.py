"""What a comparison will do, written down before its first run: arms, seeds, folds, what decides, hashes."""

from __future__ import annotations

import copy
import datetime
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from adaptact import records
from adaptact.compare.options import Comparison
from adaptact.errors import UserError

SCHEMA = 1
FILE = "plan.json"
MADE_BY = ("activations", "callbacks", "columns", "config", "data", "models", "sites", "surgery", "training")
NOT_IN_HASH = ("output_dir", "resume", "trust", "debug", "logger", "figure", "references")
ADAPTIVE = {"sgblend", "sgblend_authors", "sswish", "swish", "pelu", "abu", "nonlinearity_enhanced", "blend", "prelu"}
SETTABLE = {"alpha", "beta", "gamma", "a", "b"}  # parameters that have an option for their start


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

    name: str
    activation: str
    settings: dict[str, Any]
    role: Literal["baseline", "candidate", "control"]
    of: str | None = None
    control: Literal["frozen", "learned", "scale"] | None = None
    seed_offset: int = 0


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
        return f"{records.safe_name(self.arm)}/seed{self.seed}" + ("" if self.fold is None else f"-fold{self.fold}")


@dataclass
class Plan:
    """``plan.json``. See the fields of :class:`adaptact.compare.options.Compare` for what they mean.

    Args:
        margin: in the metric's unit, or None for the rule that ``margin_rule`` names.
        data: name, task, fingerprint, rows per part, and whether all seeds share the test rows (``fixed_test``).
        code: hash of the code that trains.
        changes: what became different after the first runs, each with the time it was seen.
    """

    baseline: str
    metric: str
    mode: str
    margin: float | None
    margin_rule: str
    error: float
    strict: bool
    vary: list[str]
    seeds: list[int]
    folds: int | None
    limits: dict[str, float | None]
    arms: list[Arm]
    data: dict[str, Any]
    code: str
    words: list[str]
    decided_at: str = ""
    changes: list[dict[str, str]] = field(default_factory=list)
    schema: int = SCHEMA

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
        for key in ("decided_at", "changes", "code", "words"):
            plain.pop(key)
        for arm in plain["arms"]:
            arm["settings"] = _decisive(arm["settings"])
        return digest(plain)

    def runs(self, arm: Arm) -> Iterator[Run]:
        """The runs of one arm, seed by seed."""
        for seed in self.seeds:
            for fold in [None] if self.folds is None else range(self.folds):
                settings = self._settings(arm, seed, fold)
                key = [_decisive(settings), self.data["fingerprint"], self.code]
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
        records.write_json(folder / FILE, {"hash": self.hash, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """The plan of a comparison's folder.

        Raises:
            UserError: no plan, a broken one, or one of another schema.
        """
        path = folder / FILE
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            if plain["schema"] != SCHEMA:
                raise UserError(f"{path} has schema {plain['schema']}; this version of adaptact reads schema {SCHEMA}")
            plain.pop("hash", None)
            return cls(**{**plain, "arms": [Arm(**arm) for arm in plain["arms"]]})
        except FileNotFoundError:
            raise UserError(f"{folder} is no comparison: it has no {FILE}") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is broken ({error}): compare again, in another folder") from None


def arms_of(options: Comparison, compose: Callable[[str], dict[str, Any]]) -> list[Arm]:
    """Baseline, candidates and controls, with the settings that ``compose(activation)`` gives.

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
        arms += [control for arm in list(arms) for control in _controls(arm, arms[0])]
    return arms


def is_adaptive(activation: dict[str, Any]) -> bool:
    """Whether an activation's settings let it learn anything."""
    return activation["kind"] in ADAPTIVE and activation.get("learn") != []


def _controls(arm: Arm, baseline: Arm) -> Iterator[Arm]:
    chosen = arm.settings["activation"]
    if arm.role == "baseline" or not is_adaptive(chosen):
        return
    shared = {key: chosen[key] for key in ("sites", "only", "preserve", "start")}

    def control(kind: Literal["frozen", "learned", "scale"], activation: dict[str, Any]) -> Arm:
        name = f"{arm.name}-{kind}"
        settings = {**copy.deepcopy(arm.settings), "activation": {**activation, "name": name}}
        return Arm(name, arm.activation, settings, "control", arm.name, kind, arm.seed_offset)

    if "learn" in chosen:  # torch's own PReLU always learns
        yield control("frozen", {**chosen, "learn": []})
    if set(chosen.get("learn", ["weights"])) <= SETTABLE:
        yield control("learned", {**chosen, "learn": [], "per_channel": False})
    fixed = baseline.settings["activation"]["kind"]
    base = fixed if fixed in {"relu", "elu", "gelu", "silu", "mish"} else "gelu"
    yield control("scale", {**shared, "kind": "scaled", "base": base})


def with_learned_values(arm: Arm, layers: Sequence[Sequence[dict[str, Any]]]) -> Arm:
    """The control "learned": each site starts, and stays, at the mean of what the runs learned there.

    Args:
        layers: the "layers" of every record of the adaptive arm.
    """
    names = [layer["name"] for layer in layers[0]]
    start = {
        name: {key: sum(run[i][key] for run in layers) / len(layers) for key in layers[0][i] if key in SETTABLE}
        for i, name in enumerate(names)
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
    before, after = ({arm.name: _decisive(arm.settings) for arm in plan.arms} for plan in (old, new))
    found += [f"arm {name} was left out" for name in before if name not in after]
    found += [f"arm {name} was added" for name in after if name not in before]
    found += [f"settings of arm {name} changed" for name in before if name in after and before[name] != after[name]]
    if old.data["fingerprint"] != new.data["fingerprint"]:
        found.append("the data changed")
    if old.code != new.code:
        found.append("the code that trains changed")
    return found


def settle(folder: Path, plan: Plan) -> Plan:
    """The plan as it stands in its folder: written now, or the one of before with what has changed since."""
    if (folder / FILE).is_file():
        before = Plan.read(folder)
        plan.decided_at, plan.changes = before.decided_at, before.changes
        plan.changes += [{"seen_at": now(), "what": what} for what in changes_since(before, plan)]
    else:
        plan.decided_at = now()
    folder.mkdir(parents=True, exist_ok=True)
    plan.write(folder)
    return plan


def earlier_uses(parent: Path, plan: Plan) -> list[str]:
    """Names of other comparisons below ``parent`` whose verdict was taken on the same test rows."""
    found = []
    for path in sorted(parent.glob(f"*/{FILE}")):
        try:
            other = Plan.read(path.parent)
        except UserError:
            continue
        same_rows = test_rows(other) & test_rows(plan)
        if other.hash != plan.hash and same_rows and any(path.parent.glob("*/seed*/planned.json")):
            found.append(path.parent.name)
    return found


def test_rows(plan: Plan) -> set[str]:
    """What picks the test rows of each run, hashed: two plans that share one have used the same rows."""
    keys = set()
    for run in plan.runs(plan.arms[0]):
        data = dict(run.settings["data"])
        for key in (
            "batch_size",
            "order_seed",
            "resident",
            "num_workers",
            "scaling",
            "max_categories",
            "augment",
            "cache",
        ):
            data.pop(key, None)
        if plan.data["fixed_test"]:
            data.pop("split_seed", None)
        keys.add(digest([data, plan.data["fingerprint"]]))
    return keys


@cache
def code_version() -> str:
    """Hash of the source files that a run's numbers depend on, and of the version of torch."""
    root = Path(__file__).resolve().parents[1]
    files = sorted(file for name in MADE_BY for file in [*root.glob(f"{name}.py"), *root.glob(f"{name}/**/*.py")])
    from importlib.metadata import version

    content = [file.read_bytes() for file in files]
    return hashlib.sha256(b"\0".join([version("torch").encode(), *content])).hexdigest()


def _decisive(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in NOT_IN_HASH}


def digest(plain: Any) -> str:
    """SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

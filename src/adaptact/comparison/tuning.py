"""Equal tuning: every arm gets equally many trials, judged on validation rows alone."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from adaptact import config, files, records
from adaptact.comparison.options import SET_BY_IT
from adaptact.config.words import checked, read_section
from adaptact.errors import UserError, did_you_mean
from adaptact.schema import option

FILE = "tuned.yaml"
SPACE: dict[str, tuple[float, float, bool]] = {  # key: low, high, whether on a logarithmic scale
    "optimizer.lr": (1e-4, 3e-2, True),
    "optimizer.weight_decay": (1e-4, 0.3, True),
    "optimizer.activation_lr_scale": (0.3, 30.0, True),
    "model.dropout": (0.0, 0.5, False),
    "activation_penalty": (1e-5, 1.0, True),
}


@dataclass
class Tuning:
    """Everything that `tune` takes; all other words go to its runs."""

    activations: list[str] = option(["gelu", "relu", "silu", "swish", "sgblend"], "the arms")
    trials: int = option(20, "settings that each arm tries, the shipped ones first", ge=2)
    seeds: list[int] = option([0], "each trial is the mean over these seeds", ge=0)
    space: list[str] = option(
        ["optimizer.lr", "optimizer.weight_decay", "optimizer.activation_lr_scale", "model.dropout"],
        "what is tuned; keys that an arm does not have are left out",
    )
    workers: int | None = option(None, "runs at once; null: one per core, one on a GPU", ge=1)
    name: str | None = option(None, "name of the folder; the same name goes on; null: data and model")
    output_dir: str = option("runs/tune", "folder of the studies; relative to the project")

    def problems(self) -> list[str]:
        """Describe each option that cannot be tuned."""
        if not self.space:
            return ["space is empty: there is nothing to tune"]
        return [f"space={key} is unknown. {did_you_mean(key, SPACE)}" for key in self.space if key not in SPACE]


def read_words(words: list[str]) -> tuple[Tuning, list[str]]:
    """The options among the words, and the words that go to each run.

    Raises:
        ConfigError: with all problems at once.
    """
    options, rest, problems = read_section(Tuning, words, SET_BY_IT)
    return checked(options, problems), rest


class Study:
    """Trials of one arm, kept in a journal that several processes may write and a later one reads.

    Raises:
        UserError: Optuna is not installed.
    """

    def __init__(self, journal: Path, arm: str, mode: str, space: Sequence[str], defaults: Mapping[str, Any]) -> None:
        try:
            import optuna
        except ImportError:
            raise UserError("tune needs Optuna: make setup EXTRAS=dev,tune, or pip install 'adaptact[tune]'") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.arm, self.space = arm, [key for key in space if key in defaults]
        from optuna.storages.journal import JournalFileBackend

        storage = optuna.storages.JournalStorage(JournalFileBackend(str(journal)))
        self._study = optuna.create_study(
            storage=storage,
            study_name=arm,
            direction="maximize" if mode == "max" else "minimize",
            sampler=optuna.samplers.TPESampler(seed=0, constant_liar=True),
            load_if_exists=True,
        )
        self._state = optuna.trial.TrialState
        for trial in self._study.get_trials(states=[self._state.RUNNING]):  # of a process that was ended: once more
            self._study.tell(trial.number, state=self._state.FAIL)
            self._study.enqueue_trial(trial.params, skip_if_exists=False)
        if not self._study.trials:
            start = {key: min(max(float(defaults[key]), SPACE[key][0]), SPACE[key][1]) for key in self.space}
            self._study.enqueue_trial(start)

    @property
    def ended(self) -> int:
        return len(self._study.get_trials(states=[self._state.COMPLETE]))

    def ask(self) -> tuple[int, dict[str, float]]:
        """Number and settings of the next trial."""
        trial = self._study.ask()
        found = {}
        for key in self.space:
            low, high, log = SPACE[key]
            found[key] = trial.suggest_float(key, low, high, log=log)
        return trial.number, found

    def tell(self, number: int, value: float) -> None:
        self._study.tell(number, value)

    @property
    def best(self) -> tuple[dict[str, float], float]:
        return dict(self._study.best_params), float(self._study.best_value)

    @property
    def rows(self) -> Iterator[dict[str, Any]]:
        for trial in self._study.get_trials(states=[self._state.COMPLETE]):
            yield {"arm": self.arm, "trial": trial.number, "value": trial.value, **trial.params}


def defaults_of(settings: Mapping[str, Any], adaptive: bool) -> dict[str, Any]:
    """The shipped value of every key of :data:`SPACE` that an arm has."""
    found = {}
    for key in SPACE:
        section, _, name = key.rpartition(".")
        values = settings[section] if section else settings
        if name in values and (adaptive or not key.startswith(("optimizer.activation", "activation_"))):
            found[key] = values[name]
    return found


def score(result: Mapping[str, Any], folder: Path, metric: str, mode: str) -> float:
    """The best validation metric of a run; that of a constant prediction where it did not come to a good end."""
    worst = -math.inf if mode == "max" else math.inf
    if result["status"] == "finished":
        with contextlib.suppress(UserError):
            best = records.Record.load(folder).monitor["best"]
            if best is not None:
                return float(best)
    constant = (result.get("constant") or {}).get("val", {}).get(metric)
    return worst if constant is None else float(constant)


def write_tuned(folder: Path, best: dict[str, dict[str, Any]], trials: int) -> None:
    files.write_yaml(folder / FILE, {"schema": 1, "trials": trials, "arms": best})


class _Tuned(TypedDict):
    """``tuned.yaml``."""

    arms: dict[str, dict[str, float]]


def read_tuned(folder: Path, activations: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Dotted keys and values per activation.

    Raises:
        UserError: no such folder, a broken file, or an activation that was not tuned.
    """
    path = folder / FILE
    try:
        arms = files.read_yaml(path, _Tuned)["arms"]
    except FileNotFoundError:
        raise UserError(f"compare.tuned={folder} has no {FILE}: it is not a folder of `make tune`") from None
    for name in activations:
        if name not in arms:
            raise UserError(f"{path} has no settings of {name}: tune all arms alike. {did_you_mean(name, arms)}")
        if unknown := [key for key in arms[name] if key not in SPACE or not config.field_types(key)]:
            raise UserError(f"{path} sets {unknown[0]}, which is none of the keys that are tuned")
    return arms


def changed(settings: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of settings with other values of some dotted keys."""
    plain = {key: dict(value) if isinstance(value, dict) else value for key, value in settings.items()}
    for key, value in found.items():
        section, _, name = key.rpartition(".")
        (plain[section] if section else plain)[name] = value
    return plain

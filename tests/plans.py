"""Plans without training: results made of numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adaptact import config
from adaptact.comparison.options import Comparison, read_words
from adaptact.comparison.plan import Plan, arms_of
from adaptact.comparison.results import Result
from adaptact.records import Record

CHOICES: dict[str, dict[str, Any]] = {
    "gelu": {"kind": "gelu"},
    "silu": {"kind": "silu"},
    "sgblend": {"kind": "sgblend"},
    "pelu": {"kind": "pelu"},
}


def settings_of(name: str) -> dict[str, Any]:
    raw = {
        "activation": {"name": name, **CHOICES[name]},
        "model": {"name": "mlp"},
        "data": {"name": "wine"},
        "references": False,
    }
    return config.to_dict(config.from_dict(raw))


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    """``make_plan("activations=gelu,silu seeds=3", metric="auroc")``."""

    def make(text: str = "activations=gelu,sgblend seeds=4", **changes: Any) -> Plan:
        options: Comparison = read_words(text.split())[0]
        plain: dict[str, Any] = {
            "baseline": options.baseline or options.activations[0],
            "metric": "accuracy",
            "mode": "max",
            "margin": options.compare.margin or 0.005,
            "margin_rule": "set by you",
            "error": options.compare.error,
            "strict": options.compare.strict,
            "vary": options.compare.vary,
            "seeds": options.seeds,
            "folds": None,
            "limits": {"latency_ratio": options.compare.max_latency_ratio, "fit_time_ratio": None},
            "arms": arms_of(options, settings_of, {"sgblend", "pelu"}),
            "data": {
                "name": "wine",
                "task": "classification",
                "labels": ["a", "b", "c"],
                "fingerprint": "0" * 64,
                "rows": {"train": 100, "val": 20, "test": 30},
                "fixed_test": False,
            },
            "code": "c",
            "words": text.split(),
        }
        return Plan(**{**plain, **changes})

    return make


def result(plan: Plan, arm: str, seed: int, value: float | None, status: str = "finished", **more: Any) -> Result:
    """A run that scored ``value`` in the plan's metric."""
    chosen = plan.arm(arm)
    run = next(run for run in plan.runs(chosen) if run.seed == seed)
    rows = {"train": 100, "val": 20, "test": 30}
    metrics = {part: {plan.metric: value, "log_loss": 1.0} for part in ("train", "val", "test")}
    record = Record(
        status=status,
        reason=None,
        data={"name": "wine", "task": "classification", "rows": rows, "fingerprint": "0" * 64, "labels": []},
        model={"name": "mlp", "parameters": 10, "activation_parameters": 3, "sites": 1},
        activation=arm,
        seed=seed,
        monitor={"name": "val/accuracy", "mode": "max", "best": value, "best_epoch": 1},
        metrics=metrics,  # type: ignore[arg-type]
        stability={
            "loss_spikes": 0,
            "nonfinite_steps": 0,
            "grad_norm_cv": 0.1,
            "grad_norm_max": 1.0,
            "epochs_to_90pct": 1,
        },
        speed={"fit_s": 1.0},
        layers=[{"name": "1", "kind": "SGBlend", "alpha": 0.5 + 0.1 * seed, "beta": 1.0, "gamma": 0.0, "gap": 0.1}],
        versions={},
        device="cpu",
    )
    constant = {part: {plan.metric: 0.4, "log_loss": 1.1} for part in ("val", "test")}
    kept = None if status == "failed" else record
    return Result(run, chosen, Path("nowhere"), status, None, 2.0, more.get("constant", constant), record=kept)

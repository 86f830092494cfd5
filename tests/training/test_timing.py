"""What an arm costs: ratios within rounds, and intervals that do not assume a distribution."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adaptact import config, data
from adaptact.training.timing import interleaved, measure_costs, ratio_interval


def test_every_arm_is_measured_once_a_round_in_changing_order() -> None:
    calls: list[str] = []

    def measure(name: str) -> Callable[[], dict[str, float]]:
        return lambda: calls.append(name) or {"p50_ms": 1.0}  # type: ignore[func-returns-value]

    found = interleaved({name: {"latency": measure(name)} for name in "abc"}, rounds=6)
    assert {name: len(kinds["latency"]) for name, kinds in found.items()} == dict.fromkeys("abc", 6)
    rounds = ["".join(calls[i : i + 3]) for i in range(0, len(calls), 3)]
    assert all(sorted(r) == list("abc") for r in rounds)  # a round and one to warm up
    assert len(rounds) == 7
    assert len(set(rounds)) > 1


def test_the_interval_of_the_median_covers_it() -> None:
    rng = np.random.default_rng(0)
    covered = [low <= 1.0 <= high for low, high in (ratio_interval(rng.standard_t(2, 15)) for _ in range(2000))]
    assert 0.94 <= np.mean(covered) <= 0.995


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_costs_of_real_networks(make_config: Any, name: str) -> None:
    arms = {
        kind: make_config({"data.name": name, "activation": {"name": kind, "kind": kind}}) for kind in ("gelu", "pelu")
    }
    prepared = data.load(arms["gelu"].data)
    cost = measure_costs(arms, prepared, "gelu", rounds=3)
    assert cost["arms"]["gelu"]["latency"]["ratio"] == 1
    assert cost["arms"]["pelu"]["fit_time"]["ratio"] > 0
    low, high = cost["arms"]["pelu"]["throughput"]["interval"]
    assert low <= cost["arms"]["pelu"]["throughput"]["ratio"] <= high


def test_costs_of_an_imitated_ensemble(make_config: Any) -> None:
    plain = config.to_dict(make_config())
    plain["model"] = {"name": "tabm", "k": 4, "width": 16, "numeric": "plain"}
    settings = config.from_dict(plain)
    cost = measure_costs({"a": settings}, data.load(settings.data), "a", rounds=1)
    assert cost["arms"]["a"]["fit_time"]["p50_ms"] > 0


def test_costs_in_onnx_runtime(make_config: Any) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    settings = make_config()
    cost = measure_costs({"a": settings}, data.load(settings.data), "a", ways=["eager", "onnx"], rounds=1)
    assert cost["arms"]["a"]["onnx_latency"]["p50_ms"] > 0
    assert "onnx_fit_time" not in cost["arms"]["a"]

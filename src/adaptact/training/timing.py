"""What an arm costs beside the baseline: time of training steps and of answers, all arms interleaved on this machine.

Times of arms that ran at different moments, or beside other work, say little. Here every round measures each arm once,
in an order of its own, and a ratio is taken within the round.
"""

from __future__ import annotations

import random
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import nn

from adaptact import config
from adaptact.data import Prepared
from adaptact.data.text.padding import lengths_of, trimmed
from adaptact.layouts import PLAIN, Layout
from adaptact.onnx_export import BATCH, require_onnx, session, to_onnx, traced
from adaptact.surgery import param_groups
from adaptact.training.build import build_network

ROUNDS = 15
STEPS = 20  # training steps of a measurement
CALLS = 30  # answers of a measurement, of which median and 95th percentile are taken
LARGE_BATCH = 1024  # rows at most whose answers are timed together
LARGE_SECONDS = 0.5  # about as long as they may take: of a large network fewer rows are taken
LEVEL = 0.95

Measure = Callable[[], dict[str, float]]


def measure_costs(
    arms: dict[str, config.Config],
    prepared: Prepared,
    baseline: str,
    *,
    ways: Sequence[str] = ("eager",),
    rounds: int = ROUNDS,
) -> dict[str, Any]:
    """Times of all arms and their ratios to the baseline.

    Args:
        arms: a configuration per arm.
        ways: beside eager: "compiled" (torch.compile, seconds per arm) and "onnx" (ONNX Runtime, where installed).

    Returns:
        "arms": per arm "fit_time" (a training step), "latency" (one row), "throughput" (a large batch), and the same
        as "compiled_...", "onnx_latency" and "onnx_throughput", each with its "ratio" to the baseline, its "interval"
        and milliseconds.
    """
    train, layout = prepared.parts["train"], prepared.layout
    size = min(arms[baseline].data.batch_size, len(train))
    chosen = typical(train.x, layout, size)
    x, y = trimmed(train.x[chosen], layout), train.y[chosen]
    test = prepared.parts["test"].x
    large = trimmed(repeat(test[typical(test, layout, LARGE_BATCH)], LARGE_BATCH), layout)
    built = build_network(arms[baseline], prepared.input_shape, prepared.n_outputs, layout)
    large = large[: large_batch(built.eval(), large)]
    one = trimmed(large[:1], layout)
    measures: dict[str, dict[str, Measure]] = {}
    for name, settings in arms.items():

        def network(settings: config.Config = settings) -> nn.Module:
            return build_network(settings, prepared.input_shape, prepared.n_outputs, prepared.layout)

        own = measures[name] = {}
        for way, call in _ways(network, ways, large[:2], prepared.layout).items():
            if way != "onnx_":
                fitted = network()
                if way == "compiled_":
                    fitted.compile()
                own[f"{way}fit_time"] = partial(_fit, fitted, settings, prepared.task, x, y)
            own[f"{way}latency"] = partial(answers, call, one, CALLS)
            own[f"{way}throughput"] = partial(answers, call, large, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the compiler
        found = interleaved(measures, rounds)
    return {"rounds": rounds, "batch_size": size, "large_batch": len(large), "arms": ratios(found, baseline)}


def _ways(
    build: Callable[[], nn.Module], ways: Sequence[str], example: torch.Tensor, layout: Layout | None
) -> dict[str, Callable[[torch.Tensor], Any]]:
    """What answers, by the prefix of its measures."""
    eager = build().eval()
    found: dict[str, Callable[[torch.Tensor], Any]] = {"": eager}
    if "compiled" in ways:
        compiled = build().eval()
        compiled.compile()
        found["compiled_"] = compiled
    if "onnx" in ways:
        found["onnx_"] = _onnx_session(eager, example, layout)
    return found


def _onnx_session(network: nn.Module, example: torch.Tensor, layout: Layout | None) -> Callable[[torch.Tensor], Any]:
    """The network in ONNX Runtime, exported at the first call.

    Raises:
        UserError: ONNX or its runtime is not installed.
    """
    require_onnx("compare.cost=[onnx]")
    sessions: list[Callable[[torch.Tensor], Any]] = []

    def answer(x: torch.Tensor) -> Any:
        if not sessions:
            dimensions = (*BATCH, *(layout or PLAIN).free_dimensions)
            program = traced(network, example, dimensions)
            sessions.append(session_of(to_onnx(program, dimensions=dimensions).SerializeToString()))
        return sessions[0](x)

    return answer


def session_of(content: bytes) -> Callable[[torch.Tensor], Any]:
    """A model in ONNX Runtime as a function of a tensor."""
    opened = session(content)
    name = opened.get_inputs()[0].name
    return lambda x: opened.run(None, {name: x.numpy()})


def interleaved(measures: dict[str, dict[str, Measure]], rounds: int) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Each measure of each arm once per round, the arms in a new order each time; the first round warms up."""
    order = random.Random(0)
    found: dict[str, dict[str, list[dict[str, float]]]] = {name: {k: [] for k in m} for name, m in measures.items()}
    for number in range(rounds + 1):
        names = list(measures)
        order.shuffle(names)
        for kind in next(iter(measures.values())):
            for name in names:
                took = measures[name][kind]()
                if number:
                    found[name][kind].append(took)
    return found


def ratios(found: dict[str, dict[str, list[dict[str, float]]]], baseline: str) -> dict[str, Any]:
    """Per arm and measure the median ratio to the baseline within a round, its interval, and the medians themselves."""
    arms: dict[str, Any] = {}
    for name, kinds in found.items():
        arms[name] = {}
        for kind, rounds in kinds.items():
            theirs = found[baseline][kind]
            # a throughput is better where it is higher, a ratio of times where it is lower: all are ratios of times
            logs = [np.log(a["p50_ms"] / b["p50_ms"]) for a, b in zip(rounds, theirs, strict=True)]
            low, high = ratio_interval(logs)
            arms[name][kind] = {
                "ratio": float(np.exp(statistics.median(logs))),
                "interval": [low, high],
                "interval_level": LEVEL,
                **{key: statistics.median(r[key] for r in rounds) for key in rounds[0]},
            }
    return arms


def ratio_interval(logs: Iterable[float]) -> tuple[float, float]:
    """Interval of the median ratio from its logarithms, by order statistics: free of any distribution."""
    ordered = np.sort(np.asarray(list(logs)))
    n = len(ordered)
    below = int(stats.binom.ppf((1 - LEVEL) / 2, n, 0.5))
    below = max(0, below - 1)
    return float(np.exp(ordered[below])), float(np.exp(ordered[n - 1 - below]))


def _fit(network: nn.Module, settings: config.Config, task: str, x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """A training step, in milliseconds, over a fixed number of steps of the real network, loss and optimizer."""
    step = training_step(network, settings, task, x, y)
    times = []
    for _ in range(STEPS):
        begun = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - begun))
    return {"p50_ms": statistics.median(times)}


def training_step(
    network: nn.Module, settings: config.Config, task: str, x: torch.Tensor, y: torch.Tensor
) -> Callable[[], None]:
    """A step of training that does the work of one and leaves the weights where they are."""
    network.train()
    options = settings.optimizer
    groups = param_groups(network, options.lr, options.weight_decay, options.activation_lr_scale)
    optimizer = torch.optim.AdamW([{**group, "lr": 0.0} for group in groups], fused=True)
    loss_of = nn.functional.cross_entropy if task == "classification" else nn.functional.mse_loss

    def step() -> None:
        optimizer.zero_grad()
        output, target = network(x), y
        if output.dim() == 3:  # one per member of an imitated ensemble
            output, target = output.flatten(0, 1), y.repeat_interleave(output.shape[1])
        loss_of(output if task == "classification" else output.squeeze(-1), target).backward()
        optimizer.step()

    return step


@torch.inference_mode()
def answers(network: Callable[[torch.Tensor], Any], x: torch.Tensor, calls: int) -> dict[str, float]:
    """Median and 95th percentile of a call, in milliseconds, and rows a second."""
    times = []
    for _ in range(calls):
        begun = time.perf_counter()
        network(x)
        times.append(1000 * (time.perf_counter() - begun))
    p50, p95 = np.percentile(times, [50, 95])
    return {"p50_ms": float(p50), "p95_ms": float(p95), "samples_per_second": 1000 * len(x) / float(p50)}


@torch.inference_mode()
def large_batch(network: Callable[[torch.Tensor], Any], x: torch.Tensor) -> int:
    """How many rows of ``x`` are answered in about half a second: a power of two, up to :data:`LARGE_BATCH`."""
    rows = min(16, len(x))
    while rows < min(LARGE_BATCH, len(x)):
        network(x[:rows])
        begun = time.perf_counter()
        network(x[:rows])
        if 2 * (time.perf_counter() - begun) > LARGE_SECONDS:
            break
        rows *= 2
    return min(rows, len(x))


def typical(x: torch.Tensor, layout: Layout | None, rows: int) -> torch.Tensor:
    """Numbers of the first rows; of texts those around the median length, as they come together in a batch."""
    lengths = lengths_of(x, layout)
    if lengths is None:
        return torch.arange(min(rows, len(x)))
    first = max(0, (len(x) - rows) // 2)
    return lengths.argsort(stable=True)[first : first + rows]


def repeat(x: torch.Tensor, rows: int) -> torch.Tensor:
    """The first ``rows`` rows of ``x`` repeated without end."""
    return x[torch.arange(rows) % len(x)]

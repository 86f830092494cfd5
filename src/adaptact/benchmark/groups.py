"""What is measured: one function per group, from options to figures."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from adaptact import config, data
from adaptact.activations import create
from adaptact.benchmark.loops import bare, lightning_alone, watched
from adaptact.benchmark.measuring import Figure, compared
from adaptact.benchmark.options import Benchmark
from adaptact.errors import ConfigError
from adaptact.layouts import Layout, Pixels, Tokens
from adaptact.records import Record, conf_dir
from adaptact.training.build import activation_factory, build_network
from adaptact.training.timing import interleaved, measure_costs, ratios, training_step

Arms = dict[str, Callable[[], Any]]
BASELINE = "gelu"
COMPILED = ("sgblend", "sswish", "swish", "blend")  # what has kernels
PER_CHANNEL = ("sgblend", "sswish", "swish")
SITE = type("AnySite", (), {"name": "site", "shape": None})  # of an activation outside a network


def kernels(options: Benchmark, device: str, threads: int) -> Iterator[Figure]:
    """Activations alone: forward, and forward plus backward, per layer and per channel."""
    rows = (64,) if options.tiny else (64, 1024, 4096) if device == "cpu" else (4096, 65536)
    for size in rows:
        for dtype in (torch.float32, torch.bfloat16):
            x = torch.randn(size, 1024, device=device, dtype=dtype, requires_grad=True)
            g = torch.randn_like(x)
            named = {name: activation(name) for name in (BASELINE, "silu", *COMPILED)}
            named |= {f"{name} per channel": create(name, channels=1024, channel_dim=-1) for name in PER_CHANNEL}
            modules = {name: module.to(device) for name, module in named.items()}
            case = f"{size} x 1024 {str(dtype).removeprefix('torch.')}"
            for what, call in (("forward", answer), ("forward + backward", forward_backward)):
                arms: Arms = {name: partial(call, module, x, g) for name, module in modules.items()}
                yield from compared("kernels", f"{case}, {what}", arms, BASELINE, options.rounds, threads)


def activation(name: str) -> nn.Module:
    return activation_factory(settings_of(name))(SITE)


def answer(module: nn.Module, x: Tensor, g: Tensor) -> None:
    with torch.no_grad():
        module(x)


def forward_backward(module: nn.Module, x: Tensor, g: Tensor) -> None:
    torch.autograd.grad(module(x), [x, *module.parameters()], g)


def settings_of(name: str, model: dict[str, Any] | None = None, **more: Any) -> config.Config:
    raw = {"activation": {"name": name, "kind": name}, "model": model or {"name": "mlp"}, **more}
    return config.from_dict({"data": {"name": "digits"}, **raw})


# By name: model, shape of an input, batch, and what an input is. The first two answer the claims of docs/benchmarks.md.
STEPS: dict[str, tuple[dict[str, Any], tuple[int, ...], int]] = {
    "mlp, width 128, batch 128": ({"name": "mlp", "widths": [128, 128]}, (64,), 128),
    "mlp, width 1024, batch 1024": ({"name": "mlp", "widths": [1024, 1024]}, (1024,), 1024),
    "cnn, 28 x 28, batch 128": ({"name": "cnn"}, (1, 28, 28), 128),
    "resnet, CIFAR size, batch 128": ({"name": "resnet"}, (3, 32, 32), 128),
    "efficientnet, 48 x 48, batch 16": ({"name": "efficientnet"}, (3, 48, 48), 16),
    "text_transformer, 64 tokens, batch 32": ({"name": "text_transformer"}, (64,), 32),
}
VOCABULARY = 2000


def step(options: Benchmark, device: str, threads: int) -> Iterator[Figure]:
    """A training step of a network under every activation."""
    names = [BASELINE, "sgblend", "prelu"] if options.tiny else every_activation()
    for case, (model, shape, batch) in STEPS.items():
        size = min(8, batch) if options.tiny else batch
        try:
            model = shipped(model["name"]) | model
            given = {name: settings_of(name, model, data={"name": "none"}) for name in sorted(names)}
            arms = {name: step_of(settings, shape, size, device) for name, settings in given.items()}
        except ConfigError as error:
            if "EXTRAS" not in error.problems[0]:
                raise
            print(f"note: {case} is left out: {error.problems[0]}", file=sys.stderr)
            continue
        yield from compared("step", case, arms, BASELINE, options.rounds, threads)


def every_activation() -> list[str]:
    """All that a configuration can name."""
    return sorted(set(config.ACTIVATIONS) - {"native", "custom"})


def shipped(model: str) -> dict[str, Any]:
    """What stands in ``conf/model``."""
    return OmegaConf.to_container(OmegaConf.load(conf_dir() / "model" / f"{model}.yaml"))  # type: ignore[return-value]


def step_of(settings: config.Config, shape: tuple[int, ...], batch: int, device: str) -> Callable[[], None]:
    generator = torch.Generator().manual_seed(0)
    layout = Tokens(VOCABULARY) if settings.model.name == "text_transformer" else None
    x = (
        torch.randn(batch, *shape, generator=generator)
        if layout is None
        else torch.randint(2, VOCABULARY, (batch, *shape), generator=generator, dtype=torch.int32)
    )
    y = torch.randint(10, (batch,), generator=generator)
    network = build_network(settings, shape, 10, layout).to(device)
    return training_step(network, settings, "classification", x.to(device), y.to(device))


def loop(options: Benchmark, device: str, threads: int) -> Iterator[Figure]:
    """``train`` with all that it watches against a bare loop: same network, rows, optimizer, batches on the device."""
    digits = data.load(settings_of("sgblend").data)
    mlp = {"name": "mlp", "widths": [128, 128]}
    pictures = synthetic(256 if options.tiny else 2048, (1, 28, 28), Pixels((0.5,), (0.25,)))
    cases: dict[str, tuple[data.Prepared, dict[str, Any], int]] = {
        "mlp, digits (9 steps an epoch)": (digits, mlp, 30),
        "mlp, numbers (160 steps an epoch)": (synthetic(256 if options.tiny else 20_480, (64,)), mlp, 3),
        "cnn, pictures of MNIST's size": (pictures, {"name": "cnn"}, 2),
    }
    for case, (prepared, model, length) in cases.items():
        trainer = {"max_epochs": 1 if options.tiny else length, "accelerator": "gpu" if device == "cuda" else "cpu"}
        given = {"name": "digits", "batch_size": 128}
        settings = partial(settings_of, "sgblend", model, trainer=trainer, data=given)
        arms = {
            "bare loop": partial(bare, settings(), prepared, device),
            "with clipping and schedule": partial(bare, settings(), prepared, device, recipe=True),
            "Lightning alone": partial(lightning_alone, settings(), prepared, device),
            "train": partial(watched, settings(), prepared),
        }
        for arm in arms.values():
            arm()
        found = interleaved({name: {case: arm} for name, arm in arms.items()}, options.rounds)
        for name, one in ratios(found, "bare loop").items():  # rows a second: the inverse of times
            low, high = one[case]["interval"]
            rate = one[case]["samples_per_second"]
            yield Figure("loop", case, name, rate, "rows/s", 1 / one[case]["ratio"], 1 / high, 1 / low)


def synthetic(rows: int, shape: tuple[int, ...], layout: Layout | None = None) -> data.Prepared:
    """Random numbers, or bytes of pictures, of ten classes: a data set whose reading costs nothing."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, *shape, generator=generator)
    x = x if layout is None else (127 + 50 * x).clamp(0, 255).byte()
    y = torch.randint(10, (rows,), generator=generator)
    where = {"train": slice(None), "val": slice(0, 128), "test": slice(128, 256)}
    parts = {name: data.Part(x[part], y[part]) for name, part in where.items()}
    return data.Prepared("synthetic", "classification", parts, "synthetic", [str(k) for k in range(10)], layout=layout)


def startup(options: Benchmark, device: str, threads: int) -> Iterator[Figure]:
    """Seconds of a user's wait: from the command to the first step of a default run, and to a configuration error."""
    for case, words in (
        ("first step, default run", ["train", "trainer.max_epochs=1", "references=false"]),
        ("configuration error", ["train", "optimizer.lr=-1"]),
        ("help", ["--help"]),
    ):
        took = []
        for _ in range(1 if options.tiny else 5):
            with tempfile.TemporaryDirectory() as folder:
                begun = time.perf_counter()
                own = [f"output_dir={folder}"] if words[0] == "train" else []
                subprocess.run([sys.executable, "-m", "adaptact", *words, *own], capture_output=True, check=False)
                took.append(time.perf_counter() - begun)
                if "first step" in case:
                    run = next(Path(folder).iterdir())
                    took[-1] = Record.load(run).speed["first_step_s"] or float("nan")
        yield Figure("startup", case, "adaptact", sorted(took)[len(took) // 2], "s")


def inference(options: Benchmark, device: str, threads: int) -> Iterator[Figure]:
    """Answers of networks on the CPU: eager, compiled, in ONNX Runtime; one row and a large batch."""
    found = importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnxscript")
    ways = ["eager", *([] if options.tiny else ["compiled"]), *(["onnx"] if found else [])]
    prepared = data.load(settings_of("gelu").data)
    names = ("gelu", "sgblend") if options.tiny else ("gelu", "silu", "sswish", "sgblend")
    for model in ({"name": "mlp", "widths": [128, 128]}, {"name": "cnn"}):
        arms = {name: settings_of(name, model) for name in names}
        costs = measure_costs(arms, prepared, "gelu", ways=ways, rounds=options.rounds)["arms"]
        for kind in costs["gelu"]:
            if kind.endswith("fit_time"):
                continue
            for name in names:
                one = costs[name][kind]
                case = f"{model['name']} on digits, CPU, {kind.replace('_', ', ')}"
                yield Figure("inference", case, name, one["p50_ms"], "ms", one["ratio"], *one["interval"])


def scaling(options: Benchmark, device: str, threads: int) -> Iterator[Figure]:
    """Cost against elements of a tensor, rows of a batch, layers of a network, seeds of a comparison."""
    for power in (8, 12) if options.tiny else range(8, 25, 2):
        x = torch.randn(2**power, device=device, requires_grad=True)
        g = torch.randn_like(x)
        arms: Arms = {
            name: partial(forward_backward, activation(name).to(device), x, g) for name in ("gelu", "sgblend")
        }
        yield from compared("scaling", f"elements 2^{power:02}", arms, BASELINE, options.rounds, threads)
    for rows in (8,) if options.tiny else (32, 128, 512, 2048):
        model = {"name": "mlp", "widths": [256, 256]}
        arms = {name: step_of(settings_of(name, model), (64,), rows, device) for name in ("gelu", "sgblend")}
        yield from compared("scaling", f"rows {rows:4}", arms, BASELINE, options.rounds, threads)
    for layers in (2,) if options.tiny else (2, 4, 8, 16):
        model = {"name": "mlp", "widths": [256] * layers}
        arms = {name: step_of(settings_of(name, model), (64,), 128, device) for name in ("gelu", "sgblend")}
        yield from compared("scaling", f"layers {layers:2}", arms, BASELINE, options.rounds, threads)
    for seeds in (2,) if options.tiny else (2, 4, 8):
        words = [f"seeds={seeds}", "activations=gelu,sgblend", "compare.cost=[]", "trainer.max_epochs=2"]
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            command = [sys.executable, "-m", "adaptact", "compare", *words, "references=false", f"output_dir={folder}"]
            subprocess.run(command, capture_output=True, check=True)
            yield Figure("scaling", f"seeds {seeds}", "comparison", time.perf_counter() - begun, "s")


MEASURES: dict[str, Callable[[Benchmark, str, int], Iterator[Figure]]] = {
    "kernels": kernels,
    "step": step,
    "loop": loop,
    "startup": startup,
    "inference": inference,
    "scaling": scaling,
}

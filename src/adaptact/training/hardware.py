"""Devices, precision, versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from adaptact import config
from adaptact.errors import ConfigError

PACKAGES = ("adaptact", "torch", "lightning", "torchmetrics", "hydra-core", "numpy", "pandas", "scikit-learn", "scipy")


def accelerator(options: config.Trainer) -> str:
    """ "gpu" or "cpu".

    Raises:
        ConfigError: a GPU, or more of them, asked for than there are.
    """
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if options.accelerator == "cpu" or (options.accelerator == "auto" and not available):
        return "cpu"
    if options.devices > available:
        asked = f"{options.devices} GPUs" if options.devices > 1 else "a GPU"
        raise ConfigError(
            [f"trainer.accelerator={options.accelerator} asks for {asked}, but torch sees {available}: use trainer=cpu"]
        )
    return "gpu"


def precision(options: config.Trainer, device: str) -> str:
    """The precision to train in: "auto" is bf16-mixed on a GPU that supports it, 16-mixed on older ones, 32-true
    on a CPU.

    Raises:
        ConfigError: 16-mixed on a CPU, where nothing scales its gradients.
    """
    if options.precision == "16-mixed" and device == "cpu":
        raise ConfigError(["trainer.precision=16-mixed needs a GPU: use bf16-mixed or 32-true on a CPU"])
    if options.precision != "auto":
        return options.precision
    if device == "cpu":
        return "32-true"
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16-mixed"
    return "32-true" if options.strategy == "fsdp" else "16-mixed"


def versions() -> dict[str, str]:
    """Versions of Python and of what decides the numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Model of this machine's processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{named[0] if named else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def device_name(device: str) -> str:
    if device == "gpu":
        return torch.cuda.get_device_name()
    return f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"

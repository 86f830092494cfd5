"""Precision and device, on machines that this one is not."""

import pytest
import torch

from adaptact import config
from adaptact.errors import ConfigError
from adaptact.training import hardware


def machine(monkeypatch: pytest.MonkeyPatch, gpus: int, bf16: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: bf16 or including_emulation)


@pytest.mark.parametrize(
    ("gpus", "bf16", "expected"), [(0, False, "32-true"), (1, True, "bf16-mixed"), (1, False, "16-mixed")]
)
def test_auto_takes_what_the_device_does_best(
    monkeypatch: pytest.MonkeyPatch, gpus: int, bf16: bool, expected: str
) -> None:
    machine(monkeypatch, gpus, bf16)
    options = config.Trainer()
    device = hardware.accelerator(options)
    assert device == ("gpu" if gpus else "cpu")
    assert hardware.precision(options, device) == expected
    assert hardware.precision(config.Trainer(precision="32-true"), device) == "32-true"


def test_the_cpu_is_taken_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 2, True)
    assert hardware.accelerator(config.Trainer(accelerator="cpu")) == "cpu"


def test_more_gpus_than_there_are_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 1, True)
    with pytest.raises(ConfigError, match=r"asks for 2 GPUs, but torch sees 1"):
        hardware.accelerator(config.Trainer(accelerator="gpu", devices=2))
    machine(monkeypatch, 0)
    with pytest.raises(ConfigError, match=r"asks for a GPU, but torch sees 0: use trainer=cpu"):
        hardware.accelerator(config.Trainer(accelerator="gpu"))
    with pytest.raises(ConfigError, match="bf16-mixed"):
        hardware.precision(config.Trainer(precision="16-mixed"), "cpu")

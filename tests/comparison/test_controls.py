"""Controls of whatever learns: a user's own activation, torch's PReLU, weights that no option sets."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from adaptact import config, data
from adaptact.comparison.options import Comparison
from adaptact.comparison.plan import Arm, arms_of, with_learned_values
from adaptact.comparison.prepare import checks
from adaptact.errors import ConfigError
from adaptact.sites import named_activations
from adaptact.training.build import build_network
from adaptact.training.checkpoints import activation_state
from adaptact.training.run import train

MODULE = """
import torch
from torch import nn

class Mine(nn.Module):
    def __init__(self, start=1.0):
        super().__init__()
        self.slopes = nn.Parameter(torch.full((3,), start))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.steps += self.training
        return x * torch.sigmoid(self.slopes[0] * x) + 0.1 * self.slopes[1] * torch.tanh(x) + 0.01 * self.slopes[2]

class Fixed(nn.Module):
    def forward(self, x):
        return x.relu()
"""
CHOICES: dict[str, dict[str, Any]] = {
    "mine": {"kind": "custom", "target": "their_activations.Mine"},
    "fixed": {"kind": "custom", "target": "their_activations.Fixed"},
    **{name: {"kind": name} for name in ("gelu", "prelu", "abu", "sgblend", "leaky_relu")},
    "off": {"kind": "sgblend", "learn": []},
}


@pytest.fixture
def _theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "their_activations.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("their_activations", None)


def settings_of(name: str, folder: Path) -> config.Config:
    return config.from_dict(
        {
            "activation": {"name": name, **CHOICES[name]},
            "model": {"name": "mlp", "widths": [8, 8]},
            "data": {"name": "wine", "batch_size": 32},
            "trainer": {"max_epochs": 2, "accelerator": "cpu"},
            "logger": {"tensorboard": False},
            "references": False,
            "trust": "their_activations",
            "output_dir": str(folder),
        }
    )


def arms(names: list[str], folder: Path) -> dict[str, Arm]:
    settings = {name: settings_of(name, folder) for name in names}
    adaptive = checks(settings, data.load(settings[names[0]].data))
    options = Comparison(activations=names)
    options.compare.controls = True
    return {arm.name: arm for arm in arms_of(options, lambda name: config.to_dict(settings[name]), adaptive)}


@pytest.mark.usefixtures("_theirs")
def test_whatever_learns_gets_controls_and_nothing_else(tmp_path: Path) -> None:
    found = arms(["gelu", "mine", "fixed", "prelu", "abu", "leaky_relu", "off", "sgblend"], tmp_path)
    of = {arm.of for arm in found.values() if arm.role == "control"}
    assert of == {"mine", "prelu", "abu", "sgblend"}
    for name in of:
        assert {f"{name}-frozen", f"{name}-learned", f"{name}-scale"} <= found.keys()


@pytest.mark.usefixtures("_theirs")
@pytest.mark.parametrize("name", ["mine", "prelu", "abu", "sgblend"])
def test_a_frozen_activation_has_no_gradients_and_keeps_its_start(name: str, tmp_path: Path) -> None:
    frozen = arms(["gelu", name], tmp_path)[f"{name}-frozen"]
    settings = config.from_dict({**frozen.settings, "trust": "their_activations"})
    record, _ = train(settings, quiet=True)
    assert record.status == "finished"
    assert record.model["activation_parameters"] == 0
    assert all(layer["moved"] == 0 for layer in record.layers)
    network = build_network(settings, (13,), 3)
    own = [p for module in named_activations(network).values() for p in module.parameters()]
    assert not any(p.requires_grad for p in own)


@pytest.mark.usefixtures("_theirs")
@pytest.mark.parametrize("name", ["mine", "prelu", "abu"])
def test_the_learned_control_stands_at_the_mean_of_the_states(name: str, tmp_path: Path) -> None:
    found = arms(["gelu", name], tmp_path)
    runs = []
    for seed in (0, 1):
        settings = config.from_dict({**found[name].settings, "trust": "their_activations", "seed": seed})
        runs.append(train(settings, quiet=True))
    states = [activation_state(folder, record.layers) for record, folder in runs]
    learned = with_learned_values(found[f"{name}-learned"], [record.layers for record, _ in runs], states)
    settings = config.from_dict({**learned.settings, "trust": "their_activations"})
    modules = named_activations(build_network(settings, (13,), 3))
    weights = [torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"] for _, folder in runs]
    assert modules
    for site, module in modules.items():
        for key, value in module.named_parameters():
            both = [state[f"network.{site}.{key}"] for state in weights]
            assert torch.allclose(value, (both[0] + both[1]) / 2)
            assert not value.requires_grad
    record, _ = train(settings, quiet=True)
    assert all(layer["moved"] == 0 for layer in record.layers)


@pytest.mark.usefixtures("_theirs")
def test_a_start_of_another_module_is_said(tmp_path: Path) -> None:
    plain = config.to_dict(settings_of("mine", tmp_path))
    plain["activation"]["start"] = {"1": {"slopes": [1.0]}, "4": {"slopes": [1.0]}}
    with pytest.raises(ConfigError, match="does not fit Mine"):
        build_network(config.from_dict({**plain, "trust": "their_activations"}), (13,), 3)

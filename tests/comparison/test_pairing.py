"""Runs of one seed share everything but the activation: split, start weights, order of rows, dropout masks."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from adaptact import config, data
from adaptact.comparison.plan import Plan, Run
from adaptact.data.loaders import DataModule
from adaptact.surgery import named_activations
from adaptact.training.build import build_network

Make = Callable[..., Plan]


def pair(plan: Plan, seed: int) -> list[Run]:
    return [next(run for run in plan.runs(arm) if run.seed == seed) for arm in plan.arms]


def shared_parameters(network: nn.Module) -> dict[str, torch.Tensor]:
    own = {id(p) for module in named_activations(network).values() for p in module.parameters()}
    return {name: p for name, p in network.named_parameters() if id(p) not in own}


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_start_weights_rows_and_masks_are_the_same_bit_by_bit(make_plan: Make, norm: str) -> None:
    plan = make_plan("activations=gelu,silu,sgblend,pelu seeds=3 compare.controls=true")
    seen: list[dict[str, Any]] = []
    for run in [run for run in pair(plan, 2) if not run.arm.endswith("learned")]:
        run.settings["model"] |= {"norm": norm, "dropout": 0.5}
        settings = config.from_dict(run.settings)
        prepared = data.load(settings.data)
        network = build_network(settings, prepared.input_shape, prepared.n_outputs)
        after = torch.rand(8)  # the generator that dropout draws from
        order = settings.data.order_seed
        assert order is not None
        loader = DataModule(prepared, settings.data, order).train_dataloader()
        masks = [m(torch.ones(64)) for m in network.modules() if isinstance(m, nn.Dropout)]
        batches = [x for x, _ in loader]
        seen.append({"weights": shared_parameters(network), "after": after, "batches": batches, "masks": masks})
    first = seen[0]
    for other in seen[1:]:
        assert other["weights"].keys() == first["weights"].keys()
        assert all(torch.equal(other["weights"][name], value) for name, value in first["weights"].items())
        assert torch.equal(other["after"], first["after"])
        assert all(torch.equal(a, b) for a, b in zip(other["batches"], first["batches"], strict=True))
        assert all(torch.equal(a, b) for a, b in zip(other["masks"], first["masks"], strict=True))


def test_another_seed_changes_split_weights_and_order(make_plan: Make) -> None:
    plan = make_plan()
    found = []
    for seed in (0, 1):
        settings = config.from_dict(pair(plan, seed)[0].settings)
        prepared = data.load(settings.data)
        network = build_network(settings, prepared.input_shape, prepared.n_outputs)
        found.append((prepared.parts["test"].x, next(network.parameters())))
    assert not torch.equal(found[0][0], found[1][0])
    assert not torch.equal(found[0][1], found[1][1])


def test_start_values_of_single_sites(make_plan: Make) -> None:
    plan = make_plan("activations=gelu,sgblend compare.controls=true")
    arm = plan.arm("sgblend-learned")
    run = next(plan.runs(arm))
    run.settings["activation"]["start"] = {
        "1": {"alpha": 0.2, "beta": 1.5, "gamma": 0.1},
        "4": {"alpha": 0.7, "beta": 0.5, "gamma": 0.0},
    }
    network = build_network(config.from_dict(run.settings), (13,), 3)
    found = named_activations(network)
    assert [round(found[name].alpha.item(), 6) for name in ("1", "4")] == [0.2, 0.7]
    assert not any(p.requires_grad for module in found.values() for p in module.parameters())

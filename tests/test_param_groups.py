"""Optimizer groups: every trainable parameter in exactly one, activation parameters without decay and apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from adaptact import ABU, PELU, Blend, NonlinearityEnhanced, Scaled, SGBlend, Swish, param_groups, replace_activations

LR, DECAY, SCALE = 1e-2, 0.1, 0.25


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Mine(nn.Module):
    """Somebody's own activation: a matrix, a bias and a norm, none of which may decay."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(4, 4)
        self.norm = nn.LayerNorm(4)
        self.weight = nn.Parameter(torch.ones(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.mix(x)).relu() * self.weight.mean()


class ScaleNorm(nn.Module):
    """Somebody's own normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.g = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.g * F.normalize(x, dim=-1)


class Tokens(nn.Module):
    """Parameters of its own beside an embedding tied to the output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.position = nn.Parameter(torch.zeros(3, 4))
        self.head = nn.Linear(4, 5)
        self.head.weight = self.embedding.weight


def by_name(model: nn.Module, **options: Any) -> dict[str, set[str]]:
    """Names of the parameters in each group; every trainable parameter must be in exactly one."""
    groups = param_groups(model, LR, DECAY, **options)
    known = {id(p): name for name, p in model.named_parameters()}
    listed = [id(p) for group in groups for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    return {group["name"]: {known[id(p)] for p in group["params"]} for group in groups}


def everything() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.GroupNorm(2, 4), SGBlend(channels=4), nn.PReLU(4), nn.Flatten(2),
        nn.Linear(4, 4), nn.LayerNorm(4), Blend("prelu", "pelu"), nn.RMSNorm(4), nn.ReLU(),
        nn.TransformerEncoderLayer(4, 2, 8, activation=Swish()), Tokens(),
    )  # fmt: skip


def test_a_network_of_everything_is_sorted_by_the_module_that_owns_a_parameter() -> None:
    groups = by_name(everything())
    assert groups["activations"] == {
        "3.raw_alpha", "3.raw_beta", "3.raw_gamma", "4.weight", "8.raw_alpha", "8.first.weight", "8.second.raw_a",
        "8.second.raw_b", "11.activation.raw_beta",
    }  # fmt: skip
    assert groups["weights"] == {
        "0.weight", "6.weight", "11.self_attn.in_proj_weight", "11.self_attn.out_proj.weight", "11.linear1.weight",
        "11.linear2.weight", "12.embedding.weight", "12.position",
    }  # fmt: skip
    assert list(groups) == ["weights", "no_decay", "activations"]


@pytest.mark.parametrize(("scale", "rate"), [({}, LR), ({"activation_lr_scale": SCALE}, LR * SCALE)])
def test_only_weights_decay_and_only_activations_have_a_learning_rate_of_their_own(
    scale: dict[str, float], rate: float
) -> None:
    groups = {g["name"]: (g["lr"], g["weight_decay"]) for g in param_groups(everything(), LR, DECAY, **scale)}
    expected = {"weights": (LR, DECAY), "no_decay": (LR, 0.0), "activations": (pytest.approx(rate), 0.0)}
    assert groups == expected


@pytest.mark.parametrize(
    "make",
    [
        SGBlend,
        lambda: SGBlend(channels=4),
        Swish,
        PELU,
        ABU,
        lambda: NonlinearityEnhanced("prelu"),
        lambda: Scaled(Blend("sgblend", "prelu")),
        lambda: Blend("prelu", "gelu"),
        lambda: Blend(Mine(), "relu"),
        nn.PReLU,
        lambda: nn.PReLU(4),
        Mine,
        lambda: nn.Sequential(nn.Linear(4, 4), nn.PReLU()),
    ],
)
@pytest.mark.parametrize("preserve", [False, True])
def test_all_parameters_of_an_activation_that_was_swapped_in_are_activation_parameters(
    make: Callable[[], nn.Module], preserve: bool
) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.PReLU(), nn.Linear(4, 4))
    (replacement,) = replace_activations(model, make, preserve=preserve)
    assert replacement.new is model[1]
    expected = {name for name, _ in model.named_parameters() if name.startswith("1.")}
    assert by_name(model) == {
        "weights": {"0.weight", "2.weight"}, "no_decay": {"0.bias", "2.bias"}, "activations": expected
    }  # fmt: skip


def test_activations_at_several_paths_and_where_a_function_was_held_are_found() -> None:
    relu = nn.ReLU()
    model = nn.Sequential(nn.Linear(4, 4), relu, nn.TransformerEncoderLayer(4, 2, 8), nn.Sequential(relu))
    replace_activations(model, Mine)
    activations = by_name(model)["activations"]
    assert {name.split(".mix")[0] for name in activations if name.endswith("mix.weight")} == {
        "1", "2.activation", "3.0"
    }  # fmt: skip


def test_activations_of_a_module_split_into_its_calls_are_found() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.act(x) - 1)

    model = nn.Sequential(nn.Linear(4, 4), Twice())
    replace_activations(model, Mine, example=torch.randn(2, 4))
    assert len(by_name(model)["activations"]) == 2 * len(list(Mine().parameters()))


@pytest.mark.parametrize("activation", [SGBlend(), nn.PReLU(), Blend("prelu", "gelu")], ids=["own", "prelu", "blend"])
def test_the_parameters_of_a_model_that_is_itself_an_activation_are_activation_parameters(
    activation: nn.Module,
) -> None:
    assert by_name(activation) == {"activations": {name for name, _ in activation.named_parameters()}}


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm1d(4),
        nn.BatchNorm3d(4),
        nn.LayerNorm(4),
        nn.GroupNorm(2, 4),
        nn.RMSNorm(4),
        nn.InstanceNorm1d(4, affine=True),
        nn.SyncBatchNorm(4),
        ScaleNorm(),
    ],
    ids=lambda norm: type(norm).__name__,
)
def test_the_parameters_of_normalisation_layers_do_not_decay(norm: nn.Module) -> None:
    assert by_name(nn.Sequential(norm)) == {"no_decay": {f"0.{name}" for name, _ in norm.named_parameters()}}


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(4, 4),
        nn.Conv2d(4, 4, 3),
        nn.Bilinear(4, 4, 4),
        nn.MultiheadAttention(4, 2),
        nn.MultiheadAttention(4, 2, kdim=3, vdim=3),
        nn.LSTM(4, 4, num_layers=2, bidirectional=True),
        nn.GRUCell(4, 4),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_biases_do_not_decay_and_weights_do(layer: nn.Module) -> None:
    parameters = dict(layer.named_parameters())
    biases = {name for name in parameters if "bias" in name}
    assert by_name(layer) == {"weights": set(parameters) - biases, "no_decay": biases}


def test_frozen_parameters_are_left_out_and_empty_groups_too() -> None:
    model = nn.Sequential(nn.Linear(4, 4), SGBlend(learn=("alpha",)), nn.BatchNorm1d(4))
    model[0].weight.requires_grad_(False)
    assert by_name(model) == {"no_decay": {"0.bias", "2.weight", "2.bias"}, "activations": {"1.raw_alpha"}}
    assert by_name(nn.Linear(4, 4, bias=False)) == {"weights": {"weight"}}
    assert param_groups(model.requires_grad_(False), LR, DECAY) == []


def test_tied_weights_are_listed_once() -> None:
    groups = by_name(Tokens())  # raises where one is listed twice
    assert groups == {"weights": {"embedding.weight", "position"}, "no_decay": {"head.bias"}}


def test_an_activation_shared_by_several_places_is_listed_once() -> None:
    shared = SGBlend()
    assert by_name(nn.Sequential(shared, nn.Linear(4, 4), shared))["activations"] == {
        "0.raw_alpha", "0.raw_beta", "0.raw_gamma"
    }  # fmt: skip


def test_in_an_optimizer_only_weights_shrink_where_no_gradient_pulls() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.GELU(), Blend("sgblend", "prelu"))
    nn.init.ones_(model[0].bias)
    replace_activations(model, Mine, names=["2"])
    optimizer = torch.optim.AdamW(param_groups(model, LR, DECAY, SCALE))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    (model(torch.randn(3, 4)) * 0).sum().backward()
    optimizer.step()
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {"0.weight"}
    torch.testing.assert_close(model[0].weight, before["0.weight"] * (1 - LR * DECAY))


def test_in_an_optimizer_activation_parameters_take_steps_of_their_own_learning_rate() -> None:
    model = nn.Sequential(nn.Linear(1, 1), Swish())
    nn.init.ones_(model[0].weight)
    nn.init.ones_(model[0].bias)
    optimizer = torch.optim.SGD(param_groups(model, LR, 0.0, SCALE))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model(torch.ones(3, 1)).sum().backward()
    optimizer.step()
    for name, parameter in model.named_parameters():
        rate = LR * SCALE if name == "1.raw_beta" else LR
        assert parameter.grad.abs() > 0
        torch.testing.assert_close(parameter.detach(), before[name] - rate * parameter.grad, rtol=1e-6, atol=1e-7)


PARTS: list[Callable[[], nn.Module]] = [
    lambda: nn.Linear(2, 2),
    lambda: nn.BatchNorm1d(2),
    lambda: nn.Linear(2, 2).requires_grad_(False),
    SGBlend,
    nn.PReLU,
    lambda: Blend("prelu", Mine()),
    Tokens,
    nn.ReLU,
]
OWNERS = (SGBlend, nn.PReLU, Blend)


@settings(max_examples=40, deadline=None)
@given(st.recursive(st.sampled_from(PARTS), lambda below: st.lists(below, max_size=4), max_leaves=12))
def test_in_any_tree_every_trainable_parameter_is_in_exactly_one_group(tree: Any) -> None:
    def grow(part: Any) -> nn.Module:
        return nn.Sequential(*map(grow, part)) if isinstance(part, list) else part()

    model = nn.Sequential(grow(tree))
    expected = {name for owner, m in model.named_modules() if isinstance(m, OWNERS) for name in inside(owner, m)}
    assert by_name(model).get("activations", set()) == expected


def inside(owner: str, module: nn.Module) -> set[str]:
    return {f"{owner}.{name}" for name, _ in module.named_parameters()}

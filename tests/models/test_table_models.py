"""Networks for tables: their input side, TabM's two faces, and any activation through surgery."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from adaptact import SGBlend, config, models, replace_activations
from adaptact.data import Part, Prepared
from adaptact.errors import ConfigError
from adaptact.layouts import Columns
from adaptact.models.columns import ColumnEncoder
from adaptact.training.learner import Learner
from adaptact.training.run import train

EDGES = torch.linspace(-2, 2, 9)
LAYOUT = Columns(3, 2, (4, 6), (EDGES, EDGES, EDGES[[0, -1]]))
OPTIONS: list[dict[str, Any]] = [
    {"name": "mlp"},
    {"name": "mlp", "numeric": "periodic"},
    {"name": "mlp", "numeric": "piecewise", "norm": "batch"},
    {"name": "tabm", "k": 3, "width": 16},
    {"name": "tabm", "k": 3, "width": 16, "numeric": "plain"},
    {"name": "tabm", "k": 3, "width": 16, "numeric": "periodic"},
]
per_option = pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(str(v) for v in o.values()))


def rows(n: int = 20, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    codes = [torch.randint(0, size, (n, 1), generator=draw).float() for size in LAYOUT.cardinalities]
    flags = torch.randint(0, 2, (n, LAYOUT.n_flags), generator=draw).float()
    return torch.cat([torch.randn(n, LAYOUT.n_numeric, generator=draw), flags, *codes], dim=1)


def build(options: dict[str, Any], n_outputs: int = 3) -> nn.Module:
    return models.build(
        options["name"], (7,), n_outputs, layout=LAYOUT, **{k: v for k, v in options.items() if k != "name"}
    )


@per_option
def test_every_parameter_learns_and_every_input_counts(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = build(options | {"dropout": 0.0})
    x = rows(64).requires_grad_()
    outputs = network(x)
    assert outputs.shape == ((64, 3, 3) if options["name"] == "tabm" else (64, 3))
    outputs.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert network.eval()(rows(64)).shape == (64, 3)
    for column in range(7):
        changed = rows(64)
        changed[:, column] = (changed[:, column] + 1) % 2 if 3 <= column < 5 else changed[:, column]
        changed[:, column] = torch.roll(changed[:, column], 1) if not 3 <= column < 5 else changed[:, column]
        assert not torch.equal(network(changed), network(rows(64))), column


@per_option
def test_any_activation_fits_in(options: dict[str, Any]) -> None:
    network = build(options)
    swaps = replace_activations(network, SGBlend, example=rows(4))
    assert len(swaps) == 2
    assert not any(isinstance(m, nn.ReLU) for m in network.modules())
    network(rows(4)).sum().backward()
    assert all(p.grad is not None for swap in swaps for p in swap.new.parameters())


def test_a_category_that_training_has_not_is_zero_and_stays_so() -> None:
    encoder = ColumnEncoder(LAYOUT)
    unseen = rows(5)
    unseen[:, -1] = 5
    encoded = encoder(unseen)
    width = encoder.categories[1].embedding_dim
    assert (encoded[:, -width:] == 0).all()
    encoded.sum().backward()
    assert (encoder.categories[1].weight.grad[5] == 0).all()


def test_without_a_layout_all_inputs_are_numbers() -> None:
    assert list(models.build("mlp", (7,), 3).state_dict()) == [
        "0.weight",
        "0.bias",
        "3.weight",
        "3.bias",
        "6.weight",
        "6.bias",
    ]
    assert models.build("tabm", (7,), 3).eval()(torch.randn(4, 7)).shape == (4, 3)
    with pytest.raises(ConfigError, match="rows of a table"):
        models.build("tabm", (1, 8, 8), 3)


def test_tabm_predicts_the_mean_probability_of_its_members() -> None:
    network = build({"name": "tabm", "k": 5, "width": 16, "dropout": 0.0})
    members = network(rows()).softmax(dim=2)
    expected = members.mean(dim=1)
    found = network.eval()(rows())
    torch.testing.assert_close(found.exp(), expected)
    torch.testing.assert_close(found.softmax(dim=1), expected)  # as logits they are the same probabilities


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_tabm_learns_from_the_mean_of_its_members_losses(task: str) -> None:
    network = build({"name": "tabm", "k": 5, "width": 16, "dropout": 0.0}, 3 if task == "classification" else 1)
    learner = Learner(network, task=task, optimizer=config.Optimizer())
    y = torch.arange(20) % 3 if task == "classification" else torch.randn(20)
    outputs = network(rows())
    each = [
        nn.functional.cross_entropy(outputs[:, i], y)
        if task == "classification"
        else nn.functional.mse_loss(outputs[:, i, 0], y)
        for i in range(5)
    ]
    torch.testing.assert_close(learner.training_step((rows(), y), 0), torch.stack(each).mean())


def prepared(task: str) -> Prepared:
    def part(n: int, seed: int) -> Part:
        x = rows(n, seed)
        return Part(x, (x[:, 0] > 0).long() if task == "classification" else x[:, 0] + x[:, -1])

    parts = {name: part(n, seed) for seed, (name, n) in enumerate({"train": 64, "val": 40, "test": 40}.items())}
    labels = ["no", "yes"] if task == "classification" else []
    return Prepared("made", task, parts, "0" * 64, labels, layout=LAYOUT)  # type: ignore[arg-type]


@per_option
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_run_trains_it(make_config: Callable[..., config.Config], options: dict[str, Any], task: str) -> None:
    settings = make_config({"trainer.max_epochs": 1, "imbalance": "focal" if task == "classification" else "none"})
    settings = replace(settings, model=config.MODELS[options["name"]](**options))
    record, _ = train(settings, prepared=prepared(task))
    assert record.status == "finished"
    assert record.model["sites"] == 2
    assert {reference["name"] for reference in record.references} == {"boosting", "linear"}

"""What learns and how fast: layers in order, the head, frozen weights, learning rates by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from adaptact import config, data, models
from adaptact.activations import SGBlend
from adaptact.errors import ConfigError
from adaptact.surgery import param_groups, replace_activations
from adaptact.training.build import build_network
from adaptact.training.finetune import freeze, head_of, layers, spread
from adaptact.training.learner import Learner
from adaptact.training.run import train


def deep() -> nn.Module:
    torch.manual_seed(0)
    network = models.build("mlp", (5,), 3, widths=[8, 7, 6], norm="batch", dropout=0.0)
    replace_activations(network, SGBlend)
    return network


def test_every_parameter_is_in_one_layer() -> None:
    for network in (deep(), models.build("resnet", (3, 8, 8), 4, depth=8, width=4)):
        names = [name for layer in layers(network) for name in layer]
        assert sorted(names) == sorted(name for name, _ in network.named_parameters())
    assert [len(layer) for layer in layers(deep())] == [7, 7, 7, 2]


def test_a_parameter_that_two_modules_share_is_in_one_layer() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    assert layers(network) == [["0.weight", "0.bias", "1.bias"]]


def test_the_head_is_the_last_layer_or_what_is_named() -> None:
    assert head_of(deep(), None) == {"9.weight", "9.bias"}
    assert head_of(deep(), ["9.*", "6.weight"]) == {"9.weight", "9.bias", "6.weight"}
    with pytest.raises(ConfigError, match="'fc\\.\\*'"):
        head_of(deep(), ["fc.*"])


def test_frozen_is_all_but_activations_norms_and_head() -> None:
    network = deep()
    freeze(network, config.Finetune(learn="activations"))
    learning = {name for name, p in network.named_parameters() if p.requires_grad}
    assert {name for name in learning if name.endswith(("raw_alpha", "raw_beta", "raw_gamma"))} == {
        f"{site}.raw_{key}" for site in (2, 5, 8) for key in ("alpha", "beta", "gamma")
    }
    weights = {f"{layer}.{key}" for layer in (0, 3, 6) for key in ("weight", "bias")}
    assert {name for name, _ in network.named_parameters()} - learning == weights


def rates(first: float, **options: Any) -> dict[str, float]:
    network = deep()
    groups = param_groups(network, 0.1, 0.01, activation_lr_scale=10)
    names = {id(p): name for name, p in network.named_parameters()}
    found = spread(groups, network, config.Finetune(first_layer_lr=first, **options))
    listed = [(names[id(p)], group["lr"]) for group in found for p in group["params"]]
    assert len(listed) == len(names) == len(dict(listed))  # each once
    for group in found:
        own = {names[id(p)] for p in group["params"]}
        assert group["weight_decay"] == (0.01 if group["name"] == "weights" else 0)
        assert group.get("head", own <= {"9.weight", "9.bias"}) == (own <= {"9.weight", "9.bias"})
    return dict(listed)


def test_learning_rates_fall_in_equal_ratios_from_the_head_to_the_first_layer() -> None:
    lr = rates(0.125)
    assert [lr[f"{layer}.weight"] for layer in (0, 3, 6, 9)] == pytest.approx([0.0125, 0.025, 0.05, 0.1])
    assert lr["2.raw_alpha"] == pytest.approx(10 * lr["0.weight"])  # activations keep their multiple
    assert lr["4.bias"] == lr["3.weight"]


def test_without_a_wish_the_groups_stay_as_they_are() -> None:
    network = deep()
    groups = param_groups(network, 0.1, 0.01)
    assert spread(groups, network, config.Finetune()) is groups


def steps(make_config: Callable[..., config.Config], **changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights before and after a short run with these settings."""
    settings = make_config({"trainer.max_epochs": 2, "optimizer.warmup_epochs": 0.0, **changes})
    prepared = data.load(settings.data)
    start = build_network(settings, prepared.input_shape, prepared.n_outputs).state_dict()
    _, folder = train(settings, prepared=prepared, quiet=True)
    last = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return start, {name.removeprefix("network."): value for name, value in last.items()}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_only_activations_and_head_learn(make_config: Callable[..., config.Config]) -> None:
    before, after = steps(make_config, **{"finetune.learn": "activations"})
    assert changed(before, after) == {"1.raw_alpha", "1.raw_beta", "1.raw_gamma", "3.weight", "3.bias"}


def test_the_head_learns_first_and_then_all(make_config: Callable[..., config.Config]) -> None:
    settings = make_config({"trainer.max_epochs": 2, "finetune.head_epochs": 1, "optimizer.schedule": "constant"})
    prepared = data.load(settings.data)
    seen: list[set[str]] = []
    network = build_network(settings, prepared.input_shape, prepared.n_outputs)
    learner = Learner(network, task="classification", optimizer=settings.optimizer, finetune=settings.finetune)
    start = {name: value.clone() for name, value in network.state_dict().items()}

    import lightning as L

    class Look(L.Callback):
        def on_train_epoch_end(self, *args: Any) -> None:
            seen.append(changed(start, network.state_dict()))

    from adaptact.data.loaders import DataModule

    trainer = L.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        callbacks=[Look()],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(learner, DataModule(prepared, settings.data, 0))
    assert seen[0] == {"3.weight", "3.bias"}
    assert seen[1] == set(start)


def test_a_head_that_never_hands_over_is_refused(make_config: Callable[..., config.Config]) -> None:
    with pytest.raises(ConfigError, match=r"finetune\.head_epochs 2"):
        make_config({"finetune.head_epochs": 2})

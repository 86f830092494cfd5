"""Networks: what goes in and comes out, how deep they are, and where their activations stand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from adaptact import config, models
from adaptact.activations import SGBlend
from adaptact.errors import ConfigError
from adaptact.layouts import Pixels
from adaptact.surgery import named_activations, replace_activations
from adaptact.training.build import build_network

IMAGES = [(1, 8, 8), (3, 8, 8), (1, 28, 28), (3, 32, 32), (1, 8, 21), (2, 33, 9), (3, 96, 96), (1, 96, 8)]
# name, options, input shape, number of activations
NETWORKS: list[tuple[str, dict[str, Any], tuple[int, ...], int]] = [
    ("mlp", {}, (13,), 2),
    ("mlp", {"widths": [8, 9, 10], "norm": "batch", "dropout": 0.5}, (13,), 3),
    ("mlp", {"widths": [8], "norm": "layer", "dropout": 0.0}, (1, 8, 8), 1),
    ("mlp", {"widths": [8, 6], "depth": 5, "norm": "batch"}, (13,), 5),
    ("cnn", {}, (1, 8, 8), 3),
    ("cnn", {"widths": [4, 6, 8, 10]}, (3, 8, 8), 5),
    ("cnn", {"widths": [4], "hidden": 7, "dropout": 0.0}, (1, 32, 32), 4),
    ("resnet", {"depth": 8, "width": 4}, (1, 8, 8), 7),
    ("resnet", {"depth": 14, "width": 3}, (3, 16, 12), 13),
    ("resnet", {"depth": 8, "width": 4, "norm": "none"}, (1, 8, 8), 7),
]
per_network = pytest.mark.parametrize(
    ("name", "options", "shape", "sites"), NETWORKS, ids=[f"{n[0]}-{i}" for i, n in enumerate(NETWORKS)]
)


def batch(shape: tuple[int, ...], rows: int = 3) -> Tensor:
    return torch.randn(rows, *shape, generator=torch.Generator().manual_seed(0))


def count(network: nn.Module, *kinds: type[nn.Module]) -> int:
    return sum(isinstance(module, kinds) for module in network.modules())


# --- shapes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", IMAGES, ids=str)
@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet"])
def test_images_of_many_shapes_become_one_row_of_outputs_each(name: str, shape: tuple[int, ...]) -> None:
    small: dict[str, dict[str, Any]] = {"mlp": {}, "cnn": {"widths": [4, 8]}, "resnet": {"depth": 8, "width": 4}}
    network = models.build(name, shape, 5, **small[name]).eval()
    outputs = network(batch(shape))
    assert outputs.shape == (3, 5)
    assert outputs.isfinite().all()
    torch.testing.assert_close(network(batch(shape)[1:2]), outputs[1:2], rtol=1e-4, atol=1e-5)  # rows are independent


@pytest.mark.parametrize("shape", [(1,), (30,), (2, 3), (2, 3, 4, 5)], ids=str)
def test_an_mlp_takes_inputs_of_any_shape(shape: tuple[int, ...]) -> None:
    assert models.build("mlp", shape, 1)(batch(shape)).shape == (3, 1)


@pytest.mark.parametrize("shape", [(1, 7, 8), (3, 32, 7), (1, 1, 1), (64,), (8, 8)], ids=str)
@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_what_is_no_image_or_too_small_a_one_is_a_config_error(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=rf"model={name}: .*8 x 8") as caught:
        models.build(name, shape, 2)
    assert str(shape) in str(caught.value)


def test_an_unknown_model_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'resnt' is unknown. Did you mean 'resnet'\?"):
        models.build("resnt", (1, 8, 8), 2)


# --- layers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [8, 14, 20, 32, 56])
def test_a_residual_network_has_as_many_layers_as_it_says(depth: int) -> None:
    network = models.build("resnet", (3, 32, 32), 10, depth=depth, width=2)
    assert count(network, nn.Conv2d, nn.Linear) == depth
    assert count(network, nn.BatchNorm2d) == depth - 1


def test_a_residual_network_without_normalisation_has_biases_instead() -> None:
    network = models.build("resnet", (3, 32, 32), 10, depth=14, width=2, norm="none")
    assert count(network, nn.BatchNorm2d) == 0
    assert all(m.bias is not None for m in network.modules() if isinstance(m, nn.Conv2d))


def test_the_last_width_of_an_mlp_repeats_up_to_its_depth() -> None:
    network = models.build("mlp", (4,), 2, widths=[8, 6], depth=4)
    assert [m.out_features for m in network.modules() if isinstance(m, nn.Linear)] == [8, 6, 6, 6, 2]
    with pytest.raises(ConfigError, match="depth of 1 is less than the 2 widths"):
        models.build("mlp", (4,), 2, widths=[8, 6], depth=1)


@pytest.mark.parametrize("depth", [-4, 2, 7, 9, 21])
def test_a_depth_that_no_residual_network_has_is_a_config_error(depth: int) -> None:
    with pytest.raises(ConfigError, match=str(depth)):
        models.build("resnet", (1, 8, 8), 2, depth=depth)


def test_the_standard_residual_network_has_the_size_of_the_paper() -> None:
    """He et al. 2016, table 6: ResNet-20 has 0.27 million parameters, ResNet-56 0.85."""
    for depth, millions in ((20, 0.27), (56, 0.85)):
        network = models.build("resnet", (3, 32, 32), 10, depth=depth)
        assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.006)


def test_a_shortcut_halves_the_image_and_pads_channels_with_zeros() -> None:
    block = models.build("resnet", (1, 8, 8), 2, depth=8, width=3).get_submodule("stages.1.0").eval()
    nn.init.zeros_(block.get_submodule("conv2").weight)  # type: ignore[arg-type]  # leaves the shortcut alone
    x = batch((3, 8, 8)).abs()
    y = block(x)
    assert y.shape == (3, 6, 4, 4)
    assert torch.equal(y[:, :3], x[:, :, ::2, ::2])
    assert not y[:, 3:].any()


def test_a_convolutional_network_repeats_its_last_width_until_the_image_is_small() -> None:
    network = models.build("cnn", (3, 96, 96), 10, widths=[4, 6], hidden=11)
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert [conv.out_channels for conv in convs] == [4, 6, 6, 6, 6]
    head = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in head] == [(6 * 3 * 3, 11), (11, 10)]


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({"dropout": 0.0}, [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]),
        ({"dropout": 0.3}, [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]),
        ({"dropout": 0.0, "norm": "batch"}, [nn.Linear, nn.BatchNorm1d, nn.ReLU] * 2 + [nn.Linear]),
        ({"dropout": 0.0, "norm": "layer"}, [nn.Linear, nn.LayerNorm, nn.ReLU] * 2 + [nn.Linear]),
    ],
    ids=["plain", "dropout", "batch", "layer"],
)
def test_options_of_an_mlp_are_its_layers(options: dict[str, Any], kinds: list[type]) -> None:
    network = models.build("mlp", (4,), 2, widths=[8, 6], **options)
    assert [type(module) for module in network.children()] == kinds
    widths = [(m.in_features, m.out_features) for m in network.children() if isinstance(m, nn.Linear)]
    assert widths == [(4, 8), (8, 6), (6, 2)]
    assert {m.p for m in network.children() if isinstance(m, nn.Dropout)} <= {0.3}


# --- activations -------------------------------------------------------------------------------------------------


@per_network
def test_every_activation_is_an_instance_of_its_own(
    name: str, options: dict[str, Any], shape: tuple[int, ...], sites: int
) -> None:
    network = models.build(name, shape, 3, **options)
    found = named_activations(network)
    assert len(found) == len({id(module) for module in found.values()}) == sites
    assert {type(module) for module in found.values()} == {nn.ReLU}
    assert not any(module.inplace for module in found.values())  # type: ignore[union-attr]


@per_network
def test_every_activation_runs_once_and_can_be_swapped(
    name: str, options: dict[str, Any], shape: tuple[int, ...], sites: int
) -> None:
    network = models.build(name, shape, 3, **options)
    replaced = replace_activations(network, SGBlend, example=batch(shape))
    assert len(replaced) == sites
    assert not any("#" in replacement.name for replacement in replaced)
    assert count(network, nn.ReLU) == 0
    assert network(batch(shape)).shape == (3, 3)


@per_network
def test_gradients_reach_every_parameter(
    name: str, options: dict[str, Any], shape: tuple[int, ...], sites: int
) -> None:
    torch.manual_seed(0)
    network = models.build(name, shape, 3, **options | {"dropout": 0.0})
    replace_activations(network, lambda: SGBlend(gamma=0.1), example=batch(shape))
    network(batch(shape, rows=16)).square().sum().backward()
    without = [path for path, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert without == []


def settings_of(model: config.Model, activation: config.Activation) -> config.Config:
    return config.Config(activation=activation, model=model, data=config.Bundled(name="digits"), seed=3)


def test_the_activation_does_not_change_the_start_weights() -> None:
    """Arms of a comparison share a seed, and with it every weight that is not the activation's own."""
    relu = build_network(settings_of(config.CNN(name="cnn"), config.Activation("relu", "relu")), (1, 8, 8), 10)
    activation = config.ACTIVATIONS["sgblend"]("sgblend", "sgblend")
    blend = build_network(settings_of(config.CNN(name="cnn"), activation), (1, 8, 8), 10)
    shared = dict(blend.named_parameters())
    assert count(blend, SGBlend) == 3
    for path, parameter in relu.named_parameters():
        assert torch.equal(parameter, shared[path])
    assert len(shared) > len(dict(relu.named_parameters()))


def test_a_network_that_cannot_read_the_data_is_a_config_error_of_the_build() -> None:
    with pytest.raises(ConfigError, match=r"model=resnet: .*8 x 8"):
        build_network(settings_of(config.ResNet(name="resnet"), config.Activation("relu", "relu")), (13,), 3)


# --- pixels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet"])
def test_pixels_as_files_keep_them_are_standardised_inside_the_network(name: str) -> None:
    pixels = torch.randint(256, (4, 3, 9, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    layout = Pixels((0.2, 0.4, 0.6), (0.1, 0.3, 0.5))
    torch.manual_seed(0)
    network = models.build(name, (3, 9, 8), 5, layout=layout).eval()
    torch.manual_seed(0)
    plain = models.build(name, (3, 9, 8), 5).eval()
    center, spread = (torch.tensor(v, dtype=torch.float64).view(1, 3, 1, 1) for v in (layout.mean, layout.std))
    standardised = ((pixels.double() / 255 - center) / spread).float()
    torch.testing.assert_close(network(pixels), plain(standardised), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(network(pixels.float()), network(pixels), rtol=0, atol=0)
    assert network.double()(pixels).dtype == torch.float64

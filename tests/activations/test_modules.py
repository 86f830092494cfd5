"""The modules: dtypes, shapes, what is saved, copied, cast, learned and refused."""

from __future__ import annotations

import copy
import inspect
import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptact.activations import (
    ABU,
    ACTIVATIONS,
    PELU,
    AdaptiveActivation,
    Blend,
    NonlinearityEnhanced,
    Scaled,
    SGBlend,
    SGBlendAuthors,
    SSwish,
    Swish,
    create,
    effective_values,
    learned_values,
    stored_parameters,
)
from adaptact.activations import functional as AF

OPTIONS: dict[str, dict[str, Any]] = {"blend": {"first": "sswish", "second": "gelu"}, "sgblend_authors": {"beta": 0.6}}
ADAPTIVE = [
    name for name, make in ACTIVATIONS.items() if inspect.isclass(make) and issubclass(make, AdaptiveActivation)
]
FUSED = ["swish", "sswish", "sgblend", "sgblend_authors"]
HALF = [torch.float16, torch.bfloat16]
CHANNELS = [None, 3]

per_activation = pytest.mark.parametrize("name", ADAPTIVE)
per_layer_and_channel = pytest.mark.parametrize("channels", CHANNELS, ids=["layer", "channel"])
per_half = pytest.mark.parametrize("dtype", HALF, ids=str)


def make(name: str, **options: object) -> AdaptiveActivation:
    return create(name, **OPTIONS.get(name, {}), **options)


def moved(act: AdaptiveActivation, seed: int = 0) -> AdaptiveActivation:
    """The activation with its stored values moved off their start, different in every channel."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for raw in act.parameters():
            raw += 0.2 * torch.rand(raw.shape, generator=generator)
    return act


def stored(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def value_and_gradients(act: nn.Module, x: Tensor) -> dict[str, Tensor]:
    x = x.detach().requires_grad_()
    act.zero_grad()
    y = act(x)
    y.backward(torch.ones_like(y))
    return {"y": y.detach(), "x": x.grad} | {name: p.grad for name, p in act.named_parameters()}


def assert_all_close(actual: dict[str, Tensor], expected: dict[str, Tensor], **tolerance: float) -> None:
    assert actual.keys() == expected.keys()
    for name, value in actual.items():
        torch.testing.assert_close(value, expected[name], msg=lambda m, name=name: f"{name}: {m}", **tolerance)


def test_every_kind_of_learned_scalars_is_covered() -> None:
    assert {type(make(name)) for name in ADAPTIVE} == {
        SGBlend, SGBlendAuthors, SSwish, Swish, PELU, ABU, NonlinearityEnhanced, Scaled, Blend,
    }  # fmt: skip


# Registry


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_create_gives_a_fresh_instance_per_call(name: str) -> None:
    first, second = create(name, **OPTIONS.get(name, {})), create(name, **OPTIONS.get(name, {}))
    assert first is not second
    assert not set(first.parameters()) & set(second.parameters())
    assert first(torch.randn(2, 3)).shape == (2, 3)


def test_create_passes_options_on() -> None:
    act = create("sgblend", alpha=0.2, approximate="tanh", channels=4, learn=("beta",))
    assert isinstance(act, SGBlend)
    assert act.approximate == "tanh"
    torch.testing.assert_close(act.alpha, torch.full((4,), 0.2))
    assert not act.raw_alpha.requires_grad


def test_repr_shows_what_was_chosen() -> None:
    assert repr(SGBlend(approximate="tanh", learn=("beta",))) == "SGBlend(approximate='tanh', learn=('beta',))"
    assert "channels=3, channel_dim=-1" in repr(Swish(channels=3, channel_dim=-1))
    assert "bases=('relu', 'tanh'), mode='clipped'" in repr(ABU(("relu", "tanh"), "clipped"))


# Learned scalars


@per_activation
@per_layer_and_channel
def test_scalars_are_float32_parameters_of_one_value_per_layer_or_channel(name: str, channels: int | None) -> None:
    act = make(name, channels=channels)
    assert act.raw_parameters().keys() == act.scalars().keys()
    for scalar, raw in act.raw_parameters().items():
        assert dict(act.named_parameters())[f"raw_{scalar}"] is raw
        assert raw.dtype == torch.float32
        assert raw.shape == act.scalars()[scalar].shape == (channels or 1,)


STARTS = [
    (SGBlend, {"alpha": 0.3, "beta": -1.4, "gamma": 0.2}),
    (SGBlendAuthors, {"alpha": 0.3, "beta": 1.4, "gamma": -0.2}),
    (SSwish, {"beta": 1.5, "gamma": 0.1}),
    (Swish, {"beta": -0.5}),
    (PELU, {"a": 0.01, "b": 1000.0}),
    (NonlinearityEnhanced, {"a": 0.9, "b": 0.5}),
    (Scaled, {"scale": -2.0}),
]


@pytest.mark.parametrize(("kind", "values"), STARTS, ids=lambda part: getattr(part, "__name__", ""))
@per_layer_and_channel
def test_start_values_are_the_effective_values(
    kind: type[AdaptiveActivation], values: dict[str, float], channels: int | None
) -> None:
    act = kind(**values, channels=channels)
    for scalar, value in values.items():
        torch.testing.assert_close(getattr(act, scalar).detach(), torch.full((channels or 1,), value))
        torch.testing.assert_close(act.scalars()[scalar], torch.full((channels or 1,), value))


@pytest.mark.parametrize(("kind", "values"), STARTS, ids=lambda part: getattr(part, "__name__", ""))
@per_layer_and_channel
def test_values_set_by_attribute_are_those_of_a_module_started_there(
    kind: type[AdaptiveActivation], values: dict[str, float], channels: int | None
) -> None:
    act, expected = kind(channels=channels), kind(**values, channels=channels)
    parameters = list(act.parameters())
    for scalar, value in values.items():
        setattr(act, scalar, value)
    assert all(before is after for before, after in zip(parameters, act.parameters(), strict=True))
    x = torch.randn(5, 3)
    torch.testing.assert_close(act(x), expected(x), rtol=0, atol=0)


def test_abu_scalars_are_its_effective_weights() -> None:
    act = ABU(("relu", "tanh"), "normalized")
    nn.init.constant_(act.raw_w_relu, 3.0)
    nn.init.constant_(act.raw_w_tanh, 1.0)
    assert act.scalars() == {"w_relu": torch.tensor([0.75]), "w_tanh": torch.tensor([0.25])}


def test_values_and_stored_parameters_are_found_inside_other_activations() -> None:
    act = Blend(Scaled(PELU(a=2.0), scale=3.0), nn.PReLU(init=0.1), alpha=0.4)
    values, parameters = effective_values(act), stored_parameters(act)
    expected = {"alpha": 0.4, "first.scale": 3.0, "first.base.a": 2.0, "first.base.b": 1.0, "second.weight": 0.1}
    assert {name: round(value.item(), 5) for name, value in values.items()} == expected
    assert {id(parameter) for parameter in parameters.values()} == {id(parameter) for parameter in act.parameters()}
    assert parameters.keys() == values.keys()
    assert parameters["first.base.a"] is act.first.base.raw_a
    values["first.base.a"].backward()
    torch.testing.assert_close(act.first.base.raw_a.grad, act.first.base.raw_a.detach().sigmoid())
    assert not any(value.requires_grad for value in learned_values(act).values())
    assert_all_close(learned_values(act), {name: value.detach() for name, value in values.items()}, rtol=0, atol=0)


def test_authors_beta_starts_at_its_bound_in_about_half_of_the_draws() -> None:
    torch.manual_seed(0)
    betas = torch.cat([SGBlendAuthors().scalars()["beta"] for _ in range(400)])
    assert betas.min() == torch.tensor(0.1)
    assert 1.6 < betas.max() < 3**0.5
    assert 0.45 < (betas == betas.min()).float().mean() < 0.61


# Shapes


@per_activation
@per_layer_and_channel
def test_empty_input_gives_empty_output_and_zero_gradients(name: str, channels: int | None) -> None:
    act = make(name, channels=channels)
    results = value_and_gradients(act, torch.empty(0, 3))
    assert results.pop("y").shape == results.pop("x").shape == (0, 3)
    assert_all_close(results, {key: torch.zeros_like(value) for key, value in stored(act).items()})


@per_activation
@pytest.mark.parametrize("shape", [(), (1,), (1, 1, 1)], ids=str)
def test_single_value_gives_the_same_in_every_shape(name: str, shape: tuple[int, ...]) -> None:
    act = moved(make(name))
    expected = value_and_gradients(act, torch.tensor([[-0.7, -0.7]]))
    actual = value_and_gradients(act, torch.full(shape, -0.7))
    assert actual["y"].shape == actual["x"].shape == shape
    torch.testing.assert_close(actual.pop("y").reshape(1), expected.pop("y")[0, :1])
    torch.testing.assert_close(actual.pop("x").reshape(1), expected.pop("x")[0, :1])
    assert_all_close({key: 2 * gradient for key, gradient in actual.items()}, expected)


NON_CONTIGUOUS: dict[str, Callable[[], Tensor]] = {
    "transposed": lambda: torch.randn(3, 3, 4).transpose(0, 2),
    "strided": lambda: torch.randn(4, 6, 2)[:, ::2],
    "expanded": lambda: torch.randn(4, 3, 1).expand(4, 3, 5),
    "channels_last": lambda: torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
}


@per_activation
@per_layer_and_channel
@pytest.mark.parametrize("layout", NON_CONTIGUOUS)
def test_non_contiguous_input_gives_the_same_as_its_contiguous_copy(
    name: str, channels: int | None, layout: str
) -> None:
    torch.manual_seed(0)
    act, x = moved(make(name, channels=channels)), NON_CONTIGUOUS[layout]()
    assert not x.is_contiguous()
    assert_all_close(value_and_gradients(act, x), value_and_gradients(act, x.contiguous()))


@per_activation
@pytest.mark.parametrize(("channel_dim", "shape"), [(1, (4, 3, 5)), (-1, (4, 5, 3)), (0, (3, 4)), (-3, (2, 3, 4, 5))])
def test_each_channel_has_values_of_its_own(name: str, channel_dim: int, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    act, x = moved(make(name, channels=3, channel_dim=channel_dim)), torch.randn(shape)
    together = value_and_gradients(act, x)
    single = make(name)
    for channel in range(3):
        for own, shared in zip(single.parameters(), act.parameters(), strict=True):
            own.data = shared.data[channel : channel + 1] if shared.numel() == 3 else shared.data
        alone = value_and_gradients(single, x.select(channel_dim, channel))
        for key in ("y", "x"):
            torch.testing.assert_close(together[key].select(channel_dim, channel), alone[key])
        for scalar in act.raw_parameters():
            torch.testing.assert_close(together[f"raw_{scalar}"][channel : channel + 1], alone[f"raw_{scalar}"])


@per_activation
@pytest.mark.parametrize(
    ("shape", "channel_dim"), [((2, 4), 1), ((2, 1), 1), ((3, 4), -1), ((3,), 1), ((), 1), ((), -1)], ids=str
)
def test_input_with_other_channels_is_refused(name: str, shape: tuple[int, ...], channel_dim: int) -> None:
    act = make(name, channels=3, channel_dim=channel_dim)
    with pytest.raises(ValueError, match=re.escape(f"3 channels in dimension {channel_dim}")) as refusal:
        act(torch.zeros(shape))
    assert str(shape) in str(refusal.value)


# Precision


@per_activation
@per_layer_and_channel
@per_half
def test_half_precision_input_gives_the_rounded_float64_result(
    name: str, channels: int | None, dtype: torch.dtype
) -> None:
    act = moved(make(name, channels=channels))
    x = torch.linspace(-6, 6, 243).reshape(27, 3, 3).to(dtype)
    actual = value_and_gradients(act, x)
    exact = value_and_gradients(copy.deepcopy(act).double(), x.double())
    eps = torch.finfo(dtype).eps
    assert actual["y"].dtype == actual["x"].dtype == dtype
    # A fused function rounds once; the others also where one module hands its half-precision output to the next.
    roundings, floor = (0.51, 1e-6) if name in FUSED else (1.5, 0.5 * eps)
    for key in ("y", "x"):
        torch.testing.assert_close(actual[key].double(), exact[key], rtol=roundings * eps, atol=floor)
    for key in act.state_dict():
        assert actual[key].dtype == torch.float32
        torch.testing.assert_close(actual[key].double(), exact[key], rtol=1e-5 if name in FUSED else eps, atol=eps)


@per_activation
@per_half
def test_half_precision_gradients_are_finite_at_large_inputs(name: str, dtype: torch.dtype) -> None:
    act = make(name)
    results = value_and_gradients(act, torch.tensor([-1e4, -200.0, 200.0, 1e4], dtype=dtype))
    for key, result in results.items():
        assert result.isfinite().all(), key
        assert result.dtype == (torch.float32 if key in act.state_dict() else dtype)


@per_activation
@pytest.mark.parametrize("x", [-1e4, -200.0, 200.0, 1e4])
def test_float32_gradients_are_finite_at_large_inputs(name: str, x: float) -> None:
    for key, result in value_and_gradients(moved(make(name)), torch.tensor([x])).items():
        assert result.isfinite().all(), key


@per_activation
@per_layer_and_channel
def test_autocast_gives_bfloat16_outputs_and_float32_gradients(name: str, channels: int | None) -> None:
    torch.manual_seed(0)
    act = moved(make(name, channels=channels))
    network = nn.Sequential(nn.Linear(4, 3), act, nn.Linear(3, 2))
    outputs: list[Tensor] = []
    act.register_forward_hook(lambda module, args, output: outputs.append(output))
    x = torch.randn(8, 4)
    exact = network(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = network(x)
    y.float().square().mean().backward()
    assert [output.dtype for output in outputs] == [torch.float32, torch.bfloat16]
    torch.testing.assert_close(y.float(), exact, rtol=0.05, atol=0.05)
    for parameter in act.parameters():
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()
        assert parameter.grad.any()


@per_activation
def test_autocast_leaves_float32_input_in_float32(name: str) -> None:
    act, x = moved(make(name)), torch.randn(5, 3)
    with torch.autocast("cpu", torch.bfloat16):
        y = act(x)
    torch.testing.assert_close(y, act(x), rtol=0, atol=0)


CASTS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "half": lambda model: model.half(),
    "bfloat16": lambda model: model.bfloat16(),
    "to": lambda model: model.to(torch.bfloat16),
    "type": lambda model: model.type(torch.float16),
    "to_like": lambda model: model.to(torch.empty(0, dtype=torch.float16)),
}
per_cast = pytest.mark.parametrize("cast", CASTS)


def network_with(act: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 3), act, nn.Linear(3, 2))


@per_activation
@per_layer_and_channel
@per_cast
def test_casting_a_model_leaves_scalars_as_they_are_and_usable(name: str, channels: int | None, cast: str) -> None:
    act = moved(make(name, channels=channels))
    before = stored(act)
    network = CASTS[cast](network_with(act))
    assert_all_close(stored(act), before, rtol=0, atol=0)
    assert network[0].weight.dtype in HALF
    y = network(torch.randn(8, 4, dtype=network[0].weight.dtype))
    assert y.dtype == network[0].weight.dtype
    y.float().square().mean().backward()
    for parameter in act.parameters():
        assert parameter.grad.dtype == torch.float32
        assert parameter.grad.isfinite().all()


@per_cast
def test_casting_reaches_scalars_inside_other_activations(cast: str) -> None:
    act = moved(Blend(Scaled(Swish()), NonlinearityEnhanced(PELU())))
    before = stored(act)
    assert len(before) == 7
    CASTS[cast](act)
    assert_all_close(stored(act), before, rtol=0, atol=0)


@per_cast
def test_casting_after_a_backward_pass_keeps_gradients_of_scalars_in_float32(cast: str) -> None:
    torch.manual_seed(0)
    act = Blend(SGBlend(), "pelu", channels=3)
    network = network_with(act)
    network(torch.randn(8, 4)).square().mean().backward()
    before = {key: parameter.grad.clone() for key, parameter in act.named_parameters()}
    CASTS[cast](network)
    assert_all_close({key: p.grad for key, p in act.named_parameters()}, before, rtol=0, atol=0)
    network(torch.randn(8, 4, dtype=network[0].weight.dtype)).float().square().mean().backward()
    assert all(parameter.grad.dtype == parameter.dtype for parameter in network.parameters())


@per_half
def test_casting_a_float64_model_to_half_precision_gives_float32_scalars(dtype: torch.dtype) -> None:
    assert SGBlend().double().to(dtype).raw_alpha.dtype == torch.float32


def test_float64_is_followed() -> None:
    act = SGBlend().double()
    assert act.raw_alpha.dtype == act(torch.zeros(1, dtype=torch.float64)).dtype == torch.float64


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "scaled": Scaled,
    "nonlinearity_enhanced": NonlinearityEnhanced,
    "blend": lambda base: Blend(base, "gelu"),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@per_half
def test_cast_wrapper_of_a_cast_prelu_is_usable(wrapper: str, dtype: torch.dtype) -> None:
    act = WRAPPERS[wrapper](nn.PReLU()).to(dtype)
    assert value_and_gradients(act, torch.tensor([-1.0, 2.0], dtype=dtype))["y"].dtype == dtype


# What is kept for the backward pass


@pytest.mark.parametrize("name", FUSED)
@per_layer_and_channel
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, *HALF], ids=str)
def test_only_the_input_itself_is_kept_for_the_backward_pass(
    name: str, channels: int | None, dtype: torch.dtype
) -> None:
    act, x = make(name, channels=channels), torch.randn(4, 3, 5).to(dtype).requires_grad_()
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        act(x)
    large = [tensor for tensor in kept if tensor.numel() > 3]
    assert [(tensor.data_ptr(), tensor.dtype, tensor.shape) for tensor in large] == [(x.data_ptr(), dtype, x.shape)]


# Saving and copying


@per_activation
@per_layer_and_channel
def test_state_dict_carries_values_into_a_module_with_another_start(name: str, channels: int | None) -> None:
    source, target = moved(make(name, channels=channels), seed=1), moved(make(name, channels=channels), seed=2)
    x = torch.randn(4, 3)
    assert not torch.equal(source(x), target(x))
    target.load_state_dict(source.state_dict())
    assert_all_close(stored(target), stored(source), rtol=0, atol=0)
    assert torch.equal(source(x), target(x))


def test_state_dict_holds_one_entry_per_scalar() -> None:
    assert list(SGBlend(channels=3).state_dict()) == ["raw_alpha", "raw_beta", "raw_gamma"]


def test_state_dict_from_another_number_of_channels_is_refused() -> None:
    with pytest.raises(RuntimeError, match="raw_alpha"):
        SGBlend(channels=3).load_state_dict(SGBlend().state_dict())


@per_activation
@per_layer_and_channel
def test_deepcopy_is_equal_and_independent(name: str, channels: int | None) -> None:
    act = moved(make(name, channels=channels, learn=()))
    twin = copy.deepcopy(act)
    assert_all_close(stored(twin), stored(act), rtol=0, atol=0)
    assert [p.requires_grad for p in twin.parameters()] == [p.requires_grad for p in act.parameters()]
    before = stored(act)
    for parameter in twin.parameters():
        nn.init.constant_(parameter, 0.123)
    assert_all_close(stored(act), before, rtol=0, atol=0)


# Learning


def fit(act: nn.Module, target: Callable[[Tensor], Tensor], optimizer: torch.optim.Optimizer, steps: int) -> None:
    torch.manual_seed(0)
    x = 2 * torch.randn(64, 3)
    for _ in range(steps):
        optimizer.zero_grad()
        F.mse_loss(act(x), target(x)).backward()
        optimizer.step()


OPTIMIZERS: dict[str, Callable[[Sequence[Tensor]], torch.optim.Optimizer]] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.5),
    "momentum": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.05),
}
BOUNDED: dict[str, Callable[[float, int | None], SGBlend | Blend]] = {
    "sgblend": lambda alpha, channels: SGBlend(alpha, beta=0.1, channels=channels, learn=("alpha",)),
    "blend": lambda alpha, channels: Blend("relu", "identity", alpha, channels=channels),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", BOUNDED)
@pytest.mark.parametrize("start", [0.0, 1.0])
@per_layer_and_channel
def test_alpha_started_at_a_bound_learns_its_way_inward(
    kind: str, start: float, channels: int | None, optimizer: str
) -> None:
    act, target = BOUNDED[kind](start, channels), BOUNDED[kind](0.4, None)
    fit(act, lambda x: target(x).detach(), OPTIMIZERS[optimizer](list(act.parameters())), steps=80)
    torch.testing.assert_close(act.alpha.detach(), torch.full((channels or 1,), 0.4), rtol=0, atol=0.05)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", BOUNDED)
@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_alpha_at_the_bound_nearest_to_the_target_stays_there(kind: str, bound: float, optimizer: str) -> None:
    act, other = BOUNDED[kind](bound, None), BOUNDED[kind](1 - bound, None)
    # one and a half times the way from the other bound to this one
    fit(act, lambda x: (1.5 * act(x) - 0.5 * other(x)).detach(), OPTIMIZERS[optimizer](list(act.parameters())), 20)
    assert act.raw_alpha.item() == bound


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("bound", [-1.0, 1.0])
def test_authors_alpha_started_at_a_bound_learns_its_way_inward(bound: float, optimizer: str) -> None:
    act, target = SGBlendAuthors(beta=0.1, learn=("alpha",)), SGBlendAuthors(0.5, beta=0.1)
    nn.init.constant_(act.raw_alpha, bound)
    fit(act, lambda x: target(x).detach(), OPTIMIZERS[optimizer](list(act.parameters())), steps=80)
    assert abs(act.alpha.item() - 0.5) < 0.15 < abs(torch.tensor(bound).sigmoid().item() - 0.5)


LEARN = [
    *(("sgblend", names) for count in range(4) for names in itertools.combinations(("alpha", "beta", "gamma"), count)),
    ("sgblend_authors", ("alpha",)),
    ("sgblend_authors", ("beta", "gamma")),
    ("sswish", ("beta",)),
    ("sswish", ("gamma",)),
    ("swish", ()),
    ("pelu", ("a",)),
    ("pelu", ("b",)),
    ("nonlinearity_enhanced", ("a",)),
    ("nonlinearity_enhanced", ("b",)),
    ("scaled", ()),
]


@pytest.mark.parametrize(("name", "learn"), LEARN, ids=str)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@per_layer_and_channel
def test_learn_freezes_exactly_the_others(
    name: str, learn: tuple[str, ...], optimizer: str, channels: int | None
) -> None:
    act = make(name, channels=channels, learn=learn)
    before = stored(act)
    head = nn.Linear(3, 3)
    fit(nn.Sequential(act, head), torch.sin, OPTIMIZERS[optimizer]([*act.parameters(), *head.parameters()]), steps=3)
    for scalar, raw in act.raw_parameters().items():
        assert raw.requires_grad == (scalar in learn)
        assert (raw.grad is not None) == (scalar in learn)
        assert torch.equal(raw, before[f"raw_{scalar}"]) == (scalar not in learn)


@pytest.mark.parametrize("learn", [("weights",), ()], ids=str)
def test_abu_learns_all_weights_or_none(learn: tuple[str, ...]) -> None:
    assert [raw.requires_grad for raw in ABU(learn=learn).parameters()] == [bool(learn)] * 5


def test_blend_can_freeze_alpha_alone() -> None:
    act = Blend("swish", "gelu", learn=())
    assert {name for name, parameter in act.named_parameters() if parameter.requires_grad} == {"first.raw_beta"}


# Wrong arguments

WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "alpha above 1": (lambda: SGBlend(alpha=1.7), "1.7"),
    "alpha below 0": (lambda: SGBlend(alpha=-0.1), "-0.1"),
    "alpha nan": (lambda: SGBlend(alpha=float("nan")), "nan"),
    "blend alpha": (lambda: Blend("relu", "gelu", alpha=1.7), "1.7"),
    "authors alpha": (lambda: SGBlendAuthors(alpha=0.9), "0.9"),
    "authors beta": (lambda: SGBlendAuthors(beta=0.05), "0.05"),
    "pelu a": (lambda: PELU(a=0.0), "0.0"),
    "pelu b": (lambda: PELU(b=-2.5), "-2.5"),
    "beta infinite": (lambda: Swish(beta=float("inf")), "inf"),
    "learn": (lambda: SGBlend(learn=("alpha", "slope")), "slope"),
    "learn of abu": (lambda: ABU(learn=("weigths",)), "weigths"),
    "learn of swish": (lambda: Swish(learn=("alpha",)), "alpha"),
    "learn of abu as one string": (lambda: ABU(learn="wieghts"), "wieghts"),
    "learn as one string": (lambda: SGBlend(learn="slope"), "slope"),
    "learn as one string of letters that are names": (lambda: PELU(learn="ab"), "ab"),
    "no channels": (lambda: SGBlend(channels=0), "0"),
    "negative channels": (lambda: ABU(channels=-3), "-3"),
    "approximate of module": (lambda: SGBlend(approximate="tahn"), "tahn"),
    "approximate of sg_blend": (lambda: AF.sg_blend(torch.zeros(1), approximate="tahn"), "tahn"),
    "approximate of gelu": (lambda: AF.gelu(torch.zeros(1), "tahn"), "tahn"),
    "abu base": (lambda: ABU(bases=("relu", "rleu")), "rleu"),
    "abu base twice": (lambda: ABU(bases=("relu", "relu")), "['relu', 'relu']"),
    "no abu bases": (lambda: ABU(bases=()), "[]"),
    "abu mode": (lambda: ABU(mode="sotfmax"), "sotfmax"),
    "abu function base": (lambda: AF.abu(torch.zeros(1), {"rleu": 1.0}), "rleu"),
    "abu function mode": (lambda: AF.abu_weights([torch.zeros(1)], "sotfmax"), "sotfmax"),
    "base of scaled": (lambda: Scaled("gleu"), "gleu"),
    "part of blend": (lambda: Blend("relu", "gleu"), "gleu"),
    "name": (lambda: create("sgblned"), "sgblned"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_argument_is_named(what: str) -> None:
    build, offending = WRONG[what]
    with pytest.raises(ValueError, match=rf"(?<![\w.]){re.escape(offending)}(?![\w.])"):
        build()


@pytest.mark.parametrize(("typo", "meant"), [("sgblned", "sgblend"), ("sswsh", "sswish"), ("geluu", "gelu")])
def test_unknown_activation_is_answered_with_the_nearest_and_all(typo: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"{typo}.*Did you mean '{meant}'") as refusal:
        create(typo)
    assert all(name in str(refusal.value) for name in ACTIVATIONS)


def test_unknown_activation_without_a_near_one_gets_no_suggestion() -> None:
    with pytest.raises(ValueError, match="qqqq") as refusal:
        create("qqqq")
    assert "Did you mean" not in str(refusal.value)


@pytest.mark.parametrize(
    ("act", "scalar", "value"),
    [(SGBlend(), "alpha", 1.7), (PELU(), "a", -1.0), (SGBlendAuthors(beta=1.0), "beta", 11.0)],
)
def test_wrong_value_set_by_attribute_is_named_and_changes_nothing(
    act: AdaptiveActivation, scalar: str, value: float
) -> None:
    before = stored(act)
    with pytest.raises(ValueError, match=f"{scalar}.*{value}"):
        setattr(act, scalar, value)
    assert_all_close(stored(act), before, rtol=0, atol=0)

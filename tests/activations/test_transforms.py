"""What PyTorch does with the functions and modules: gradcheck, compile, export, vmap, ONNX."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from adaptact.activations import (
    ABU,
    PELU,
    AdaptiveActivation,
    Blend,
    NonlinearityEnhanced,
    Scaled,
    SGBlend,
    SGBlendAuthors,
    SSwish,
    Swish,
)
from adaptact.activations import functional as AF

# Both signs, no kink: every point lies at least 0.2 from zero.
POINTS = torch.tensor([-2.3, 0.7, -1.1, 1.9, 0.2, -0.4, 2.6, -3.0, 1.2, -0.2, 0.5, -1.6], dtype=torch.float64)
# By name: the shape of a parameter beside an input of shape (2, 3, 2), and the module's options.
SITES: dict[str, tuple[tuple[int, ...], dict[str, int]]] = {
    "layer": ((1,), {}),
    "channel 1": ((1, 3, 1), {"channels": 3, "channel_dim": 1}),
    "channel -1": ((2,), {"channels": 2, "channel_dim": -1}),
}
per_site = pytest.mark.parametrize("site", SITES)


def points() -> Tensor:
    return POINTS.view(2, 3, 2).clone().requires_grad_()


def around(value: float, shape: tuple[int, ...]) -> Tensor:
    """A parameter that is different in every channel."""
    offsets = 0.05 * torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (value + offsets).view(shape).requires_grad_()


def assert_differentiable_twice(function: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    y = function(*inputs)
    gradients = torch.autograd.grad(y, inputs, torch.ones_like(y, requires_grad=True), create_graph=True)
    # gradgradcheck passes in silence over gradients that cannot be differentiated
    assert all(gradient.requires_grad for gradient in gradients)
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def abu(mode: str) -> Callable[..., Tensor]:
    return lambda x, *raw: AF.abu(x, dict(zip(AF.ABU_BASES, AF.abu_weights(list(raw), mode), strict=True)))


FUNCTIONS: dict[str, tuple[Callable[..., Tensor], tuple[float, ...]]] = {
    **{f"gelu {form}": (lambda x, form=form: AF.gelu(x, form), ()) for form in AF.APPROXIMATIONS},
    "swish": (AF.swish, (1.3,)),
    "sswish": (AF.sswish, (-0.8, 0.2)),
    **{
        f"sg_blend {form}": (lambda x, *params, form=form: AF.sg_blend(x, *params, form), (0.3, 1.3, 0.2))
        for form in AF.APPROXIMATIONS
    },
    "blend": (lambda x, alpha: AF.blend(F.silu(x), F.gelu(x), alpha), (0.3,)),
    "pelu": (AF.pelu, (1.2, 0.7)),
    "scaled": (lambda x, scale: AF.scaled(F.gelu(x), scale), (1.4,)),
    "nonlinearity_enhanced": (lambda x, a, b: AF.nonlinearity_enhanced(x, a, b, base=F.gelu), (0.9, 0.5)),
    **{f"abu {mode}": (abu(mode), (0.8, 0.5, 0.1, 0.3, 0.25)) for mode in AF.ABU_MODES},
}


@pytest.mark.parametrize("name", FUNCTIONS)
@per_site
def test_function_gradients_are_those_of_finite_differences(name: str, site: str) -> None:
    function, starts = FUNCTIONS[name]
    inputs = [points(), *(around(start, SITES[site][0]) for start in starts)]
    assert_differentiable_twice(function, inputs)


def test_bounded_gradients_are_those_of_finite_differences_between_the_bounds() -> None:
    raw = torch.linspace(0.1, 0.9, 5, dtype=torch.float64, requires_grad=True)
    assert_differentiable_twice(AF.bounded, [raw])


MODULES: dict[str, Callable[..., AdaptiveActivation]] = {
    **{
        f"SGBlend {form}": lambda form=form, **site: SGBlend(0.3, 1.3, 0.2, approximate=form, **site)
        for form in AF.APPROXIMATIONS
    },
    "SGBlendAuthors": lambda **site: SGBlendAuthors(0.4, 1.3, 0.2, **site),
    "SSwish": lambda **site: SSwish(-0.8, 0.2, **site),
    "Swish": lambda **site: Swish(1.3, **site),
    "PELU": lambda **site: PELU(1.2, 0.7, **site),
    **{f"ABU {mode}": lambda mode=mode, **site: ABU(mode=mode, **site) for mode in AF.ABU_MODES},
    "NonlinearityEnhanced": lambda **site: NonlinearityEnhanced("elu", a=0.9, b=0.5, **site),
    "Scaled": lambda **site: Scaled(PELU(), 1.4, **site),
    "Blend": lambda **site: Blend("sswish", "gelu", 0.3, **site),
}


def make(name: str, site: str) -> AdaptiveActivation:
    """The module in float64, with stored values that differ between channels."""
    act = MODULES[name](**SITES[site][1]).double()
    with torch.no_grad():
        for raw in act.parameters():
            raw += 0.05 * torch.arange(raw.numel())
    return act


@pytest.mark.parametrize("name", MODULES)
@per_site
def test_module_gradients_are_those_of_finite_differences(name: str, site: str) -> None:
    act = make(name, site)
    names = [name for name, _ in act.named_parameters()]

    def function(x: Tensor, *parameters: Tensor) -> Tensor:
        return functional_call(act, dict(zip(names, parameters, strict=True)), (x,))

    assert_differentiable_twice(function, [points(), *act.parameters()])


def loss(y: Tensor) -> Tensor:
    """A loss whose gradient has both signs and differs between elements."""
    return (y * torch.cos(torch.arange(y.numel(), dtype=y.dtype).view_as(y))).sum()


def value_and_gradients(call: nn.Module | Callable[[Tensor], Tensor], act: nn.Module, x: Tensor) -> dict[str, Tensor]:
    x = x.detach().requires_grad_()
    act.zero_grad()
    y = call(x)
    loss(y).backward()
    return {"y": y.detach(), "x": x.grad} | {name: p.grad for name, p in act.named_parameters()}


def assert_all_close(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name, value in actual.items():
        torch.testing.assert_close(value, expected[name], msg=lambda m, name=name: f"{name}: {m}")


COMPILED: dict[str, Callable[[], AdaptiveActivation]] = {
    "SGBlend layer": lambda: SGBlend(0.3, 1.3, 0.2),
    "SGBlend channel": lambda: SGBlend(0.3, 1.3, 0.2, channels=3),
    "SSwish": lambda: SSwish(-0.8, 0.2),
    "Swish": lambda: Swish(1.3),
    "Blend": lambda: Blend("sswish", "gelu", 0.3),
}


@pytest.mark.parametrize("name", COMPILED)
def test_module_compiles_without_graph_break_and_gives_the_same_as_eager(name: str) -> None:
    torch.compiler.reset()
    act, x = COMPILED[name](), torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(act, fullgraph=True, backend="aot_eager")
    assert_all_close(value_and_gradients(compiled, act, x), value_and_gradients(act, act, x))


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="inductor needs a C++ compiler")
def test_inductor_gives_the_same_as_eager() -> None:
    """One network with every module: the first compilation of a process is what takes the time."""
    torch.compiler.reset()
    network = nn.Sequential(*(build() for build in COMPILED.values()))
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    compiled = torch.compile(network, fullgraph=True)
    assert_all_close(value_and_gradients(compiled, network, x), value_and_gradients(network, network, x))


@pytest.mark.parametrize("bound", [0.0, 1.0])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_compiled_bound_blocks_the_same_gradients_as_eager(bound: float, sign: float) -> None:
    torch.compiler.reset()
    compiled = torch.compile(AF.bounded, fullgraph=True, backend="aot_eager")
    gradients = []
    for function in (AF.bounded, compiled):
        raw = torch.tensor([bound], requires_grad=True)
        function(raw).backward(torch.tensor([sign]))
        gradients.append(raw.grad.item())
    assert gradients == [sign if (bound == 0) == (sign < 0) else 0.0] * 2


@pytest.mark.parametrize("name", COMPILED)
def test_exported_module_gives_the_same_as_eager(name: str) -> None:
    act, x = COMPILED[name](), torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    batch = torch.export.Dim("batch", min=2)
    exported = torch.export.export(act, (torch.randn(7, 3),), dynamic_shapes=((batch, None),)).module()
    assert_all_close(value_and_gradients(exported, exported, x), value_and_gradients(act, act, x))


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("site", ["layer", "channel -1"])
def test_vmap_gives_the_gradients_of_each_sample(name: str, site: str) -> None:
    act, x = make(name, site), points().detach()

    def sample_loss(parameters: dict[str, Tensor], sample: Tensor) -> Tensor:
        return loss(functional_call(act, parameters, (sample,)))

    parameters = {name: parameter.detach() for name, parameter in act.named_parameters()}
    parameter_grads, x_grads = vmap(grad(sample_loss, argnums=(0, 1)), in_dims=(None, 0))(parameters, x)
    for index, sample in enumerate(x):
        expected = value_and_gradients(act, act, sample)
        actual = {name: gradient[index] for name, gradient in parameter_grads.items()}
        assert_all_close({"y": act(sample).detach(), "x": x_grads[index]} | actual, expected)


@pytest.mark.parametrize("name", MODULES)
def test_vmap_gives_the_slope_at_each_point(name: str) -> None:
    act, x = make(name, "layer"), points()
    (expected,) = torch.autograd.grad(act(x).sum(), x)
    torch.testing.assert_close(vmap(grad(act))(x.detach().flatten()), expected.flatten())


def test_onnx_model_gives_the_same_for_any_batch_size(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(4, 3),
        SGBlend(0.3, 1.3, 0.2, channels=3),
        SGBlend(0.7, -0.6, 0.1, approximate="tanh"),
        SGBlend(0.5, 0.9, 0.0, approximate="sigmoid"),
    ).eval()
    path = tmp_path / "network.onnx"
    batch = torch.export.Dim("batch", min=1)
    torch.onnx.export(network, (torch.randn(2, 4),), path, dynamo=True, dynamic_shapes=((batch, None),), verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for rows in (1, 5):
        x = 3 * torch.randn(rows, 4)
        (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        torch.testing.assert_close(torch.from_numpy(y), network(x).detach())

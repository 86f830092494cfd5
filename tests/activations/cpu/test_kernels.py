"""The compiled kernels against the formula in float64, and where they must step aside for operators."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.utils.checkpoint import checkpoint

import adaptact
from adaptact.activations import AdaptiveActivation, Blend, SGBlend, SSwish, Swish
from adaptact.activations import functional as AF
from adaptact.activations.cpu import compiling, kernels

FORMS = ["none", "tanh", "sigmoid"]
MAKE: dict[str, Callable[..., AdaptiveActivation]] = {
    **{
        f"sgblend {form}": lambda form=form, **sites: SGBlend(0.3, 1.4, 0.2, approximate=form, **sites)
        for form in FORMS
    },
    "sswish": lambda **sites: SSwish(1.4, 0.2, **sites),
    "swish": lambda **sites: Swish(-0.7, **sites),
    "blend": lambda **sites: Blend("silu", "relu", 0.3, **sites),
    "blend in order": lambda **sites: Blend("relu", "gelu", 0.3, **sites),
}
per_kind = pytest.mark.parametrize("kind", MAKE)
TOLERANCE = {torch.float32: {"rtol": 2e-6, "atol": 2e-6}, torch.bfloat16: {"rtol": 1e-2, "atol": 1e-2}}


@pytest.fixture(autouse=True)
def _compiled() -> None:
    if not kernels.settle(compiling=True):
        pytest.skip("there is no C++ compiler")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the kernels that were run."""
    library, made = kernels._library, []

    class Recorder:
        def __getattr__(self, name: str) -> Callable[..., None]:
            def call(*arguments: object) -> None:
                made.append(name)
                getattr(library, name)(*arguments)

            return call

    monkeypatch.setattr(kernels, "_library", Recorder())
    return made


def by_operators(act: nn.Module, x: Tensor, g: Tensor) -> list[Tensor]:
    """Output and gradients of the same module in float64, which has no kernel."""
    double = {name: p.detach().double().requires_grad_() for name, p in act.named_parameters()}
    wide = x.detach().double().requires_grad_()
    y = functional_call(act, double, (wide,))
    return [y.detach(), *torch.autograd.grad(y, [wide, *double.values()], g.double())]


def by_kernel(act: nn.Module, x: Tensor, g: Tensor) -> list[Tensor]:
    x = x.detach().requires_grad_()
    y = act(x)
    return [y.detach(), *torch.autograd.grad(y, [x, *act.parameters()], g)]


def assert_right(act: nn.Module, x: Tensor, g: Tensor) -> None:
    names = ["y", "x", *dict(act.named_parameters())]
    for name, actual, expected in zip(names, by_kernel(act, x, g), by_operators(act, x, g), strict=True):
        tolerance = dict(TOLERANCE[x.dtype])
        if name not in {"y", "x"}:  # a sum of as many rounded terms as there are elements
            tolerance["atol"] = (
                tolerance["atol"] * max(1.0, x.numel() ** 0.5) * max(1.0, min(x.abs().max().item(), 60.0))
            )
        torch.testing.assert_close(actual.double(), expected, msg=lambda m, n=name: f"{n}: {m}", **tolerance)


LAYOUTS: dict[str, tuple[tuple[int, ...], dict[str, int]]] = {
    "layer": ((5, 7, 11), {}),
    "layer, many pieces": ((3, 5003), {}),
    "scalar": ((), {}),
    "channels first": ((3, 6, 5, 4), {"channels": 6, "channel_dim": 1}),
    "channels first, many pieces": ((2, 3, 9001), {"channels": 3, "channel_dim": 1}),
    "channels last": ((150, 37), {"channels": 37, "channel_dim": -1}),
    "channels in front": ((4, 33), {"channels": 4, "channel_dim": 0}),
}


@per_kind
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_and_gradients_are_those_of_the_formula(
    kind: str, dtype: torch.dtype, layout: str, calls: list[str]
) -> None:
    shape, sites = LAYOUTS[layout]
    act = MAKE[kind](**sites)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in act.parameters():
            p += 0.1 * torch.randn(p.shape, generator=generator)
    x, g = (3 * torch.randn(2, *shape, generator=generator)).to(dtype)
    assert_right(act, x, g)
    assert len(calls) == 2


@per_kind
@pytest.mark.parametrize("sites", [{}, {"channels": 6, "channel_dim": 1}], ids=["layer", "channel"])
def test_pictures_whose_channels_lie_last_in_memory(kind: str, sites: dict[str, int], calls: list[str]) -> None:
    x = torch.randn(4, 6, 5, 3).to(memory_format=torch.channels_last)
    assert_right(MAKE[kind](**sites), x, torch.randn(4, 6, 5, 3))
    assert len(calls) == 2
    assert MAKE[kind](**sites)(x).is_contiguous(memory_format=torch.channels_last)


@given(
    x=st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=40),
    alpha=st.floats(-0.5, 1.5, width=32),
    beta=st.floats(-5, 5, width=32),
    gamma=st.floats(-3, 3, width=32),
    form=st.sampled_from(FORMS),
)
@settings(deadline=None, max_examples=200)
def test_any_parameters_and_a_raw_alpha_beyond_its_bounds(
    x: list[float], alpha: float, beta: float, gamma: float, form: AF.Approximate
) -> None:
    act = SGBlend(approximate=form)
    act.raw_alpha.data.fill_(alpha)
    act.beta, act.gamma = beta, gamma
    assert_right(act, torch.tensor(x), torch.ones(len(x)))
    assert_right(act, torch.tensor(x), -torch.ones(len(x)))


@per_kind
def test_inputs_far_from_zero(kind: str) -> None:
    x = torch.tensor([-1e30, -1e4, -90.0, -88.0, -40.0, 0.0, 1e-40, 40.0, 88.0, 90.0, 1e4, 1e30])
    assert_right(MAKE[kind](), x, torch.ones_like(x))


@per_kind
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_what_is_not_finite_stays_as_it_is_in_operators(kind: str, value: float, dtype: torch.dtype) -> None:
    act, x = MAKE[kind](), torch.full((20,), value, dtype=dtype)
    with torch.no_grad():  # in float64: torch's own float32 GELU of infinity depends on where in a tensor it stands
        torch.testing.assert_close(act(x).double(), act(x.double()), equal_nan=True)


def test_the_number_of_threads_changes_nothing() -> None:
    act, x, g = SGBlend(0.3), torch.randn(200_001), torch.randn(200_001)
    alone = by_kernel(act, x, g)
    torch.set_num_threads(3)
    try:
        together = by_kernel(act, x, g)
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))


@per_kind
def test_a_gradient_that_is_broadcast_or_of_another_order(kind: str) -> None:
    act, x = MAKE[kind](), torch.randn(6, 5)
    assert_right(act, x, torch.ones(()).expand(6, 5))
    assert_right(act, x, torch.randn(5, 6).t())


@per_kind
def test_another_default_dtype(kind: str) -> None:
    act, x = MAKE[kind](channels=5, channel_dim=-1), torch.randn(40, 5)
    torch.set_default_dtype(torch.float64)
    try:
        assert_right(act, x, torch.randn(40, 5, dtype=torch.float32))
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("alpha", "beta", "gamma"),
    [(0.5, (1,), 0.0), ((1,), 1.0, (1, 1)), ((), (1,), (1, 1)), ((1, 1), (1, 1), (1, 1)), ((4, 1), (4, 1), (4, 1))],
)
def test_parameters_of_any_shape_have_gradients_of_theirs(alpha: Any, beta: Any, gamma: Any) -> None:
    x = torch.randn(4, 3)
    given = [torch.full(v, 0.7, requires_grad=True) if isinstance(v, tuple) else v for v in (alpha, beta, gamma)]
    wide = [v.detach().double().requires_grad_() if isinstance(v, Tensor) else v for v in given]
    y, expected = AF.sg_blend(x, *given), AF.sg_blend(x.double(), *wide)
    assert y.shape == expected.shape
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-6)
    learned = [(v, w) for v, w in zip(given, wide, strict=True) if isinstance(v, Tensor)]
    found = torch.autograd.grad(y.sum(), [v for v, _ in learned])
    for actual, reference in zip(found, torch.autograd.grad(expected.sum(), [w for _, w in learned]), strict=True):
        assert actual.shape == reference.shape
        torch.testing.assert_close(actual.double(), reference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 3), (3,), (1, 1, 1), (5, 1, 1)])
def test_parameters_that_no_kernel_takes_broadcast(shape: tuple[int, ...]) -> None:
    x, beta = torch.randn(2, 3), torch.rand(shape) + 0.5
    y, expected = AF.swish(x, beta), AF.swish(x.double(), beta.double())
    assert y.shape == expected.shape
    torch.testing.assert_close(y.double(), expected, rtol=1e-5, atol=1e-6)


@per_kind
def test_many_gradients_at_once(kind: str) -> None:
    act, x = MAKE[kind](), torch.randn(4)
    for vectorize in (False, True):
        found = torch.autograd.functional.jacobian(act, x, vectorize=vectorize)
        expected = torch.autograd.functional.jacobian(act, x.double())
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


@per_kind
def test_a_view_whose_sign_is_still_to_be_changed(kind: str) -> None:
    act, x = MAKE[kind](), torch.randn(40)
    torch.testing.assert_close(act(torch._neg_view(x)), act(-x), rtol=1e-5, atol=1e-6)


def test_a_blend_saves_the_same_for_its_backward_pass_with_a_kernel_and_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    act, x = Blend("relu", "gelu"), torch.randn(30, requires_grad=True)
    expected = torch.autograd.grad(act(x).sum(), [x, act.raw_alpha])
    monkeypatch.setenv("ADAPTACT_KERNELS", "0")
    with monkeypatch.context() as patch:
        patch.setattr(kernels, "_library", None)
        y = checkpoint(act, x, use_reentrant=False)
    found = torch.autograd.grad(y.sum(), [x, act.raw_alpha])  # recomputed with a kernel
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def other_than_plain() -> dict[str, Callable[[AdaptiveActivation, Tensor], object]]:
    def twice(act: AdaptiveActivation, x: Tensor) -> None:
        x = x.requires_grad_()
        (slope,) = torch.autograd.grad(act(x).sum(), x, create_graph=True)
        slope.sum().backward()
        assert x.grad is not None
        assert x.grad.abs().sum() > 0

    return {
        "vmap": lambda act, x: vmap(act)(x),
        "export": lambda act, x: torch.export.export(act, (x,)),
        "half precision": lambda act, x: act(x.half()),
        "double precision": lambda act, x: act(x.double()),
        "transposed": lambda act, x: act(x.t()),
        "meta": lambda act, x: act.to("meta")(x.to("meta")),
        "empty": lambda act, x: act(x[:0]),
    }


@per_kind
@pytest.mark.parametrize("how", other_than_plain())
def test_kernels_step_aside(kind: str, how: str, calls: list[str]) -> None:
    other_than_plain()[how](MAKE[kind](), torch.randn(4, 6))
    assert calls == []


@per_kind
def test_a_traced_module_and_grad_of_a_function(kind: str) -> None:
    act, x = MAKE[kind](), torch.randn(4, 6)
    traced = torch.jit.trace(act, x, check_trace=False)
    torch.testing.assert_close(traced(x + 1).double(), act(x.double() + 1), rtol=1e-5, atol=1e-6)
    slope, expected = (grad(lambda z: act(z).sum())(each) for each in (x, x.double()))
    torch.testing.assert_close(slope.double(), expected, rtol=1e-5, atol=1e-6)


@per_kind
def test_a_gradient_of_a_gradient_is_recorded(kind: str, calls: list[str]) -> None:
    act, x = MAKE[kind](), torch.randn(50, requires_grad=True)
    (slope,) = torch.autograd.grad(act(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(slope.sum(), x)
    wide = x.detach().double().requires_grad_()
    (slope,) = torch.autograd.grad(act(wide).sum(), wide, create_graph=True)
    (expected,) = torch.autograd.grad(slope.sum(), wide)
    torch.testing.assert_close(second.double(), expected, rtol=1e-4, atol=1e-5)
    assert not any("backward" in name for name in calls)


PROGRAM = """
import logging, sys
logging.basicConfig(level=logging.WARNING, format="%(message)s")
import torch
from adaptact.activations import SGBlend
from adaptact.activations.cpu import kernels
act, used = SGBlend(), []
def call():
    for x in [torch.randn(10), torch.randn(2**18)] * 5:
        act(x).sum().backward()
        used.append(kernels._library is not None)
call()
if "settle" in sys.argv:
    kernels.settle(compiling=True)
    call()
print("".join("01"[each] for each in used))
"""
CALLS = 10  # of an activation, half of them with a large tensor


def in_a_process(cache: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "XDG_CACHE_HOME": str(cache), **environment}
    return subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, env=env, check=True)


def used_kernels(cache: Path, *words: str, **environment: str) -> str:
    return in_a_process(cache, *words, **environment).stdout.strip()


@pytest.mark.slow
def test_no_call_compiles_and_a_process_keeps_to_what_it_began_with(tmp_path: Path) -> None:
    assert used_kernels(tmp_path) == "0" * CALLS
    assert list(tmp_path.iterdir()) == []
    first = in_a_process(tmp_path, "settle")
    assert first.stdout.strip() == "0" * CALLS + "1" * CALLS
    assert first.stderr.strip() == "compiling the activations for this processor, once ..."
    (made,) = (tmp_path / "adaptact" / "kernels").iterdir()
    assert made.suffix == ".so"
    second = in_a_process(tmp_path, "settle")
    assert second.stdout.strip() == "1" * 2 * CALLS
    assert not second.stderr
    assert used_kernels(tmp_path, ADAPTACT_KERNELS="0") == "0" * CALLS


@pytest.mark.slow
def test_a_broken_file_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "adaptact" / "kernels" / compiling.compiled_file().name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not a library")
    assert used_kernels(tmp_path, "settle").endswith("1" * CALLS)
    assert used_kernels(tmp_path) == "1" * CALLS


@pytest.mark.slow
def test_what_others_could_have_written_is_not_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "adaptact" / "kernels"
    folder.mkdir(parents=True, mode=0o700)
    file = Path(shutil.copy(compiling.compiled_file(), folder))
    assert file.stat().st_mode & 0o077 == 0
    assert used_kernels(tmp_path).startswith("1")  # loaded at once
    file.chmod(0o666)
    assert used_kernels(tmp_path, "settle") == "0" * CALLS + "1" * CALLS
    assert file.stat().st_mode & 0o077 == 0  # made again
    folder.chmod(0o777)
    done = in_a_process(tmp_path, "settle")
    assert done.stdout.strip() == "0" * 2 * CALLS
    assert f"others can write to {folder}" in done.stderr


@pytest.mark.parametrize("broken", ["no compiler", "a compiler that fails", "no folder"])
def test_without_kernels_operators_go_on(tmp_path: Path, broken: str) -> None:
    environment, cache = {}, tmp_path
    if broken == "no compiler":
        environment = {"PATH": str(tmp_path), "CXX": ""}
    elif broken == "a compiler that fails":
        environment = {"CXX": "false"}
    else:
        cache = tmp_path / "file"
        cache.write_text("")
    done = in_a_process(cache, "settle", **environment)
    assert done.stdout.strip() == "0" * 2 * CALLS
    assert done.stderr.count("runs in operators of PyTorch") == 1


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that fails, a cache folder for its work, and a file with a line for each of its calls."""
    called, program = tmp_path / "called", tmp_path / "compiler"
    program.write_text(f"#!/bin/sh\necho call >> {called}\necho 'out of luck' >&2\nexit 1\n")
    program.chmod(0o755)
    called.touch()
    monkeypatch.setenv("CXX", str(program))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kernels, "_library", None)
    return called


def test_a_failure_to_compile_is_remembered_until_somebody_asks_again(
    compiler: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not kernels.settle(compiling=True)
    calls = compiler.read_text()
    assert calls
    assert "out of luck" in caplog.text
    assert capfd.readouterr().err.count("compiling the activations") == 1
    caplog.clear()
    assert not kernels.settle(compiling=True)
    assert compiler.read_text() == calls
    assert "out of luck (in an earlier process; adaptact.compile_kernels() tries again)" in caplog.text
    with pytest.raises(compiling.NoKernelError, match=r"out of luck$"):
        adaptact.compile_kernels()
    assert compiler.read_text() == 2 * calls


def test_processes_that_need_kernels_at_once_start_one_compiler(compiler: Path) -> None:
    program = "from adaptact.activations.cpu import kernels; print(kernels.settle(compiling=True))"
    both = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [each.communicate()[0].strip() for each in both] == ["False", "False"]
    assert compiler.read_text().count("call") == 2 * len(compiling.FLAGS)  # to compile and to link


@pytest.mark.skipif(not hasattr(os, "ST_NOEXEC"), reason="the system does not tell")
def test_no_compiler_is_started_for_a_folder_that_no_code_is_loaded_from(
    compiler: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mounted = type("Mounted", (), {"f_flag": os.ST_NOEXEC})
    monkeypatch.setattr(os, "statvfs", lambda path: mounted)
    assert not kernels.settle(compiling=True)
    assert "noexec" in caplog.text
    assert compiler.read_text() == ""


def test_a_compiler_that_succeeds_at_last_is_used(compiler: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not kernels.settle(compiling=True)
    monkeypatch.delenv("CXX")
    file = adaptact.compile_kernels()
    assert file.parent.is_relative_to(compiler.parent)
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    assert kernels._library is not None


PAIRS = [(first, second) for first in AF.BLENDED for second in AF.BLENDED if first != second]


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("alpha", [-0.2, 0.0, 0.3, 1.0, 1.4])
def test_blends_of_two_functions(first: str, second: str, alpha: float, calls: list[str]) -> None:
    act = Blend(first, second)
    act.raw_alpha.data.fill_(alpha)
    x = 3 * torch.randn(5000)
    for sign in (1.0, -1.0):  # of the gradient, which a bound blocks in one direction
        assert_right(act, x, sign * torch.ones_like(x))
    assert calls == ["adaptact_pair", "adaptact_pair_backward"] * 2


def test_a_blend_whose_parts_are_watched_runs_them(calls: list[str]) -> None:
    act, seen = Blend("relu", "gelu"), []
    handle = act.second.register_forward_hook(lambda module, inputs, output: seen.append(output))
    act(torch.randn(10))
    handle.remove()
    act.first.register_full_backward_hook(lambda module, before, after: seen.append(after))
    act(torch.randn(10, requires_grad=True)).sum().backward()
    assert len(seen) == 2
    assert calls == []


def test_a_module_in_a_compiled_network_is_traced_as_a_whole(calls: list[str]) -> None:
    x = torch.randn(8, 4)
    network = nn.Sequential(nn.Linear(4, 4), SGBlend())
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), network(x))
    assert calls == ["adaptact_forward"]  # of the one that was not compiled


def test_gelu_at_alpha_0_and_silu_at_alpha_1() -> None:
    x = torch.linspace(-8, 8, 1001)
    torch.testing.assert_close(SGBlend(0.0)(x), F.gelu(x), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(SGBlend(1.0)(x), F.silu(x), rtol=1e-6, atol=1e-7)

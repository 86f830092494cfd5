"""Every row of the reference values, computed at 50 digits, against the functions and the modules."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adaptact.activations import (
    ABU,
    PELU,
    Blend,
    NonlinearityEnhanced,
    SGBlend,
    SGBlendAuthors,
    SSwish,
    Swish,
    create,
)
from adaptact.activations import functional as AF
from adaptact.activations.base import AdaptiveActivation

Row = dict[str, Any]
Params = dict[str, float]
# By the reference's name: the stored parameter, and what turns its gradient into that of the reference's parameter.
Learned = dict[str, tuple[nn.Parameter, float]]

ROWS: list[Row] = json.loads(Path(__file__).with_name("reference.json").read_text())
DTYPES = [torch.float64, torch.float32]
TOLERANCE = {torch.float64: {"rtol": 1e-10, "atol": 1e-12}, torch.float32: {"rtol": 1e-5, "atol": 1e-7}}


def row_id(row: Row) -> str:
    return "-".join([row["fn"], f"x{row['x']:g}", *(f"{name}{value:g}" for name, value in row["params"].items())])


def assert_matches(actual: Tensor, expected: float) -> None:
    torch.testing.assert_close(actual, torch.full_like(actual, expected), **TOLERANCE[actual.dtype])


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def base_name(parameter: str) -> str:
    """The base that an ABU weight such as "w_relu" or "r_id" belongs to."""
    short = parameter.split("_")[1]
    return "identity" if short == "id" else short


def abu_function(mode: str) -> Callable[..., Tensor]:
    def function(x: Tensor, **raw: Tensor) -> Tensor:
        weights = AF.abu_weights(list(raw.values()), mode)
        return AF.abu(x, dict(zip(map(base_name, raw), weights, strict=True)))

    return function


def sgblend_logit(x: Tensor, raw_alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    return AF.sg_blend(x, raw_alpha.sigmoid(), beta, gamma)


def sgblend_authors_code(x: Tensor, raw_alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    return AF.sg_blend(x, raw_alpha.sigmoid(), beta, gamma, approximate="sigmoid")


def enhanced_function(base: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda x, a, b, strength: AF.nonlinearity_enhanced(x, a, b, base=base, strength=strength)


def prelu(x: Tensor, a: Tensor) -> Tensor:
    return F.prelu(x, a)


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "gelu_erf": AF.gelu,
    "gelu_tanh": lambda x: AF.gelu(x, "tanh"),
    "gelu_sigmoid": lambda x: AF.gelu(x, "sigmoid"),
    "swish": AF.swish,
    "sswish": AF.sswish,
    "sgblend": AF.sg_blend,
    "sgblend_logit": sgblend_logit,
    "sgblend_authors_code": sgblend_authors_code,
    "prelu": prelu,
    "pelu": AF.pelu,
    "abu_unrestricted": abu_function("unrestricted"),
    "abu_softmax": abu_function("softmax"),
    "abu_normalized": abu_function("normalized"),
    "abu_absnormed": abu_function("absnormed"),
    "nonlinearity_enhanced_relu": enhanced_function(F.relu),
    "nonlinearity_enhanced_elu": enhanced_function(F.elu),
    "nonlinearity_enhanced_gelu": enhanced_function(F.gelu),
}


def set_to(act: AdaptiveActivation, values: Params) -> Learned:
    """Set effective values by attribute; for scalars that are stored as they are."""
    for name, value in values.items():
        setattr(act, name, value)
    return {name: (act.raw_parameters()[name], 1.0) for name in values}


def fixed_module(act: nn.Module, params: Params, dtype: torch.dtype) -> tuple[nn.Module, Learned]:
    assert not params
    return act.to(dtype), {}


def plain_module(act: AdaptiveActivation, params: Params, dtype: torch.dtype) -> tuple[nn.Module, Learned]:
    return act.to(dtype), set_to(act, params)


def logit_module(act: AdaptiveActivation, params: Params, dtype: torch.dtype) -> tuple[nn.Module, Learned]:
    """A module that stores alpha itself, set to the sigmoid of the row's raw_alpha."""
    alpha = sigmoid(params["raw_alpha"])
    learned = set_to(act.to(dtype), {"alpha": alpha, "beta": params["beta"], "gamma": params["gamma"]})
    stored, _ = learned.pop("alpha")
    return act, {"raw_alpha": (stored, alpha * (1 - alpha)), **learned}


def blend_module(params: Params, dtype: torch.dtype) -> tuple[nn.Module, Learned]:
    """SG-Blend from its two parts."""
    first = SSwish()
    act = Blend(first, "gelu").to(dtype)
    parts = set_to(first, {"beta": params["beta"], "gamma": params["gamma"]})
    return act, set_to(act, {"alpha": params["alpha"]}) | parts


def prelu_module(params: Params, dtype: torch.dtype) -> tuple[nn.Module, Learned]:
    act = create("prelu", init=params["a"]).to(dtype)
    return act, {"a": (act.weight, 1.0)}


def pelu_module(params: Params, dtype: torch.dtype) -> tuple[nn.Module, Learned]:
    act = PELU().to(dtype)
    learned = set_to(act, params)
    # softplus'(raw) = sigmoid(raw) = 1 - exp(-softplus(raw))
    return act, {name: (learned[name][0], 1 / -math.expm1(-value)) for name, value in params.items()}


def abu_module(mode: str) -> Callable[[Params, torch.dtype], tuple[nn.Module, Learned]]:
    def make(params: Params, dtype: torch.dtype) -> tuple[nn.Module, Learned]:
        act = ABU([base_name(name) for name in params], mode).to(dtype)
        stored = {name: act.raw_parameters()[f"w_{base_name(name)}"] for name in params}
        for name, value in params.items():
            nn.init.constant_(stored[name], value)
        return act, {name: (parameter, 1.0) for name, parameter in stored.items()}

    return make


def enhanced_module(base: str) -> Callable[[Params, torch.dtype], tuple[nn.Module, Learned]]:
    def make(params: Params, dtype: torch.dtype) -> tuple[nn.Module, Learned]:
        act = NonlinearityEnhanced(base, strength=params["strength"]).to(dtype)
        return act, set_to(act, {"a": params["a"], "b": params["b"]})

    return make


MODULES: dict[str, Callable[[Params, torch.dtype], tuple[nn.Module, Learned]]] = {
    "gelu_erf": lambda params, dtype: fixed_module(create("gelu"), params, dtype),
    "gelu_tanh": lambda params, dtype: fixed_module(create("gelu", approximate="tanh"), params, dtype),
    "gelu_sigmoid": lambda params, dtype: fixed_module(SGBlend(0.0, approximate="sigmoid"), params, dtype),
    "swish": lambda params, dtype: plain_module(Swish(), params, dtype),
    "sswish": lambda params, dtype: plain_module(SSwish(), params, dtype),
    "sgblend": lambda params, dtype: plain_module(SGBlend(), params, dtype),
    "sgblend_logit": lambda params, dtype: logit_module(SGBlend(), params, dtype),
    "sgblend_authors_code": lambda params, dtype: logit_module(SGBlend(approximate="sigmoid"), params, dtype),
    "prelu": prelu_module,
    "pelu": pelu_module,
    "abu_unrestricted": abu_module("unrestricted"),
    "abu_softmax": abu_module("softmax"),
    "abu_normalized": abu_module("normalized"),
    "abu_absnormed": abu_module("absnormed"),
    "nonlinearity_enhanced_relu": enhanced_module("relu"),
    "nonlinearity_enhanced_elu": enhanced_module("elu"),
    "nonlinearity_enhanced_gelu": enhanced_module("gelu"),
}


def check_module(row: Row, act: nn.Module, learned: Learned, dtype: torch.dtype) -> None:
    x = torch.tensor([row["x"]], dtype=dtype, requires_grad=True)
    y = act(x)
    y.backward()
    assert learned.keys() == row["dy_dparam"].keys()
    assert_matches(y, row["y"])
    assert_matches(x.grad, row["dy_dx"])
    for name, (parameter, factor) in learned.items():
        assert_matches(factor * parameter.grad, row["dy_dparam"][name])


def test_every_row_has_a_function_and_a_module() -> None:
    assert len(ROWS) == 114
    assert {row["fn"] for row in ROWS} == FUNCTIONS.keys() == MODULES.keys()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_function_matches_reference(row: Row, dtype: torch.dtype) -> None:
    x = torch.tensor([row["x"]], dtype=dtype, requires_grad=True)
    learned = {name: torch.tensor([row["params"][name]], dtype=dtype, requires_grad=True) for name in row["dy_dparam"]}
    constants = {name: value for name, value in row["params"].items() if name not in learned}
    y = FUNCTIONS[row["fn"]](x, **learned, **constants)
    y.backward()
    assert_matches(y, row["y"])
    assert_matches(x.grad, row["dy_dx"])
    for name, parameter in learned.items():
        assert_matches(parameter.grad, row["dy_dparam"][name])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("row", ROWS, ids=row_id)
def test_module_matches_reference(row: Row, dtype: torch.dtype) -> None:
    act, learned = MODULES[row["fn"]](row["params"], dtype)
    check_module(row, act, learned, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("row", [row for row in ROWS if row["fn"] == "sgblend"], ids=row_id)
def test_blend_of_sswish_and_gelu_matches_sgblend_reference(row: Row, dtype: torch.dtype) -> None:
    act, learned = blend_module(row["params"], dtype)
    check_module(row, act, learned, dtype)


def in_authors_range(params: Params) -> bool:
    return abs(params["raw_alpha"]) <= 1 and 0.1 <= params["beta"] <= 10


AUTHORS_ROWS = [row for row in ROWS if row["fn"] == "sgblend_authors_code" and in_authors_range(row["params"])]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("row", AUTHORS_ROWS, ids=row_id)
def test_authors_module_matches_reference(row: Row, dtype: torch.dtype) -> None:
    act = SGBlendAuthors().to(dtype)
    act.beta, act.gamma = row["params"]["beta"], row["params"]["gamma"]
    nn.init.constant_(act.raw_alpha, row["params"]["raw_alpha"])
    x = torch.tensor([row["x"]], dtype=dtype, requires_grad=True)
    y = act(x)
    # Rows have beta at its bound of 0.1, where a loss that wants it lower gives no gradient: take one that wants more.
    (-y).backward()
    assert_matches(y, row["y"])
    assert_matches(x.grad, -row["dy_dx"])
    for name, parameter in {"raw_alpha": act.raw_alpha, "beta": act.raw_beta, "gamma": act.raw_gamma}.items():
        assert_matches(parameter.grad, -row["dy_dparam"][name])


def test_all_authors_rows_are_in_the_range_of_the_module() -> None:
    assert len(AUTHORS_ROWS) == 9

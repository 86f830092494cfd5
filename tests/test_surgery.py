"""Surgery: every activation of any network is found and swapped exactly where asked, and nothing else changes."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import sys
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from adaptact import ABU, PELU, Blend, Scaled, SGBlend, SSwish, Swish, named_activations, replace_activations, survey
from adaptact.sites import FUNCTIONS, HUGGING_FACE, RECTIFIERS
from adaptact.surgery import Replacement

SHARED = "ignore:one activation now serves several calls"


class Shared(nn.Module):
    """One ReLU, called twice, on different widths."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 5)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.second(self.relu(self.first(x))))


class Branching(Shared):
    """torch.fx cannot trace it: its control flow depends on its input. torch.compile can."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.shape[0] == 1000 else super().forward(x)


class BranchingOnce(Branching):
    """As before, but every activation is called once."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.shape[0] == 1000 else self.second(self.relu(self.first(x)))


class Recurrent(nn.Module):
    """Calls its one ReLU as often as it is told, under activation checkpointing where asked."""

    def __init__(self, checkpointed: bool = False) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.relu = nn.ReLU()
        self.checkpointed = checkpointed

    def step(self, x: Tensor) -> Tensor:
        return self.relu(self.linear(x))

    def forward(self, x: Tensor, steps: int = 2) -> Tensor:
        for _ in range(steps):
            x = checkpoint(self.step, x, use_reentrant=False) if self.checkpointed else self.step(x)
        return x


class Holder(nn.Module):
    """Holds anything as attributes of any name; calls what is callable, in order."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        self.names = list(attributes)
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x: Tensor) -> Tensor:
        for name in self.names:
            if getattr(self, name) is not None:
                x = getattr(self, name)(x)
        return x


class Mine(nn.Module):
    """Somebody's own activation: no class of ours, parameters of its own, a rectifier inside."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.5))
        self.inner = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * self.inner(x)


class MineWithNorm(Mine):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.norm(x))


class Failing(Shared):
    def forward(self, x: Tensor) -> Tensor:
        raise ArithmeticError(f"no {super().forward(x).shape}")


class Remembering(Shared):
    """Keeps what it saw, as feature extractors do."""

    def __init__(self) -> None:
        super().__init__()
        self.last: Any = None
        self.passes = 0

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        self.last = self.first(x)
        return self.second(self.relu(self.last))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(6, 3)


def qualified(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__module__', None) or 'tensor'}.{function.__name__}"


def functional(h: Tensor) -> Tensor:
    return F.relu(h)


def names(replacements: list[Replacement]) -> list[str]:
    return [replacement.name for replacement in replacements]


def alphas(replacements: list[Replacement], *values: float) -> None:
    for replacement, value in zip(replacements, values, strict=True):
        replacement.new.alpha = value


def split(example: Tensor) -> tuple[Shared, list[Replacement]]:
    """A model whose shared ReLU is now one SGBlend per call, with different parameters."""
    model = Shared()
    replacements = replace_activations(model, SGBlend, example=example)
    alphas(replacements, 0.1, 0.9)
    return model, replacements


def by_hand(model: Shared, x: Tensor, *new: nn.Module) -> Tensor:
    return new[-1](model.second(new[0](model.first(x))))


def n_hooks(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def anatomy(model: nn.Module) -> list[Any]:
    """What stands where: the identity of every module and function, training flags, numbers of hooks."""
    return [
        (path, id(m), m.training, {k: id(v) for k, v in vars(m).items() if callable(v)}, n_hooks(m))
        for path, m in model.named_modules(remove_duplicate=False)
    ]


def values(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_disjoint(replacements: list[Replacement]) -> None:
    owned = [id(p) for replacement in replacements for p in replacement.new.parameters()]
    assert owned
    assert len(owned) == len(set(owned))


# Where activations are found


@pytest.mark.parametrize("kind", RECTIFIERS, ids=lambda kind: kind.__name__)
def test_every_rectifier_is_replaced_and_returned_with_what_stood_there(kind: type[nn.Module]) -> None:
    old = kind()
    model = nn.Sequential(nn.Linear(2, 2), old)
    (replacement,) = replace_activations(model, SGBlend)
    assert (replacement.name, replacement.old) == ("1", old)
    assert replacement.new is model[1]
    assert type(model[1]) is SGBlend


def test_sites_are_found_in_attributes_sequences_lists_and_dictionaries_and_named_by_their_path() -> None:
    inner = Holder(up=nn.ModuleList([nn.Linear(2, 2), nn.GELU()]), down=nn.ModuleDict({"a": nn.SiLU(), "b": nn.Tanh()}))
    model = nn.Sequential(
        OrderedDict(stem=nn.ReLU(), body=nn.Sequential(inner, nn.Identity(), nn.ELU()), act=nn.Mish())
    )
    expected = ["stem", "body.0.up.1", "body.0.down.a", "body.2", "act"]
    assert list(named_activations(model)) == expected
    replacements = replace_activations(model, SGBlend)
    assert names(replacements) == expected
    assert all(model.get_submodule(r.name) is r.new for r in replacements)
    assert_disjoint(replacements)


@pytest.mark.parametrize("root", [nn.ModuleList([nn.ReLU()]), nn.ModuleDict({"0": nn.ReLU()})])
def test_the_model_may_be_a_container_without_a_forward(root: nn.Module) -> None:
    assert names(replace_activations(root, SGBlend)) == ["0"]


@pytest.mark.parametrize("held", [nn.ReLU(), F.relu], ids=["module", "function"])
@pytest.mark.parametrize("name", ["activation", "_act", "σ", "calls", "next", "current", "kind", "act fn", "c#"])
def test_an_attribute_may_have_any_name(name: str, held: Any, x: Tensor) -> None:
    model = Holder(linear=nn.Linear(3, 3), **{name: held})
    for make in (nn.Tanh, SGBlend):  # the second time over the first's marked class
        (replacement,) = replace_activations(model, make, example=x)
        assert replacement.name == name
        assert getattr(model, name) is replacement.new
        torch.testing.assert_close(model(x), replacement.new(model.linear(x)), rtol=0, atol=0)


def test_attributes_set_to_none_are_passed_over(x: Tensor) -> None:
    model = Holder(norm=None, act=nn.ReLU())
    model.register_module("gone", None)
    assert names(replace_activations(model, SGBlend, example=x)) == ["act"]
    assert model.norm is None
    assert model.gone is None


def test_an_object_that_answers_to_every_name_is_no_site() -> None:
    model = nn.Sequential(nn.ReLU())
    model.log = MagicMock()
    assert names(replace_activations(model, SGBlend)) == ["0"]


def test_gates_and_outputs_stay() -> None:
    kept = [nn.Sigmoid(), nn.Tanh(), nn.Softmax(-1), nn.LogSoftmax(-1), nn.Hardsigmoid(), nn.Identity(), nn.Dropout()]
    model = nn.Sequential(*kept, nn.ReLU())
    assert names(replace_activations(model, SGBlend)) == ["7"]
    assert list(model)[:7] == kept


@pytest.mark.parametrize("with_example", [False, True], ids=["", "example"])
def test_layers_that_take_their_size_from_the_first_input_work(with_example: bool, x: Tensor) -> None:
    model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyBatchNorm1d(), nn.GELU())
    replacements = replace_activations(model, SGBlend, example=x if with_example else None)
    assert names(replacements) == ["1", "3"]
    assert model(x).shape == (6, 4)
    assert model[0].in_features == 3


def test_a_class_derived_from_a_rectifier_is_one() -> None:
    derived = type("LoudReLU", (nn.ReLU,), {})
    model = nn.Sequential(derived(), nn.GELU())
    assert names(replace_activations(model, SGBlend, kinds=["ReLU"])) == ["0"]


@pytest.mark.parametrize(
    "own", [lambda: Blend("relu", "gelu"), lambda: Scaled("gelu"), SSwish, lambda: Blend("relu", Mine())]
)
def test_our_own_activations_are_sites_and_never_descended_into(own: Callable[[], nn.Module]) -> None:
    model = nn.Sequential(nn.Linear(2, 2), own())
    assert list(named_activations(model)) == ["1"]
    assert names(replace_activations(model, Swish)) == ["1"]
    assert type(model[1]) is Swish


@pytest.mark.parametrize("kinds", [["relu"], [nn.ReLU]], ids=["name", "class"])
def test_a_choice_of_kinds_does_not_reach_into_our_own_activations(kinds: list[Any]) -> None:
    model = nn.Sequential(Blend("relu", "gelu"), Mine(), nn.ReLU())
    assert names(replace_activations(model, SGBlend, kinds=kinds)) == ["1.inner", "2"]
    assert isinstance(model[0].first, nn.ReLU)


CONTAINERS: dict[str, Callable[[dict[str, Any]], nn.Module]] = {
    "sequential": lambda parts: nn.Sequential(OrderedDict(parts)),
    "list": lambda parts: nn.ModuleList(parts.values()),
    "dict": nn.ModuleDict,
    "module": lambda parts: Holder(**parts),
}
LEAVES: dict[str, Callable[[], Any]] = {
    "relu": nn.ReLU,
    "linear": lambda: nn.Linear(2, 2),
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "none": lambda: None,
}
TREES = st.recursive(
    st.sampled_from(list(LEAVES)),
    lambda below: st.tuples(
        st.sampled_from(list(CONTAINERS)),
        st.dictionaries(st.sampled_from(["act", "relu", "_x", "σ", "calls", "0", "a b"]), below, max_size=4),
    ),
    max_leaves=20,
)


def grow(tree: Any, path: str, relus: list[str]) -> Any:
    """The module of a tree; appends the paths of its ReLUs."""
    if isinstance(tree, str):
        relus += [path] if tree == "relu" else []
        return LEAVES[tree]()
    kind, parts = tree
    keys = [str(i) for i in range(len(parts))] if kind == "list" else list(parts)
    grown = {key: grow(part, f"{path}.{key}", relus) for key, part in zip(keys, parts.values(), strict=True)}
    return CONTAINERS[kind](grown)


@settings(max_examples=60, deadline=None)
@given(st.lists(TREES, max_size=3))
def test_in_any_tree_every_relu_is_replaced_exactly_once_and_nothing_else(trees: list[Any]) -> None:
    relus: list[str] = []
    model = Holder(**{f"part{i}": grow(tree, f"part{i}", relus) for i, tree in enumerate(trees)})
    before = {path: m for path, m in model.named_modules() if not isinstance(m, nn.ReLU)}
    if not relus:
        with pytest.raises(ValueError, match="no activation"):
            replace_activations(model, SGBlend, kinds=["ReLU"])
        return
    replacements = replace_activations(model, SGBlend, kinds=["ReLU"])
    assert sorted(names(replacements)) == sorted(relus)
    assert_disjoint(replacements)
    after = dict(model.named_modules())
    assert {path: after.pop(path) for path in relus} == {r.name: r.new for r in replacements}
    assert after == before


# Hugging Face


@pytest.fixture
def hugging_face(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """A stand-in for transformers.activations: its classes are known by name, without importing it."""
    fake = types.ModuleType("transformers.activations")
    for name in [*HUGGING_FACE, "LinearActivation"]:
        function = nn.Identity.forward if name == "LinearActivation" else lambda self, x: F.gelu(x)
        body = {"forward": function, "__module__": fake.__name__}
        setattr(fake, name, type(name, (nn.Module,), body))
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    return fake


@pytest.mark.parametrize("kind", ["NewGELUActivation", "QuickGELUActivation", "SiLUActivation", "MishActivation"])
def test_hugging_face_activations_are_replaced_and_their_linear_one_stays(
    kind: str, hugging_face: types.ModuleType, x: Tensor
) -> None:
    old, linear = getattr(hugging_face, kind)(), hugging_face.LinearActivation()
    model = Holder(act=old, out=linear)
    (replacement,) = replace_activations(model, SGBlend, kinds=[HUGGING_FACE[kind].lower()], preserve=True, example=x)
    assert (replacement.name, replacement.old) == ("act", old)
    assert model.out is linear
    torch.testing.assert_close(replacement.new(x), old(x), rtol=1e-5, atol=0)


def test_a_class_of_the_same_name_from_elsewhere_is_not_taken_for_hugging_faces() -> None:
    model = nn.Sequential(type("NewGELUActivation", (Mine,), {})(), nn.ReLU())
    assert "0" not in named_activations(model)


def test_a_gpt_of_hugging_face_computes_the_same_after_a_swap_that_preserves() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=8, n_positions=8, vocab_size=11)
    model = transformers.GPT2LMHeadModel(config).eval()
    tokens = {"input_ids": torch.arange(8)[None]}
    before = model(**tokens).logits
    replacements = replace_activations(model, SGBlend, example=tokens, preserve=True)
    assert names(replacements) == [f"transformer.h.{i}.mlp.act" for i in range(2)]
    assert all(type(r.old).__name__ == "NewGELUActivation" for r in replacements)
    torch.testing.assert_close(model(**tokens).logits, before, rtol=1e-5, atol=1e-6)
    alphas(replacements, 1.0, 1.0)
    assert not torch.allclose(model(**tokens).logits, before, rtol=1e-4)


# Functions held as attributes

TRANSFORMER: dict[str, Any] = {"d_model": 8, "nhead": 2, "dim_feedforward": 16, "dropout": 0.0, "batch_first": True}
PADDING = torch.tensor([[False, False, False, False], [False, False, True, True], [False, True, True, True]])
per_held = pytest.mark.parametrize(
    "held", ["relu", "gelu", F.gelu, nn.GELU()], ids=["relu", "gelu", "F.gelu", "module"]
)


def encoder(held: Any, n_layers: int = 2) -> nn.TransformerEncoder:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.TransformerEncoder(nn.TransformerEncoderLayer(activation=held, **TRANSFORMER), n_layers).double()


def evaluated(model: nn.TransformerEncoder, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model.eval()(x, src_key_padding_mask=PADDING)[~PADDING]


def assert_train_and_eval_agree(model: nn.TransformerEncoder, x: Tensor) -> None:
    trained = model.train()(x, src_key_padding_mask=PADDING)[~PADDING]
    torch.testing.assert_close(evaluated(model, x), trained, rtol=1e-9, atol=1e-11)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("with_example", [False, True], ids=["", "example"])
@per_held
def test_a_transformer_encoder_uses_its_new_activations_in_training_and_in_evaluation(
    held: Any, with_example: bool
) -> None:
    model, x = encoder(held).eval(), torch.randn(3, 4, 8, dtype=torch.float64)
    replacements = replace_activations(model, SGBlend, example=x if with_example else None)
    assert names(replacements) == ["layers.0.activation", "layers.1.activation"]
    assert not any(r.new.training for r in replacements)
    assert_train_and_eval_agree(model, x)
    before = evaluated(model, x)
    alphas(replacements, 0.5, 1.0)
    assert not torch.allclose(evaluated(model, x), before, rtol=1e-4)
    assert_train_and_eval_agree(model, x)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize(
    "make", [nn.ReLU, nn.GELU, lambda: nn.GELU("tanh"), nn.ELU], ids=["relu", "gelu", "tanh", "elu"]
)
@per_held
def test_a_transformer_encoder_agrees_with_itself_whatever_torch_activation_is_put_in(
    held: Any, make: Callable[[], nn.Module]
) -> None:
    model, x = encoder(held), torch.randn(3, 4, 8, dtype=torch.float64)
    replace_activations(model, make)
    assert_train_and_eval_agree(model, x)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layer", [0, 1])
def test_one_layer_of_a_transformer_encoder_can_be_swapped_alone(layer: int) -> None:
    model, x = encoder("relu"), torch.randn(3, 4, 8, dtype=torch.float64)
    assert names(replace_activations(model, SGBlend, names=[f"layers.{layer}.*"])) == [f"layers.{layer}.activation"]
    assert_train_and_eval_agree(model, x)


def test_an_example_reaches_the_activations_of_a_transformer_encoder_that_evaluates() -> None:
    model = encoder("gelu").eval()
    sites = survey(model, example=torch.randn(3, 4, 8, dtype=torch.float64)).sites
    assert [(site.name, site.kind, site.shape) for site in sites] == [
        ("layers.0.activation", "GELU", (3, 4, 16)),
        ("layers.1.activation", "GELU", (3, 4, 16)),
    ]


@per_held
def test_a_transformer_decoder_layer_uses_its_new_activation(held: Any) -> None:
    model = nn.TransformerDecoderLayer(activation=held, **TRANSFORMER).eval()
    x, memory = torch.randn(2, 4, 8), torch.randn(2, 3, 8)
    replacements = replace_activations(model, SGBlend, example=(x, memory))
    assert names(replacements) == ["activation"]
    with torch.no_grad():
        before = model(x, memory)
        torch.testing.assert_close(model.train()(x, memory), before, rtol=1e-5, atol=1e-6)
        alphas(replacements, 1.0)
        assert not torch.allclose(model.eval()(x, memory), before, rtol=1e-4)


def test_functions_in_attributes_of_ones_own_module_become_modules(x: Tensor) -> None:
    model = Holder(linear=nn.Linear(3, 3), act=F.gelu, _act=F.relu).eval()
    replacements = replace_activations(model, SGBlend)
    assert [(r.name, r.old) for r in replacements] == [("act", F.gelu), ("_act", F.relu)]
    alphas(replacements, 0.2, 0.7)
    first, second = (r.new for r in replacements)
    torch.testing.assert_close(model(x), second(first(model.linear(x))), rtol=0, atol=0)
    assert not first.training
    assert_disjoint(replacements)
    assert len(list(model.parameters())) == 2 + 6


@pytest.mark.parametrize("function", FUNCTIONS, ids=qualified)
def test_every_known_function_is_replaced_where_an_attribute_holds_it(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.linspace(-4, 4, 33)
    expected = function(x.clone())
    model = Holder(act=function)
    (replacement,) = replace_activations(model, Swish, preserve=True)
    assert (replacement.name, replacement.old) == ("act", function)
    torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=0)


# Modules that run several times in one forward pass


@pytest.mark.parametrize("form", [lambda x: x, lambda x: (x,), lambda x: {"x": x}], ids=["tensor", "tuple", "dict"])
def test_with_an_example_each_call_of_a_shared_module_gets_its_own_activation(
    form: Callable[[Tensor], Any], x: Tensor
) -> None:
    model = Shared()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        replacements = replace_activations(model, SGBlend, example=form(x))
    assert names(replacements) == ["relu#1", "relu#2"]
    assert list(named_activations(model)) == ["relu#1", "relu#2"]
    assert_disjoint(replacements)
    alphas(replacements, 0.1, 0.9)
    first, second = (r.new for r in replacements)
    assert not torch.allclose(model(x), by_hand(model, x, second, first))
    for _ in range(3):
        torch.testing.assert_close(model(x), by_hand(model, x, first, second), rtol=0, atol=0)


def test_each_call_learns_from_its_own_gradient(x: Tensor) -> None:
    model, replacements = split(x)
    model(x).square().sum().backward()
    got = [p.grad.clone() for r in replacements for p in r.new.parameters()]
    model.zero_grad()
    by_hand(model, x, *(r.new for r in replacements)).square().sum().backward()
    torch.testing.assert_close(got, [p.grad for r in replacements for p in r.new.parameters()])


def test_a_forward_pass_that_failed_does_not_shift_the_next_one(x: Tensor) -> None:
    model, replacements = split(x)
    fitting, model.second = model.second, nn.Linear(9, 9)
    with pytest.raises(RuntimeError, match="shape"):
        model(x)  # stops after the first call
    model.second = fitting
    torch.testing.assert_close(model(x), by_hand(model, x, *(r.new for r in replacements)), rtol=0, atol=0)


def test_a_forward_pass_may_make_fewer_calls_than_the_example(x: Tensor) -> None:
    model = Recurrent()
    replacements = replace_activations(model, SGBlend, example=(x, 3))
    assert names(replacements) == ["relu#1", "relu#2", "relu#3"]
    alphas(replacements, 0.0, 0.5, 1.0)
    with pytest.warns(UserWarning, match=r"relu 1 of 3"):
        torch.testing.assert_close(model(x, 1), replacements[0].new(model.linear(x)), rtol=0, atol=0)
    torch.testing.assert_close(model(x, 1), replacements[0].new(model.linear(x)), rtol=0, atol=0)


def test_a_forward_pass_with_more_calls_than_the_example_is_refused(x: Tensor) -> None:
    model = Recurrent()
    replace_activations(model, SGBlend, example=(x, 2))
    with pytest.raises(RuntimeError, match=r"2 calls per forward pass"):
        model(x, 3)
    model(x, 2)


def test_a_model_with_per_call_activations_works_inside_a_larger_one(x: Tensor) -> None:
    model, _ = split(x)
    larger = nn.Sequential(nn.Identity(), model)
    for _ in range(2):
        torch.testing.assert_close(larger(x), model(x), rtol=0, atol=0)


def test_a_copy_of_a_model_with_per_call_activations_counts_for_itself(x: Tensor) -> None:
    model, replacements = split(x)
    twin = copy.deepcopy(model)
    expected = model(x)
    model.relu.passes.current.made = 1  # the original stands in the middle of a forward pass
    alphas(replacements, 0.4, 0.6)
    for _ in range(2):
        torch.testing.assert_close(twin(x), expected, rtol=0, atol=0)
    assert model.relu.passes.current.made == 1


def test_a_model_with_per_call_activations_survives_pickling(x: Tensor) -> None:
    model, _ = split(x)
    expected = model(x)
    twin = pickle.loads(pickle.dumps(model))  # noqa: S301
    for _ in range(2):
        torch.testing.assert_close(twin(x), expected, rtol=0, atol=0)


def test_the_state_of_per_call_activations_loads_into_a_model_swapped_the_same_way(x: Tensor) -> None:
    model, _ = split(x)
    twin = Shared()
    replace_activations(twin, SGBlend, example=x)
    twin.load_state_dict(model.state_dict())
    torch.testing.assert_close(twin(x), model(x), rtol=0, atol=0)


def test_per_call_activations_compile_without_a_graph_break_and_train(x: Tensor) -> None:
    model, replacements = split(x)
    new = [p for r in replacements for p in r.new.parameters()]
    expected = torch.autograd.grad(model(x).square().sum(), new)
    torch.compiler.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for _ in range(2):
        torch.testing.assert_close(compiled(x), model(x))
    torch.testing.assert_close(torch.autograd.grad(compiled(x).square().sum(), new), expected)


def test_per_call_activations_export(x: Tensor) -> None:
    model, _ = split(x)
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x), model(x))
    torch.testing.assert_close(exported(2 * x), model(2 * x))


@pytest.mark.filterwarnings("ignore:a forward pass made fewer calls")
@pytest.mark.parametrize("steps", [2, 1], ids=["all calls", "fewer calls"])
def test_per_call_activations_under_checkpointing_raise_instead_of_giving_wrong_gradients(
    steps: int, x: Tensor
) -> None:
    model = Recurrent(checkpointed=True)
    alphas(replace_activations(model, SGBlend, example=(x, 2)), 0.1, 0.9)
    loss = model(x, steps).sum()
    with pytest.raises(RuntimeError, match=r"(?s)checkpointing.*example"):
        loss.backward()


@pytest.mark.filterwarnings(SHARED)
def test_checkpointing_goes_on_working_without_per_call_activations(x: Tensor) -> None:
    model, plain = Recurrent(checkpointed=True), Recurrent()
    (swapped,) = replace_activations(model, SGBlend)
    replace_activations(plain, SGBlend)
    plain.load_state_dict(model.state_dict())
    for network in (model, plain):
        network(x).sum().backward()
    torch.testing.assert_close(swapped.new.raw_alpha.grad, plain.relu.raw_alpha.grad)


def test_the_same_instance_at_several_paths_becomes_one_activation_per_path(x: Tensor) -> None:
    relu = nn.ReLU()
    model = Holder(first=nn.Linear(3, 3), a=relu, block=nn.Sequential(nn.Linear(3, 3), relu), b=relu)
    for example in (None, x):
        replacements = replace_activations(model, SGBlend, example=example)
        assert names(replacements) == ["a", "block.1", "b"]
        assert_disjoint(replacements)


def test_a_block_registered_under_two_names_is_replaced_once() -> None:
    block = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model = Holder(encoder=block, backbone=block)
    calls: list[int] = []
    with pytest.warns(UserWarning, match=r"encoder\.1 \(2 calls\)"):
        (replacement,) = replace_activations(model, lambda: calls.append(1) or SGBlend())
    assert len(calls) == 1
    assert model.backbone[1] is model.encoder[1] is replacement.new


def test_the_number_sign_in_a_name_is_not_mistaken_for_a_call(x: Tensor) -> None:
    model = nn.ModuleDict({"c#": Shared()})
    model.forward = model["c#"].__call__
    assert names(replace_activations(model, SGBlend, example=x)) == ["c#.relu#1", "c#.relu#2"]


# Without an example


def test_without_an_example_a_module_that_runs_several_times_is_named_at_once(x: Tensor) -> None:
    model = nn.Sequential(Shared(), nn.ReLU())
    with pytest.warns(UserWarning, match=r"0\.relu \(2 calls\).*example") as caught:
        assert names(replace_activations(model, SGBlend)) == ["0.relu", "1"]
    assert len(caught) == 1
    assert n_hooks(model) == 0
    torch.testing.assert_close(model(x), model[1](by_hand(model[0], x, model[0].relu)), rtol=0, atol=0)


def test_without_an_example_one_of_torchs_own_layers_that_runs_several_times_is_named() -> None:
    layer = nn.TransformerEncoderLayer(**TRANSFORMER)
    with pytest.warns(UserWarning, match=r"0\.activation \(2 calls\)"):
        replace_activations(nn.Sequential(layer, layer), SGBlend)


@pytest.mark.parametrize("make", [SGBlend, Mine])
def test_where_tracing_fails_a_shared_module_is_named_at_the_first_forward_pass(
    make: Callable[[], nn.Module], x: Tensor
) -> None:
    model = Branching()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (replacement,) = replace_activations(model, make)
    with pytest.warns(UserWarning, match=r"relu \(2 calls\).*example"):
        model(x)
    assert n_hooks(model) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.testing.assert_close(model(x), by_hand(model, x, replacement.new), rtol=0, atol=0)


@pytest.mark.filterwarnings("error")
def test_where_tracing_fails_nothing_is_said_of_activations_that_run_once(x: Tensor) -> None:
    model = BranchingOnce()
    replace_activations(model, SGBlend)
    model(x)
    assert n_hooks(model) == 0


def test_where_tracing_fails_a_copy_made_before_the_first_forward_pass_warns_once_for_itself(x: Tensor) -> None:
    model = Branching()
    replace_activations(model, SGBlend)
    twin = copy.deepcopy(model)
    with pytest.warns(UserWarning, match=r"relu \(2 calls\)"):
        twin(x)
    assert n_hooks(twin) == 0
    with pytest.warns(UserWarning, match=r"relu \(2 calls\)"):
        model(x)


@pytest.mark.filterwarnings(SHARED)
def test_where_tracing_fails_the_model_can_be_pickled_before_its_first_forward_pass(x: Tensor) -> None:
    model = Branching()
    replace_activations(model, SGBlend)
    twin = pickle.loads(pickle.dumps(model))  # noqa: S301
    torch.testing.assert_close(twin(x), model(x), rtol=0, atol=0)
    assert n_hooks(twin) == 0


@pytest.mark.filterwarnings(SHARED)
def test_where_tracing_fails_the_model_compiles_before_its_first_forward_pass(x: Tensor) -> None:
    model = Branching()
    replace_activations(model, SGBlend)
    twin = copy.deepcopy(model)
    torch.compiler.reset()
    torch.testing.assert_close(torch.compile(model, backend="eager", fullgraph=True)(x), twin(x))


# What is chosen


def zoo() -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            body=nn.Sequential(nn.ReLU(), nn.GELU("tanh"), nn.SiLU()), gate=nn.Sigmoid(), own=SGBlend(), head=nn.ReLU()
        )
    )


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([nn.ReLU], ["body.0", "head"]),
        (["ReLU"], ["body.0", "head"]),
        (["relu", "gELU"], ["body.0", "body.1", "head"]),
        ([nn.SiLU, "relu"], ["body.0", "body.2", "head"]),
        ([nn.Sigmoid], ["gate"]),
        (["sigmoid"], ["gate"]),
        ([SGBlend], ["own"]),
        (["sgblend"], ["own"]),
    ],
)
def test_kinds_choose_by_class_or_by_name_in_any_case(kinds: list[Any], expected: list[str]) -> None:
    assert names(replace_activations(zoo(), PELU, kinds=kinds)) == expected


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kinds", [["gelu"], [nn.GELU]], ids=["name", "class"])
def test_kinds_choose_functions_too_and_a_function_not_chosen_is_no_functional_call(kinds: list[Any]) -> None:
    model = Holder(act=F.gelu, other=F.relu)
    assert names(replace_activations(model, SGBlend, kinds=kinds)) == ["act"]
    assert model.other is F.relu


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["head"], ["head"]),
        (["body.*"], ["body.0", "body.1", "body.2"]),
        (["*.[02]", "own"], ["body.0", "body.2", "own"]),
        (["*"], ["body.0", "body.1", "body.2", "own", "head"]),
    ],
)
def test_names_choose_by_glob_patterns_over_the_path(patterns: list[str], expected: list[str]) -> None:
    assert names(replace_activations(zoo(), PELU, names=patterns)) == expected
    assert [site.name for site in survey(zoo(), names=patterns).sites] == expected


def test_kinds_and_names_choose_together() -> None:
    assert names(replace_activations(zoo(), PELU, kinds=["relu"], names=["body.*"])) == ["body.0"]


def test_a_single_name_is_one_pattern_and_not_a_list_of_letters() -> None:
    assert names(replace_activations(zoo(), PELU, names="body.*")) == ["body.0", "body.1", "body.2"]


@pytest.mark.parametrize(("pattern", "expected"), [("relu#2", ["relu#2"]), ("relu", ["relu#1", "relu#2"])])
def test_names_choose_single_calls_of_a_module_that_was_split(pattern: str, expected: list[str], x: Tensor) -> None:
    model, replacements = split(x)
    again = replace_activations(model, PELU, names=[pattern])
    assert names(again) == expected
    assert (named_activations(model)["relu#1"] is replacements[0].new) == ("relu#1" not in expected)
    now = named_activations(model).values()
    torch.testing.assert_close(model(x), by_hand(model, x, *now), rtol=0, atol=0)


def test_names_choose_a_single_call_of_a_module_that_was_not_split_before(x: Tensor) -> None:
    model = Shared()
    (replacement,) = replace_activations(model, SGBlend, names=["relu#2"], example=x)
    assert replacement.name == "relu#2"
    torch.testing.assert_close(model(x), by_hand(model, x, nn.ReLU(), replacement.new), rtol=0, atol=0)


# Functional calls


def calls(function: Callable[[Tensor], Tensor]) -> nn.Module:
    """A model with a site, and a block that calls a function in its forward pass."""
    return nn.Sequential(OrderedDict(linear=nn.Linear(3, 3), act=nn.ReLU(), block=nn.Sequential(Holder(call=function))))


with_and_without_example = pytest.mark.parametrize("with_example", [False, True], ids=["traced", "example"])
CALLED = [f for f in FUNCTIONS if not inspect.ismethoddescriptor(f)]  # methods of tensors: below
IN_PLACE = [F.leaky_relu_, F.elu_, F.selu_, F.celu_]


@with_and_without_example
@pytest.mark.parametrize("function", list(dict.fromkeys([*CALLED, *IN_PLACE])), ids=qualified)
def test_a_functional_call_is_reported_with_its_place_and_stays(
    function: Callable[[Tensor], Tensor], with_example: bool, x: Tensor
) -> None:
    model = calls(lambda h: function(h + 0))
    expected = f"block.0: {function.__name__}"
    assert survey(model, example=x if with_example else None).functional == [expected]
    with pytest.warns(UserWarning, match=rf"{expected}\b.*modules") as caught:
        assert names(replace_activations(model, SGBlend, example=x if with_example else None)) == ["act"]
    assert len(caught) == 1


@with_and_without_example
@pytest.mark.parametrize(
    ("function", "called"),
    [
        (lambda h: h.relu(), "relu"),
        (lambda h: (h + 0).relu_(), "relu_"),
        (lambda h: h.prelu(torch.ones(1)), "prelu"),
        (lambda h: F.prelu(h, torch.ones(1)), "prelu"),
        (lambda h: F.relu(h + 0, inplace=True), "relu"),
        (functools.partial(F.gelu, approximate="tanh"), "gelu"),
    ],
)
def test_methods_of_tensors_and_functions_with_arguments_are_reported(
    function: Callable[[Tensor], Tensor], called: str, with_example: bool, x: Tensor
) -> None:
    assert survey(calls(function), example=x if with_example else None).functional == [f"block.0: {called}"]


@with_and_without_example
@pytest.mark.filterwarnings("error")
def test_other_functions_and_the_insides_of_activations_are_not_reported(with_example: bool, x: Tensor) -> None:
    model = nn.Sequential(calls(torch.tanh), Blend("relu", "gelu"), nn.PReLU())
    replace_activations(model, Mine, names=["0.act"])
    replace_activations(model, SGBlend, names=["1"], example=x if with_example else None)


@with_and_without_example
def test_a_functional_call_of_the_model_itself_is_reported_under_its_class(with_example: bool, x: Tensor) -> None:
    model = Holder(call=functional)
    assert survey(model, example=x if with_example else None).functional == ["Holder: relu"]


def test_functional_calls_of_a_split_model_are_reported_without_an_example_too(x: Tensor) -> None:
    model = nn.Sequential(Shared(), Holder(call=functional))
    with pytest.warns(UserWarning, match="1: relu"):
        replace_activations(model, SGBlend, example=x)
    model(x)
    with pytest.warns(UserWarning, match="1: relu"):
        replace_activations(model, SGBlend)


# The same kind, and again


@pytest.mark.parametrize("kind", [nn.ReLU, nn.GELU], ids=["relu", "gelu"])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_a_swap_for_the_same_kind_leaves_the_outputs_bit_identical(kind: type[nn.Module], training: bool) -> None:
    name = kind.__name__.lower()
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), kind(), nn.Flatten(2), nn.Linear(16, 8), kind(),
        encoder(name).float(), Holder(act=getattr(F, name), linear=nn.Linear(8, 2)),
    ).train(training)  # fmt: skip
    x = torch.randn(5, 1, 4, 4)
    twin = copy.deepcopy(model)
    assert len(replace_activations(model, kind)) == 5
    assert torch.equal(model(x), twin(x))
    with torch.no_grad():
        assert torch.equal(model(x), twin(x))


@pytest.mark.parametrize("again_with_example", [False, True], ids=["", "example"])
@pytest.mark.parametrize(
    "make", [SGBlend, Mine, lambda: Blend(Mine(), "gelu"), nn.PReLU, lambda: nn.Sequential(Mine())]
)
def test_calling_twice_gives_the_same_sites_fresh_parameters_and_nothing_nested(
    make: Callable[[], nn.Module], again_with_example: bool, x: Tensor
) -> None:
    model = nn.Sequential(Shared(), nn.Linear(5, 5), nn.GELU(), Holder(act=F.relu))
    first = replace_activations(model, make, example=x)
    assert names(first) == ["0.relu#1", "0.relu#2", "2", "3.act"]
    model(x)
    hooks = n_hooks(model)
    second = replace_activations(model, make, example=x if again_with_example else None)
    assert names(second) == names(first)
    assert [r.old for r in second] == [r.new for r in first]
    assert_disjoint([*first, *second])
    assert len(list(model.parameters())) == 6 + sum(len(list(r.new.parameters())) for r in second)
    new = [r.new for r in second]
    expected = new[3](new[2](model[1](by_hand(model[0], x, *new[:2]))))
    for _ in range(2):
        torch.testing.assert_close(model(x), expected, rtol=0, atol=0)
    assert n_hooks(model) == hooks


@pytest.mark.filterwarnings(SHARED)
def test_a_model_swapped_without_an_example_can_be_split_later(x: Tensor) -> None:
    model = Shared()
    assert names(replace_activations(model, Mine)) == ["relu"]
    assert names(replace_activations(model, Mine, example=x)) == ["relu#1", "relu#2"]


# What the new modules are


@pytest.mark.parametrize("preserve", [False, True])
def test_new_modules_take_the_training_mode_of_what_they_replace(preserve: bool, x: Tensor) -> None:
    model = Holder(a=nn.ReLU().eval(), shared=Shared().eval(), act=F.relu, b=nn.GELU())
    model.a.training = False
    replacements = replace_activations(model, lambda: Blend("prelu", "gelu"), example=x, preserve=preserve)
    expected = {"a": False, "shared.relu#1": False, "shared.relu#2": False, "act": True, "b": True}
    assert {r.name: r.new.training for r in replacements} == expected
    assert all(m.training == r.new.training for r in replacements for m in r.new.modules())
    assert not model.shared.relu.training


@pytest.mark.parametrize("preserve", [False, True])
def test_new_parameters_stand_on_the_device_of_the_model(preserve: bool) -> None:
    model = Holder(
        stem=nn.Linear(3, 3),
        act=F.relu,
        block=nn.Sequential(nn.PReLU(), Shared(), nn.ReLU()),
        lone=Holder(act=nn.GELU()),
    ).to("meta")
    example = torch.randn(2, 3, device="meta")
    replacements = replace_activations(model, lambda: Blend("prelu", "sgblend"), example=example, preserve=preserve)
    assert len(replacements) == 6
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert model(example).device.type == "meta"


def test_a_site_takes_the_device_of_its_neighbours_before_that_of_the_whole_model() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2, device="meta"), nn.ReLU()), nn.PReLU())
    replacements = replace_activations(model, SGBlend)
    assert {r.name: r.new.raw_alpha.device.type for r in replacements} == {"1.1": "meta", "2": "cpu"}


def test_make_receives_the_site_with_the_shape_of_its_input() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.GELU())
    make: Callable[[Any], nn.Module] = lambda site: SGBlend(channels=site.shape[1])  # noqa: E731
    replacements = replace_activations(model, make, example=torch.randn(2, 1, 8, 8))
    assert [r.new.channels for r in replacements] == [4, 6]
    model(torch.randn(3, 1, 8, 8)).sum().backward()


def test_make_receives_the_shape_of_each_call_of_a_shared_module(x: Tensor) -> None:
    model, seen = Shared(), []
    replacements = replace_activations(
        model, lambda site: seen.append(site.name) or SGBlend(channels=site.shape[-1]), example=x
    )
    assert [r.new.channels for r in replacements] == [4, 5]
    assert seen == ["relu#1", "relu#2"]
    model(x)


def test_make_receives_kind_and_name_of_the_site_and_no_shape_without_an_example() -> None:
    seen: list[Any] = []

    def make(site: Any) -> nn.Module:
        seen.append((site.name, site.kind, site.shape))
        return SGBlend()

    replace_activations(Holder(a=nn.PReLU(), b=Swish(), act=F.gelu), make)
    assert seen == [("a", "PReLU", None), ("b", "Swish", None), ("act", "GELU", None)]


# Looking changes nothing


def busy() -> nn.Sequential:
    """BatchNorm, dropout, a shared module, a function in an attribute, a frozen part, a hook of the user's."""
    model = nn.Sequential(
        nn.Linear(3, 3),
        nn.BatchNorm1d(3),
        nn.Dropout(0.5),
        Shared(),
        Holder(act=F.gelu),
        nn.Sequential(nn.PReLU()).eval(),
    )
    model[0].requires_grad_(False)
    model.register_forward_hook(lambda module, args, output: None)
    return model


@pytest.mark.parametrize("with_example", [False, True], ids=["traced", "example"])
def test_survey_changes_nothing_and_reports_calls_shapes_and_functional_calls(with_example: bool, x: Tensor) -> None:
    model = nn.Sequential(busy(), Holder(call=functional))
    state, before, rng = values(model), anatomy(model), torch.get_rng_state()
    found = survey(model, example=x if with_example else None)
    assert anatomy(model) == before
    assert torch.equal(torch.get_rng_state(), rng)
    torch.testing.assert_close(values(model), state, rtol=0, atol=0)
    shapes = [(6, 5), (6, 5), (6, 5)] if with_example else [None] * 3
    assert [(s.name, s.kind, s.calls, s.shape) for s in found.sites] == [
        ("0.3.relu", "ReLU", 2, shapes[0]), ("0.4.act", "GELU", 1, shapes[1]), ("0.5.0", "PReLU", 1, shapes[2]),
    ]  # fmt: skip
    assert [s.current for s in found.sites] == [model[0][3].relu, F.gelu, model[0][5][0]]
    assert found.functional == ["1: relu"]
    assert not any(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("with_example", [False, True], ids=["traced", "example"])
def test_survey_leaves_what_a_model_remembers_of_its_passes_as_it_was(with_example: bool, x: Tensor) -> None:
    model = Remembering()
    survey(model, example=x if with_example else None)
    assert (model.last, model.passes) == (None, 0)


def test_survey_leaves_statistics_inside_an_activation_unchanged(x: Tensor) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    replace_activations(model, MineWithNorm)
    state = values(model)
    survey(model, example=x)
    torch.testing.assert_close(values(model), state, rtol=0, atol=0)
    assert all(m.training for m in model.modules())


def test_the_run_of_the_example_changes_only_the_sites(x: Tensor) -> None:
    model = busy()
    state, rng = values(model), torch.get_rng_state()
    flags = [m.training for m in model[:3].modules()]
    replace_activations(model, nn.Identity, example=x)  # draws no random numbers itself
    assert torch.equal(torch.get_rng_state(), rng)
    after = values(model)  # without the PReLU, which is gone
    torch.testing.assert_close(after, {name: state[name] for name in after}, rtol=0, atol=0)
    assert len(after) == len(state) - 1
    assert [m.training for m in model[:3].modules()] == flags
    assert n_hooks(model[3]) == 0  # only the root counts the calls
    assert torch.backends.mha.get_fastpath_enabled()


def test_the_random_state_survives_a_model_that_draws_noise(x: Tensor) -> None:
    model = Holder(noise=lambda h: h + torch.randn_like(h), act=nn.ReLU())
    rng = torch.get_rng_state()
    survey(model, example=x)
    assert torch.equal(torch.get_rng_state(), rng)


def test_an_example_that_fails_leaves_the_model_unchanged(x: Tensor) -> None:
    model = nn.Sequential(busy(), Failing().train())
    wrong_shape = torch.randn(2, 77)
    state, before, rng = values(model), anatomy(model), torch.get_rng_state()
    for example in (x, wrong_shape):
        with pytest.raises((RuntimeError, ArithmeticError)):
            replace_activations(model, SGBlend, example=example)
        assert anatomy(model) == before
        assert torch.equal(torch.get_rng_state(), rng)
        torch.testing.assert_close(values(model), state, rtol=0, atol=0)
    assert torch.backends.mha.get_fastpath_enabled()


def test_named_activations_lists_modules_and_leaves_functions_out() -> None:
    model = Holder(act=F.relu, own=SGBlend(), gate=nn.Sigmoid(), block=nn.Sequential(nn.PReLU()))
    assert named_activations(model) == {"own": model.own, "block.0": model.block[0]}
    (replacement,) = replace_activations(model, Mine, names=["act"])
    assert named_activations(model) == {"own": model.own, "block.0": model.block[0], "act": replacement.new}
    assert list(named_activations(copy.deepcopy(model))) == ["own", "block.0", "act"]


# Errors


@pytest.mark.parametrize("root", [nn.ReLU(), SGBlend(), Blend("relu", "gelu")], ids=["relu", "sgblend", "blend"])
def test_a_model_that_is_itself_an_activation_is_refused_with_the_way_out(root: nn.Module) -> None:
    before = anatomy(root)
    with pytest.raises(ValueError, match=r"itself is an activation.*nn\.Sequential"):
        replace_activations(root, SGBlend)
    assert anatomy(root) == before


@with_and_without_example
def test_finding_nothing_is_an_error_that_says_what_was_looked_for_and_which_calls_were_seen(
    with_example: bool, x: Tensor
) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), Holder(call=functional))
    with pytest.raises(ValueError, match=r"Sequential.*LeakyReLU.*GELU.*2: relu"):
        replace_activations(model, SGBlend, example=x if with_example else None)


@pytest.mark.parametrize(
    ("kinds", "patterns", "said"),
    [
        (["mish"], None, "looked for mish"),
        ([nn.Mish, "elu"], None, "looked for Mish, elu"),
        (None, ["hed"], r"at hed; sites are body\.0, body\.1, body\.2, own, head"),
        ([nn.GELU], ["head"], r"looked for GELU at head"),
    ],
)
def test_finding_nothing_names_the_kinds_and_names_that_were_asked_for(kinds: Any, patterns: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace_activations(zoo(), SGBlend, kinds=kinds, names=patterns)


def test_finding_nothing_among_names_lists_functions_in_attributes_as_sites_too() -> None:
    with pytest.raises(ValueError, match="sites are act"):
        replace_activations(Holder(act=F.relu), SGBlend, names=["atc"])


@pytest.mark.parametrize("good", [0, 1, 3], ids=["at once", "later", "within a split"])
@pytest.mark.parametrize("wrong", [None, torch.relu, "raise"], ids=["none", "function", "raises"])
def test_make_that_gives_no_module_is_refused_and_leaves_the_model_unchanged(good: int, wrong: Any, x: Tensor) -> None:
    model = nn.Sequential(Holder(a=nn.ReLU(), act=F.relu), Shared())
    before, made = anatomy(model), []

    def make() -> Any:
        made.append(SGBlend())
        if len(made) <= good:
            return made[-1]
        if wrong == "raise":
            raise ValueError("make() must not fail")
        return wrong

    with pytest.raises(ValueError, match=r"make\(\) must"):
        replace_activations(model, make, example=x)
    assert anatomy(model) == before


# preserve

OLD: dict[str, Callable[[], Any]] = {kind.__name__: kind for kind in RECTIFIERS} | {
    "GELU tanh": lambda: nn.GELU("tanh"),
    "F.gelu": lambda: F.gelu,
    "ReLU in place": lambda: nn.ReLU(inplace=True),
    "LeakyReLU 0.3": lambda: nn.LeakyReLU(0.3),
    "SGBlend": lambda: SGBlend(0.3, 1.7, 0.2),
    "Mine": Mine,
}
NEW: dict[str, Callable[[], nn.Module]] = {"SGBlend": SGBlend, "Swish": Swish, "PELU": PELU, "ABU": ABU}
SAME_FUNCTION = {("SiLU", "Swish"), ("ELU", "PELU"), ("CELU", "PELU")}  # alpha says nothing: both parts coincide
per_old_and_new = pytest.mark.parametrize(("old", "new"), [(old, new) for old in OLD for new in NEW])


def preserving(old: str, new: str) -> tuple[nn.Module, Replacement]:
    model = Holder(act=OLD[old]())
    (replacement,) = replace_activations(model, NEW[new], preserve=True, kinds=None if old != "Mine" else [Mine])
    return model, replacement


@per_old_and_new
def test_a_swap_that_preserves_computes_the_same_at_step_0(old: str, new: str) -> None:
    model, replacement = preserving(old, new)
    grid = torch.cat([torch.linspace(-8, 8, 161), torch.tensor([-1e3, -30.0, 0.0, 30.0, 1e3])])
    expected = replacement.old(grid.clone())
    torch.testing.assert_close(model(grid.clone()), expected, rtol=1e-5, atol=1e-6)
    assert replacement.new.alpha.shape == (1,)
    assert any(isinstance(m, NEW[new]) for m in replacement.new.modules())
    if isinstance(replacement.old, nn.Module):
        shared = {id(p) for p in replacement.old.parameters()} & {id(p) for p in model.parameters()}
        assert not shared


@per_old_and_new
def test_after_a_swap_that_preserves_every_new_parameter_learns(old: str, new: str) -> None:
    model, replacement = preserving(old, new)
    model = nn.Sequential(nn.Linear(1, 1), model)  # an in-place activation needs something to write on
    nn.init.ones_(model[0].weight), nn.init.zeros_(model[0].bias)
    x = torch.linspace(-4, 4, 65)[:, None]
    wanted = NEW[new]()
    with torch.no_grad():
        for i, parameter in enumerate(wanted.parameters()):
            parameter += 0.3 + 0.3 * i
        # Towards the new activation, so that alpha is asked inwards, and a little towards other values inside it.
        target = 0.4 * replacement.old(x.clone()) + 0.6 * NEW[new]()(x) + 0.1 * (wanted(x) - NEW[new]()(x))
    start = values(replacement.new)
    first = F.mse_loss(model(x), target).item()
    optimizer = torch.optim.Adam(replacement.new.parameters(), lr=0.04)
    for _ in range(25):
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), target)
        loss.backward()
        optimizer.step()
    still = {name for name, value in values(replacement.new).items() if (value - start[name]).abs().max() < 1e-3}
    assert still <= ({"raw_alpha"} if (old, new) in SAME_FUNCTION else set())
    assert loss.item() < first


@pytest.mark.parametrize(
    ("old", "make", "alpha"),
    [
        (nn.GELU(), SGBlend, 0.0),
        (F.gelu, SGBlend, 0.0),
        (nn.GELU("tanh"), lambda: SGBlend(approximate="tanh"), 0.0),
        (nn.SiLU(), SGBlend, 1.0),
        (F.silu, SGBlend, 1.0),
        (nn.SiLU(inplace=True), lambda: SGBlend(0.3, 2.0, 0.5), 1.0),
    ],
)
def test_sg_blend_needs_no_wrapper_to_start_on_gelu_or_silu(
    old: Any, make: Callable[[], nn.Module], alpha: float
) -> None:
    (replacement,) = replace_activations(Holder(act=old), make, preserve=True)
    assert type(replacement.new) is SGBlend
    assert replacement.new.alpha.item() == alpha
    x = torch.linspace(-6, 6, 97)
    torch.testing.assert_close(replacement.new(x), old(x.clone()), rtol=1e-5, atol=1e-6)


def test_a_wrapper_is_used_where_sg_blend_cannot_reach_the_old_function_itself() -> None:
    for old, make in [(nn.GELU("tanh"), SGBlend), (nn.GELU(), lambda: SGBlend(learn=("beta",))), (nn.ReLU(), SGBlend)]:
        (replacement,) = replace_activations(nn.Sequential(old), make, preserve=True)
        assert type(replacement.new) is Blend
        assert replacement.new.alpha.item() == 0.0


def test_preserve_keeps_the_output_of_a_whole_model_with_shared_and_held_activations(x: Tensor) -> None:
    model = nn.Sequential(Shared(), Holder(act=F.gelu), nn.Linear(5, 4), nn.PReLU(4), nn.LayerNorm(4), nn.SiLU())
    nn.init.uniform_(model[3].weight)
    before = model(x)
    replacements = replace_activations(model, lambda: Swish(3.0), example=x, preserve=True)
    torch.testing.assert_close(model(x), before, rtol=1e-5, atol=1e-7)
    alphas(replacements, *[1.0] * len(replacements))
    assert not torch.allclose(model(x), before, rtol=1e-2)


# What is asked of make


@pytest.mark.parametrize("make", [SGBlend(), "sgblend", None], ids=["module", "word", "none"])
def test_something_that_cannot_make_new_modules_is_refused_with_an_example_of_what_can(make: Any) -> None:
    model = zoo()
    before = anatomy(model)
    with pytest.raises(TypeError, match=r"new module for every site.*lambda: SGBlend"):
        replace_activations(model, make)
    assert anatomy(model) == before


def test_a_site_that_the_example_does_not_reach_is_named_and_swapped(x: Tensor) -> None:
    model = BranchingOnce()
    model.unused = nn.GELU()
    with pytest.warns(UserWarning, match="did not call these with the example: unused"):
        replacements = replace_activations(model, SGBlend, example=x)
    assert names(replacements) == ["relu", "unused"]
    assert [site.calls for site in survey(model, example=x).sites] == [1, 0]

"""The schema: bound to the signatures it describes, obeyed by every file under conf/, and plain about every mistake."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import subprocess
import sys
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from adaptact import activations, config, launcher, models
from adaptact.activations import functional as AF
from adaptact.config.defaults import defaults_of
from adaptact.errors import ConfigError
from adaptact.records import conf_dir

modest = settings(deadline=None, max_examples=40)

NAMED = ("activation", "model", "data")  # groups whose files carry their own name
FILES = sorted(file for g in (*NAMED, "optimizer", "trainer", "logger") for file in (conf_dir() / g).glob("*.yaml"))
per_file = pytest.mark.parametrize("file", FILES, ids=[f"{file.parent.name}/{file.stem}" for file in FILES])

BUILT = sorted(set(config.ACTIVATIONS) - {"native", "custom"})  # kinds that the registry builds
SITE_CHOICE = {"per_channel", "channel_dim"}  # what becomes channels= and channel_dim= at each site
NOT_SET_BY_USERS = {"channels", "channel_dim", "num_parameters", "inplace", "device", "dtype"}
per_kind = pytest.mark.parametrize("kind", BUILT)
per_model = pytest.mark.parametrize("name", sorted(models.MODELS))

TABLE = {"name": "table", "path": "my.csv", "target": "churn"}
PICTURES = {"name": "image_folder", "root": "my/pictures"}
TEXT = {"name": "text", "path": "my.csv", "text": ["message"], "target": "label"}
CUSTOM = {"name": "custom", "target_class": "mine.Data"}


def raw(changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """A configuration that is fine, with dotted keys (or whole groups) changed."""
    plain: dict[str, Any] = {
        "activation": {"name": "sgblend", "kind": "sgblend"},
        "model": {"name": "mlp"},
        "data": {"name": "digits"},
    }
    groups = {key: value for key, value in (changes or {}).items() if "." not in key}
    plain.update(groups)
    for key, value in (changes or {}).items():
        if key not in groups:
            group, name = key.split(".")
            plain[group] = {**plain.get(group, {}), name: value}
    return plain


def problems_of(plain: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.from_dict(plain)
    assert str(caught.value).splitlines() == caught.value.problems
    return caught.value.problems


def options_in(file: Path) -> dict[str, Any]:
    """A file's options. OmegaConf reads 1e-3 as a number, as Hydra does; PyYAML alone would read text."""
    plain = typing.cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(file)))
    plain.pop("defaults", None)
    return plain


# --- files under conf/ -------------------------------------------------------------------------------------------


@per_file
def test_a_file_holds_known_options_and_only_departures_from_their_defaults(file: Path) -> None:
    group, written = file.parent.name, options_in(file)
    if group in config.GROUPS:
        known = defaults_of(group, written)
        chosen = {"name", config.GROUPS[group][0]}  # what a file is for
    else:
        known, chosen = defaults_of("", {})[group], set()
    assert set(written) <= set(known)
    assert [key for key in set(written) - chosen if written[key] == known[key]] == []


def test_options_that_a_file_leaves_out_can_be_referred_to_and_replaced(tmp_path: Path) -> None:
    mine = tmp_path / "experiment" / "mine.yaml"
    mine.parent.mkdir()
    mine.write_text("# @package _global_\nactivation_warmup_epochs: ${trainer.max_epochs}\n")
    (tmp_path / "activation").mkdir()
    (tmp_path / "activation" / "steep.yaml").write_text("name: steep\nkind: sgblend\ngamma: ${activation.beta}\n")
    words = [f"--config-dir={tmp_path}", "experiment=mine", "activation=steep", "trainer.max_epochs=7"]
    found = launcher.compose([*words, "activation.beta=2.5"])
    assert found.activation_warmup_epochs == 7
    assert config.options_of(found.activation)["gamma"] == 2.5
    assert config.options_of(found.activation)["alpha"] == 0.5


@per_file
def test_a_file_is_named_as_its_choice(file: Path) -> None:
    if file.parent.name in NAMED:
        assert options_in(file)["name"] == file.stem
    else:
        assert "name" not in options_in(file)


@per_file
def test_the_commands_that_open_a_file_compose(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    group = file.parent.name
    lines = file.read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if re.match("# make (train|inspect) ", line)]
    assert lines[0] in commands
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # run_job sets both
    for command in commands:
        words = [word.rstrip(",") for word in re.findall(r"\S+=\S+", command)]
        chosen = {f"{group}={file.stem}", f"{group}=[tensorboard,{file.stem}]"}
        assert any(word in chosen or word.startswith(f"{group}.") for word in words)
        if words == [f"{group}={file.stem}"] and group == "activation":
            continue  # composes to the file itself, which is checked above; 0.2 s saved
        composed: list[config.Config] = []
        words += (
            ["data=none"] if command.startswith("# make inspect") and "data=none" not in words else []
        )  # as the job itself does
        launcher.run_job("train", words, composed.append)
        typed = {word.partition("=")[0].partition(".")[2] for word in words if word.startswith(f"{group}.")}
        plain = config.to_dict(composed[0])[group]
        for key, value in options_in(file).items():
            assert key in typed or plain[key] == value


def test_train_yaml_holds_no_options() -> None:
    assert set(options_in(conf_dir() / "train.yaml")) == {"hydra"}


def test_every_key_has_an_explanation() -> None:
    assert [key for key, field, _ in config.describe() if not field.metadata.get("help")] == []


# --- bound to signatures -----------------------------------------------------------------------------------------


def test_kinds_are_those_of_the_registry() -> None:
    assert set(BUILT) == set(activations.ACTIVATIONS) - {"identity"}
    assert set(config.MODELS) - {"custom"} == set(models.MODELS)


def options_with_defaults(cls: type) -> dict[str, Any]:
    return config.options_of(cls())


@per_kind
def test_options_of_an_activation_are_those_of_its_constructor(kind: str) -> None:
    options = options_with_defaults(config.ACTIVATIONS[kind])
    parameters = inspect.signature(activations.ACTIVATIONS[kind]).parameters
    assert set(options) - SITE_CHOICE == set(parameters) - NOT_SET_BY_USERS
    if SITE_CHOICE & set(options):
        assert {"channels", "channel_dim"} <= set(parameters) or "num_parameters" in parameters
    for name in set(options) - {"per_channel"}:
        default = parameters[name].default if name in parameters else inspect.Parameter.empty
        if default is not inspect.Parameter.empty:
            assert options[name] == (list(default) if isinstance(default, tuple) else default), name


@per_kind
def test_an_activation_can_be_built_from_the_defaults_of_the_schema(kind: str) -> None:
    options = options_with_defaults(config.ACTIVATIONS[kind])
    activations.create(kind, **{name: value for name, value in options.items() if name not in SITE_CHOICE})


@pytest.mark.parametrize(
    ("kind", "name"),
    [("sgblend", "alpha"), ("blend", "alpha"), ("sgblend_authors", "alpha"), ("sgblend_authors", "beta")],
)
def test_the_range_of_an_option_is_the_range_that_its_constructor_takes(kind: str, name: str) -> None:
    bounds = {f.name: f.metadata for f in dataclasses.fields(config.ACTIVATIONS[kind])}[name]
    needed = {"first": "relu", "second": "gelu"} if kind == "blend" else {}
    for edge, outside in ((bounds["ge"], bounds["ge"] - 0.01), (bounds["le"], bounds["le"] + 0.01)):
        activations.create(kind, **needed, **{name: edge})
        with pytest.raises(ValueError, match=name):
            activations.create(kind, **needed, **{name: outside})


@pytest.mark.parametrize(
    ("kind", "name", "known"),
    [("sgblend", "approximate", AF.APPROXIMATIONS), ("abu", "mode", AF.ABU_MODES)],
    ids=["sgblend.approximate", "abu.mode"],
)
def test_the_choices_of_an_option_are_those_of_the_code(kind: str, name: str, known: Any) -> None:
    assert set(typing.get_args(typing.get_type_hints(config.ACTIVATIONS[kind])[name])) == set(known)


@per_model
def test_options_of_a_model_are_those_of_its_builder(name: str) -> None:
    options = options_with_defaults(config.MODELS[name])
    parameters = dict(inspect.signature(models.MODELS[name]).parameters)
    assert set(options) == set(parameters) - {"input_shape", "n_outputs", "layout"}
    for key, value in options.items():
        default = parameters[key].default
        assert value == (list(default) if isinstance(default, tuple) else default) or key == "options", key


# --- mistakes ----------------------------------------------------------------------------------------------------


def choices() -> list[tuple[str, dict[str, Any], type]]:
    """Every choice of every group: (group, what chooses it, its class)."""
    found: list[tuple[str, dict[str, Any], type]] = [
        (group, {"name": name, key: name}, cls)
        for group, (key, classes) in config.GROUPS.items()
        for name, cls in classes.items()
    ]
    return found + [(group, {}, getattr(config, group.capitalize())) for group in ("optimizer", "trainer", "logger")]


def test_a_misspelt_key_is_answered_with_the_nearest_known_one() -> None:
    for group, choice, cls in choices():
        if "options" in {f.name for f in dataclasses.fields(cls)}:  # takes any key: arguments of somebody's code
            continue
        for field in dataclasses.fields(cls):
            typo = field.name + field.name[-1]
            answer = f"unknown key '{group}.{typo}'. Did you mean {field.name!r}?"
            assert any(problem.startswith(answer) for problem in problems_of(raw({group: {**choice, typo: 0}})))


def test_a_misspelt_group_choice_or_key_without_a_group_is_answered_too() -> None:
    assert problems_of(raw({"sed": 3}))[0].startswith("unknown key 'sed'. Did you mean 'seed'?")
    assert "Did you mean 'sgblend'?" in problems_of(raw({"activation.kind": "sgblnd"}))[0]
    assert "Did you mean 'resnet'?" in problems_of(raw({"model": {"name": "resnt"}}))[0]


def test_a_key_of_another_group_is_answered_with_where_it_is() -> None:
    assert "There is optimizer.lr" in problems_of(raw({"trainer.lr": 0.1}))[0]


def test_missing_groups_are_named() -> None:
    found = problems_of({})
    assert [problem.split()[0] for problem in found] == ["activation", "model", "data"]


def test_all_problems_are_reported_at_once() -> None:
    changes = {"optimizer.lr": -1, "activation.alpha": 1.7, "trainer.max_epochs": -3, "sed": 1, "data.batch_sise": 2}
    found = "\n".join(problems_of(raw(changes)))
    for part in ("optimizer.lr", "-1", "activation.alpha", "1.7", "trainer.max_epochs", "-3", "'sed'", "batch_size"):
        assert part in found


def test_a_contradiction_is_reported_beside_a_wrong_value() -> None:
    found = problems_of(raw({"optimizer.lr": -1, "activation.learn": ["delta"]}))
    assert any("optimizer.lr" in problem for problem in found)
    assert any("delta" in problem for problem in found)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer.lr", -1),
        ("optimizer.lr", 0),
        ("optimizer.lr", math.nan),
        ("optimizer.lr", math.inf),
        ("optimizer.lr", "fast"),
        ("optimizer.lr", None),
        ("optimizer.lr", True),
        ("optimizer.beta1", 1),
        ("optimizer.schedule", "cosin"),
        ("activation.alpha", 1.7),
        ("activation.alpha", -0.1),
        ("activation.approximate", "erf"),
        ("activation.preserve", "yes"),
        ("trainer.max_epochs", -3),
        ("trainer.max_epochs", 1.5),
        ("trainer.max_epochs", True),
        ("trainer.precision", "bf16"),
        ("data.val_size", 0),
        ("data.val_size", 1.0),
        ("data.batch_size", 0),
        ("data.split_seed", -1),
        ("model.widths", [64, 0]),
        ("model.widths", [64, 1.5]),
        ("model.dropout", 1.0),
        ("seed", True),
        ("seed", 2.0),
        ("seed", -1),
        ("debug", 1),
        ("trust", ["os"]),
        ("optimizer", 3),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: Any) -> None:
    (problem,) = problems_of(raw({key: value}))
    shown = value[1] if isinstance(value, list) and len(value) > 1 else value
    assert key in problem
    assert repr(shown) in problem


@pytest.mark.parametrize(
    ("key", "value"), [("activation.kind", ["gelu", "relu"]), ("optimizer.lr", 10**400)], ids=["list", "huge number"]
)
def test_a_value_that_python_itself_stumbles_over_is_a_problem_like_any_other(key: str, value: Any) -> None:
    assert key in problems_of(raw({key: value}))[0]


NEAR = [
    ({"data.val_size": 0.6, "data.test_size": 0.4}, ["val_size 0.6", "test_size 0.4"]),
    ({"data": {"name": "table", "target": "y"}}, ["data.path"]),
    ({"data": {"name": "table", "path": "a.csv"}}, ["data.target"]),
    ({"data": {**TABLE, "numeric": ["churn"]}}, ["data.numeric", "churn"]),
    ({"data": {**TABLE, "drop": ["churn"]}}, ["data.drop", "churn"]),
    ({"data": {**TABLE, "numeric": ["age"], "categorical": ["age"]}}, ["'age'", "data.numeric", "data.categorical"]),
    ({"data": TABLE, "model": {"name": "cnn"}}, ["model=cnn", "model=mlp"]),
    ({"data": TEXT, "model": {"name": "mlp"}}, ["model=mlp", "data=text", "model=text_transformer"]),
    ({"data": TEXT, "model": {"name": "cnn"}}, ["model=cnn", "data=text"]),
    ({"data": TABLE, "model": {"name": "text_transformer"}}, ["model=text_transformer", "data=table", "data=text"]),
    ({"model": {"name": "text_transformer"}}, ["model=text_transformer", "data=digits", "data=text"]),
    ({"data": {"name": "wine"}, "model": {"name": "text_transformer"}}, ["model=text_transformer", "data=wine"]),
    ({"data": {**TEXT, "path": ""}, "model": {"name": "text_transformer"}}, ["data.path is missing"]),
    ({"data": {**TEXT, "text": ["label"]}, "model": {"name": "text_transformer"}}, ["data.text", "'label'"]),
    ({"data": TEXT, "model": {"name": "text_transformer", "width": 9, "n_heads": 2}}, ["n_heads=2", "width=9"]),
    ({"data": {"name": "wine"}, "model": {"name": "resnet"}}, ["model=resnet", "data=wine", "model=mlp"]),
    ({"data": {"name": "image_folder"}}, ["data.root is missing"]),
    ({"data": {**PICTURES, "group_pattern": "(a"}}, ["data.group_pattern", "(a"]),
    ({"data": {**PICTURES, "augment": ["flp"]}}, ["data.augment", "'flip'"]),
    ({"data": {**PICTURES, "augment": ["none", "flip"]}}, ["data.augment", "choose"]),
    ({"data": {**PICTURES, "image_size": [16, 16, 16]}}, ["data.image_size", "[16, 16, 16]"]),
    ({"data": {**PICTURES, "image_size": [100_000]}}, ["data.image_size", "at most 1024"]),
    ({"data": {**PICTURES, "target": "label"}}, ["data.target", "data.labels"]),
    ({"data": {**PICTURES, "labels": "a.csv", "image": "x", "target": "x"}}, ["'x'"]),
    ({"data": {**PICTURES, "fold": 2}}, ["data.folds"]),
    ({"data": PICTURES, "model": {"name": "tabm"}}, ["model=tabm", "model=cnn"]),
    ({"model": {"name": "resnet", "depth": 21}}, ["21", "nearest is 20"]),
    ({"model.widths": []}, ["model.widths"]),
    ({"model": {"name": "mlp", "widths": [8, 8, 8], "depth": 2}}, ["model.depth 2", "3 layers"]),
    ({"activation.learn": ["alpha", "delta"]}, ["delta", "alpha, beta, gamma"]),
    ({"activation": {"name": "b", "kind": "blend", "first": "rellu"}}, ["activation.first", "'relu'"]),
    ({"activation": {"name": "abu", "kind": "abu", "bases": ["relu", "tanhh"]}}, ["activation.bases", "'tanh'"]),
    (
        {"activation": {"name": "abu", "kind": "abu", "bases": ["relu", "relu"]}},
        ["activation.bases", "['relu', 'relu']"],
    ),
    ({"activation": {"name": "abu", "kind": "abu", "bases": []}}, ["activation.bases", "[]"]),
    ({"activation": {"name": "c", "kind": "custom"}}, ["activation.target"]),
    ({"activation": {"name": "c", "kind": "custom", "target": "mine.Act"}}, ["'mine.Act'", "trust=mine"]),
    ({"data": {"name": "custom"}}, ["data.target_class", "missing"]),
    ({"data": CUSTOM}, ["'mine.Data'", "trust=mine"]),
    ({"data": CUSTOM, "trust": "yours"}, ["'mine.Data'", "trust=mine"]),
    ({"monitor": "val/acuracy"}, ["'val/accuracy'"]),
    ({"monitor": "accuracy"}, ["'val/accuracy'"]),
    ({"activation_warmup_epochs": 5, "trainer.max_epochs": 4}, ["activation_warmup_epochs 5", "max_epochs 4"]),
]


@pytest.mark.parametrize(("changes", "parts"), NEAR, ids=[" ".join(parts) for _, parts in NEAR])
def test_a_contradiction_is_named_with_both_sides(changes: dict[str, Any], parts: list[str]) -> None:
    (problem,) = problems_of(raw(changes))
    for part in parts:
        assert part in problem


def test_the_name_that_is_refused_as_a_base_is_not_offered_again() -> None:
    (problem,) = problems_of(raw({"activation": {"name": "s", "kind": "scaled", "base": "blend"}}))
    offered = problem.partition("unknown.")[2]
    assert "activation.base 'blend'" in problem
    assert "identity" in offered
    assert not {"'blend'", "blend", "native", "custom."} & set(offered.replace(",", "").replace("?", "").split())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
KEYS = sorted({key for key, _, _ in config.describe()} | {"optimizer", "activation", "model", "data", "nonsense"})


@modest
@given(st.dictionaries(st.sampled_from(KEYS), JSON, min_size=1, max_size=3))
def test_whatever_is_given_the_answer_is_a_config_or_a_config_error(changes: dict[str, Any]) -> None:
    plain = raw()
    for key, value in changes.items():
        group, _, name = key.partition(".")
        present = plain.get(group, {})
        plain[group] = {**present, name: value} if name and isinstance(present, dict) else value
    try:
        assert isinstance(config.from_dict(plain), config.Config)
    except ConfigError as error:
        assert all(error.problems)  # noqa: PT017


# --- there and back ----------------------------------------------------------------------------------------------


NOT_FREE = {config.ResNet, config.CNN, config.CustomActivation, config.CustomData, config.CustomModel, config.NoData}
NOT_FREE |= {config.HFImage, config.HFText, config.Timm}


def values_of(field: dataclasses.Field[Any], hint: Any) -> st.SearchStrategy[Any]:
    """Values that a field takes."""
    if isinstance(hint, types.UnionType):
        inner = next(member for member in typing.get_args(hint) if member is not type(None))
        return st.none() | values_of(field, inner)
    low, high = field.metadata.get("ge", None), field.metadata.get("le", None)
    above, below = field.metadata.get("gt", None), field.metadata.get("lt", None)
    if typing.get_origin(hint) is Literal:
        return st.sampled_from(typing.get_args(hint))
    if typing.get_origin(hint) is list:
        if field.name == "widths":
            return st.lists(st.integers(1, 512), min_size=1, max_size=3)
        if field.name in {"sites", "only"}:
            return st.lists(st.text(alphabet="a*.1 #:'\"[]{}&!売\n", max_size=5), max_size=2)
        if field.name == "image_size":
            return st.lists(st.integers(8, 1024), min_size=1, max_size=2)
        return st.just(field.default_factory())  # type: ignore[operator]
    if hint is float:
        low, high = above if low is None else low, below if high is None else high
        inside = st.floats(low, high, exclude_min=above is not None, exclude_max=below is not None, allow_nan=False)
        return inside.filter(math.isfinite)
    if hint is int:
        return st.integers(low, high)
    return st.booleans() if hint is bool else st.just(field.default)


SPLITS = ("group", "time", "test_path", "val_path", "cost_fp", "cost_fn")  # contradict each other


IMAGES = {"digits", "mnist", "fashion_mnist", "image_folder"}


@st.composite
def configurations(draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
    """Valid configurations with every group and most keys drawn."""
    plain: dict[str, Any] = {}
    for group, choice, cls in draw(st.permutations(choices())):
        if group in plain or cls in NOT_FREE:  # not free to combine
            continue
        hints = typing.get_type_hints(cls)
        apart = {"name", "kind", "depth", "val_size", "test_size", "devices", "strategy", "folds", "fold", *SPLITS}
        fields = [f for f in dataclasses.fields(cls) if f.name not in apart]
        plain[group] = {f.name: draw(values_of(f, hints[f.name])) for f in fields} | choice
        plain[group] |= {"path": "a b,c.csv", "target": "解約"} if issubclass(cls, config.Rows) else {}
        plain[group] |= PICTURES if cls is config.ImageFolder else {}
        plain[group] |= {"val_size": draw(st.floats(0.01, 0.4))} if group == "data" else {}
    if plain["model"]["name"] == "tabm" and plain["data"]["name"] in IMAGES:
        plain["model"] = {"name": "mlp"}
    if (plain["data"]["name"] == "text") is not (plain["model"]["name"] == "text_transformer"):
        plain["model"] = {"name": "text_transformer" if plain["data"]["name"] == "text" else "mlp"}
    plain["model"] |= {"n_heads": 1} if plain["model"]["name"] == "text_transformer" else {}
    return plain | {"seed": draw(st.integers(0, 2**31)), "debug": draw(st.booleans())}


@modest
@given(configurations())
def test_a_configuration_survives_to_dict_and_the_yaml_file_of_a_run(plain: dict[str, Any]) -> None:
    settled = config.from_dict(plain)
    written = config.to_dict(settled)
    assert config.from_dict(written) == settled
    assert config.from_dict(yaml.safe_load(yaml.safe_dump(written, allow_unicode=True))) == settled


def test_arguments_of_a_custom_activation_survive_to_dict() -> None:
    custom = {"name": "mine", "kind": "custom", "target": "mine.Act", "slope": 0.3, "options": [1, 2]}
    settled = config.from_dict(raw({"activation": custom, "trust": "mine"}))
    assert isinstance(settled.activation, config.CustomActivation)
    assert settled.activation.options == {"slope": 0.3, "options": [1, 2]}
    assert config.from_dict(config.to_dict(settled)) == settled


def test_arguments_of_custom_data_survive_to_dict() -> None:
    settled = config.from_dict(raw({"data": {**CUSTOM, "rows": 300, "root": "顧客"}, "trust": "mine"}))
    assert isinstance(settled.data, config.CustomData)
    assert settled.data.options == {"rows": 300, "root": "顧客"}
    assert config.from_dict(config.to_dict(settled)) == settled


def test_choosing_from_the_schema_and_the_command_line_imports_neither_torch_nor_lightning() -> None:
    code = "import sys, adaptact.config, adaptact.launcher; print({'torch', 'lightning', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_options_that_decide_rows_are_told_from_the_others() -> None:
    plain = config.to_dict(config.from_dict(raw({"data": TABLE})))
    found = config.row_options(plain)
    assert {"name", "path", "target", "split_seed", "val_size", "test_size", "group", "time", "folds", "fold"} <= set(
        found
    )
    assert not {"batch_size", "order_seed", "resident", "num_workers"} & set(found)
    mine = config.to_dict(config.from_dict(raw({"data": CUSTOM | {"size": 3}, "trust": "mine"})))
    assert config.row_options(mine)["size"] == 3  # an argument of the user's own code


def test_options_that_decide_nothing_are_left_out_of_hashes() -> None:
    plain = config.to_dict(config.from_dict(raw()))
    left_out = {key for key in plain if key not in config.decisive(plain)}
    assert left_out == {
        *("logger", "callbacks", "references", "figure", "output_dir", "resume", "trust", "follow_links", "debug"),
    }
    assert config.decisive(plain)["data"] == plain["data"]

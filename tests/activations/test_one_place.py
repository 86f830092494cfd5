"""What follows from the options and the modules of activations, and what knows them."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import adaptact
from adaptact import activations, config
from adaptact.activations import functional, options

REPOSITORY = Path(__file__).parents[2]
WITHOUT_TORCH = {
    "configuration": """
from adaptact import config, activations
try:
    config.from_dict({"activation": {"name": "nonsense", "kind": "nonsense"}})
except config.ConfigError:
    ended = 2
""",
    "command": """
from adaptact.__main__ import main
ended = main(["train", "activation=nonsense"])
""",
    "names": """
import adaptact, adaptact.activations
ended = 2 * ("SGBlend" in dir(adaptact) and "SGBlend" in dir(adaptact.activations))
""",
}


@pytest.mark.parametrize("what", WITHOUT_TORCH)
def test_torch_is_not_imported_to_answer_a_wrong_configuration(what: str) -> None:
    program = WITHOUT_TORCH[what] + "import sys; print(ended, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"], done.stderr


def test_every_class_of_options_that_learns_has_a_module_of_its_name() -> None:
    learning = [name for name, cls in options.ACTIVATIONS.items() if cls.learnable()]
    for name in learning:
        make = activations.ACTIVATIONS[name]
        assert make.__name__ == options.ACTIVATIONS[name].__name__
        assert getattr(adaptact, make.__name__) is getattr(activations, make.__name__) is make
    assert set(activations.ACTIVATIONS) == {"identity", *options.ACTIVATIONS} - {"native", "custom"}


def test_names_that_learn_lists_are_scalars_of_the_module_or_all_weights_of_a_unit() -> None:
    for name, cls in options.ACTIVATIONS.items():
        if cls.learnable() and name != "abu":
            given = {"first": "relu", "second": "gelu"} if name == "blend" else {}
            assert list(activations.create(name, **given).scalar_names) == cls.learnable()


@pytest.mark.parametrize(
    "name", ["sg_blend", "sswish", "swish", "pelu", "abu", "abu_weights", "blend", "scaled", "gelu"]
)
def test_functions_of_all_activations_stand_in_one_module(name: str) -> None:
    assert inspect.isfunction(getattr(functional, name))
    assert name in dir(functional)


def test_functional_has_what_is_public_and_no_more() -> None:
    known = """ABU_BASES ABU_MODES APPROXIMATIONS Approximate BLENDED SIGMOID_GELU_SLOPE Scalar abu abu_weights blend
    blend_of bounded check_approximate gelu nonlinearity_enhanced pelu scaled sg_blend sswish swish"""
    assert dir(functional) == known.split()
    with pytest.raises(AttributeError, match="sgblend"):
        functional.sgblend  # noqa: B018
    with pytest.raises(AttributeError, match="SGBlnd"):
        activations.SGBlnd  # noqa: B018


def test_an_activation_is_named_in_three_files_at_most() -> None:
    files = [path for folder in ("src", "conf") for path in (REPOSITORY / folder).rglob("*") if path.is_file()]
    naming = [path for path in files if path.suffix != ".pyc" and re.search(rb"\bpelu\b", path.read_bytes(), re.I)]
    assert {path.name for path in naming} == {"pelu.py", "options.py", "pelu.yaml"}


def activation_table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("activation_table", REPOSITORY / "docs" / "activation_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_activations_in_the_readme_is_that_of_their_options() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert activation_table().table() in readme, "python docs/activation_table.py prints the table as it is now"


def test_settable_scalars_have_an_option_for_their_start() -> None:
    assert {"alpha", "beta", "gamma", "a", "b"} == config.SETTABLE
    assert config.starts_from_options({"learn": ["alpha"], "preserve": False})
    assert not config.starts_from_options({"learn": ["scale"], "preserve": False})
    assert not config.starts_from_options({"preserve": False})

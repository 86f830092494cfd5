"""Ways to make the program run code through words and files from elsewhere, tried with a package that leaves a mark.

Whatever imports ``evilpk`` makes a file ``marker``. All ways run one after the other in a process of their own, through
``adaptact inspect`` (which composes and builds like ``train``) and as the words that ``compare`` gives to its runs; the
first of each kind, and those that must work, as commands of their own.
"""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

EVIL = """
import logging, os, pathlib
pathlib.Path(os.environ["MARKER"]).write_text("run")
from hydra.experimental.callback import Callback as Base
from torch import nn
class Callback(Base):
    pass
class Handler(logging.Handler):
    pass
class Act(nn.ReLU):
    def __init__(self, **options):
        super().__init__()
"""
PLUGIN = """
import os, pathlib
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
class SmallLauncher(BasicLauncher):
    def __init__(self, note=""):
        super().__init__()
        pathlib.Path(os.environ["MARKER"]).write_text(f"launched {note}")
ConfigStore.instance().store(
    group="hydra/launcher", name="small", provider="small", node={"_target_": f"{__name__}.SmallLauncher", "note": ""}
)
"""
GLOBAL = "# @package _global_\n"
CUSTOM = "activation: {kind: custom, name: mine, target: evilpk.Act}\n"
TARGET = "{_target_: evilpk.Callback}"
LOGGING = "version: 1, handlers: {x: {class: evilpk.Handler}}, root: {handlers: [x]}, disable_existing_loggers: false"
SWEEP = ["-m", "seed=0,1"]
CUSTOM_WORDS = ["+activation.kind=custom", "+activation.target=evilpk.Act"]


class Way(NamedTuple):
    words: list[str]
    files: dict[str, str] = MappingProxyType({})  # type: ignore[assignment]
    said: str = "hydra"
    compare: int = 2  # exit code where the words go to the runs of a comparison, which has no use for `sweep:`


def experiment(text: str, *words: str, said: str = "hydra", compare: int = 2, **files: str) -> Way:
    more = {f"{name.replace('__', '/')}.yaml": content for name, content in files.items()}
    return Way(["experiment=x", *words], {"experiment/x.yaml": GLOBAL + text, **more}, said, compare)


WAYS: dict[str, Way] = {
    # files below --config-dir
    "a callback": experiment(f"hydra: {{callbacks: {{x: {TARGET}}}}}"),
    "a callback of a sweep": experiment(f"hydra: {{callbacks: {{x: {TARGET}}}}}", *SWEEP),
    "a handler of the log": experiment(f"hydra: {{job_logging: {{{LOGGING}}}}}"),
    "a handler of Hydra's log": experiment(f"hydra: {{hydra_logging: {{{LOGGING}}}}}"),
    "a launcher": experiment("hydra: {launcher: {_target_: evilpk.Callback}}", *SWEEP),
    "an argument of a launcher": experiment(f"hydra: {{launcher: {{x: {TARGET}}}}}", *SWEEP),
    "an argument of a sweeper": experiment(f"hydra: {{sweeper: {{params: {{x: {TARGET}}}}}}}", *SWEEP),
    "an argument in a list": experiment(f"hydra: {{sweeper: {{params: [{TARGET}]}}}}", *SWEEP),
    "an argument by reference": experiment(f"bad: {TARGET}\nhydra: {{sweeper: {{params: '${{bad}}'}}}}", *SWEEP),
    "parameters that are words about Hydra": experiment(
        "hydra: {sweeper: {params: {'hydra.callbacks.x._target_': evilpk.Callback}}}", *SWEEP
    ),
    "words about Hydra": experiment(
        "hydra: {overrides: {hydra: ['+hydra.callbacks.x._target_=evilpk.Callback']}}", *SWEEP
    ),
    "words about runs": experiment("hydra: {overrides: {task: ['trust=evilpk']}}", *SWEEP),
    "a search path": experiment("hydra: {searchpath: ['pkg://evilpk']}"),
    "the environment": experiment("hydra: {job: {env_set: {PYTHONINSPECT: '1'}}}"),
    "a package": Way(
        ["experiment=x"], {"experiment/x.yaml": f"# @package hydra.callbacks.x\n{TARGET[1:-1]}\n"}, "package"
    ),
    "a package by the name of the file": Way(
        ["data=hydra"], {"data/hydra.yaml": f"# @package _name_\ncallbacks: {{x: {TARGET}}}\n"}, "_name_"
    ),
    "a package in the defaults list": experiment(
        "defaults: ['/foo@hydra.callbacks.x: bar', _self_]", foo__bar=TARGET[1:-1], said="defaults"
    ),
    "a package in the defaults list of another file": experiment(
        "defaults: [/foo/one, _self_]",
        foo__one="defaults: ['two@_global_.hydra.callbacks.x']",
        foo__two=TARGET[1:-1],
        said="defaults",
    ),
    "a folder named hydra": experiment(
        "defaults: ['override /hydra/callbacks: x']", hydra__callbacks__x=f"x: {TARGET}", said="defaults"
    ),
    "a folder named hydra and a typed word": Way(
        ["hydra/launcher=evil", *SWEEP], {"hydra/launcher/evil.yaml": "_target_: evilpk.Callback"}
    ),
    "a file outside": experiment("defaults: [/../../outside]", said="defaults"),
    "one run of a sweep": Way(
        ["experiment=good,bad"],
        {
            "experiment/good.yaml": GLOBAL + "seed: 1\n",
            "experiment/bad.yaml": GLOBAL + f"hydra: {{job_logging: {{{LOGGING}}}}}\n",
        },
    ),
    "trust": experiment(f"trust: evilpk\n{CUSTOM}", said="add trust=evilpk"),
    "trust in a sweep": experiment(f"trust: evilpk\n{CUSTOM}", *SWEEP, said="add trust=evilpk"),
    "trust below sweep": experiment(f"sweep: {{trust: evilpk}}\n{CUSTOM}", said="'trust' does not count"),
    "Hydra below sweep": experiment(
        "sweep: {'hydra.callbacks.x._target_': evilpk.Callback}", said="does not count below sweep", compare=0
    ),
    "a flag below sweep": experiment(
        "sweep: {'--experimental-rerun': rerun.pickle}", said="does not count below sweep", compare=0
    ),
    "trust as a parameter of the sweeper": experiment(
        f"hydra: {{sweeper: {{params: {{trust: evilpk}}}}}}\n{CUSTOM}", *SWEEP, said="add trust=evilpk"
    ),
    "anchors that never end": experiment(
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{chr(b)}: &{chr(b)} [{','.join(['*' + chr(b - 1)] * 9)}]\n" for b in range(ord("b"), ord("l"))),
        said="aliases",
    ),
    "brackets that never end": experiment("a: " + "[" * 20_000, said="nesting"),
    "tags that name functions": experiment("a: !!python/object/apply:evilpk.Callback []", said="python/object"),
    # typed words
    "typed callback": Way(["hydra.callbacks.x._target_=evilpk.Callback"]),
    "typed callback, added": Way(["++hydra.callbacks.x._target_=evilpk.Callback"]),
    "typed callbacks": Way(["+hydra.callbacks={x:{_target_:evilpk.Callback}}"]),
    "typed Hydra": Way(["++hydra={callbacks:{x:{_target_:evilpk.Callback}}}"]),
    "typed log": Way([f"hydra.job_logging={{{LOGGING.replace(' ', '')}}}"]),
    "typed group of callbacks": Way(["hydra/callbacks=x"], {"hydra/callbacks/x.yaml": f"x: {TARGET}"}),
    "typed search path": Way(["hydra.searchpath=[pkg://evilpk]"]),
    "typed environment": Way(["+hydra.job.env_set.PYTHONINSPECT=1"]),
    "typed class of a launcher": Way(["hydra.launcher._target_=evilpk.Callback", *SWEEP]),
    "typed argument of a launcher": Way(["+hydra.launcher.x={_target_:evilpk.Callback}", *SWEEP]),
    "typed argument of a sweeper": Way(["hydra.sweeper.params={x:[{_target_:evilpk.Callback}]}", *SWEEP]),
    "typed argument by reference": Way(["++bad._target_=evilpk.Callback", "+hydra.launcher.x=${bad}", *SWEEP]),
    "typed argument by reference in a list": Way(
        ["++bad._target_=evilpk.Callback", "+hydra.launcher.x=['${bad}']", *SWEEP], said="takes a plain value"
    ),
    "typed launcher outside": Way(["hydra/launcher=../../outside", *SWEEP], said="no name of an installed plugin"),
    "typed deletion": Way(["~hydra.job_logging"]),
    "typed rerun": Way(["--experimental-rerun=rerun.pickle"], said="pickle"),
    "typed rerun, shortened": Way(["--exp", "rerun.pickle"], said="no flag"),
    "two packages": Way(["trust=evilpk,other", *CUSTOM_WORDS], said="add trust=evilpk"),
    "a part of a package": Way(["trust=evilpk.part", *CUSTOM_WORDS], said="add trust=evilpk"),
    "a sweep of packages": Way(["trust=choice(evilpk,other)", *CUSTOM_WORDS], said="add trust=evilpk"),
    "Python itself": Way(
        ["trust=builtins", "+activation.kind=custom", "+activation.target=builtins.eval"], said="belongs to Python"
    ),
    "no path": Way(["trust=evilpk", "+activation.kind=custom", "+activation.target=evilpk"], said="no dotted path"),
    "a relative path": Way(["trust=evilpk", "+activation.kind=custom", "+activation.target=.Act"], said="dotted path"),
}
JOBS = ("inspect", "compare")
DRIVER = """
import contextlib, io, json, os, pathlib, sys, traceback
from adaptact import launcher
from adaptact.__main__ import main
from adaptact.errors import UserError
marker = pathlib.Path(os.environ["MARKER"])
answers = {}
def composed(words):
    try:
        launcher.compose(words)
        return 0
    except UserError as error:
        print(error)
        return 2
for name, (job, *words) in json.load(sys.stdin).items():
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(errors):
        try:
            code = main([job, *words]) if job == "inspect" else composed(words)
        except BaseException:
            code = -1
            traceback.print_exc()
    answers[name] = [code, errors.getvalue(), marker.exists()]
    marker.unlink(missing_ok=True)
print(json.dumps(answers))
"""


class Payload:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return __import__, ("evilpk",)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages, a folder of configurations for each way, and a pickle that imports the package."""
    folder = tmp_path_factory.mktemp("attacks")
    (folder / "evilpk").mkdir()
    (folder / "evilpk" / "__init__.py").write_text(EVIL, encoding="utf-8")
    (folder / "hydra_plugins" / "small").mkdir(parents=True)
    (folder / "hydra_plugins" / "small" / "__init__.py").write_text(PLUGIN, encoding="utf-8")
    (folder / "rerun.pickle").write_bytes(pickle.dumps(Payload()))
    (folder / "outside.yaml").write_text("seed: 3\n", encoding="utf-8")
    for index, way in enumerate(WAYS.values()):
        for name, text in way.files.items():
            file = folder / "conf" / str(index) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
    return folder


def words_of(name: str, place: Path) -> list[str]:
    folder = place / "conf" / str(list(WAYS).index(name))
    return [*WAYS[name].words, *([f"--config-dir={folder}"] if WAYS[name].files else [])]


def python(arguments: list[str], place: Path, given: str = "") -> subprocess.CompletedProcess[str]:
    paths = [str(place), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"MARKER": str(place / "marker"), "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=place,
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def answers(place: Path) -> dict[str, tuple[int, str, bool]]:
    (place / "marker").unlink(missing_ok=True)
    commands = {f"{job}: {name}": [job, *words_of(name, place)] for name in WAYS for job in JOBS}
    done = python(["-c", DRIVER], place, json.dumps(commands))
    assert done.returncode == 0, done.stderr
    return {name: tuple(answer) for name, answer in json.loads(done.stdout).items()}


@pytest.mark.parametrize("name", WAYS)
def test_no_way_in_runs_code(name: str, answers: dict[str, tuple[int, str, bool]]) -> None:
    for job, expected in zip(JOBS, (2, WAYS[name].compare), strict=True):
        code, errors, marked = answers[f"{job}: {name}"]
        assert not marked
        assert "Traceback" not in errors
        assert code == expected, errors
    assert WAYS[name].said in answers[f"inspect: {name}"][1]


@pytest.mark.parametrize("name", ["a callback", "trust", "typed rerun"])
def test_the_command_itself_runs_no_code_either(name: str, place: Path) -> None:
    (place / "marker").unlink(missing_ok=True)
    done = python(["-m", "adaptact", "train", *words_of(name, place)], place)
    assert not (place / "marker").exists()
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_a_note_says_that_trust_in_a_file_counts_for_nothing(answers: dict[str, tuple[int, str, bool]]) -> None:
    assert (
        "note: trust: 'evilpk' in a file counts for nothing; if you mean it, type trust="
        in answers["inspect: trust"][1]
    )


def test_a_package_that_is_trusted_by_a_typed_word_runs(place: Path) -> None:
    """The mark is made at all."""
    (place / "marker").unlink(missing_ok=True)
    words = [*words_of("trust", place), "trust=evilpk", "data=wine", "model=mlp"]
    done = python(["-m", "adaptact", "inspect", *words], place)
    assert done.returncode == 0, done.stderr
    assert (place / "marker").read_text() == "run"


def test_a_launcher_that_is_typed_launches(place: Path) -> None:
    (place / "marker").unlink(missing_ok=True)
    words = ["seed=0,1", "data=none", "hydra/launcher=small", "hydra.launcher.note=me"]
    code = (
        "import sys; from adaptact import launcher;"
        "launcher.run_job('train', sys.argv[1:], lambda settings: print(settings.seed))"
    )
    done = python(["-c", code, *words], place)
    assert done.stdout.split() == ["0", "1"], done.stderr
    assert (place / "marker").read_text() == "launched me"


def test_a_launcher_in_a_file_does_not_launch(place: Path, tmp_path: Path) -> None:
    (place / "marker").unlink(missing_ok=True)
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "x.yaml").write_text(
        f"{GLOBAL}defaults:\n  - override /hydra/launcher: small\n", encoding="utf-8"
    )
    done = python(["-m", "adaptact", "train", "experiment=x", "seed=0,1", f"--config-dir={tmp_path}"], place)
    assert (done.returncode, "type" in done.stderr) == (2, True)
    assert not (place / "marker").exists()


def test_files_may_set_the_few_plain_keys_of_hydra(place: Path, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "x.yaml").write_text(
        f"{GLOBAL}hydra: {{sweeper: {{params: {{seed: '3,4'}}}}, verbose: false, sweep: {{subdir: a}}}}\n",
        encoding="utf-8",
    )
    code = (
        "import sys; from adaptact import launcher;"
        "launcher.run_job('train', sys.argv[1:], lambda settings: print(settings.seed))"
    )
    done = python(["-c", code, "-m", "experiment=x", f"--config-dir={tmp_path}"], place)
    assert done.stdout.split() == ["3", "4"], done.stderr

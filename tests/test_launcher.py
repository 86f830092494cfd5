"""Words reach the job as typed: through real make, the launcher and Hydra, and nothing in them is executed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adaptact import config, launcher
from adaptact.__main__ import main
from adaptact.errors import ConfigError, UserError
from conftest import REPOSITORY

SETUP = ("pyproject.toml", "constraints.txt")
NASTY = [
    "解約",
    "売上 2025年(最終).csv",
    "a b  c.csv",
    "全角　空白",
    "a,b.csv",
    "file(1).csv",
    "[x]",
    "it's",
    'say "hi"',
    "`touch pwned`",
    "$(touch pwned)",
    "$(shell touch pwned)",
    "${HOME}",
    "${oc.env:HOME}",
    "$HOME",
    "$$",
    "a;touch pwned",
    "a && touch pwned | b",
    "C:\\data\\new.csv",
    "ends with \\",
    "100%",
    "a#b",
    "a=b",
    "1e3",
    "true",
    "-- x",
    "*?~!",
    "a:b,c",
    "\\'",
]


def make(words: list[str], folder: Path, echo: str = "words") -> subprocess.CompletedProcess[str]:
    """``make train <words>`` with the project's Makefile, a stand-in for the job, started in an empty folder."""
    run = f"RUN={sys.executable} {REPOSITORY / 'tests' / 'echo_words.py'} --make"
    for name in (*SETUP, "stamp"):  # the set-up counts as done
        (folder / name).touch()
    command = ["make", "-s", "-f", str(REPOSITORY / "Makefile"), "train", "STAMP=stamp", run, *words]
    environment = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(
        command, cwd=folder, env=environment | {"ECHO": echo}, capture_output=True, text=True, timeout=60, check=False
    )


def composed(words: list[str], folder: Path) -> dict[str, Any]:
    result = make(words, folder, echo="config")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_words_arrive_through_make_as_typed_and_execute_nothing(tmp_path: Path) -> None:
    words = [f"data.target={value}" for value in NASTY] + [f"name={value}" for value in NASTY]
    for word in words:
        result = make([word], tmp_path)
        assert json.loads(result.stdout) == [word], result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {*SETUP, "stamp"}


def test_words_keep_their_order(tmp_path: Path) -> None:
    words = ["activation=sgblend", "seed=3", "data.drop=[a b,c]", "+x=1", "optimizer.lr=1e-3"]
    assert json.loads(make(words, tmp_path).stdout) == words


def test_flags_and_variables_of_make_are_no_words(tmp_path: Path) -> None:
    assert json.loads(make(["-j2", "-k", "seed=1", "TORCH_INDEX=x"], tmp_path).stdout) == ["seed=1"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\x85\u2028\u2029"),
        min_size=1,
        max_size=12,
    ).map(lambda text: text.lstrip(" "))
)
def test_any_text_arrives_through_make(tmp_path: Path, text: str) -> None:
    assert json.loads(make([f"data.target={text}"], tmp_path).stdout) == [f"data.target={text}"]


TABLE = ["data=table", "data.path=x.csv"]


@pytest.mark.parametrize("value", [v for v in NASTY if v != "-- x"][::3])
def test_text_reaches_the_configuration_as_typed(tmp_path: Path, value: str) -> None:
    config = composed([*TABLE, f"data.target={value}", f"data.drop=[{value[:3]}z]"], tmp_path)
    assert config["data"]["target"] == value
    assert config["model"]["name"] == "mlp"  # brought by data=table


def test_text_reaches_hydra_as_typed_without_make(capsys: pytest.CaptureFixture[str]) -> None:
    for value in NASTY:
        seen: list[str] = []
        launcher.run_job("train", [*TABLE, f"data.target={value}"], lambda s, seen=seen: seen.append(s.data.target))
        assert seen == [value]


def test_lists_of_column_names_need_no_quotes(tmp_path: Path) -> None:
    words = [*TABLE, "data.target=y", "data.drop=[顧客 ID,price (USD),a.b]", 'data.categorical=["x,y",z]']
    config = composed(words, tmp_path)
    assert config["data"]["drop"] == ["顧客 ID", "price (USD)", "a.b"]
    assert config["data"]["categorical"] == ["x,y", "z"]


def test_a_model_that_is_named_wins_over_the_one_the_data_brings(tmp_path: Path) -> None:
    assert composed(["data=digits"], tmp_path)["model"]["name"] == "cnn"
    assert composed(["data=digits", "model=mlp"], tmp_path)["model"]["name"] == "mlp"


def test_hydra_values_work_as_usual(tmp_path: Path) -> None:
    config = composed(["model=mlp", "model.widths=[8,16]", "trainer.max_epochs=3", "optimizer.lr=3e-4"], tmp_path)
    assert config["model"]["widths"] == [8, 16]
    assert config["optimizer"]["lr"] == 3e-4


def test_a_sweep_runs_every_combination_and_leaves_no_litter(tmp_path: Path) -> None:
    result = make(["activation=gelu,sgblend", "seed=0,1", f"output_dir={tmp_path / 'runs'}"], tmp_path, echo="config")
    runs = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(r["activation"]["name"], r["seed"]) for r in runs] == [
        (activation, seed) for activation in ("gelu", "sgblend") for seed in (0, 1)
    ]
    assert {path.name for path in tmp_path.iterdir()} == {*SETUP, "stamp"}


def test_all_problems_of_words_and_values_come_together(tmp_path: Path) -> None:
    words = ["activation=sgblnd", "optimizer.lr=-1", "modle=cnn", "lonely"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    result = subprocess.run(
        [sys.executable, "-m", "adaptact", "train", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for expected in ("'sgblend'", "optimizer.lr must be above 0, not -1.0", "'model'", "'lonely'"):
        assert expected in result.stderr
    assert not list(tmp_path.iterdir())


def test_make_alone_lists_every_target_with_a_line(tmp_path: Path) -> None:
    listing = subprocess.run(
        ["make", "-s", "-f", str(REPOSITORY / "Makefile")], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for target in ("setup", "train", "tensorboard", "test"):
        assert f"make {target} " in listing.stdout


def test_a_configuration_error_needs_neither_torch_nor_lightning() -> None:
    code = (
        "import sys; from adaptact.__main__ import main; code = main(['train', 'optimizer.lr=-1']);"
        "heavy = {'torch', 'lightning', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules);"
        "print(code, sorted(heavy))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["2", "[]"]


def swept(words: list[str]) -> list[config.Config]:
    """The configurations of all runs."""
    runs: list[config.Config] = []
    launcher.run_job("train", words, runs.append)
    return runs


def test_an_experiment_brings_its_grid_and_typed_words_win() -> None:
    runs = swept(["experiment=depth", "model=mlp", "activation=gelu,sgblend", "model.depth=4"])
    grid = [(run.model.norm, run.activation.name, run.model.depth) for run in runs]  # type: ignore[attr-defined]
    assert sorted(grid) == [(norm, name, 4) for norm in ("batch", "none") for name in ("gelu", "sgblend")]
    assert {(run.figure, run.trainer.max_epochs) for run in runs} == {("depth", 3)}
    one = [
        "activation_penalty=0",
        "optimizer.activation_lr_scale=1",
        "activation.alpha=0.1",
        "activation.beta=2",
        "figure=none",
    ]
    assert len(swept(["experiment=sensitivity", *one])) == 1


def test_an_experiment_of_ones_own_may_have_a_grid(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = (
        "# @package _global_\nsweep:\n  seed: 3,4\n  model.widths: '[8],[8,8]'\ndefaults:\n  - override /model: mlp\n"
    )
    (tmp_path / "experiment" / "mine.yaml").write_text(text, encoding="utf-8")
    runs = swept(["--config-dir", str(tmp_path), "experiment=mine"])
    assert [(run.seed, run.model.widths) for run in runs] == [  # type: ignore[attr-defined]
        (seed, widths) for seed in (3, 4) for widths in ([8], [8, 8])
    ]


def test_what_follows_a_sweep_hears_of_every_combination(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def task(settings: config.Config) -> Path:
        if settings.seed == 1:
            raise UserError("no room")
        return tmp_path

    heard: list[launcher.Outcome] = []
    words = ["model=mlp", "seed=0,1", "model.widths=[8],[]"]
    with pytest.raises(UserError, match="3 of 4 runs failed"):
        launcher.run_job("train", words, task, heard.extend)
    assert [(o.settings["seed"], o.settings["model"]["widths"], o.folder) for o in heard] == [
        (0, [8], tmp_path),
        (0, [], None),
        (1, [8], None),
        (1, [], None),
    ]
    assert heard[2].error == "no room"
    assert capsys.readouterr().err.count("model.widths is empty") == 1  # one message for what is wrong twice


def test_an_unknown_experiment_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"experiment=dept is unknown. Did you mean 'depth'\?"):
        swept(["experiment=dept"])


@pytest.mark.parametrize(
    ("job", "key"),
    [
        ("compare", "compare.max_latency_ratio=null"),
        ("compare", "value.cost_fn=null"),
        ("report", "report.language=en"),
        ("tune", "trials=20"),
        ("backtest", "windows=6"),
    ],
)
def test_jobs_explain_the_keys_that_they_add(job: str, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([job, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines[lines.index(f"  {key}") + 1].strip()) > 10

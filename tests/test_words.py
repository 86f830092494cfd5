"""Words that cannot be read are said with their place and a way out; nothing that is typed ends in a traceback."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adaptact import launcher
from adaptact.__main__ import main
from adaptact.comparison import backtest_options, tuning
from adaptact.comparison import options as compare_options
from adaptact.errors import ConfigError, UserError
from adaptact.words import prepare, split_flags


def run(words: list[str]) -> list[Any]:
    """The settings that reach a job."""
    seen: list[Any] = []
    launcher.run_job("train", words, seen.append)
    return seen


UNREADABLE = [
    ("optimizer.lr=1,", "',' at position 15 promises one more value"),
    ("optimizer.lr=1e-3)", "')' at position 18 closes nothing"),
    ("seed=0)", "')' at position 7 closes nothing"),
    ("+seed=0)", "')' at position 8 closes nothing"),
    ("model.widths=[1,2", "'[' at position 14 is not closed"),
    ("model.widths=[1,2)", "')' at position 18 closes nothing"),
    ("seed=$(date)", "'(' at position 7 is not what a value may hold"),
    ("seed=a(b)", "a(...) at position 6 is no function here"),
    ("seed=choice()", "choice(...) at position 6 cannot use what is in its brackets: empty choice"),
    ("seed=choice(1,2", "'(' at position 12 is not closed"),
    ("seed=int(x)", "invalid literal"),
    ("seed=range(1,2,0)", "must not be zero"),
    ("seed=range(2,1)", "gives no values"),
    ("seed=glob(*)", "glob() picks files of a group"),
    ("seed=interval(0,1)", "interval() is for a sweeper that searches"),
    ("seed='", "at position 6 opens a quote only"),
    ("seed=${", "'{' at position 7 is not closed"),
    ("seed=${nowhere}", "nowhere"),
    ("seed=${seed}", "seed"),
    ("seed=${oc.nothing:x}", "oc.nothing"),
    ("seed=" + "[" * 5000, "more than 50 brackets"),
    ("seed=" + "1" * 200_000, "at most 100,000"),
    ("hydra.sweep.dir=)", "')' at position 17 closes nothing"),
    ("model=mlp)", "Did you mean 'mlp'?"),
    ("model=choice()", "empty choice"),
    ("model=glob(zzz*)", "picks nothing"),
    ("~key)", "is no name of a key"),
    ("~", "names no key"),
    ("=1", "names no key"),
    ("a b=1", "'a b' is no name of a key"),
    ("解約=1", "is no name of a key"),
    ("a..b=1", "is no name of a key"),
    ("lonely", "not of the form name=value"),
    ("optimizer.lr={1:2}", "optimizer.lr must be a number"),
]


@pytest.mark.parametrize(("word", "expected"), UNREADABLE, ids=[word[:24] for word, _ in UNREADABLE])
@pytest.mark.parametrize("compose", [run, launcher.compose], ids=["train", "compare"])
def test_a_word_that_cannot_be_read_is_said_with_its_place(
    word: str, expected: str, compose: Callable[[list[str]], Any]
) -> None:
    with pytest.raises(ConfigError) as error:
        compose([word])
    assert expected in str(error.value)
    assert len(str(error.value)) < 1000


TABLE = ["data=table", "data.path=x.csv", "data.target=y", "data.time=date"]
NEEDED = {"tune": ["activations=gelu"], "backtest": ["activations=gelu,relu", *TABLE]}


@pytest.mark.parametrize("job", ["train", "compare", "tune", "backtest", "inspect", "check-data"])
def test_every_job_ends_with_one_message_for_each_word(
    job: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([job, *NEEDED.get(job, []), "model.depth=0)", "optimizer.lr=1,", "~key)"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line.startswith("error: ") for line in errors] == [True] * 3
    assert not list(tmp_path.iterdir())


def test_two_words_that_cannot_be_read_are_said_together() -> None:
    assert len(prepare(["seed=0)", "optimizer.lr=1,", "seed=3"], {}).problems) == 2


def test_quotes_inside_quotes_keep_any_text_of_ones_own_keys() -> None:
    assert prepare(["activation.path=file(1).csv"], {}).overrides == ["++activation.path='file(1).csv'"]


# --- flags --------------------------------------------------------------------------------------------------------

NO_FLAGS = [
    "--experimental-rerun=x",
    "--experimental-rerun",
    "--exp=x",
    "--exp",
    "--config-d=conf",
    "--config-name=x",
    "-cn",
    "-cp",
    "--config-path=/tmp",
    "-mcd",
    "-cjob",
    "--multi",
    "--multirun=true",
    "-sc",
    "--shell-completion",
    "--",
    "-",
    "---",
    "--cfg=everything",
    "--cfg",
    "--info=x",
    "--config-dir=",
    "--config-dir",
    "--config-dir=/nowhere/at/all",
    "--resolve",
    "-p",
]


@pytest.mark.parametrize("flag", NO_FLAGS)
@pytest.mark.parametrize("compose", [run, launcher.compose], ids=["train", "compare"])
def test_flags_that_are_not_taken_are_refused(flag: str, compose: Callable[[list[str]], Any]) -> None:
    with pytest.raises(ConfigError):
        compose([flag])


def test_flags_may_stand_anywhere_and_are_never_run_together(tmp_path: Path) -> None:
    words = ["seed=1", "-cd", str(tmp_path), "-m", "model=mlp", "--info", "seed=2"]
    flags, rest, problems = split_flags(words)
    assert (flags.folder, flags.multirun, flags.info, rest) == (
        tmp_path,
        True,
        "all",
        ["seed=1", "model=mlp", "seed=2"],
    )
    assert problems == []
    assert split_flags(["-cd", "a", "--config-dir=b"])[2] == ["--config-dir is given twice: give it once"]


def test_cfg_and_info_show_and_run_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--cfg", "job", "seed=7"]) == []
    assert "seed: 7" in capsys.readouterr().out
    assert run(["--cfg=job", "--package=model", "model=mlp", "--resolve"]) == []
    assert "# @package model" in capsys.readouterr().out
    assert run(["--info", "searchpath"]) == []
    assert run(["--version"]) == []
    assert "hydra-core 1." in capsys.readouterr().out
    with pytest.raises(ConfigError, match="nowhere"):
        run(["--cfg=job", "--package=nowhere"])


def test_what_users_of_hydra_need_still_works(tmp_path: Path) -> None:
    assert [s.seed for s in run(["-m", "seed=range(3)"])] == [0, 1, 2]
    assert [s.seed for s in run(["hydra.mode=MULTIRUN", "seed=4"])] == [4]
    sweep = tmp_path / "sweep"
    words = ["seed=5,6", f"hydra.sweep.dir={sweep}", "hydra.sweep.subdir=${hydra.job.num}", "hydra/launcher=basic"]
    assert [s.seed for s in run([*words, "hydra/sweeper=basic", "hydra.sweeper.max_batch_size=1"])] == [5, 6]
    assert sorted(path.name for path in sweep.iterdir()) == ["0", "1", "multirun.yaml"]
    assert [s.seed for s in run(["seed=8", f"hydra.run.dir={tmp_path / 'run'}"])] == [8]
    assert (tmp_path / "run").is_dir()
    assert [s.seed for s in run(["+seed=9", "hydra.verbose=true"])] == [9]
    assert [s.activation.name for s in run(["activation=glob(sgblend_f*)"])] == ["sgblend_frozen"]


# --- any words ----------------------------------------------------------------------------------------------------

KEYS = ["seed", "optimizer.lr", "model.widths", "model", "activation", "data", "data.drop", "hydra.verbose", "trust"]
PIECES = [*"()[]{}<>,:=.@/\\$'\"`~+-*?!#%&|; \t\n", "${", "$(", "1e", "choice", "range(", "glob(", "null", "0", "mlp"]
letters = st.text(st.characters(exclude_categories=("Cs",)), max_size=3)
values = st.lists(st.one_of(st.sampled_from(PIECES), letters), max_size=8).map("".join)
words = st.one_of(
    st.builds("{}{}={}".format, st.sampled_from(["", "+", "++", "~"]), st.sampled_from(KEYS), values),
    st.builds("{}{}={}".format, st.sampled_from(["", "+", "hydra.", "hydra/", "-", "--"]), values, values),
    values,
).filter(lambda word: "range(" not in word or not any(c.isdigit() for c in word.partition("range(")[2]))


def only(examples: int) -> settings:
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))


@only(400)
@given(st.lists(words, min_size=1, max_size=4))
def test_no_words_end_in_a_traceback_where_they_are_read(words: list[str]) -> None:
    _, rest, _ = split_flags(words)
    prepared = prepare(rest, launcher.group_choices())
    assert len(prepared.overrides) + len(prepared.problems) == len(rest)


@only(12)
@given(st.lists(words, min_size=1, max_size=3))
@example(["seed=0\x00"])
@example(["data.drop=[", "~=", "hydra.=1"])
def test_no_words_end_in_a_traceback_in_any_job(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    """Each job's own reading of words, and the composition of what it leaves to its runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("here"))
        for read in (
            run,
            launcher.compose,
            compare_options.read_words,
            tuning.read_words,
            backtest_options.read_words,
            lambda typed: launcher.resumed(["resume=nowhere", *typed]),
        ):
            with contextlib.suppress(UserError, OSError):
                read(words)

"""``benchmark``: what it takes, what it leaves, and that every group runs. No figure is asserted: they are times."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from adaptact.__main__ import main
from adaptact.benchmark import measuring, writing
from adaptact.benchmark.groups import every_activation, settings_of, step_of
from adaptact.benchmark.measuring import Figure, compared
from adaptact.benchmark.options import GROUPS, Benchmark
from adaptact.benchmark.writing import markdown, picture
from adaptact.config.words import read_options
from adaptact.errors import ConfigError


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call is a measurement, and one picture of a set of groups is drawn, not one after every figure."""
    monkeypatch.setattr(measuring, "AT_LEAST_S", 0.0)
    drawn: dict[frozenset[str], bytes] = {}

    def first(figures: Sequence[Figure]) -> bytes:
        groups = frozenset(figure.group for figure in figures)
        if groups not in drawn:
            drawn[groups] = picture(figures)
        return drawn[groups]

    monkeypatch.setattr(writing, "picture", first)


FIGURES = [
    Figure("kernels", "64 x 8, forward", "gelu", 0.5, ratio=1.0, low=1.0, high=1.0),
    Figure("kernels", "64 x 8, forward", "sgblend", 0.75, ratio=1.5, low=1.25, high=1.75),
    Figure("startup", "help", "adaptact", 0.25, "s"),
]


def test_a_table_names_values_and_ratios_with_intervals() -> None:
    text = markdown(FIGURES, {"machine": "a laptop"})
    assert "- machine: a laptop" in text
    assert "| 64 x 8, forward | sgblend | 0.750 ms | 1.50 (1.25 to 1.75) |" in text
    assert "| help | adaptact | 0.250 s |  |" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["groups=kernel"], "groups=kernel is unknown. Did you mean 'kernels'"),
        (["groups="], "groups is empty"),
        (["device=gpu"], "device=gpu is unknown"),
        (["rounds=1"], "rounds must be at least 3"),
        (["round=5"], "unknown key 'round'. Did you mean 'rounds'"),
        (["kernels"], "unknown key 'kernels'"),
    ],
)
def test_a_wrong_word_is_one_message(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=message[:12]):
        read_options(Benchmark, words)
    assert main(["benchmark", *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert not said.out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "device=cuda"]) == 2
    assert "device=cpu measures" in capsys.readouterr().err


def test_every_arm_is_measured_and_stands_beside_the_baseline() -> None:
    calls: list[str] = []
    arms = {name: (lambda name=name: calls.append(name)) for name in ("gelu", "other")}
    figures = compared("kernels", "nothing", arms, "gelu", 5, 1)
    assert [figure.arm for figure in figures] == ["gelu", "other"]
    assert {"gelu", "other"} == set(calls)
    assert figures[0].ratio == figures[0].low == figures[0].high == 1.0
    assert figures[1].low is not None
    assert figures[1].ratio is not None
    assert figures[1].high is not None
    assert figures[1].low <= figures[1].ratio <= figures[1].high


def test_the_benchmark_writes_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "tiny=true", "groups=kernels,loop", f"output_dir={tmp_path}"]) == 0
    said = capsys.readouterr().out
    folder = Path(said.strip().splitlines()[-1])
    assert folder.parent == tmp_path
    found = json.loads((folder / "benchmark.json").read_text())
    assert found["command"] == f"adaptact benchmark tiny=true groups=kernels,loop output_dir={tmp_path}"
    assert {figure["group"] for figure in found["figures"]} == {"kernels", "loop"}
    for figure in found["figures"]:
        assert 0 < figure["low"] <= figure["ratio"] <= figure["high"], figure
    loops = {figure["arm"] for figure in found["figures"] if figure["group"] == "loop"}
    assert loops == {"bare loop", "with clipping and schedule", "Lightning alone", "train"}
    assert "sgblend per channel" in (folder / "benchmark.md").read_text()
    assert (folder / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    assert picture([Figure(**figure) for figure in found["figures"]]).startswith(b"\x89PNG")


def test_every_activation_can_be_measured() -> None:
    names = every_activation()
    assert {"gelu", "sgblend", "prelu", "abu", "scaled", "nonlinearity_enhanced"} <= set(names)
    for name in names:
        step_of(settings_of(name, data={"name": "none"}), (8,), 4, "cpu")()


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_every_group_runs(group: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "tiny=true", f"groups={group}", f"output_dir={tmp_path}"]) == 0
    folder = Path(capsys.readouterr().out.strip().splitlines()[-1])
    found = json.loads((folder / "benchmark.json").read_text())["figures"]
    assert found
    assert all(figure["value"] > 0 for figure in found)
    if group == "step":
        assert len({figure["case"] for figure in found}) == 6

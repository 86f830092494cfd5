"""Plans: what is hashed, what varies between seeds, what was changed afterwards."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adaptact import files
from adaptact.comparison.folder import same_command
from adaptact.comparison.plan import Plan, changes_since, settle, with_learned_values
from adaptact.errors import UserError
from adaptact.records import PLAN_FILE

Make = Callable[..., Plan]


def test_the_hash_is_that_of_what_was_decided(make_plan: Make) -> None:
    plan = make_plan()
    assert plan.hash == make_plan(code="other", words=["in", "another", "order"], decided_at="later").hash
    assert plan.hash != make_plan("activations=gelu,sgblend seeds=5").hash
    assert plan.hash != make_plan(margin=0.01).hash
    assert plan.hash != make_plan("activations=gelu,silu seeds=4").hash


def test_the_hash_of_a_run_is_that_of_what_its_numbers_depend_on(make_plan: Make) -> None:
    def hashes(plan: Plan) -> list[str]:
        return [run.hash for arm in plan.arms for run in plan.runs(arm)]

    plan = make_plan()
    assert len(set(hashes(plan))) == 8
    assert hashes(plan) == hashes(make_plan(margin=0.1, error=0.1, metric="auroc"))  # decided otherwise, trained alike
    assert not set(hashes(plan)) & set(hashes(make_plan(code="other")))
    assert not set(hashes(plan)) & set(hashes(make_plan(data={**plan.data, "fingerprint": "1" * 64})))
    more = make_plan("activations=gelu,sgblend seeds=6")
    assert set(hashes(plan)) < set(hashes(more))  # more seeds keep the runs there are


@pytest.mark.parametrize("vary", [["split"], ["init"], ["order"], ["split", "init", "order"]])
def test_only_what_varies_varies(make_plan: Make, vary: list[str]) -> None:
    plan = make_plan(vary=vary)
    runs = list(plan.runs(plan.arms[1]))
    assert ({run.settings["data"]["split_seed"] for run in runs} == {0, 1, 2, 3}) is ("split" in vary)
    assert ({run.settings["seed"] for run in runs} == {0, 1, 2, 3}) is ("init" in vary)
    assert ({run.settings["data"]["order_seed"] for run in runs} == {0, 1, 2, 3}) is ("order" in vary)


def test_arms_of_one_seed_differ_in_the_activation_alone(make_plan: Make) -> None:
    plan = make_plan("activations=gelu,silu,sgblend seeds=3")
    for together in zip(*(plan.runs(arm) for arm in plan.arms), strict=True):
        rest = [{k: v for k, v in run.settings.items() if k != "activation"} for run in together]
        assert rest[0] == rest[1] == rest[2]


def test_folds_are_run_for_every_seed(make_plan: Make) -> None:
    plan = make_plan("activations=gelu,sgblend seeds=2", folds=3)
    assert [run.folder for run in plan.runs(plan.arms[0])][:4] == [
        "gelu/seed0-fold0",
        "gelu/seed0-fold1",
        "gelu/seed0-fold2",
        "gelu/seed1-fold0",
    ]


def test_the_same_activation_twice_has_other_seeds_on_the_same_split(make_plan: Make) -> None:
    plan = make_plan("activations=gelu,gelu seeds=2")
    first, second = (list(plan.runs(arm))[1].settings for arm in plan.arms)
    assert [arm.name for arm in plan.arms] == ["gelu", "gelu-2"]
    assert first["data"]["split_seed"] == second["data"]["split_seed"] == 1
    assert first["seed"] != second["seed"]
    assert first["data"]["order_seed"] != second["data"]["order_seed"]


def test_another_baseline_comes_first(make_plan: Make) -> None:
    plan = make_plan("activations=gelu,silu,sgblend baseline=silu")
    assert [(arm.name, arm.role) for arm in plan.arms] == [
        ("silu", "baseline"),
        ("gelu", "candidate"),
        ("sgblend", "candidate"),
    ]


def test_controls_of_each_adaptive_activation(make_plan: Make) -> None:
    plan = make_plan("activations=gelu,silu,sgblend compare.controls=true")
    assert [arm.name for arm in plan.controls] == ["sgblend-frozen", "sgblend-learned", "sgblend-scale"]
    frozen, learned, scale = (arm.settings["activation"] for arm in plan.controls)
    assert frozen["learn"] == learned["learn"] == []
    assert (frozen["kind"], scale["kind"], scale["base"]) == ("sgblend", "scaled", "gelu")
    assert len(plan.candidates) == 2  # controls are no candidates: they cost the verdicts nothing


def test_learned_values_are_means_over_the_runs_site_by_site(make_plan: Make) -> None:
    arm = make_plan("activations=gelu,sgblend compare.controls=true").arm("sgblend-learned")
    runs = [
        [
            {"name": "1", "kind": "SGBlend", "alpha": a, "beta": 1.0, "gap": 0.1, "start": {"alpha": 0.5}},
            {"name": "4", "kind": "SGBlend", "alpha": 0.9, "beta": b, "gap": 0.1, "start": {"alpha": 0.5}},
        ]
        for a, b in ((0.2, 1.0), (0.4, 2.0))
    ]
    start = with_learned_values(arm, runs).settings["activation"]["start"]
    assert start == {"1": {"alpha": pytest.approx(0.3), "beta": 1.0}, "4": {"alpha": 0.9, "beta": 1.5}}


def test_a_plan_is_read_as_it_was_written(make_plan: Make, tmp_path: Path) -> None:
    plan = settle(tmp_path / "c", make_plan())
    assert Plan.read(tmp_path / "c") == plan
    assert plan.decided_at
    assert plan.changes == []


def test_what_changed_afterwards_is_kept(make_plan: Make, tmp_path: Path) -> None:
    first = settle(tmp_path, make_plan())
    second = settle(tmp_path, make_plan("activations=gelu,sgblend,silu seeds=6", margin=0.02, code="new"))
    third = settle(tmp_path, make_plan("activations=gelu,sgblend,silu seeds=6", margin=0.02, code="new"))
    assert second.decided_at == first.decided_at
    words = [change["what"] for change in third.changes]
    assert words == [
        "margin: 0.005 became 0.02",
        "seeds: [0, 1, 2, 3] became [0, 1, 2, 3, 4, 5]",
        "arm silu was added",
        "the code that trains changed (it was made by an earlier version of adaptact)",
    ]
    assert changes_since(first, make_plan()) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("margin", -1e308),
        ("error", 0),
        ("error", 0.5),
        ("folds", 10**9),
        ("seeds", ["a"]),
        ("seeds", []),
        ("data", {"rows": {"train": 0, "val": 20, "test": 30}}),
        ("data", {"rows": {"train": 100}}),
    ],
)
def test_a_plan_with_a_value_that_no_command_writes_is_refused_by_its_name(
    make_plan: Make, tmp_path: Path, key: str, value: Any
) -> None:
    plan = make_plan()
    plan.write(tmp_path)
    plain = files.read_json(tmp_path / PLAN_FILE)
    plain[key] = plain[key] | value if isinstance(value, dict) else value
    files.write_json(tmp_path / PLAN_FILE, plain)
    with pytest.raises(UserError, match=f"broken.*{key}"):
        Plan.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"), [("", "broken"), ("{}", "broken"), ('{"schema": 9}', "schema 9"), ("[1]", "broken")]
)
def test_a_plan_that_cannot_be_read_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / PLAN_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        Plan.read(tmp_path)
    with pytest.raises(UserError, match="no comparison"):
        Plan.read(tmp_path / "nowhere")


def test_the_same_words_on_the_same_data_are_the_same_comparison(make_plan: Make, tmp_path: Path) -> None:
    settle(tmp_path / "first", make_plan(code="old", margin=0.1))  # as an earlier version made it, with another default
    settle(tmp_path / "other-words", make_plan("activations=gelu,sgblend seeds=5"))
    assert same_command(tmp_path, make_plan()) == tmp_path / "first"
    more = ["report.language=ja", "value.cost_fp=1", "output_dir=x", *reversed(make_plan().words)]
    assert same_command(tmp_path, make_plan(words=more)) == tmp_path / "first"
    assert same_command(tmp_path, make_plan(words=[*more, "optimizer.lr=1"])) is None
    assert same_command(tmp_path, make_plan(data={**make_plan().data, "fingerprint": "1" * 64})) is None
    settle(tmp_path / "retrained", make_plan())
    assert same_command(tmp_path, make_plan()) == tmp_path / "retrained"


def test_what_changed_in_the_code_is_named(make_plan: Make) -> None:
    old = make_plan(code="a", code_files={"training/losses.py": "1", "layouts.py": "2", "gone.py": "3"})
    new = make_plan(code="b", code_files={"training/losses.py": "1", "layouts.py": "9"})
    assert changes_since(old, new) == ["the code that trains changed (gone.py, layouts.py)"]


def test_threads_belong_to_the_plan_and_not_to_what_was_decided(make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    first, second = make_plan(threads=1), make_plan(threads=2)
    assert first.hash == second.hash
    assert [run.hash for run in first.runs(first.arms[0])] == [run.hash for run in second.runs(second.arms[0])]
    settle(tmp_path, first)
    assert settle(tmp_path, second).threads == 1
    assert Plan.read(tmp_path).threads == 1
    assert Plan.read(tmp_path).changes == []


def test_a_plan_of_an_earlier_version_gets_the_threads_of_now(make_plan: Callable[..., Plan], tmp_path: Path) -> None:
    settle(tmp_path, make_plan())
    plain = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    del plain["threads"], plain["state"]
    (tmp_path / "plan.json").write_text(json.dumps(plain), encoding="utf-8")
    assert Plan.read(tmp_path).threads is None
    assert settle(tmp_path, make_plan(threads=2)).threads == 2


def test_loggers_of_any_version_change_no_hash(make_plan: Make) -> None:
    plan, other = make_plan(), make_plan()
    for arm in other.arms:
        arm.settings["logger"] = {"tensorboard": True, "of_an_earlier_version": 3}
    assert other.hash == plan.hash
    assert [run.hash for run in other.runs(other.arms[0])] == [run.hash for run in plan.runs(plan.arms[0])]

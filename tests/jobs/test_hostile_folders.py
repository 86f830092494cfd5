"""Folders and tables from elsewhere: one message and exit code 2, nothing written outside, nothing obeyed."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from adaptact import files
from commands import command

PAIRS = zip("abcdefgh", "bcdefghi")
BOMB = "a: &a [1]\n" + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in PAIRS)
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sheet") / "sheet.csv"
    rows = [
        f"{n % 7},{(n * 13) % 11},{'red' if n % 2 else 'blue'},{'yes' if (n % 7) > 3 else 'no'}" for n in range(150)
    ]
    path.write_text("\n".join(["a,b,c,bought", *rows]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def made(sheet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on a table."""
    out = tmp_path_factory.mktemp("made")
    words = ["data=table", f"data.path={sheet}", "data.target=bought", "trainer.max_epochs=1", "references=false"]
    done = command("train", *words, "activation=sgblend", "model.widths=[8]", "data.batch_size=32", f"output_dir={out}")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def refused(*words: str, says: str) -> str:
    done = command(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert says in done.stderr, done.stderr
    return done.stderr


def changed(path: Path, **values: Any) -> None:
    plain = json.loads(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        inner, *names = plain, *key.split("__")
        for name in names[:-1]:
            inner = inner[name]
        inner[names[-1]] = value
    path.write_text(json.dumps(plain), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "values", "says"),
    [
        ("result.json", {"data__labels": [1, 2]}, "data.labels"),
        ("result.json", {"decision__threshold": "0.5"}, "decision.threshold"),
        ("result.json", {"data__rows__test": 10**13}, "data.rows.test"),
        ("preparation/columns.json", {"cardinalities": [10**12]}, "cardinalities"),
        ("preparation/columns.json", {"roles": None}, "roles"),
        ("preparation/profile.json", {"c": None}, "c must be"),
        ("preparation/columns.json", {"bins": [[0.0]]}, "bins"),
        ("preparation/columns.json", {"labels": ["no", "maybe"]}, "labels"),
    ],
)
def test_a_file_of_a_run_with_wrong_values_is_named(
    run: Path, sheet: Path, tmp_path: Path, file: str, values: dict[str, Any], says: str
) -> None:
    changed(run / file, **values)
    refused("predict", f"run={run}", f"input={sheet}", f"output={tmp_path / 'out.csv'}", says=says)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model: {widths: [1000000000000]}", "widths"),
        ("a: " + "[" * 20_000, "nesting"),
        (BOMB, "aliases"),
    ],
)
def test_a_configuration_that_explodes_is_refused_by_predict_and_resume(
    run: Path, sheet: Path, tmp_path: Path, text: str, says: str
) -> None:
    path = run / "config.yaml"
    if text.startswith("model"):
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        plain["model"]["widths"] = [10**12]
        text = yaml.safe_dump(plain)
    path.write_text(text, encoding="utf-8")
    refused("predict", f"run={run}", f"input={sheet}", f"output={tmp_path / 'out.csv'}", says=says)
    refused("train", f"resume={run}", "trainer.max_epochs=2", says=says)


def damage(run: Path, **changes: Any) -> None:
    path = run / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    for key, value in changes.items():
        inner, *names = checkpoint, *key.split("__")
        for name in names[:-1]:
            inner = inner[int(name) if name.isdecimal() else name]
        inner[names[-1]] = value
    torch.save(checkpoint, path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"state_dict__network.1.weight": "text"}, "no whole tensor"),
        ({"state_dict__network.1.weight": torch.zeros(1).expand(10**6, 10**6)}, "no whole tensor"),
        ({"adaptact__torch": torch.zeros(3, dtype=torch.uint8)}, "broken"),
        ({"adaptact__numpy": None}, "broken"),
        ({"adaptact__python": [3, [1], None]}, "broken"),
        ({"epoch": -5}, "epoch"),
        ({"epoch": "1"}, "epoch"),
        ({"loops__fit_loop__epoch_progress__current__completed": -(10**12)}, "counter"),
        ({"loops": 3}, "loops"),
        ({"lr_schedulers": None}, "lr_schedulers"),
        ({"optimizer_states__0__param_groups__0__lr": "fast"}, "lr"),
        ({"optimizer_states__0__param_groups__0__params": [10**9]}, "cannot be continued"),
        ({"callbacks": {"History": {"rows": 3}}}, "cannot be continued"),
    ],
)
def test_a_checkpoint_that_was_tampered_with_is_one_message(run: Path, changes: dict[str, Any], says: str) -> None:
    damage(run, **changes)
    before = sorted(path.name for path in run.parent.iterdir())
    refused("train", f"resume={run}", "trainer.max_epochs=2", says=says)
    assert sorted(path.name for path in run.parent.iterdir()) == before


def test_a_packed_checkpoint_is_not_unpacked(run: Path, sheet: Path, tmp_path: Path) -> None:
    import zipfile

    path = run / "checkpoints" / "best.ckpt"
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr("archive/data/99", bytes(20 << 20))
    refused("predict", f"run={run}", f"input={sheet}", f"output={tmp_path / 'out.csv'}", says="would unpack")


# --- links --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["checkpoints", "tensorboard", "figures", "metrics.csv"])
def test_a_run_is_not_continued_through_a_link_that_leaves_it(run: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    if (run / name).exists():
        shutil.move(run / name, outside)
    else:
        outside.mkdir()
    (run / name).symlink_to(outside)
    held = {path: path.stat().st_mtime_ns for path in [outside, *outside.rglob("*")]}
    refused("train", f"resume={run}", "trainer.max_epochs=2", says="follow_links=true")
    assert {path: path.stat().st_mtime_ns for path in [outside, *outside.rglob("*")]} == held
    done = command("train", f"resume={run}", "trainer.max_epochs=2", "follow_links=true")
    assert done.returncode == 0, done.stderr
    assert (run / name).is_symlink() or name == "metrics.csv"


def test_an_export_does_not_write_or_remove_through_a_link(run: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "model.onnx").write_text("of another")
    (run / "export").symlink_to(outside)
    refused("export", f"run={run}", "formats=[torch]", says="follow_links=true")
    assert os.listdir(outside) == ["model.onnx"]
    done = command("export", f"run={run}", "formats=[torch]", "follow_links=true")
    assert done.returncode == 0, done.stderr
    assert (outside / "model.pt2").is_file()


# --- plans --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compared")
    words = ["activations=relu,gelu", "seeds=2", "data=wine", "trainer.max_epochs=1", "compare.cost=[]"]
    done = command("compare", *words, f"output_dir={out}", "name=good", "references=false")
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize(
    "values",
    [
        {"folds": 10**9},
        {"folds": -1},
        {"seeds": ["a"]},
        {"seeds": [-1]},
        {"seeds": list(range(200_000))},
        {"arms__0__name": ""},
        {"arms__1__name": "relu"},
        {"margin": "NaN"},
        {"error": 7},
        {"baseline": "tanh"},
        {"arms__0__settings": {}},
        {"data__positive": 3},
        {"vary": ["weather"]},
        {"threads": 10**9},
    ],
)
def test_a_plan_with_wrong_values_is_refused_and_hurts_no_neighbour(
    compared: Path, tmp_path: Path, values: dict[str, Any]
) -> None:
    shutil.copytree(compared / "good", tmp_path / "good")
    shutil.copytree(compared / "good", tmp_path / "bad")
    path = tmp_path / "bad" / "plan.json"
    plain = json.loads(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        inner: Any = plain
        *names, last = key.split("__")
        for name in names:
            inner = inner[int(name) if name.isdecimal() else name]
        inner[last] = value
    path.write_text(json.dumps(plain).replace('"NaN"', "NaN"), encoding="utf-8")
    refused("report", "name=bad", f"output_dir={tmp_path}", says="plan.json is broken")
    done = command("report", "name=good", f"output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr


def test_an_arm_cannot_leave_its_folder(compared: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    shutil.copytree(compared / "good", bad)
    plain = json.loads((bad / "plan.json").read_text(encoding="utf-8"))
    plain["baseline"] = plain["arms"][0]["name"] = "../../../evil"
    files.write_json(bad / "plan.json", plain)
    command("report", "name=bad", f"output_dir={tmp_path}")
    assert not (tmp_path.parent.parent / "evil").exists()


def test_runs_keep_their_threads_when_a_comparison_goes_on(compared: Path) -> None:
    plain = json.loads((compared / "good" / "plan.json").read_text(encoding="utf-8"))
    assert plain["threads"] == 1
    assert plain["state"] == "finished"


# --- terminals ----------------------------------------------------------------------------------------------------

ODD = "x\x1b[2J\x1b]0;title\x07\u202e\u2066\x9b31m"


def test_names_in_a_table_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    rows = [f"{n % 7},{n % 5},{'yes' if n % 3 else ODD},{n}" for n in range(120)]
    sheet.write_text("\n".join([f"{ODD},b,bought,{ODD}2", *rows]), encoding="utf-8")
    out = f"output_dir={tmp_path / 'runs'}"
    table = ["data=table", f"data.path={sheet}"]
    short = ["trainer.max_epochs=1", "references=false", "logger=none", "model.widths=[4]", "data.batch_size=32"]
    for words in (
        ["check-data", *table, "data.target=bought", out],
        ["train", *table, "data.target=bought", out, *short],
        ["train", *table, "data.target=missing", out],
        ["train", *table, f"data.target={ODD}3", out],
        ["train", f"data={ODD}"],
        [f"train{ODD}"],
        ["abtest", "step=assign", f"input={sheet}", f"identifier={ODD}9", f"output_dir={tmp_path}"],
        ["abtest", "step=assign", f"input={sheet}", f"identifier={ODD}2", f"output_dir={tmp_path}", "name=a"],
        ["abtest", "step=analyse", f"input={sheet}", f"outcome={ODD}", f"output_dir={tmp_path}", "until=2020-01-01"],
    ):
        done = command(*words)
        assert done.returncode in {0, 2}, done.stderr
        assert "Traceback" not in done.stderr
        assert not OBEYED.search(done.stdout + done.stderr), words

"""``compare`` through its command line: what it leaves, what it keeps, what it survives."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from adaptact.comparison.analysis import SCHEMA_FILE
from adaptact.errors import UserError
from adaptact.jobs import compare as job
from commands import Done, command, environment, start
from conftest import REPOSITORY

SHORT = ["data=wine", "seeds=3", "trainer.max_epochs=3", "compare.cost=[]"]


def compare(folder: Path, *words: str, **more: str) -> Done:
    return command("compare", *words, f"output_dir={folder}", **more)


SIGNALLED = """
import os, sys
from adaptact.__main__ import main
from adaptact.comparison import worker_pool

number, left, execute = int(sys.argv[1]), int(sys.argv[2]), worker_pool.execute


def signalled(work, tasks, report, **options):
    def reported(*result):
        global left
        report(*result)
        left -= 1
        if left == 0:
            os.killpg(0, number)  # as a terminal does: to all of its processes

    execute(work, tasks, reported, **options)


worker_pool.execute = signalled
sys.exit(main(sys.argv[3:]))
"""


def signalled(number: signal.Signals, runs: int, folder: Path, *words: str) -> Done:
    """A comparison in a process of its own that gets a signal as soon as it has heard of so many runs."""
    real = [sys.executable, "-c", SIGNALLED, str(int(number)), str(runs), "compare", *words, f"output_dir={folder}"]
    return subprocess.run(
        real, env=environment(), capture_output=True, text=True, start_new_session=True, timeout=600, check=False
    )


def report_of(result: Done) -> tuple[Path, dict[str, Any]]:
    assert result.returncode == 0, result.stderr
    folder = Path(result.stdout.splitlines()[-1])
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    return folder, report


def trained(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.glob("*/seed*/result.json")}


def comparable(report: dict[str, Any]) -> dict[str, Any]:
    """Without timings and dates."""
    plain = {k: v for k, v in report.items() if k not in {"cost", "decided_at"}}
    for candidate in plain["candidates"]:
        candidate["seconds_needed"] = candidate["guardrails"] = None
    for arm in plain["arms"]:
        arm["fit_s"] = None
    return plain


def test_a_comparison_its_files_and_the_same_command_again(tmp_path: Path) -> None:
    words = [*SHORT, "seeds=2", "trainer.max_epochs=2", "activations=gelu,sgblend", "compare.controls=true"]
    words.append("compare.cost=[eager]")
    folder, report = report_of(compare(tmp_path, *words))
    assert folder.parent == tmp_path
    assert folder.name.startswith("wine-mlp-")
    files = {path.name for path in folder.iterdir()}
    assert {"plan.json", "runs.csv", "report.json", "report.md", "figures", "gelu", "sgblend-learned"} <= files
    with (folder / "runs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 5
    assert {row["status"] for row in rows} == {"finished"}
    (candidate,) = report["candidates"]
    assert (candidate["activation"], candidate["pairs"], candidate["method"]) == ("sgblend", 2, "nadeau-bengio")
    assert candidate["guardrails"]["latency_ratio"] > 0
    assert {c["control"] for c in report["controls"]} == {"frozen", "learned", "scale"}
    assert {r["name"] for r in report["references"]} == {"boosting", "linear"}
    layer = next(arm for arm in report["arms"] if arm["activation"] == "sgblend")["layers"][0]
    assert layer["moved"]["mean"] > 0
    frozen = next(arm for arm in report["arms"] if arm["activation"] == "sgblend-learned")["layers"][0]
    assert frozen["alpha"]["sd"] == 0
    assert frozen["alpha"]["mean"] == pytest.approx(layer["alpha"]["mean"], abs=1e-6)
    recomputed = subprocess.run(
        [sys.executable, REPOSITORY / "docs" / "recompute.py", folder], capture_output=True, text=True, check=False
    )
    assert "all agree" in recomputed.stdout, recomputed.stderr
    assert int(recomputed.stdout.split()[0]) > 0
    before = trained(folder)
    _, again = report_of(compare(tmp_path, *words))
    assert trained(folder) == before  # nothing is trained twice
    assert comparable(again) == comparable(report)


@pytest.mark.slow
def test_more_seeds_keep_the_runs_there_are_and_the_report_says_so(tmp_path: Path) -> None:
    words = ["activations=gelu,silu", "name=mine", *SHORT]
    folder, first = report_of(compare(tmp_path, *words, "seeds=2"))
    before = trained(folder)
    _, report = report_of(compare(tmp_path, *words, "seeds=3"))
    assert before.items() <= trained(folder).items()
    assert first["changes"] == []
    assert [change["what"] for change in report["changes"]] == ["seeds: [0, 1] became [0, 1, 2]"]
    other, second = report_of(compare(tmp_path, *SHORT, "activations=gelu,relu", "seeds=2", "name=second"))
    assert other.name == "second"
    assert second["earlier_uses"] == ["mine"]
    assert "seeds: [0, 1] became" in (folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_runs_that_were_made_otherwise_are_kept_and_never_mixed(tmp_path: Path) -> None:
    words = ["activations=gelu,sgblend", "compare.controls=true", *SHORT, "seeds=2"]
    folder, _ = report_of(compare(tmp_path, *words))
    before = trained(folder)
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert len(plan["code_files"]) > 100

    def made_by_other_code(folder: Path) -> None:
        plain = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        plain["code"], plain["code_files"]["layouts.py"] = "0" * 64, "0" * 16
        (folder / "plan.json").write_text(json.dumps(plain), encoding="utf-8")
        for path in folder.glob("*/seed*/planned.json"):
            plain = json.loads(path.read_text(encoding="utf-8"))
            path.write_text(json.dumps(plain | {"hash": "0" * 64}), encoding="utf-8")

    made_by_other_code(folder)
    refused = compare(tmp_path, *words)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith(f"error: {folder} holds 8 finished runs that were made otherwise")
    assert "the code that trains changed (layouts.py)" in refused.stderr
    assert "compare.retrain=true" in refused.stderr
    assert trained(folder) == before
    renamed = folder.rename(tmp_path / "renamed")  # as where an option's default, and so the name, has changed
    assert str(renamed) in compare(tmp_path, *words).stderr
    other, _ = report_of(compare(tmp_path, *words, "compare.retrain=true"))
    assert other.name.startswith("renamed-")
    assert trained(renamed) == before
    new = trained(other)
    again, report = report_of(compare(tmp_path, *words, "compare.retrain=true"))
    assert (again, trained(again)) == (other, new)
    continued, _ = report_of(compare(tmp_path, *words))  # it was asked for once
    assert (continued, trained(continued)) == (other, new)
    assert report["earlier_looks"] == [
        {"name": "renamed", "rows": report["earlier_looks"][0]["rows"], "share": 1.0, "same_arms": True}
    ]
    changed = compare(tmp_path, *words, "name=renamed", "optimizer.lr=0.01")
    assert changed.returncode == 2
    assert "settings of arm gelu changed (optimizer.lr)" in changed.stderr


@pytest.mark.slow
def test_a_learned_control_that_more_seeds_change_is_kept_aside(tmp_path: Path) -> None:
    words = ["activations=gelu,sgblend", "compare.controls=true", "name=mine", *SHORT]
    folder, _ = report_of(compare(tmp_path, *words, "seeds=2"))
    first = json.loads((folder / "sgblend-learned" / "seed0" / "planned.json").read_text(encoding="utf-8"))
    report_of(compare(tmp_path, *words, "seeds=3"))
    second = json.loads((folder / "sgblend-learned" / "seed0" / "planned.json").read_text(encoding="utf-8"))
    assert first["hash"] != second["hash"]
    (aside, _) = sorted((folder / "superseded" / "sgblend-learned").iterdir())
    assert json.loads((aside / "planned.json").read_text(encoding="utf-8")) == first
    assert (aside / "result.json").is_file()


@pytest.mark.slow
def test_an_arm_that_fails_or_diverges_is_reported_and_takes_no_other_down(tmp_path: Path) -> None:
    (tmp_path / "my_package.py").write_text(
        "from torch import nn\n\nclass Broken(nn.Module):\n    def forward(self, x):\n"
        "        if self.training and x.shape[0] > 2:\n            raise RuntimeError('broken on purpose')\n"
        "        return x.relu()\n",
        encoding="utf-8",
    )
    (tmp_path / "conf" / "activation").mkdir(parents=True)
    (tmp_path / "conf" / "activation" / "mine.yaml").write_text(
        "name: mine\nkind: custom\ntarget: my_package.Broken\n", encoding="utf-8"
    )
    words = ["--config-dir", str(tmp_path / "conf"), "trust=my_package", "activations=gelu,mine", *SHORT]
    result = compare(tmp_path / "out", *words, PYTHONPATH=str(tmp_path))
    _, report = report_of(result)
    assert "Traceback" not in result.stderr
    (candidate,) = report["candidates"]
    assert (candidate["verdict"], candidate["rule"], candidate["failures"]) == ("reject", "guardrail-failures", 3)
    assert "broken on purpose" in report["failures"][0]["reason"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["activations=gelu,sgblnd"], "'sgblend'"),
        (["activations=gelu,silu", "compare.metric=rmse"], "this is a classification"),
        (["activations=gelu,silu", "compare.metrc=auroc"], "'metric'"),
        (["activations=gelu,silu", "optimizer.lr=1,2"], "one value of each key"),
        (["activations=gelu,silu", "optimizer.lr=-1"], "above 0"),
        (["activations=gelu,silu", "data=table"], "data.path is missing"),
        (["activations=gelu,silu", "data.batch_size=5000"], "more than the"),
        (["activations=gelu,silu", "compare.tuned=nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_written(
    tmp_path: Path, words: list[str], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        job.run([*words, f"output_dir={tmp_path / 'out'}"])
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_error_is_one_message_on_the_command_line(tmp_path: Path) -> None:
    result = compare(tmp_path / "out", "activations=gelu,sgblnd", "seeds=many")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: seeds must be a whole number")
    assert "Traceback" not in result.stderr


WHOLE = ["activations=gelu,sgblend", "name=c", *SHORT, "compare.controls=true"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a comparison that nobody disturbed."""
    return comparable(report_of(compare(tmp_path_factory.mktemp("whole"), *WHOLE))[1])


@pytest.mark.slow
def test_a_comparison_that_was_killed_goes_on_and_ends_as_one_that_was_not(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    cut = signalled(signal.SIGKILL, 5, tmp_path / "cut", *WHOLE)
    assert cut.returncode == -signal.SIGKILL, cut.stderr
    before = trained(tmp_path / "cut" / "c")
    assert 5 <= len(before) < 3 * 5
    folder, report = report_of(compare(tmp_path / "cut", *WHOLE))
    after = trained(folder)
    assert len(after) == 3 * 5
    kept = [name for name in before if before[name] == after[name]]
    assert len(kept) >= len(before) - 2  # those that were written while they were killed
    assert comparable(report) == whole


@pytest.mark.slow
def test_on_a_local_ray_cluster_the_numbers_are_the_same(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    words = ["activations=gelu,sgblend", "name=c", *SHORT, "seeds=2"]
    _, here = report_of(compare(tmp_path / "here", *words))
    words += ["compare.backend=ray", "compare.workers=2", f"output_dir={tmp_path / 'there'}"]
    _, there = report_of(start("compare", *words))  # ray's processes end with it
    assert comparable(there) == comparable(here)


@pytest.mark.slow
def test_the_same_activation_twice_is_no_find(tmp_path: Path) -> None:
    _, report = report_of(
        compare(
            tmp_path,
            "activations=gelu,gelu",
            "data=breast_cancer",
            "seeds=4",
            "trainer.max_epochs=8",
            "compare.cost=[]",
        )
    )
    (candidate,) = report["candidates"]
    assert candidate["activation"] == "gelu-2"
    assert set(candidate["differences"].values()) != {0.0}  # other seeds
    assert candidate["verdict"] in {"equivalent", "undecided"}


@pytest.mark.slow
def test_ctrl_c_ends_it_with_one_word_and_keeps_what_is_done(tmp_path: Path) -> None:
    done = signalled(signal.SIGINT, 2, tmp_path, "activations=gelu,silu", "name=c", *SHORT)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert 2 <= len(trained(tmp_path / "c")) < 6

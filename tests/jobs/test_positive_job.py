"""The class to be found: the right parts are sorted out, whatever they are called, in every job and number."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from adaptact import launcher
from adaptact.comparison.backtest_options import Backtest
from adaptact.errors import ConfigError
from adaptact.export.predict import scored
from adaptact.export.trained_run import TableRun
from adaptact.jobs import backtest, check_data
from adaptact.jobs import compare as compare_job
from adaptact.jobs import train as train_job
from adaptact.records import Record
from adaptact.report import run_tables
from adaptact.rollout.monitor import Batch, calibration
from adaptact.rollout.outcomes import Outcomes
from adaptact.training.run import train
from commands import Done, command

PAIRS = [("NG", "OK"), ("不良", "良"), ("不合格", "合格"), ("fail", "pass"), ("defect", "ok")]


def sheet(folder: Path, sought: str, other: str, rows: int = 600) -> Path:
    """A sheet of parts, a third of them bad, which four numbers nearly tell apart."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, 4))
    risk = 1.5 * x[:, 0] - x[:, 1] + 0.5 * x[:, 0] * x[:, 2] + 0.3 * rng.normal(size=rows)
    frame = pd.DataFrame(x, columns=["温度", "圧力", "速度", "厚さ"])
    frame["日"] = pd.date_range("2024-01-01", periods=rows, freq="D").strftime("%Y-%m-%d")
    frame["判定"] = np.where(risk > np.quantile(risk, 2 / 3), sought, other)
    path = folder / "sheet.csv"
    frame.to_csv(path, index=False)
    return path


def words_of(path: Path, folder: Path, *more: str) -> list[str]:
    own = [
        "data=table",
        f"data.path={path}",
        "data.target=判定",
        "trainer.max_epochs=8",
        f"output_dir={folder / 'runs'}",
    ]
    return [*own, "data.drop=[日]", "logger=none", "references=false", *more]


def trained(path: Path, folder: Path, *more: str) -> tuple[Record, Path]:
    return train(launcher.compose(words_of(path, folder, *more)), quiet=True)


@pytest.mark.parametrize(("sought", "other"), PAIRS)
def test_bad_parts_are_found_without_a_word_about_which_they_are(tmp_path: Path, sought: str, other: str) -> None:
    record, _ = trained(sheet(tmp_path, sought, other), tmp_path, "data.cost_fp=1", "data.cost_fn=100")
    assert record.decision is not None
    test = record.decision["test"]
    assert record.positive == record.decision["positive"] == record.data["positive"] == sought
    bad, rows = test["tp"] + test["fn"], record.data["rows"]["test"]
    assert 0.25 * rows < bad < 0.42 * rows
    assert test["fn"] <= 1
    assert test["cost_per_row"] < min((rows - bad) / rows, 100 * bad / rows)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Record, Path]]:
    folder = tmp_path_factory.mktemp("both")
    path = sheet(folder, "NG", "OK")
    return {label: trained(path, folder, f"data.positive={label}") for label in ("NG", "OK")}


def test_what_is_typed_reaches_every_number(both: dict[str, tuple[Record, Path]]) -> None:
    (ng, ng_folder), (ok, ok_folder) = both["NG"], both["OK"]
    for part in ("train", "val", "test"):
        for name in ("accuracy", "auroc", "log_loss", "f1_macro", "ece"):  # these are about both classes
            assert ng.metrics[part][name] == ok.metrics[part][name]
        assert ng.metrics[part]["average_precision"] < ok.metrics[part]["average_precision"]  # a third are NG
    assert ng.decision is not None
    assert ok.decision is not None
    assert ng.decision["test"]["tp"] + ng.decision["test"]["fn"] < ok.decision["test"]["tp"] + ok.decision["test"]["fn"]
    assert ng.decision["threshold"] != ok.decision["threshold"]
    assert ng.decision["test"]["f1"] != ok.decision["test"]["f1"]
    assert "decision: 'OK'" in run_tables.decision_line(ok.decision)
    for label, folder in (("NG", ng_folder), ("OK", ok_folder)):
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        assert config["data"]["positive"] == label


def test_reference_models_are_about_it_too(tmp_path: Path) -> None:
    path = sheet(tmp_path, "NG", "OK")
    both = [trained(path, tmp_path, "references=true", f"data.positive={label}")[0] for label in ("NG", "OK")]
    for ng, ok in zip(*(record.references for record in both), strict=True):
        assert ng["metrics"]["test"]["auroc"] == ok["metrics"]["test"]["auroc"]
        assert ng["metrics"]["test"]["average_precision"] < ok["metrics"]["test"]["average_precision"]


def test_scores_and_calibration_are_about_it_too(both: dict[str, tuple[Record, Path]]) -> None:
    runs = {label: TableRun.load(folder) for label, (_, folder) in both.items()}
    frame = pd.read_csv(runs["NG"].settings.data.path)  # type: ignore[attr-defined]
    tables = {label: scored(run, frame) for label, run in runs.items()}
    for label, run in runs.items():
        table, other = tables[label], {"NG": "OK", "OK": "NG"}[label]
        assert run.record.decision is not None
        above = table[f"probability {label}"] >= run.record.decision["threshold"]
        assert (table["decision"] == np.where(above, label, other)).all()
        y = (frame["判定"] == "OK").to_numpy().astype(int)
        batch = Batch(run.preparation.transform(frame), run.predict(frame), frame, Outcomes(np.ones(600, bool), y))
        found = calibration(run, batch)
        assert found is not None
        assert found["of"] == label
        assert found["came"] == pytest.approx((frame["判定"] == label).mean())
    assert (tables["NG"]["prediction"] == tables["OK"]["prediction"]).all()


def test_a_guess_is_said_and_costs_wait_for_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = sheet(tmp_path, "rot", "blau")
    record, _ = trained(path, tmp_path)
    assert record.positive == "rot"  # the rarer one
    costs = ("data.cost_fp=1", "data.cost_fn=100")
    message = (
        r"data\.cost_fp needs to know which class .* 'rot' is the rarer one.* data\.positive=rot or data\.positive=blau"
    )
    settings = launcher.compose(words_of(path, tmp_path, *costs))
    for job in (train_job.run, check_data.run):
        with pytest.raises(ConfigError, match=message):
            job(settings)
    own = [word for word in words_of(path, tmp_path) if not word.startswith("output_dir")]
    value = ["value.cost_fp=1", "value.cost_fn=100", "value.decisions_per_year=10"]
    with pytest.raises(ConfigError, match=r"value\.cost_fn needs to know"):
        compare_job.run(["activations=gelu,silu", "seeds=2", *own, *value, f"output_dir={tmp_path / 'compare'}"])
    timed = [word for word in own if not word.startswith("data.drop")] + ["data.time=日"]
    with pytest.raises(ConfigError, match=r"value\.cost_fn needs to know"):
        backtest.run(["activations=gelu", *timed, *value, "value.retraining_cost=1", f"output_dir={tmp_path / 'b'}"])
    assert not (tmp_path / "compare").exists()
    record, _ = trained(path, tmp_path, *costs, "data.positive=blau")
    assert record.positive == "blau"
    assert Backtest().retrain is False
    check_data.run(launcher.compose(words_of(path, tmp_path)))
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "to be found: rot (33 % of the rows); data.positive=blau for the other"
    report = json.loads(Path(out.splitlines()[-1]).with_suffix(".json").read_text(encoding="utf-8"))
    assert report["positive"]["label"] == "rot"
    assert "to be found: rot" in Path(out.splitlines()[-1]).read_text(encoding="utf-8")


def test_costs_of_two_classes_are_refused_for_another_task(tmp_path: Path) -> None:
    value = ["value.cost_fp=1", "value.cost_fn=100", "value.decisions_per_year=10"]
    with pytest.raises(ConfigError, match="are for two classes"):
        compare_job.run(["activations=gelu,silu", "seeds=2", "data=wine", *value, f"output_dir={tmp_path}"])


def test_a_run_of_an_earlier_version_goes_on_with_the_class_that_it_had(tmp_path: Path) -> None:
    path = sheet(tmp_path, "NG", "OK")
    _, folder = trained(path, tmp_path)
    plain = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    plain["data"]["positive"] = None  # as it was written before
    (folder / "config.yaml").write_text(yaml.safe_dump(plain, allow_unicode=True), encoding="utf-8")
    settings = launcher.resumed([f"resume={folder}", "trainer.max_epochs=9"])
    record, again = train(settings, quiet=True)
    assert again == folder
    assert record.positive == "OK"
    assert record.decision is not None
    assert record.decision["positive"] == "OK"


def test_a_record_of_an_earlier_version_is_about_the_second_label(both: dict[str, tuple[Record, Path]]) -> None:
    record = both["NG"][0]
    old = dataclasses.replace(record, data={k: v for k, v in record.data.items() if k != "positive"}, decision=None)
    assert (old.positive, old.positive_number) == ("OK", 1)
    typed: dict[str, Any] = {"decision": {"positive": "NG"}}
    assert dataclasses.replace(old, **typed).positive == "NG"


@pytest.mark.slow
def test_the_line_stands_at_the_top_of_every_command(tmp_path: Path) -> None:
    path = sheet(tmp_path, "NG", "OK")
    line = "to be found: NG (33 % of the rows); data.positive=OK for the other"

    def run(job: str, *words: str) -> Done:
        done = command(job, *words)
        assert done.returncode == 0, done.stderr
        return done

    own = [word for word in words_of(path, tmp_path) if not word.startswith("output_dir")]
    done = run("train", *own, f"output_dir={tmp_path / 'runs'}")
    assert done.stderr.splitlines()[0] == line
    own = [word for word in own if not word.startswith(("references", "logger"))]
    compared = run(
        "compare", *own, "activations=gelu,silu", "seeds=2", "compare.cost=[]", f"output_dir={tmp_path / 'c'}"
    )
    assert compared.stderr.splitlines()[0] == line
    folder = Path(compared.stdout.splitlines()[-1])
    for name in ("report.md", "report.html"):
        assert "To be found: NG (33 % of the rows); data.positive=OK for the other." in (folder / name).read_text(
            "utf-8"
        )
    japanese = run("report", f"name={folder}", f"output_dir={tmp_path / 'c'}", "report.language=ja")
    assert japanese.returncode == 0
    assert "見つける対象のクラス：NG（全体の 33 %）" in (folder / "report.md").read_text(encoding="utf-8")
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert plan["data"]["positive"]["label"] == "NG"
    timed = [word for word in own if not word.startswith("data.drop")] + [
        "data.time=日",
        "windows=4",
        "seeds=1",
        "data.batch_size=64",
    ]
    aged = run("backtest", *timed, "activations=gelu", f"output_dir={tmp_path / 'b'}")
    assert line in aged.stderr
    assert "To be found: NG" in (Path(aged.stdout.splitlines()[-1]) / "backtest.md").read_text(encoding="utf-8")

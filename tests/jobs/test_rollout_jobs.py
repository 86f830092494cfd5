"""shadow, abtest and monitor through the command line: exit codes, files, messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from commands import Done, command
from pictures import write_folder
from texts import messages

SMALL = ["model.widths=[16]", "trainer.max_epochs=4", "data.batch_size=32", "logger=none", "references=false"]


def adaptact(*words: str, code: int = 0) -> Done:
    done = command(*words)
    assert done.returncode == code, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


def orders(rows: int, seed: int, *, shift: float = 0.0, turned: bool = False) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 2))
    lean = (-1 if turned else 1) * (x[:, 0] + x[:, 1])
    return pd.DataFrame(
        {
            "受注番号": [f"A{seed}-{n:05}" for n in range(rows)],
            "幅 <mm>": x[:, 0] + shift,
            "b": x[:, 1],
            "<img src=x onerror=alert(1)>": random.choice(["p", "q"], rows),
            "不良": np.where(lean + random.normal(0, 0.5, rows) > 0, "はい", "いいえ"),
        }
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    path = folder / "受注 [1].csv"
    orders(1500, 0).to_csv(path, index=False)
    data = ["data=table", f"data.path={path}", "data.target=不良", f"output_dir={folder / 'train'}"]
    made = [
        adaptact("train", *data, *SMALL, f"activation={name}").stdout.splitlines()[-1] for name in ("gelu", "sgblend")
    ]
    return made[0], made[1]


def last(done: Done) -> Path:
    return Path(done.stdout.splitlines()[-1])


def report(folder: Path, name: str) -> dict[str, Any]:
    """The JSON, after a look at both pages beside it."""
    for page in (f"{name}.html", f"{name}.ja.html"):
        text = (folder / page).read_text(encoding="utf-8")
        assert "<img src=x" not in text
        assert "<script" not in text
    assert (folder / f"{name}.md").is_file()
    return dict(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.slow
def test_shadow(runs: tuple[str, str], tmp_path: Path) -> None:
    rows = tmp_path / "新しい行.csv"
    frame = orders(600, 1)
    frame.to_csv(rows, index=False, encoding="cp932")
    done = adaptact("shadow", f"runs={runs[0]},{runs[1]}", f"input={rows}", "target=不良", f"output_dir={tmp_path}")
    found = report(last(done), "shadow")
    assert found["outcomes"] == 600
    assert found["verdict"] in {"equivalent", "undecided", "adopt", "reject"}
    assert sum(found["decided"].values()) == 600
    listed = pd.read_csv(last(done) / "disagreements.csv")
    assert len(listed) == found["disagreements"]
    assert set(listed["受注番号"]) <= set(frame["受注番号"])
    # without outcomes nothing is said about which is better; they may come from another file
    frame.drop(columns="不良").to_csv(rows, index=False)
    words = [f"runs=[{runs[0]},{runs[1]}]", f"input={rows}", f"output_dir={tmp_path}", "name=later"]
    assert report(last(adaptact("shadow", *words)), "shadow")["verdict"] is None
    frame[["受注番号", "不良"]].sample(frac=1, random_state=0).to_csv(tmp_path / "came.csv", index=False)
    again = report(last(adaptact("shadow", *words, f"labels={tmp_path / 'came.csv'}")), "shadow")
    assert again["difference"] == found["difference"]


@pytest.mark.slow
def test_monitor_says_ok_watch_and_retrain(runs: tuple[str, str], tmp_path: Path) -> None:
    words = [f"run={runs[1]}", f"output_dir={tmp_path / 'watched'}"]

    def batch(name: str, frame: pd.DataFrame) -> str:
        frame.to_csv(tmp_path / name, index=False)
        return f"input={tmp_path / name}"

    good = batch("week1.csv", orders(500, 2).drop(columns="不良"))
    first = adaptact("monitor", *words, good)
    assert report(last(first), "monitor")["status"] == "ok"
    shifted = adaptact("monitor", *words, batch("week2.csv", orders(500, 3, shift=1.0).drop(columns="不良")), code=3)
    found = report(last(shifted), "monitor")
    alarms = {(test["kind"], test["name"]) for test in found["tests"] if test["alarm"]}
    assert ("distribution", "幅 <mm>") in alarms
    assert not {name for _, name in alarms} & {"b", "<img src=x onerror=alert(1)>"}
    turned = adaptact("monitor", *words, batch("week3.csv", orders(500, 4, turned=True)), "language=ja", code=4)
    assert "再学習" in turned.stdout
    assert report(last(turned), "monitor")["reasons"] == ["quality"]
    # the first batch's outcomes come later, of a part of its rows: it keeps its number
    orders(500, 2)[["受注番号", "不良"]].head(300).to_csv(tmp_path / "came.csv", index=False)
    again = adaptact("monitor", *words, good, f"labels={tmp_path / 'came.csv'}")
    assert last(again) == last(first)
    found = report(last(again), "monitor")
    assert (found["outcomes"], found["seen_before"], found["batch"]) == (300, True, 1)
    without = adaptact("monitor", *words, good)  # handed in without them once more: what was found stays
    assert "what was found then stays" in without.stderr
    assert report(last(without), "monitor") == found
    other = tmp_path / "others.csv"
    orders(50, 9)[["受注番号", "不良"]].to_csv(other, index=False)
    assert "none of its 50 outcomes belongs" in adaptact("monitor", *words, good, f"labels={other}", code=2).stderr
    history = pd.read_csv(last(again).parent / "history.csv")
    assert history["batch"].tolist() == [1, 2, 3]
    assert history["status"].tolist() == ["ok", "watch", "retrain"]
    assert list((last(again).parent / "tensorboard").iterdir())


@pytest.mark.slow
def test_abtest_from_plan_to_result(runs: tuple[str, str], tmp_path: Path) -> None:
    words = ["name=ライン2", f"output_dir={tmp_path}"]
    plan = adaptact(
        "abtest", "step=plan", f"run={runs[0]}", "smallest=0.03", "rows_per_week=500", "start=2026-10-01", *words
    )
    planned = report(last(plan), "plan")
    assert planned["rows"] > 500
    assert planned["until"] > "2026-10-08"
    ids = orders(6000, 5)[["受注番号"]]
    ids.to_excel(tmp_path / "ids.xlsx", index=False)
    assigned = adaptact("abtest", "step=assign", f"input={tmp_path / 'ids.xlsx'}", *words)
    frame = pd.read_csv(last(assigned), encoding="utf-8-sig")
    assert (frame["arm"] == "candidate").mean() == pytest.approx(0.5, abs=0.03)
    second = adaptact("abtest", "step=assign", f"input={tmp_path / 'ids.xlsx'}", f"output={tmp_path / 'b.csv'}", *words)
    assert last(second).read_bytes() == last(assigned).read_bytes()
    other = adaptact("abtest", "step=assign", f"input={tmp_path / 'ids.xlsx'}", "share=0.1", *words, code=2)
    assert "begin a new one with name=" in other.stderr
    random = np.random.default_rng(0)
    right = random.random(6000) < 0.85 + 0.05 * (frame["arm"] == "candidate")
    frame.assign(outcome=right).to_csv(tmp_path / "log.csv", index=False)
    assert len(planned["sha256"]) == 64
    early = ["abtest", "step=analyse", f"input={tmp_path / 'log.csv'}", *words]
    assert "before the planned end" in adaptact(*early, "until=2026-09-01", code=2).stderr
    again = ["abtest", "step=plan", "rate=0.5", "smallest=0.4", "rows_per_week=10", *words]
    assert "has begun" in adaptact(*again, code=2).stderr
    early = adaptact(*early, "until=2099-01-01")
    found = report(last(early), "results")
    assert found["verdict"] == ("adopt" if planned["rows"] <= 6000 else "too early")
    done = adaptact("abtest", "step=analyse", f"input={tmp_path / 'log.csv'}", "method=always_valid", *words)
    found = report(last(done), "results")
    assert (found["verdict"], found["looks"]) == ("adopt", 2)


@pytest.mark.slow
def test_monitor_takes_texts_and_pictures(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    path = tmp_path / "voices.csv"
    messages(300).to_csv(path, index=False)
    text = [
        "data=text",
        f"data.path={path}",
        "data.text=本文",
        "data.target=評価",
        "model.width=16",
        "model.n_blocks=1",
    ]
    text += ["data.vocabulary=400", "trainer.max_epochs=2", "logger=none", f"output_dir={tmp_path / 'train'}"]
    run = last(adaptact("train", *text))
    messages(120, seed=1).to_csv(tmp_path / "new.csv", index=False)
    out = f"output_dir={tmp_path / 'watched'}"
    found = report(last(adaptact("monitor", f"run={run}", f"input={tmp_path / 'new.csv'}", out)), "monitor")
    assert {"length in tokens", "unknown tokens"} <= {test["name"] for test in found["tests"]}
    strange = messages(120, seed=2).assign(本文=["zzz qqq " * 12] * 120)
    strange.to_csv(tmp_path / "strange.csv", index=False)
    done = adaptact("monitor", f"run={run}", f"input={tmp_path / 'strange.csv'}", "target=評価", out, code=4)
    assert "unknown tokens" in done.stdout

    write_folder(tmp_path / "pictures", per_class=40)
    words = [
        "data=image_folder",
        f"data.root={tmp_path / 'pictures'}",
        "model=cnn",
        "model.widths=[4,8]",
        "model.hidden=16",
    ]
    words += ["trainer.max_epochs=2", "logger=none", f"output_dir={tmp_path / 'train'}"]
    run = last(adaptact("train", *words))
    new = write_folder(tmp_path / "new", per_class=40, seed=1)
    (new / "broken.png").write_bytes(b"no picture")
    done = adaptact("monitor", f"run={run}", f"input={new}", out)
    found = report(last(done), "monitor")
    assert (found["rows"], found["outcomes"]) == (80, 80)
    assert found["notes"][0][0] == "note_unreadable"
    assert "contrast" in {test["name"] for test in found["tests"]}


@pytest.mark.slow
def test_monitor_knows_from_a_backtest_what_waiting_costs(tmp_path: Path) -> None:
    """The direction that decides turns within a year: a model ages fast, and an old one is due."""
    random = np.random.default_rng(0)
    share, x = np.arange(1600) / 1200, random.normal(size=(1600, 2))
    lean = x[:, 0] * np.cos(2.5 * share) + x[:, 1] * np.sin(2.5 * share) + random.normal(0, 0.3, 1600)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.floor(share * 360), unit="D")
    frame = pd.DataFrame({"day": days.strftime("%Y/%m/%d"), "a": x[:, 0], "b": x[:, 1]})
    frame["late"] = np.where(lean > 0, "yes", "no")
    frame[:1200].to_csv(tmp_path / "past.csv", index=False)
    data = ["data=table", f"data.path={tmp_path / 'past.csv'}", "data.target=late", "data.time=day", *SMALL]
    data = [*[word for word in data if "max_epochs" not in word], "trainer.max_epochs=8", "optimizer.lr=0.02"]
    value = ["value.cost_fp=10", "value.cost_fn=20", "value.decisions_per_year=1e5", "value.retraining_cost=500"]
    words = ["activations=sgblend", "seeds=1", "windows=5", f"output_dir={tmp_path / 'back'}", *value, *data]
    tested = last(adaptact("backtest", *(word for word in words if not word.startswith("references"))))
    run = last(adaptact("train", *data, "activation=sgblend", f"output_dir={tmp_path / 'train'}"))
    out = [f"run={run}", f"output_dir={tmp_path / 'watched'}", f"backtest={tested}"]
    frame[1300:].drop(columns="late").to_csv(tmp_path / "new.csv", index=False)
    found = report(last(adaptact("monitor", *out, f"input={tmp_path / 'new.csv'}", code=4)), "monitor")
    ageing = found["ageing"]
    assert found["reasons"] == ["age"]
    assert ageing["days"] > ageing["best_days"] > 0
    assert ageing["per_month"] > 0
    assert (
        "Waiting another 30 days costs about"
        in (last_page := next((tmp_path / "watched").rglob("monitor.md"))).read_text()
    )
    assert last_page.parent.name == "batch0001"


@pytest.mark.slow
def test_what_a_person_can_do_wrong(runs: tuple[str, str], tmp_path: Path) -> None:
    good = tmp_path / "rows.csv"
    orders(100, 6).to_csv(good, index=False)
    out = f"output_dir={tmp_path / 'out'}"
    cases = {
        ("monitor", "run=nowhere", f"input={good}"): "is no finished run",
        ("monitor", f"run={runs[0]}", f"input={tmp_path / 'none.csv'}"): "cannot be read",
        ("monitor", f"run={runs[0]}", f"input={good}", "metric=auc"): "Did you mean 'auroc'",
        ("monitor", f"run={runs[0]}", f"input={good}", "metric=rmse"): "is none of",
        ("monitor", f"run={runs[0]}", f"input={good}", "backtest=nowhere"): "holds no back-test",
        ("monitor", f"run={runs[0]}", f"input={good}", f"labels={good}", "key=番号"): "has no such column",
        ("monitor", f"run={runs[0]}"): "input is missing",
        ("shadow", f"runs={runs[0]}", f"input={good}"): "two run folders",
        ("shadow", f"runs={runs[0]},{runs[0]}", f"input={good}"): "twice",
        ("shadow", f"runs={runs[0]},{runs[1]}", f"input={good}", "target=nein"): "no column 'nein'",
        ("abtest", "step=plan", "rate=0.5"): "rows_per_week",
        ("abtest", "step=plan", "rate=0.99", "smallest=0.2", "rows_per_week=10"): "cannot become better",
        ("abtest", "step=plan", "rate=0.5", "smallest=0.0001", "rows_per_week=1", "start=2026-01-01"): "ten years",
        ("abtest", "step=plan", "rate=0.5", "smallest=1e-200", "rows_per_week=1"): "more rows than there can be",
        ("abtest", "step=plan", "compare=nothing", "rows_per_week=10"): "no comparison",
        ("abtest", "step=analyze", f"input={good}"): "step=analyse",
        ("abtest", "step=analyse", f"input={good}"): "until=<day>",
        ("abtest", "step=analyse", f"input={good}", "positive=NG"): "better=lower if less is",
        ("abtest", "step=analyse", f"input={good}", "until=morgen"): "is no day",
        ("abtest", "step=assign", f"input={good}"): "identifier=<column>",
        ("abtest", "step=assign", f"input={good}", "identifier=受注番号", f"output={good}"): "the input itself",
        ("abtest", "step=assign", f"input={good}", "identifier=受注番号", f"output={tmp_path}"): "must end in .csv",
    }
    for words, message in cases.items():
        done = adaptact(*words, out, code=2)
        assert message in done.stderr, (words, done.stderr)
        assert done.stderr.startswith("error: ")
    assert not list((tmp_path / "out").rglob("*.json"))

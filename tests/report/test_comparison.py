"""The report of a comparison: the same numbers in JSON, Markdown and HTML, both languages, hostile names."""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adaptact import files
from adaptact.comparison.earlier_looks import EarlierLook
from adaptact.comparison.plan import Plan, settle
from adaptact.comparison.results import Result
from adaptact.comparison.value import Value
from adaptact.formatting import number
from adaptact.jobs import report as job
from adaptact.report import comparison
from adaptact.report.blocks import Document, Heading, Paragraph, Table, to_markdown
from adaptact.report.comparison_page import sentence
from adaptact.report.comparison_words import SENTENCES, speaker
from adaptact.report.html import to_html
from adaptact.training.metrics import metric_of_arrays
from plans import result

Make = Callable[..., Plan]
HOSTILE = "<script>alert('x')</script> | `$(x)` \\ $a$ 売上 & \"q\""
TIMING = {
    "ratio": 1.25,
    "interval": [1.1, 1.4],
    "interval_level": 0.95,
    "p50_ms": 2.0,
    "p95_ms": 3.0,
    "samples_per_second": 5e5,
}
BASE, OURS = [0.80, 0.82, 0.79, 0.81], [0.83, 0.83, 0.80, 0.86]


def written(plan: Plan, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """A report of made-up runs in ``folder``."""
    settle(folder, plan)
    found: list[Result] = []
    for arm, values in ((arm.name, OURS if arm.name == "sgblend" else BASE) for arm in plan.arms):
        for seed, value in enumerate(values):
            one = result(plan, arm, seed, value)
            record = replace(
                one.record, metrics={p: {plan.metric: value, "log_loss": 1.0} for p in ("train", "val", "test")}
            )
            disturbed = {
                "noise": {"0.1": {plan.metric: value - 0.01}},
                "missing": {"0.05": {plan.metric: value - 0.02}},
            }
            target = folder / one.run.folder
            target.mkdir(parents=True, exist_ok=True)
            (target / "metrics.csv").write_text(f"epoch,val/{plan.metric}\n0,0.5\n1,{value}\n", encoding="utf-8")
            (target / "activations.csv").write_text(
                "epoch,site,alpha,gap\n0,1,0.5,0.1\n1,1,0.6,0.1\n", encoding="utf-8"
            )
            line = {"x": [0.0, 1.0], "start": [0.0, 1.0], "learned": [0.0, 0.9]}
            files.write_json(target / "curves.json", {HOSTILE: line} if arm == "sgblend" else {})
            y = np.array([0, 1] * 10)
            p = np.where(np.arange(20) < 20 * value, y, 1 - y) * 0.8 + 0.1
            outputs = {"predictions": np.stack([1 - p, p], 1), "targets": y}
            np.savez(target / "outputs.npz", **outputs, **{f"val_{k}": v for k, v in outputs.items()})
            found.append(replace(one, record=record, folder=target, robustness=disturbed))
    monkeypatch.setattr(comparison.results, "results", lambda plan, folder: iter(found))
    cost = {"arms": {arm.name: dict.fromkeys(("fit_time", "latency", "throughput"), TIMING) for arm in plan.arms}}
    files.write_json(folder / "cost.json", {"key": "", "cost": cost})
    return comparison.write_report(plan, folder, metric_of=metric_of_arrays, cost=cost, **options)


def text_of(page_html: str) -> str:
    body = re.sub(r"<style>.*?</style>|data:image[^\"]*", "", page_html, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_json_markdown_and_html_have_the_same_numbers(
    make_plan: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
) -> None:
    plan = make_plan("activations=gelu,sgblend seeds=4")
    value = Value(cost_fp=1.0, cost_fn=4.0, decisions_per_year=1000, switching_cost=50)
    written(plan, tmp_path, monkeypatch, language=language, value=value)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    page_text = text_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    (candidate,) = report["candidates"]
    expected = [number(candidate["mean_difference"], signed=True, digits=3), number(report["margin"])]
    expected += [number(end, signed=True, digits=3) for end in candidate["interval"]]
    expected += [number(value, signed=True, digits=3) for value in candidate["differences"].values()]
    expected += [number(report["value"]["candidates"][0]["value"], signed=True, digits=3), "1.25", "0.05"]
    for text in expected:
        assert text in markdown
        assert text in page_text
    numbers = re.compile(r"\d+(?:[.,]\d+)*")
    plain = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", markdown).replace("&lt;", "<")
    assert set(numbers.findall(plain)) == set(numbers.findall(page_text.replace(f'lang="{language}"', "")))


def test_both_languages_have_the_same_fields_in_every_sentence() -> None:
    fields = re.compile(r"\{(\w+)\}")
    for key, (english, japanese) in SENTENCES.items():
        if key.startswith(("finding_", "data_warning")):
            continue
        assert set(fields.findall(english)) == set(fields.findall(japanese)), key
        letters = re.sub(r"\{\w+\}|[ -~×–]", "", japanese)
        assert letters or japanese == english or len(japanese) < 12, key


def test_hostile_names_stay_text(
    make_plan: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = make_plan("activations=gelu,sgblend seeds=4")
    plan.data["name"] = HOSTILE
    plan.data["warnings"] = [{"kind": "leak", "column": HOSTILE, "detail": HOSTILE, "advice": HOSTILE}]
    plan.words.append(f"data.target={HOSTILE}")
    written(plan, tmp_path, monkeypatch)
    content = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script" not in content
    assert HOSTILE in text_of(content)
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
    assert not [
        line for line in markdown if "<script" in line and not line.startswith("    ")
    ]  # code is shown as it is
    for picture in (tmp_path / "figures").glob("*.svg"):
        assert "<script" not in picture.read_text(encoding="utf-8")
    assert "http:" not in content.replace("http-equiv", "")
    assert "https:" not in re.sub(r"data:image[^\"]*", "", content)  # nothing from elsewhere


@pytest.mark.parametrize(
    ("verdicts", "english"),
    [
        (["adopt"], "Adopt a"),
        (["adopt", "adopt"], "(b too)"),
        (["equivalent", "equivalent"], "Keep base: a and b made no difference"),
        (["reject"], "a rejected"),
        (["undecided"], "a not decided yet"),
        (
            ["equivalent", "reject", "undecided"],
            "Keep base for now: a made no difference that matters; b rejected; c not decided yet.",
        ),
    ],
)
def test_the_first_sentence_says_what_to_do(verdicts: list[str], english: str) -> None:
    candidates = [
        {"activation": name, "verdict": v, "mean_difference": 0.1 / (i + 1)}
        for i, (name, v) in enumerate(zip("abc", verdicts, strict=False))
    ]
    report = {"baseline": "base", "metric": "test/auroc", "candidates": candidates}
    assert english in sentence(report, speaker("en"))
    japanese = sentence(report, speaker("ja"))
    assert ("採用してください" in japanese) is ("adopt" in verdicts)


FINE, KEEP, WAIT = (
    "現行の gelu のままで構いません。",
    "現行の gelu を使い続けてください。",
    "当面は現行の gelu を使い続けてください。",
)
BETTER = "test/auroc で gelu を 0.1 上回り、守るべき条件もすべて満たしています。"
ADOPT = ": better than gelu by 0.1 in test/auroc, and no guardrail is broken."


@pytest.mark.parametrize(
    ("verdict", "names", "english", "japanese"),
    [
        ("equivalent", "silu", "silu made no difference", FINE + "silu に変えても、意味のある差はありません。"),
        (
            "equivalent",
            "silu pelu",
            "silu and pelu made no",
            FINE + "silu・pelu に変えても、意味のある差はありません。",
        ),
        ("equivalent", "a b c", "a, b and c made no", FINE + "a・b・c に変えても、意味のある差はありません。"),
        ("reject", "silu", "Keep gelu: silu rejected.", KEEP + "silu は採用できません。"),
        ("reject", "a b", "Keep gelu: a and b rejected.", KEEP + "a・b は採用できません。"),
        ("reject", "a b c", "Keep gelu: a, b and c rejected.", KEEP + "a・b・c は採用できません。"),
        ("undecided", "a", "Keep gelu for now: a not decided yet.", WAIT + "a についてはまだ判断できません。"),
        ("undecided", "a b", "for now: a and b not decided yet.", WAIT + "a・b についてはまだ判断できません。"),
        ("undecided", "a b c", "for now: a, b and c not", WAIT + "a・b・c についてはまだ判断できません。"),
        ("adopt", "a", "Adopt a" + ADOPT, "a を採用してください。" + BETTER),
        ("adopt", "a b", "Adopt a (b too)" + ADOPT, "a を採用してください（b も採用できます）。" + BETTER),
        ("adopt", "a b c", "Adopt a (b and c too)" + ADOPT, "a を採用してください（b・c も採用できます）。" + BETTER),
    ],
)
def test_names_are_joined_as_each_language_does(verdict: str, names: str, english: str, japanese: str) -> None:
    candidates = [
        {"activation": name, "verdict": verdict, "mean_difference": 0.1 / (i + 1)}
        for i, name in enumerate(names.split())
    ]
    report = {"baseline": "gelu", "metric": "test/auroc", "candidates": candidates}
    assert english in sentence(report, speaker("en"))
    assert sentence(report, speaker("ja")) == japanese


@pytest.mark.parametrize("arms", ["gelu,sgblend", "gelu,silu,sgblend", "gelu,silu,pelu,sgblend"])
def test_no_sentence_counts_one_as_many(
    make_plan: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arms: str
) -> None:
    plan = make_plan(f"activations={arms} seeds=4")
    for language in ("en", "ja"):
        value, looks = Value(per_unit_error=10.0, decisions_per_year=1000), [EarlierLook("c", 3, 0.1, True)]
        written(plan, tmp_path / language, monkeypatch, language=language, value=value, looks=looks)
        text = (tmp_path / language / "report.md").read_text(encoding="utf-8")
        assert not re.search(
            r"\ball 1 candidates|\b1 (pairs|runs|trainings|rows|comparisons|planned)\b|1個の候補すべて", text
        )
        assert ("c (3 of these rows, 10 %; the same activations)" in text) is (language == "en")
        assert "+0." + " " not in text
        assert not re.search(r"\d[eE][-+]\d", text)


def test_what_is_not_shown_has_no_chance_to_pay(
    make_plan: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan("activations=gelu,sgblend seeds=4", margin=0.9)
    written(plan, tmp_path, monkeypatch, value=Value(per_unit_error=10.0, decisions_per_year=1000))
    section = (tmp_path / "report.md").read_text(encoding="utf-8").split("## What it is worth")[1].split("\n## ")[0]
    assert section.strip().startswith("> Not shown to differ from 0: sgblend.")
    assert "| sgblend | not shown to differ from 0: " in section
    assert "chance" not in section


def test_other_costs_stand_in_the_command_that_makes_the_report(
    make_plan: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan("activations=gelu,sgblend seeds=4")
    plan.words += ["value.per_unit_error=1", "value.decisions_per_year=5"]
    written(plan, tmp_path / "mine", monkeypatch)
    own = ["value.per_unit_error=7", "value.decisions_per_year=99"]
    job.run(["name=mine", f"output_dir={tmp_path}", *own])
    text = (tmp_path / "mine" / "report.md").read_text(encoding="utf-8")
    assert "make compare activations=gelu,sgblend seeds=4 value.per_unit_error=7 value.decisions_per_year=99" in text
    assert "per_unit_error=1" not in text


def test_the_report_is_written_again_from_records_in_another_language(
    make_plan: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = make_plan("activations=gelu,sgblend seeds=4")
    first = written(plan, tmp_path / "mine", monkeypatch)
    job.run(["name=mine", f"output_dir={tmp_path}", "report.language=ja"])
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "mine")
    again = json.loads((tmp_path / "mine" / "report.json").read_text(encoding="utf-8"))
    assert again == json.loads(json.dumps(first))
    assert "三つの判断基準" in (tmp_path / "mine" / "report.html").read_text(encoding="utf-8")
    assert "テスト用" in (tmp_path / "mine" / "model_card.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name is missing"),
        (["name=nowhere"], "no comparison 'nowhere'"),
        (["name=x", "report.language=fr"], "en"),
        (["name=x", "seeds=3"], "unknown word"),
        (["name=x", "value.cost_fp=1"], "belong together"),
        (["name=x", "value.cost_fp=1", "value.cost_fn=2"], "decisions_per_year is missing"),
    ],
)
def test_what_cannot_be_reported(tmp_path: Path, words: list[str], message: str) -> None:
    with pytest.raises(Exception, match=re.escape(message)):
        job.run([*words, f"output_dir={tmp_path}"])


def test_numbers_for_people() -> None:
    values = [None, -0.0, 0.12344, 1234.2, 123456.7, 1e-5, float("nan"), 1.85e-12]
    expected = ["-", "0", "0.1234", "1234", "123,457", "0.00001", "-", "1.85 × 10⁻¹²"]
    assert [number(value) for value in values] == expected
    assert number(-1.93e-5, signed=True, digits=3) == "-0.0000193"


def test_a_page_without_rows_or_pictures_is_a_page() -> None:
    document = Document("t", [Heading("h"), Table([]), Paragraph("a < b")])
    assert "a &lt; b" in to_markdown(document)
    assert "<table" not in to_html(document, "en", {})


PROBE = """<script>
addEventListener('load', () => {
  const canvas = document.createElement('canvas'); canvas.width = canvas.height = 40;
  const draw = c => { const g = canvas.getContext('2d', {willReadFrequently: true}); g.clearRect(0, 0, 40, 40);
    g.font = '24px ' + getComputedStyle(document.body).fontFamily; g.fillText(c, 4, 30);
    return g.getImageData(0, 0, 40, 40).data.join(); };
  const missing = draw('\\u{10FFFE}');
  const letters = [...new Set(document.body.innerText)].filter(c => c.trim() && draw(c) === missing);
  const page = document.documentElement;
  document.body.innerHTML = `probe ${page.scrollWidth <= page.clientWidth} ${letters.length} `
    + [...document.images].every(i => i.complete && i.naturalWidth > 0) + ' end';
});
</script>"""


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ja"])
def test_in_a_browser_nothing_is_missing_and_nothing_runs_over(
    make_plan: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed")
    plan = make_plan("activations=gelu,sgblend seeds=4")
    plan.data["name"] = "顧客 2025"
    value = Value(per_unit_error=3.0, decisions_per_year=1000)
    written(plan, tmp_path / "c", monkeypatch, language=language, value=value)
    content = (tmp_path / "c" / "report.html").read_text(encoding="utf-8")
    probe = re.sub(r"<meta http-equiv[^>]*>", "", content).replace("</head>", PROBE + "</head>")
    results = []
    for name, text in (("page", content), ("probe", probe)):
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        flags += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=794,1123", "--enable-logging=stderr"]
        results.append(
            subprocess.run(
                [chromium, *flags, "--virtual-time-budget=5000", "--dump-dom", (tmp_path / f"{name}.html").as_uri()],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        )
    assert "CONSOLE" not in results[0].stderr
    assert "<h1>" in results[0].stdout
    assert "probe true 0 true end" in results[1].stdout

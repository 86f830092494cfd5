"""``model_card.md``: the run one would deploy, what it is made of, what it reaches and what it is not for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adaptact.comparison.analysis import spread
from adaptact.comparison.plan import Plan
from adaptact.comparison.results import Result
from adaptact.comparison.statistics import paired_interval
from adaptact.formatting import number
from adaptact.report.blocks import Block, Bullets, Document, Heading, Paragraph, Table
from adaptact.report.comparison_page import to_be_found
from adaptact.report.comparison_words import Say
from adaptact.report.numbers import mean_sd


def to_deploy(plan: Plan, report: dict[str, Any], found: Sequence[Result]) -> Result | None:
    """Of the adopted candidate that gains most, or else of the baseline, the run that is best on validation rows."""
    adopted = [c for c in report["candidates"] if c["verdict"] == "adopt"]
    arm = max(adopted, key=lambda c: c["mean_difference"])["activation"] if adopted else plan.baseline
    sign = 1 if plan.mode == "max" else -1
    runs = [
        r for r in found if r.arm.name == arm and r.status == "finished" and r.score(plan.metric, "val") is not None
    ]
    return max(runs, key=lambda r: sign * (r.score(plan.metric, "val") or 0.0), default=None)


def card(plan: Plan, report: dict[str, Any], found: Sequence[Result], result: Result, say: Say) -> Document:
    """The card of one run, in the language of a speaker."""
    record = result.record
    assert record is not None
    runs = [r for r in found if r.arm.name == result.arm.name and r.status == "finished"]
    rows = record.data["rows"]
    blocks: list[Block] = [
        Paragraph(say("card_intro", activation=result.arm.name, model=record.model["name"], folder=result.run.folder)),
        Heading(say("h_data")),
        Bullets(
            [
                *to_be_found(report["positive"], say),
                say("card_data", name=record.data["name"], **{part: f"{n:,}" for part, n in rows.items()}),
                say("card_fingerprint", fingerprint=record.data["fingerprint"]),
                say("card_split", seed=result.run.settings["data"]["split_seed"], labels=_labels(record.labels, say)),
            ]
        ),
        Heading(say("h_metrics")),
        Table([_metric(name, result, runs, report, say) for name in record.metrics["test"]], say("card_metrics")),
    ]
    learned = [
        {say("layer"): layer["name"], **{k: number(v) for k, v in layer.items() if isinstance(v, float)}}
        for layer in record.layers
        if layer.get("start")
    ]
    if learned:
        blocks += [Heading(say("h_learned")), Table(learned, say("p_learned"))]
    blocks += [
        Heading(say("h_limits")),
        Bullets(
            [
                say("limit_population"),
                say("limit_rows", test=f"{rows['test']:,}"),
                say("limit_causes"),
                *([say("limit_threshold", **_decision(record.decision))] if record.decision else []),
            ]
        ),
        Heading(say("h_versions")),
        Paragraph(say("comma").join(f"{name} {version}" for name, version in record.versions.items())),
        Paragraph(f"{record.device}; {say('card_code', code=plan.code[:12])}"),
    ]
    return Document(say("card_title", data=record.data["name"]), blocks)


def _decision(decision: dict[str, Any]) -> dict[str, str]:
    return {"label": str(decision["positive"]), "threshold": number(decision["threshold"])}


def _labels(labels: list[str], say: Say) -> str:
    return say("comma").join(labels) if labels else "-"


def _metric(name: str, result: Result, runs: Sequence[Result], report: dict[str, Any], say: Say) -> dict[str, str]:
    """A metric of this run, and over all runs of its arm with the interval of the mean."""
    assert result.record is not None
    scores = [v for r in runs if r.record is not None and (v := r.record.metrics["test"].get(name)) is not None]
    found = paired_interval(scores, level=0.95, test_train_ratio=report["candidates"][0]["test_train_ratio"])
    return {
        say("metric"): name,
        say("this_run"): number(result.record.metrics["test"][name]),
        say("all_runs"): mean_sd(spread(scores)),
        say("level_interval", level="95"): say("interval", low=number(found.low), high=number(found.high)),
    }

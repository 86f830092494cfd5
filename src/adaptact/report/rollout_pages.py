"""The pages of a shadow run, of a test's plan and of its results as blocks; numbers come from their JSON alone."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import pandas as pd

from adaptact.formatting import number
from adaptact.report.blocks import Block, Bullets, Code, Document, Heading, Note, Paragraph, Picture, Table
from adaptact.report.comparison_words import Say
from adaptact.report.numbers import interval

Found = dict[str, Any]
LISTED = 20  # disagreements on the page
MOST_COLUMNS = 10


def percent(value: float | None, digits: int = 3) -> str:
    """
    >>> percent(0.1234), percent(None)
    ('12.3 %', '-')
    """
    return "-" if value is None else f"{100 * value:.{digits}g} %"


def p_value(p: float | None) -> str:
    """
    >>> p_value(0.0123), p_value(1e-9)
    ('0.012', '< 0.0001')
    """
    return "-" if p is None else "< 0.0001" if p < 0.0001 else number(p, digits=2)


def command(job: str, words: Sequence[str], say: Say) -> list[Block]:
    return [Heading(say("h_reproduce")), Code(f"make {job} {shlex.join(words)}")]


def sought(found: Found, say: Say) -> list[Block]:
    """:func:`sought_lines` as blocks."""
    return [Paragraph(line) for line in sought_lines(found, say)]


def sought_lines(found: Found, say: Say) -> list[str]:
    """The class that decisions are about; empty unless there are two."""
    label = found.get("positive")
    return [] if label is None else [say("sought", label=label)]


# --- shadow ------------------------------------------------------------------------------------------------------


def shadow_sentences(found: Found, say: Say) -> list[str]:
    """What came out, the verdict first."""
    baseline, candidate = found["names"]
    words: dict[str, Any] = {
        "baseline": baseline,
        "candidate": candidate,
        "metric": found["metric"],
        "rows": f"{found['outcomes'] or found['rows']:,}",
    }
    if (difference := found["difference"]) is not None:
        words |= {
            "mean": number(difference["mean"], signed=True, digits=3),
            "interval": interval(difference["interval"], say),
            "narrow": interval(difference["narrow"], say),
            "margin": number(found["margin"], digits=3),
        }
    lines = [say(f"shadow_{found['verdict'] or 'none'}", **words)]
    if found["groups"] is not None:
        lines.append(say("shadow_groups", group=found["group"], n=f"{found['groups']:,}"))
    if found["disagreements"] is not None:
        n = found["disagreements"]
        lines.append(say("shadow_apart", n=f"{n:,}", rows=f"{found['rows']:,}", share=percent(n / found["rows"])))
    else:
        mean, largest = (number(found["apart"][key]) for key in ("mean", "largest"))
        lines.append(say("shadow_apart_values", mean=mean, largest=largest))
    return lines


def shadow_page(found: Found, listed: pd.DataFrame, words: Sequence[str], say: Say) -> Document:
    baseline, candidate = found["names"]
    blocks: list[Block] = [*sought(found, say), Bullets(shadow_sentences(found, say))]
    if found["difference"] is not None:
        blocks += [
            Heading(say("h_numbers")),
            Table([shadow_row(one, say) for one in [found["difference"], *found["others"]]], say("better_positive")),
        ]
    if (decided := found["decided"]) is not None:
        row = {say(key, baseline=baseline, candidate=candidate): f"{count:,}" for key, count in decided.items()}
        blocks += [Heading(say("h_decisions")), Table([row])]
    if len(listed):
        shown = listed.iloc[:LISTED, :MOST_COLUMNS]
        rows = [{str(name): _cell(value) for name, value in row.items()} for row in shown.to_dict("records")]
        blocks += [Heading(say("h_disagreements")), Table(rows, say("p_disagreements", n=len(rows)))]
    title = say("shadow_title", baseline=baseline, candidate=candidate)
    return Document(title, [*blocks, *command("shadow", words, say)])


def shadow_row(one: Found, say: Say) -> dict[str, str]:
    mean = number(one["mean"], signed=True, digits=3)
    return {
        say("metric"): say("decisions") if one["metric"] == "decisions" else one["metric"],
        say("baseline"): number(one["baseline"]),
        say("candidate"): number(one["candidate"]),
        say("difference"): f"{mean} ({interval(one['interval'], say)})",
        "p": p_value(one["p_value"]),
        say("method"): say(f"method_{one['method']}"),
    }


def _cell(value: Any) -> str:
    return number(value) if isinstance(value, float) else "" if value is None else str(value)


# --- plan --------------------------------------------------------------------------------------------------------


def plan_sentences(plan: Found, say: Say) -> list[str]:
    about, until = plan["about"], plan["until"]
    lines = [
        say(
            "plan_fixed",
            rows=f"{plan['rows']:,}",
            weeks=number(plan["weeks"], digits=2),
            per_week=f"{plan['rows_per_week']:,.0f}",
            until="" if until is None else say("plan_until", until=until),
        )
    ]
    if plan["weeks_always_valid"] is None:
        lines.append(say("plan_valid_long", weeks=f"{len(plan['over_weeks']['weeks']):,}"))
    else:
        lines.append(say("plan_valid", weeks=f"{plan['weeks_always_valid']:.0f}"))
    lines.append(
        say(
            "plan_aim",
            smallest=number(plan["smallest"], digits=3),
            power=percent(plan["power"]),
            error=percent(plan["error"]),
            share=percent(plan["share"]),
        )
    )
    if "kind" in about:
        right = about["kind"] == "right"
        mean = percent(about["mean"]) if right else number(about["mean"])
        key = "plan_from_right" if right else "plan_from_error"
        lines.append(say(key, source=about["from"], mean=mean, deviation=number(about["deviation"])))
        if about.get("best") is not None:
            gained = number(about["gained"], signed=True, digits=3)
            lines.append(say("plan_gained", best=about["best"], baseline=about["baseline"], gained=gained))
    elif "rate" in about:
        lines.append(say("plan_from_rate", rate=percent(about["rate"])))
    else:
        lines.append(say("plan_from_deviation", deviation=number(about["deviation"])))
    return [*lines, say("plan_groups")]


def plan_page(plan: Found, name: str, words: Sequence[str], say: Say) -> Document:
    picture = Picture("power", say("c_power", smallest=number(plan["smallest"], digits=3)))
    blocks: list[Block] = [Bullets(plan_sentences(plan, say)), picture, *command("abtest", words, say)]
    return Document(say("plan_title", name=name), blocks)


# --- results -----------------------------------------------------------------------------------------------------


def results_sentences(found: Found, say: Say) -> list[str]:
    baseline, candidate = found["units"]
    words: dict[str, Any] = {
        "baseline": f"{baseline:,}",
        "candidate": f"{candidate:,}",
        "share": percent(found["share"]),
        "p": p_value(found["mismatch_p"]),
    }
    reason = {"mismatch": "invalid"}.get(found["reason"], found["reason"])
    if reason == "before":
        rows, until = found["planned_units"], found["until"]
        kind = "both" if rows is not None and until is not None else "rows" if rows is not None else "until"
        words["end"] = say(f"end_{kind}", rows="" if rows is None else f"{rows:,}", until=until)
    if (difference := found["difference"]) is not None:
        words |= {
            "mean": number(difference["mean"], signed=True, digits=3),
            "interval": interval(difference["interval"], say),
            "narrow": interval(difference["narrow"], say),
            "margin": number(difference["margin"] or 0.0, digits=3),
        }
        state = "broken" if reason == "guardrail" else "open"
        words["names"] = ", ".join(rail["name"] for rail in found["guardrails"] if rail[state])
    lines = [say(f"results_{reason}", **words)]
    if reason != "invalid":
        lines.append(say("results_arms", **words))
    if found["in_both_arms"]:
        lines.append(say("results_both", n=f"{found['in_both_arms']:,}"))
    if found["left_out"]:
        lines.append(say("results_left_out", n=f"{found['left_out']:,}"))
    return lines


def results_page(found: Found, name: str, words: Sequence[str], say: Say) -> Document:
    first, *others = results_sentences(found, say)
    lines: list[Block] = [Note(first)] if found["verdict"] in {"invalid", "too early"} else [Bullets([first])]
    blocks = [*lines, Bullets(others)]
    if found["difference"] is not None:
        one = found["difference"]
        rows = [
            {say("what"): say("difference"), **difference_row(one, say), say("method"): say(f"method_{one['method']}")}
        ]
        blocks += [Heading(say("h_numbers")), Table(rows, say("better_positive"))]
    if found["guardrails"]:
        blocks += [Heading(say("h_guardrails")), Table([guardrail_row(rail, say) for rail in found["guardrails"]])]
    if found["segments"]:
        blocks += [
            Heading(say("h_segments")),
            Picture("segments", say("h_segments")),
            Table(
                [segment_row(one, say) for one in found["segments"]],
                say("p_segments", error=percent(found["error"])),
            ),
        ]
    return Document(say("results_title", name=name), [*blocks, *command("abtest", words, say)])


def difference_row(one: Found, say: Say) -> dict[str, str]:
    mean = number(one["mean"], signed=True, digits=3)
    return {
        say("baseline"): number(one["baseline"]),
        say("candidate"): number(one["candidate"]),
        say("difference"): f"{mean} ({interval(one['interval'], say)})",
    }


def guardrail_row(rail: Found, say: Say) -> dict[str, str]:
    state = say("broken" if rail["broken"] else "open" if rail["open"] else "holds")
    row = {say("what"): rail["name"]}
    if rail["kind"] == "unchecked":
        return row | {say("status"): say("unchecked")}
    if rail["kind"] == "latency":
        low, high = (f"{end:.2f}" for end in rail["interval"])
        between = say("interval", low=low, high=high)
        row |= {say("baseline"): number(rail["baseline"]), say("candidate"): number(rail["candidate"])}
        row |= {say("difference"): say("ratio", ratio=f"{rail['ratio']:.2f}", interval=between)}
        row |= {say("limit"): number(rail["limit"])}
    else:
        row |= difference_row(rail, say) | {say("limit"): "0"}
    return row | {say("status"): state}


def segment_row(one: Found, say: Say) -> dict[str, str]:
    row = {
        say("column"): one["column"],
        say("what"): one["level"],
        say("rows"): " / ".join(f"{n:,}" for n in one["rows"]),
    }
    if one["mean"] is None:
        return row | {say("status"): say("too_few")}
    row |= difference_row(one, say)
    return row | {say("status"): say("shown" if one["shown"] else "not_shown")}

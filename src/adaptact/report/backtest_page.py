"""The content of a back-test's page as blocks, in the language of a speaker; numbers come from backtest.json alone."""

from __future__ import annotations

import shlex
from typing import Any

from adaptact.formatting import number
from adaptact.report.blocks import Block, Bullets, Code, Document, Heading, Note, Paragraph, Picture, Table
from adaptact.report.comparison_page import to_be_found
from adaptact.report.comparison_words import Say
from adaptact.report.numbers import interval

Report = dict[str, Any]
Arm = dict[str, Any]
LEAST_WINDOWS = 3  # for an interval in a table: that of two says nothing


def page(report: Report, say: Say) -> Document:
    """The whole page, what came out first."""
    blocks: list[Block] = [Paragraph(line) for line in to_be_found(report["data"].get("positive"), say)]
    blocks.append(Bullets(sentences(report, say)))
    blocks += [Note(say("failed", **failure)) for failure in report["failures"]]
    level, seeds = f"{100 * report['level']:.4g}", len(report["seeds"])
    blocks += [
        Heading(say("h_ageing")),
        Picture("ageing", say("c_ageing")),
        Table(ageing(report, say), say("p_ageing", level=level, seeds=seeds)),
        Heading(say("h_retraining")),
    ]
    if any(arm["money"] for arm in report["arms"]):
        blocks.append(Table(costs(report, say), say("p_retraining")))
    else:
        blocks.append(Paragraph(say("p_no_value")))
    blocks += [
        Heading(say("h_windows")),
        Paragraph(scheme(report, say)),
        Table(
            [{say(key): str(window[key]) for key in ("window", "rows", "start", "end")} for window in report["windows"]]
        ),
        Heading(say("h_reproduce")),
        Code(f"make backtest {shlex.join(report['words'])}"),
    ]
    return Document(say("title", metric=report["metric"], data=report["data"]["name"]), blocks)


def brief(report: Report, say: Say) -> list[Block]:
    """What a comparison's report shows of it."""
    return [Heading(say("h_ageing")), Bullets(sentences(report, say)), Table(ageing(report, say))]


def sentences(report: Report, say: Say) -> list[str]:
    """What came out: per arm its decay and when to retrain, then who ages more slowly."""
    found = []
    for arm in report["arms"]:
        found += [decay(arm, report, say), margin(arm, report, say)]
        if arm["money"]:
            found += retraining(arm, report, say)
    return found + [slower(one, report, say) for one in report["slower"]]


def decay(arm: Arm, report: Report, say: Say) -> str:
    """The loss per window of age, or that none can be shown."""
    found, daily = arm["decay"]["per_window"], arm["decay"]["per_day"]
    days = ""
    if daily is not None:
        month = number(30 * daily["mean"], signed=True, digits=3)
        days = say("per_day", mean=month, length=number(report["window_days"], digits=3))
    kind = "decays" if arm["shown"] else "unsteady" if arm["one_window_shown"] else "no_decay"
    kind = "no_interval" if found["low"] is None else kind
    one = arm["ages"][min(1, len(arm["ages"]) - 1)]["aged_minus_fresh"]
    return say(
        kind,
        name=arm["activation"],
        metric=report["metric"],
        mean=number(found["mean"], signed=True, digits=3),
        interval=interval((found["low"], found["high"]), say),
        high=number(found["high"], digits=3),
        days=days,
        mean_1=number(one["mean"], signed=True, digits=3),
        interval_1=interval((one["low"], one["high"]), say),
    )


def margin(arm: Arm, report: Report, say: Say) -> str:
    """From which age on the margin is lost."""
    age = arm["margin_reached"]["measured_age"]
    values = {"name": arm["activation"], "margin": number(report["margin"], digits=3)}
    if age is None:
        return say("within", age=len(arm["ages"]), **values)
    return say("beyond" if arm["shown"] or arm["one_window_shown"] else "beyond_unsure", age=age, **values)


def retraining(arm: Arm, report: Report, say: Say) -> list[str]:
    """When to retrain, with its range; what the present frequency costs."""
    money, name = arm["money"], arm["activation"]
    days, windows = money["days"], money["windows"]
    if days["low"] is None:
        allowed = say("any")
    elif days["high"] is None:
        allowed = say("days_from", low=_days(days["low"]))
    else:
        allowed = say("days_range", low=_days(days["low"]), high=_days(days["high"]))
    shown = money["ageing"]["low"] is not None and money["ageing"]["low"] > 0
    kind = "never" if days["best"] is None else "retrain" if shown else "retrain_unsure"
    text = say(
        kind,
        name=name,
        days=_days(days["best"]),
        range=allowed,
        per_year=number(money["per_year"]["best"], digits=2),
        yearly=_money(money["yearly"]),
        cost=_money(money["cost"]),
    )
    if windows["best"] is not None and windows["best"] < 1:
        text += " " + say("short")
    elif windows["best"] is not None and windows["best"] > len(arm["ages"]):
        text += " " + say("long")
    best = money["measured_best"]
    found = [text, say("measured", name=name, windows=_windows(best, say), days=_days(best * report["window_days"]))]
    if money["yearly_now"] is not None:
        found.append(say("now", name=name, days=_days(money["now_days"]), yearly=_money(money["yearly_now"])))
    return found


def slower(one: dict[str, Any], report: Report, say: Say) -> str:
    """Whether a candidate ages more slowly than the baseline."""
    by = one["by"]
    kind = "is_unknown"
    if by["low"] is not None and by["low"] > 0:
        kind = "is_slower"
    elif by["high"] is not None and by["high"] < 0:
        kind = "is_faster"
    mean = number(by["mean"], signed=True, digits=3)
    between = interval((by["low"], by["high"]), say)
    return say(
        "slower", name=one["activation"], base=report["baseline"], mean=mean, interval=between, verdict=say(kind)
    )


def scheme(report: Report, say: Say) -> str:
    """How the windows were cut."""
    found = report["scheme"]
    history = {"all": say("history_all"), "1": say("history_1")}.get(found["history"])
    delay = ""
    if found["delay"]:
        kind = "delay_number" if report["window_days"] is None else "delay_dated"
        delay = say(kind, delay=number(found["delay"]))
    return say(
        "p_scheme",
        windows=found["windows"],
        by=say(f"by_{found['by']}"),
        history=history or say("history_n", n=found["history"]),
        delay=delay,
    ).strip()


def ageing(report: Report, say: Say) -> list[dict[str, str]]:
    """A row per arm and age."""
    return [
        {
            say("activation"): arm["activation"],
            say("age"): str(row["age"]),
            say("pairs"): str(row["loss"]["windows"]),
            report["metric"]: _with_interval(row["metric"], say, signed=False),
            say("against_fresh"): _lost(row, "aged_minus_fresh", say),
            say("since_first"): _lost(row, "later_minus_first", say),
        }
        for arm in report["arms"]
        for row in arm["ages"]
    ]


def costs(report: Report, say: Say) -> list[dict[str, str]]:
    """Cost of a year by number of windows between two retrainings, a column per arm."""
    arms = [arm for arm in report["arms"] if arm["money"]]
    return [
        {
            say("every"): _windows(row["windows"], say),
            **{arm["activation"]: _money(arm["money"]["measured"][place]["yearly"]) for arm in arms},
        }
        for place, row in enumerate(arms[0]["money"]["measured"])
    ]


def _lost(row: dict[str, Any], key: str, say: Say) -> str:
    return "0" if row["age"] == 1 else _with_interval(row[key], say, signed=True)


def _with_interval(found: dict[str, Any], say: Say, *, signed: bool) -> str:
    mean = number(found["mean"], signed=signed, digits=3)
    if found["low"] is None or found["windows"] < LEAST_WINDOWS:
        return mean
    if signed:
        return say("with_interval", mean=mean, interval=interval((found["low"], found["high"]), say))
    low, high = (number(found[end], digits=3) for end in ("low", "high"))
    return say("with_interval", mean=mean, interval=say("interval", low=low, high=high))


def _windows(count: int, say: Say) -> str:
    return say("one_window") if count == 1 else say("n_windows", n=count)


def _days(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _money(value: float | None) -> str:
    return number(value, digits=3)

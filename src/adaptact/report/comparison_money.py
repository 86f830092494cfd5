"""The money of a comparison's report as blocks; numbers come from report.json alone."""

from __future__ import annotations

from typing import Any

from adaptact.formatting import number
from adaptact.report.blocks import Block, Note, Paragraph, Table
from adaptact.report.comparison_words import Say
from adaptact.report.numbers import interval, joined, plural

Report = dict[str, Any]


def money(report: Report, say: Say) -> list[Block]:
    """Paragraphs and table of what the candidates are worth; first those for which no worth is shown."""
    found = report["value"]["candidates"]
    unsure = [one["activation"] for one in found if not one["withheld"] and not one["shown"]]
    blocks: list[Block] = [Note(say("value_not_shown", names=joined(unsure, say)))] if unsure else []
    blocks += [
        Note(say(plural("value_withheld", one["missing_pairs"]), name=one["activation"], n=one["missing_pairs"]))
        for one in found
        if one["withheld"]
    ]
    label = report["value"]["positive"]
    if label is not None and report["value"]["given"]["cost_fn"] is not None:
        blocks.append(Paragraph(say("value_positive", label=label)))
    valued = [worth(one, say) for one in found if not one["withheld"]]
    return [*blocks, Table(valued, value_terms(report, say))] if valued else blocks


def worth(found: dict[str, Any], say: Say) -> dict[str, str]:
    """A row of the table of money. What is not shown to differ from 0 has no chance to pay and no time to pay back."""
    shown, never = found["shown"], say("never")
    value = say(
        "with_interval", mean=number(found["value"], signed=True, digits=3), interval=interval(found["interval"], say)
    )
    even, payback = found["break_even_decisions"], found["payback_years"]
    row = {
        say("activation"): found["activation"],
        say("yearly_value"): value if shown else say("not_shown", value=value),
        say("computing"): number(found["computing"], digits=3),
        say("break_even"): "-" if not shown else never if even is None else number(even, digits=3),
    }
    if shown:
        row[say("chance")] = "-" if found["chance"] is None else f"{100 * found['chance']:.0f} %"
    if found["switching_cost"]:
        row[say("payback")] = "-" if not shown else never if payback is None else number(payback, digits=2)
    return row


def value_terms(report: Report, say: Say) -> str:
    given = report["value"]["given"]
    costs = (
        say("value_costs_unit", unit=number(given["per_unit_error"]))
        if given["per_unit_error"] is not None
        else say("value_costs_two", fp=number(given["cost_fp"]), fn=number(given["cost_fn"]))
    )
    return say(
        "p_value",
        decisions=f"{given['decisions_per_year']:,.0f}",
        costs=costs,
        retrainings=number(given["retrainings_per_year"]),
        compute=number(given["compute_per_hour"]),
        chance=say("p_chance") if any(one["shown"] for one in report["value"]["candidates"]) else "",
    )

"""The page of one batch that was watched as blocks; numbers come from monitor.json and the history alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptact.formatting import number
from adaptact.report.blocks import Block, Bullets, Document, Heading, Note, Paragraph, Picture, Table
from adaptact.report.comparison_words import Say
from adaptact.report.numbers import interval
from adaptact.report.rollout_pages import command, p_value, percent, sought
from adaptact.rollout.monitor import LEAST_OUTCOMES

Found = dict[str, Any]
SHARES = {"missing", "range", "site"}
POWER = 0.8
LARGE_SHIFT = 3.0  # standard deviations: beyond, a batch shows only gross changes


def sentences(found: Found, say: Say) -> list[str]:
    """Status and reasons first, then what is known and what is not."""
    alarms = [test for test in found["tests"] if test["alarm"]]
    lines = []
    if "quality" in found["reasons"]:
        lines.append(say("monitor_quality", **quality_words(found["quality"], say)))
    if "age" in found["reasons"]:
        ageing = found["ageing"]
        lines.append(say("monitor_age", days=f"{ageing['days']:.0f}", best=f"{ageing['best_days']:.0f}"))
    if found["status"] == "ok":
        lines.append(say("monitor_ok", rows=f"{found['rows']:,}"))
    elif found["status"] == "retrain" and alarms:
        lines.append(say("monitor_also", n=len(alarms)))
    elif alarms:
        known = found["quality"] is not None
        lines.append(say("monitor_watch_known" if known else "monitor_watch", n=len(alarms)))
    if found["quality"] is not None and "quality" not in found["reasons"]:
        lines.append(say("monitor_measured", **quality_words(found["quality"], say)))
    elif found["quality"] is None and found["outcomes"] >= LEAST_OUTCOMES:
        lines.append(say("monitor_undefined", n=f"{found['outcomes']:,}"))
    elif found["quality"] is None and found["outcomes"]:
        lines.append(say("monitor_few_labels", n=found["outcomes"], least=LEAST_OUTCOMES))
    elif found["quality"] is None:
        lines.append(say("monitor_no_labels"))
    lines += age(found["ageing"], say)
    if found["seen_before"]:
        lines.append(say("monitor_again"))
    shift = found["shift_found"]
    if shift is not None and shift < LARGE_SHIFT:
        lines.append(say("monitor_power", shift=number(shift, digits=2), power=percent(POWER)))
    else:
        lines.append(say("monitor_power_none"))
    lines.append(say("monitor_error", batches=found["batches"], false_alarms=percent(found["false_alarms"])))
    return lines


def quality_words(quality: Found, say: Say) -> dict[str, str]:
    low, high = (number(end, digits=3) for end in quality["interval"])
    return {
        "metric": quality["metric"],
        "now": number(quality["now"]),
        "interval": say("interval", low=low, high=high),
        "before": number(quality["before"]),
        "loss": number(quality["loss"], digits=3),
        "margin": number(quality["margin"], digits=3),
        "rows": f"{quality['rows']:,}",
    }


def age(ageing: Found | None, say: Say) -> list[str]:
    """What a back-test says about waiting."""
    if ageing is None:
        return []
    if not ageing["shown"]:
        return [say("ageing_none", activation=ageing["activation"])]
    if ageing["days"] is None:
        return [say("ageing_unknown")]
    lines = []
    if ageing["lost"] is not None:
        lost = number(ageing["lost"], digits=2)
        lines.append(say("ageing_lost", days=f"{ageing['days']:.0f}", lost=lost, metric=ageing["metric"]))
    if ageing["per_month"] is not None and ageing["best_days"] is not None:
        low, high = (None if end is None else f"{end:,.0f}" for end in ageing["best_range"])
        between = say("days_any") if low is None else say("days_from", low=low)
        between = say("days_range", low=low, high=high) if low is not None and high is not None else between
        cost, best = f"{ageing['per_month']:,.0f}", f"{ageing['best_days']:,.0f}"
        lines.append(say("ageing_cost", cost=cost, best=best, range=between))
    return lines


def page(
    found: Found, rows: Sequence[dict[str, str]], words: Sequence[str], say: Say, pictures: Sequence[str]
) -> Document:
    """The whole page.

    Args:
        rows: of the history, this batch among them.
        pictures: the names of those that could be drawn.
    """
    first, *others = sentences(found, say)
    verdict: Block = Note(first) if found["status"] != "ok" else Paragraph(first)
    blocks: list[Block] = [*sought(found, say), verdict, Bullets(others)]
    alarms = [test for test in found["tests"] if test["alarm"]]
    if alarms:
        blocks += [Heading(say("h_alarms")), Table([row_of(test, say) for test in alarms])]
    if found["quality"] is not None:
        blocks += [
            Heading(say("h_quality")),
            Paragraph(say("monitor_measured", **quality_words(found["quality"], say))),
        ]
    if (calibrated := found["calibration"]) is not None:
        came, expected, ece = (number(calibrated[key], digits=3) for key in ("came", "expected", "ece"))
        blocks += [Paragraph(say("calibration", came=came, expected=expected, ece=ece))]
        blocks += [Picture("calibration", say("c_calibration"))] if "calibration" in pictures else []
    if "sites" in pictures:
        blocks += [
            Heading(say("h_sites")),
            Picture("sites", say("c_sites")),
            Table(
                [
                    {
                        say("site"): site["name"],
                        say("outside"): percent(site["outside"]),
                        say("outside_before"): percent(site["outside_before"]),
                    }
                    for site in sorted(found["sites"], key=lambda site: -site["outside"])
                ],
                say("p_sites"),
            ),
        ]
    if "history" in pictures:
        blocks += [Heading(say("h_history")), Picture("history", say("c_history"))]
        blocks += [Table([history_row(row, say) for row in rows])]
    blocks += [
        Heading(say("h_columns")),
        Table([row_of(test, say, all_of_them=True) for test in found["tests"]], say("p_columns")),
    ]
    if found["notes"]:
        blocks += [Heading(say("h_notes")), Bullets([say(key, **values) for key, values in found["notes"]])]
    title = say("monitor_title", number=found["batch"], file=Path(found["input"]).name)
    return Document(f"{say(found['status'])}: {title}", [*blocks, *command("monitor", words, say)])


def row_of(test: Found, say: Say, *, all_of_them: bool = False) -> dict[str, str]:
    share = test["kind"] in SHARES
    what = say(f"kind_{test['kind']}")
    if test["examples"]:
        what += f" ({say('unseen', share=percent(test['unseen']), examples=', '.join(test['examples']))})"
    row = {
        say("column"): test["name"] or "-",
        say("what"): what,
        say("size"): percent(test["size"]) if share else number(test["size"], digits=3),
        say("expected"): ""
        if test["expected"] is None
        else percent(test["expected"])
        if share
        else number(test["expected"], digits=3),
        say("psi"): "" if test["psi"] is None else f"{test['psi']:.2f}",
        say("p"): p_value(test["adjusted_p"]),
    }
    return row | ({say("alarm"): say("yes" if test["alarm"] else "no")} if all_of_them else {})


def history_row(row: dict[str, str], say: Say) -> dict[str, str]:
    value = ""
    if row["value"]:
        between = interval([float(row["low"]), float(row["high"])], say).replace("+", "")
        value = f"{row['metric']} {number(float(row['value']))} ({between})"
    return {
        say("batch"): row["batch"],
        say("file"): row["file"],
        say("status"): say(row["status"]),
        say("rows"): row["rows"],
        say("alarms"): row["alarms"],
        say("largest_psi"): f"{float(row['largest_psi']):.2f}" if row["largest_psi"] else "",
        say("metric"): value,
    }

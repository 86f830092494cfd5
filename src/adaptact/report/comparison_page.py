"""The content of a comparison's report as blocks, in the language of a speaker; numbers come from report.json alone."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from adaptact.comparison.plan import Plan
from adaptact.data.positive import percent
from adaptact.formatting import number
from adaptact.report.blocks import Block, Bullets, Code, Document, Heading, Note, Paragraph, Picture, Table
from adaptact.report.comparison_money import money
from adaptact.report.comparison_words import Say
from adaptact.report.numbers import difference, interval, joined, mean_sd, plural, ratio

Report = dict[str, Any]
STABILITY = ("loss_spikes", "nonfinite_steps", "grad_norm_cv", "grad_norm_max", "epochs_to_90pct")
LEARNED = ("alpha", "beta", "gamma", "a", "b", "weight", "scale", "gap", "moved")


def page(
    plan: Plan,
    report: Report,
    say: Say,
    pictures: Sequence[str],
    backtest: Sequence[Block],
    words: Sequence[str],
    report_words: Sequence[str] | None = None,
) -> Document:
    """The whole page.

    Args:
        pictures: the names of those that could be drawn.
        backtest: blocks of a back-test.
        words: of the command that makes the comparison and this report.
    """
    blocks: list[Block] = [
        *_verdict(report, say),
        *_plan_and_data(report, say),
        *_outcomes(report, say, pictures),
        *_what_was_learned(report, say, pictures),
        *_costs(report, say),
        *backtest,
    ]
    blocks += [
        Heading(say("h_metrics")),
        Table([metrics(arm, plan.metric, say) for arm in report["arms"]]),
        Heading(say("h_statistics")),
        Table([statistics(c, say) for c in report["candidates"]]),
        Heading(say("h_reproduce")),
        Paragraph(say("p_reproduce")),
        Code("\n".join(commands(plan, words, report_words))),
        Paragraph(made_with(report, say)),
        Heading(say("h_glossary")),
        Bullets(say("glossary").split(" | ")),
    ]
    return Document(sentence(report, say), blocks)


def _verdict(report: Report, say: Say) -> list[Block]:
    blocks: list[Block] = [Paragraph(line) for line in to_be_found(report["positive"], say)]
    blocks.append(Bullets([reason(candidate, report, say) for candidate in report["candidates"]]))
    blocks += [Note(text) for text in cautions(report, say)]
    blocks += [
        Heading(say("h_criteria")),
        Table(
            criteria(report, say),
            say(
                plural("p_criteria", len(report["candidates"])),
                n=len(report["candidates"]),
                level=f"{100 * (1 - report['error']):.4g}",
                method=say("comma").join(dict.fromkeys(c["method"] for c in report["candidates"])),
                base=report["baseline"],
            ),
        ),
    ]
    return blocks


def _plan_and_data(report: Report, say: Say) -> list[Block]:
    blocks: list[Block] = [
        Heading(say("h_decided")),
        Paragraph(decided(report, say)),
        Heading(say("h_data")),
        Paragraph(data(report, say)),
    ]
    if warned := report["data"].get("warnings"):
        blocks.append(Bullets([warning(found, say) for found in warned]))
    if report["references"]:
        each = [f"{r['name']} {mean_sd(r['score'])}" for r in report["references"]]
        blocks.append(Paragraph(say("p_references", list=say("comma").join(each))))
    return blocks


def _outcomes(report: Report, say: Say, pictures: Sequence[str]) -> list[Block]:
    """Show differences, curves, stability, controls and robustness."""
    blocks: list[Block] = [
        Heading(say("h_differences")),
        *_picture("differences", pictures, say),
        Table(per_pair(report, say)),
    ]
    if "learning_curves" in pictures:
        blocks += [Heading(say("h_curves")), *_picture("learning_curves", pictures, say)]
    blocks += [Heading(say("h_stability")), Table([stability(arm, say) for arm in report["arms"]])]
    blocks += [Bullets([failure(f, say) for f in report["failures"]])] if report["failures"] else []
    if report["controls"]:
        rows = [control(c, report, say) for c in report["controls"]]
        level = f"{100 * report['controls'][0]['adaptive_minus_control']['interval_level']:.4g}"
        blocks += [Heading(say("h_controls")), Table(rows, say("p_controls", level=level))]
    if any(found["rows"] for found in report["robustness"]):
        blocks += [Heading(say("h_robustness")), *_picture("robustness", pictures, say), *robustness(report, say)]
    return blocks


def _what_was_learned(report: Report, say: Say, pictures: Sequence[str]) -> list[Block]:
    blocks: list[Block] = []
    if learned := [row for arm in report["arms"] for row in layers(arm, say)]:
        blocks += [Heading(say("h_learned")), Table(learned, say("p_learned"))]
        for name in ("learned", "over_time", "curves"):
            blocks += _picture(name, pictures, say)
    return blocks


def _costs(report: Report, say: Say) -> list[Block]:
    """Show what each activation costs, and what switching is worth."""
    blocks: list[Block] = []
    if report["cost"]:
        blocks.append(Heading(say("h_cost")))
        for way in ("", "compiled_", "onnx_"):
            rows = [cost(name, found, report, say, way) for name, found in report["cost"]["arms"].items()]
            blocks += [Table(rows, say(f"cost_{way or 'eager_'}"))] if all(rows) else []
    if report["value"]:
        blocks += [Heading(say("h_value")), *money(report, say)]
    return blocks


def _picture(name: str, pictures: Sequence[str], say: Say) -> list[Block]:
    meaning = {"learning_curves": "c_curves", "curves": "c_curves_learned"}.get(name, f"c_{name}")
    return [Picture(name, say(meaning))] if name in pictures else []


# --- sentences ---------------------------------------------------------------------------------------------------


def sentence(report: Report, say: Say) -> str:
    """The verdict on all candidates in one sentence."""
    kinds: dict[str, list[str]] = {}
    for candidate in report["candidates"]:
        kinds.setdefault(candidate["verdict"], []).append(candidate["activation"])
    if "adopt" in kinds:
        adopted = [c for c in report["candidates"] if c["verdict"] == "adopt"]
        best = max(adopted, key=lambda c: c["mean_difference"])
        others = [name for name in kinds["adopt"] if name != best["activation"]]
        return say(
            "adopt",
            best=best["activation"],
            more=say("adopt_more", names=joined(others, say)) if others else "",
            base=report["baseline"],
            by=number(best["mean_difference"], digits=3),
            metric=report["metric"],
        )
    parts = [
        say(f"part_{kind}", names=joined(kinds[kind], say))
        for kind in ("equivalent", "reject", "undecided")
        if kind in kinds
    ]
    how = "keep_for_now" if "undecided" in kinds else "keep_fine" if list(kinds) == ["equivalent"] else "keep"
    return say(how, base=report["baseline"], parts=say("part_separator").join(parts))


def to_be_found(positive: dict[str, Any] | None, say: Say) -> list[str]:
    """The class to be found, and that of the average precision where it is another; empty unless there are two."""
    if positive is None:
        return []
    key = "to_be_found_earlier" if positive["by"] == "earlier" else "to_be_found"
    share = "" if positive["share"] is None else say("share_of_rows", share=percent(positive["share"]))
    lines = [say(key, label=positive["label"], other=positive["other"], share=share)]
    if positive["metric_of"] != positive["label"]:
        lines.append(say("precision_of", label=positive["metric_of"]))
    return lines


def reason(candidate: dict[str, Any], report: Report, say: Say) -> str:
    """The verdict on one candidate with the numbers that gave it."""
    guardrails, limits = candidate["guardrails"], report["limits"]
    arms = {arm["activation"]: arm for arm in report["arms"]}
    ours, base = arms[candidate["activation"]], arms[report["baseline"]]
    return say(
        f"rule_{candidate['rule']}",
        name=candidate["activation"],
        base=report["baseline"],
        mean=number(candidate["mean_difference"], signed=True, digits=3),
        margin=number(report["margin"]),
        interval=interval(candidate["interval"], say),
        narrow=interval(candidate["equivalence_interval"], say),
        failures=ours["failures"],
        runs=ours["runs"],
        base_failures=base["failures"],
        base_runs=base["runs"],
        latency=number(guardrails["latency_ratio"], digits=3),
        latency_limit=number(limits["latency_ratio"], digits=3),
        fit_time=number(guardrails["fit_time_ratio"], digits=3),
        fit_limit=number(limits["fit_time_ratio"], digits=3),
        outlook=outlook(candidate, say),
    )


def outlook(candidate: dict[str, Any], say: Say) -> str:
    needed, seconds = candidate["pairs_needed"], candidate["seconds_needed"]
    if needed is None:
        return say("outlook_rows")
    time = "" if seconds is None else say("outlook_time", minutes=f"{max(1, seconds / 60):.0f}")
    return say("outlook_pairs", needed=needed, more=needed - candidate["pairs"], time=time)


def cautions(report: Report, say: Say) -> list[str]:
    """What a reader must know before believing the verdict."""
    notes = [say("changed", at=change["seen_at"], what=change["what"]) for change in report["changes"]]
    if looks := report["earlier_looks"]:
        each = say("look_separator").join(look(one, say) for one in looks)
        notes.append(say(plural("used_before", len(looks)), n=len(looks), looks=each))
    if report["missing_runs"]:
        notes.append(say(plural("missing", report["missing_runs"]), n=report["missing_runs"]))
    coarse = [c for c in report["candidates"] if c["row_worth"] is not None and c["row_worth"] > 1]
    if coarse:
        notes.append(say("row_worth", worth=number(coarse[0]["row_worth"], digits=2), metric=report["metric"]))
    limited = [c["activation"] for c in report["candidates"] if c["limited_by_rows"]]
    if limited:
        notes.append(say("limited_by_rows", names=joined(limited, say)))
    sign = -1 if report["mode"] == "min" else 1
    own = [sign * arm["score"]["mean"] for arm in report["arms"] if arm["role"] != "control" and arm["score"]]
    for reference in report["references"]:
        if own and sign * reference["score"]["mean"] - max(own) > report["margin"]:
            score = number(reference["score"]["mean"])
            notes.append(say("reference_wins", name=reference["name"], score=score, metric=report["metric"]))
    for c in report["candidates"]:
        rows = c["row_interval"]
        if c["verdict"] == "adopt" and rows is not None and rows["interval"][0] <= 0:
            notes.append(say("row_doubt", name=c["activation"], interval=interval(rows["interval"], say)))
    weak = [c for c in report["candidates"] if c["p_value_smallest"] is not None and not c["p_value_can_decide"]]
    if weak:
        smallest = number(weak[0]["p_value_smallest"], digits=2)
        pairs = weak[0]["pairs"]
        notes.append(say(plural("p_cannot_decide", pairs), pairs=pairs, smallest=smallest))
    return notes


def look(found: dict[str, Any], say: Say) -> str:
    """An earlier comparison on some of these test rows."""
    arms = say("same_arms" if found["same_arms"] else "other_arms")
    if found["rows"] is None:
        return say("look_unrecorded", name=found["name"], arms=arms)
    return say("look", name=found["name"], rows=f"{found['rows']:,}", share=percent(found["share"]), arms=arms)


def decided(report: Report, say: Say) -> str:
    seeds = say("comma").join(map(str, report["seeds"]))
    rules = {"set by you": "rule_margin_user", "0.005": "rule_margin_fixed"}
    return say(
        "p_decided",
        at=report["decided_at"],
        metric=report["metric"],
        margin=number(report["margin"]),
        rule=say(rules.get(report["margin_rule"], "rule_margin_error")),
        error=report["error"],
        strict=say("strict") if report["strict"] else "",
        seeds=say("folds_each", seeds=seeds, folds=report["folds"]) if report["folds"] else seeds,
        vary=say("comma").join(map(say, report["vary"])) or say("none"),
        kept=say("not_kept") if report["changes"] else say("kept"),
    )


def data(report: Report, say: Say) -> str:
    rows = {part: f"{n:,}" for part, n in report["data"]["rows"].items()}
    fixed = say("new_split") if "split" in report["vary"] or report["folds"] else say("fixed_test")
    return say("p_data", name=report["data"]["name"], fixed=fixed, **rows)


def warning(found: dict[str, Any], say: Say) -> str:
    """A finding of the check of the data: in English as it was found, in Japanese by its kind."""
    return say(
        "data_warning", kind=say(f"finding_{found['kind']}"), column=found["column"] or "-", detail=found["detail"]
    )


def failure(found: dict[str, Any], say: Say) -> str:
    return say("failed_run", arm=found["arm"], seed=found["seed"], status=found["status"], reason=found["reason"] or "")


def made_with(report: Report, say: Say) -> str:
    found = report["made_with"]
    versions = say("comma").join(f"{name} {version}" for name, version in found["versions"].items())
    devices = say("comma").join(found["devices"])
    return say("made_with", versions=versions, devices=devices, plan=found["plan"][:12], code=found["code"][:12])


def commands(plan: Plan, words: Sequence[str], report_words: Sequence[str] | None) -> list[str]:
    """Commands that make the comparison again, its report where that takes one more, and a run."""
    report = [] if report_words is None else [f"make report {shlex.join(report_words)}"]
    return [f"make compare {shlex.join(words)}", *report, single_run(plan, words)]


def single_run(plan: Plan, typed: Sequence[str]) -> str:
    own = ("activations", "seeds", "baseline", "name", "output_dir")
    rest = [w for w in typed if w.partition("=")[0] not in own and not w.startswith(("compare.", "report.", "value."))]
    vary = {"init": "seed=<seed>", "order": "data.order_seed=<seed>", "split": "data.split_seed=<seed>"}
    words = ["activation=<activation>", *(vary[what] for what in ("init", "order", "split") if what in plan.vary)]
    return f"make train {' '.join(words)} {shlex.join(rest)}".rstrip()


# --- rows of tables ----------------------------------------------------------------------------------------------


def criteria(report: Report, say: Say) -> list[dict[str, str]]:
    """Performance, stability and speed of every arm but the controls."""
    costs = (report["cost"] or {}).get("arms", {})
    rows = []
    for arm in report["arms"]:
        if arm["role"] == "control":
            continue
        name = arm["activation"]
        candidate = next((c for c in report["candidates"] if c["activation"] == name), None)
        found, spikes = costs.get(name, {}), arm["stability"]["loss_spikes"]
        is_base = candidate is None
        rows.append(
            {
                say("activation"): say("baseline_mark", name=name) if is_base else name,
                say("verdict"): "" if candidate is None else say(f"v_{candidate['verdict']}"),
                report["metric"]: mean_sd(arm["score"]),
                say("better_by"): "" if candidate is None else difference(candidate, say),
                say("failed_runs"): say("n_of_m", n=arm["failures"], m=arm["runs"]),
                say("loss_spikes"): "-" if spikes is None else number(spikes["mean"], digits=2),
                say("latency"): "1" if is_base and found else ratio(found.get("latency"), say),
                say("fit_time"): "1" if is_base and found else ratio(found.get("fit_time"), say),
            }
        )
    return rows


def per_pair(report: Report, say: Say) -> list[dict[str, str]]:
    candidates = report["candidates"]
    pairs = dict.fromkeys(pair for candidate in candidates for pair in candidate["differences"])
    return [
        {
            say("pair"): pair,
            **{c["activation"]: number(c["differences"].get(pair), signed=True, digits=3) for c in candidates},
        }
        for pair in pairs
    ]


def statistics(c: dict[str, Any], say: Say) -> dict[str, str]:
    rows, share = c["row_interval"], c["probability_of_superiority"]
    return {
        say("activation"): c["activation"],
        say("pairs"): str(c["pairs"]),
        say("mean_difference"): number(c["mean_difference"], signed=True),
        say("level_interval", level=f"{100 * c['interval_level']:.4g}"): interval(c["interval"], say),
        say("level_equivalence", level=f"{100 * c['equivalence_level']:.4g}"): interval(c["equivalence_interval"], say),
        say("method"): c["method"],
        **({} if rows is None else {say("other_rows"): interval(rows["interval"], say)}),
        say("on_validation"): difference(c["validation"], say),
        **({c["clearer"]["metric"]: difference(c["clearer"], say)} if "clearer" in c else {}),
        say("p_values"): f"{number(c['p_value'], digits=2)}, {number(c['p_value_holm'], digits=2)}",
        say("better_in"): "-" if share is None else f"{100 * share:.0f} %",
        say("effect_size"): number(c["effect_size"], signed=True, digits=2),
    }


def metrics(arm: dict[str, Any], metric: str, say: Say) -> dict[str, str]:
    return {
        say("activation"): arm["activation"],
        **{name: mean_sd(values) for name, values in arm["metrics"]["test"].items()},
        say("validation", metric=metric): mean_sd(arm["metrics"]["val"].get(metric)),
        say("generalisation"): mean_sd(arm["generalisation_gap"]),
    }


def stability(arm: dict[str, Any], say: Say) -> dict[str, str]:
    return {
        say("activation"): arm["activation"],
        say("failed"): say("n_of_m", n=arm["failures"], m=arm["runs"]),
        **{say(key): mean_sd(arm["stability"][key]) for key in STABILITY},
        say("spread"): "-" if arm["score"] is None else number(arm["score"]["sd"], digits=2),
    }


def control(c: dict[str, Any], report: Report, say: Say) -> dict[str, str]:
    return {
        say("control"): say(f"control_{c['control']}", of=c["of"]),
        say("adaptive_better"): difference(c["adaptive_minus_control"], say),
        say("control_base", base=report["baseline"]): difference(c["control_minus_baseline"], say),
        say("failed"): str(c["failures"]),
    }


def layers(arm: dict[str, Any], say: Say) -> list[dict[str, str]]:
    if arm["role"] == "control" or not arm["activation_parameters"]:
        return []
    keys = [key for key in LEARNED if any(layer.get(key) for layer in arm["layers"])]
    return [
        {
            say("activation"): arm["activation"],
            say("layer"): layer["name"],
            **{key: mean_sd(layer.get(key)) for key in keys},
        }
        for layer in arm["layers"]
    ]


def cost(name: str, found: dict[str, Any], report: Report, say: Say, way: str = "") -> dict[str, str]:
    """Times and ratios of one arm, measured in one way; empty where it was not."""
    if f"{way}latency" not in found:
        return {}
    against = say("x_baseline", base=report["baseline"])
    row = {say("activation"): name}
    if fit := found.get(f"{way}fit_time"):
        row |= {say("training_step"): f"{fit['p50_ms']:.3g} ms", f"{against} ": ratio(fit, say)}
    one, many = found[f"{way}latency"], found[f"{way}throughput"]
    row |= {say("one_row"): f"{one['p50_ms']:.3g} / {one['p95_ms']:.3g} ms", f"{against}  ": ratio(one, say)}
    row |= {say("rows_per_second"): f"{many['samples_per_second']:,.0f}", f"{against}   ": ratio(many, say)}
    return row


def robustness(report: Report, say: Say) -> list[Block]:
    """A row per disturbance, a column per arm, and by how much each candidate is better."""
    found = {arm["activation"]: arm["rows"] for arm in report["robustness"]}
    scores = {arm["activation"]: arm["score"] for arm in report["arms"]}
    rows = [
        {
            say("disturbance"): say("undisturbed"),
            **{name: mean_sd(scores[name]) for name in found},
        }
    ]
    for i, first in enumerate(found[report["baseline"]]):
        row = {say("disturbance"): say(f"kind_{first['kind']}", strength=first["strength"])}
        for name, disturbed in found.items():
            row[name] = mean_sd(disturbed[i]["score"]) if i < len(disturbed) else "-"
        for name, disturbed in found.items():
            if i < len(disturbed) and disturbed[i]["difference"] is not None:
                row[f"{name}, {say('better_by')}"] = difference(disturbed[i]["difference"], say)
        rows.append(row)
    kinds = dict.fromkeys(row["kind"] for row in found[report["baseline"]])
    words = say("comma").join(say("missing_cells" if kind == "missing" else kind) for kind in kinds)
    level = f"{100 * (1 - report['error']):.4g}"
    return [Table(rows, say("p_robustness", kinds=words, base=report["baseline"], level=level))]

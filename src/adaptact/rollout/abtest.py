"""What came out of a test on a limited line, from its log: a row per decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from adaptact.comparison.statistics import Interval
from adaptact.comparison.verdict import judge
from adaptact.data.table.cell_values import decimal_mark, numbers, texts
from adaptact.data.table.roles import DATE_FORMATS
from adaptact.errors import ConfigError, DataError, did_you_mean
from adaptact.rollout.assignment import ARMS
from adaptact.rollout.options import Abtest
from adaptact.rollout.two_samples import (
    LEAST_UNITS,
    Arm,
    boundary,
    exact_p,
    fixed_interval,
    mismatch_p,
    ratio_of_quantile,
    sequence,
    tightest,
)

MISMATCH = 0.001  # below, the arms are not what was dealt out, and nothing else is worth a look
MOST_LEVELS = 20  # of a segment
YES = {"yes", "true", "1", "1.0", "y", "はい", "有", "ok"}
NO = {"no", "false", "0", "0.0", "n", "いいえ", "無", "ng"}
QUANTILE = 0.95
DEFAULT_PLANNED = 2000  # units at which a sequence is narrowest, where nothing was planned


@dataclass(frozen=True)
class Log:
    """The rows of a test.

    Args:
        candidate: (rows,): whether the candidate served it.
        units: (rows,): number of the identifier, or of the group.
        last_day: of the column of time; None without one.
        both: how many units are in both arms.
    """

    frame: pd.DataFrame
    candidate: np.ndarray
    units: np.ndarray
    outcome: np.ndarray
    binary: bool
    last_day: date | None
    both: int
    left_out: int

    def arm(self, candidate: bool, values: np.ndarray, rows: np.ndarray | None = None) -> Arm:
        chosen = self.candidate == candidate
        if rows is not None:
            chosen &= rows
        chosen &= np.isfinite(values)
        return Arm(values[chosen], self.units[chosen])


def read_log(frame: pd.DataFrame, options: Abtest) -> Log:
    """The columns of a log by their names.

    Rows without an arm or an outcome are left out and counted; units in both arms too.

    Raises:
        ConfigError, DataError: a column that is missing, an arm or an outcome that cannot be understood.
    """
    where = f"input={options.input}"
    identifier = identifier_of(frame, options)
    named = {"arm": options.arm, "outcome": options.outcome, "group": options.group, "value": options.value}
    named |= {"latency": options.latency, "time": options.time}
    lists = [("guardrails", name) for name in options.guardrails] + [("segments", name) for name in options.segments]
    for key, name in [*named.items(), *lists]:
        if name is not None and name not in frame.columns:
            raise DataError(f"{key}={name}: {where} has no such column. {did_you_mean(name, frame.columns)}")
    arms = texts(frame[options.arm]).str.strip().str.lower()
    strange = sorted(set(arms.dropna()) - set(ARMS))
    if strange:
        raise DataError(f"{where}: column {options.arm!r} has {strange[0]!r}; an arm is baseline or candidate")
    outcome, binary = outcome_of(frame[options.outcome], options, where)
    key = texts(frame[options.group if options.group is not None else identifier])
    known = arms.notna().to_numpy() & np.isfinite(outcome) & key.notna().to_numpy()
    units = pd.factorize(key)[0]
    per_unit = pd.Series(arms[known].to_numpy()).groupby(units[known]).nunique()
    both = set(per_unit.index[per_unit > 1])
    kept = known & ~np.isin(units, list(both))
    if not kept.any():
        raise DataError(f"{where} has no row with an arm and an outcome")
    frame = frame[kept].reset_index(drop=True)
    candidate = (arms[kept] == "candidate").to_numpy()
    for name, there in (("baseline", (~candidate).any()), ("candidate", candidate.any())):
        if not there:
            raise DataError(f"{where}: no row of the arm {name!r} has an outcome: there is nothing to compare")
    last = None if options.time is None else last_day(frame[options.time], options.time, where)
    return Log(frame, candidate, units[kept], outcome[kept], binary, last, len(both), int((~known).sum()))


def identifier_of(frame: pd.DataFrame, options: Abtest) -> str:
    """The column that names a case.

    Raises:
        ConfigError, DataError: none, or none of that name.
    """
    name = options.identifier
    if name is None:
        name = "identifier" if "identifier" in frame.columns else frame.columns[0] if len(frame.columns) == 1 else None
    if name is None:
        raise ConfigError(
            [
                f"which column of input={options.input} names a case? Say identifier=<column>; it has "
                f"{', '.join(map(repr, frame.columns[:8]))}"
            ]
        )
    if name not in frame.columns:
        raise DataError(
            f"identifier={name}: input={options.input} has no such column. {did_you_mean(name, frame.columns)}"
        )
    return str(name)


def outcome_of(cells: pd.Series, options: Abtest, where: str) -> tuple[np.ndarray, bool]:
    """Numbers, NaN where missing; whether they are yes (1) or no (0)."""
    words = texts(cells).str.strip()
    distinct = set(words.dropna())
    if options.positive is not None:
        if options.positive not in distinct or len(distinct) > 2:
            raise DataError(
                f"positive={options.positive}: column {options.outcome!r} of {where} has "
                f"{', '.join(map(repr, sorted(distinct)[:6]))}; yes or no takes two"
            )
        return np.where(words.isna(), np.nan, (words == options.positive).astype(np.float64)), True
    lower = words.str.lower()
    if set(lower.dropna()) <= YES | NO:
        return np.where(lower.isna(), np.nan, lower.isin(YES).astype(np.float64)), True
    values = plain_numbers(cells)
    bad = np.isnan(values) & cells.notna().to_numpy()
    if bad.any():
        raise DataError(
            f"{where}: column {options.outcome!r} holds {str(cells[bad].iloc[0])!r}, no number; if it is a yes or no, "
            "say which with positive="
        )
    return values, bool(np.isin(values[np.isfinite(values)], (0.0, 1.0)).all())


def plain_numbers(cells: pd.Series) -> np.ndarray:
    return numbers(cells, decimal_mark(cells) or ".").to_numpy(dtype=np.float64)


def last_day(cells: pd.Series, name: str, where: str) -> date:
    """The latest day of a column, in any of the known ways to write one."""
    known = texts(cells.dropna())
    if pd.api.types.is_datetime64_any_dtype(cells):
        return cells.max().date()  # type: ignore[no-any-return]
    for form in DATE_FORMATS:
        found = pd.to_datetime(known, format=form, errors="coerce")
        if found.notna().all() and len(found):
            return found.max().date()  # type: ignore[no-any-return]
    raise DataError(f"time={name}: {where} has days in no known way, as {known.iloc[0] if len(known) else ''!r}")


def analyse(log: Log, options: Abtest, plan: dict[str, Any], today: date) -> dict[str, Any]:
    """The content of ``results.json``.

    The arms' sizes come first: if they are not what was dealt out, something decides who is logged, and a difference
    says nothing. A fixed test before its end shows no difference at all, so that nobody acts on one.
    """
    counts = tuple(len(np.unique(log.units[log.candidate == arm])) for arm in (False, True))
    p = mismatch_p((counts[0], counts[1]), options.share)
    until = options.until or plan.get("until")
    planned = plan.get("rows")
    now = log.last_day or today
    enough = planned is not None and sum(counts) >= planned
    reached = until is not None and now >= date.fromisoformat(str(until))
    found: dict[str, Any] = {
        "schema": 1,
        "method": options.method,
        "rows": len(log.outcome),
        "left_out": log.left_out,
        "in_both_arms": log.both,
        "units": list(counts),
        "share": options.share,
        "mismatch_p": p,
        "planned_units": planned,
        "until": until,
        "today": now.isoformat(),
        "error": options.error,
        "binary": log.binary,
        "verdict": None,
        "reason": None,
        "difference": None,
        "guardrails": [],
        "segments": [],
    }
    if p < MISMATCH:
        return found | {"verdict": "invalid", "reason": "mismatch"}
    if options.method == "fixed" and not (enough or reached):
        return found | {"verdict": "too early", "reason": "before"}
    margin = options.smallest if options.smallest is not None else plan.get("smallest")
    sign = 1.0 if options.better == "higher" else -1.0
    about = planned or DEFAULT_PLANNED
    arms = (log.arm(False, log.outcome), log.arm(True, log.outcome))
    if min(arm.n_units for arm in arms) < LEAST_UNITS:
        return found | {"verdict": "too early", "reason": "few"}
    wide, narrow = (signed(interval(*arms, options.method, level, about), sign) for level in _errors(options.error))
    found["difference"] = described(arms, wide, sign) | {"narrow": [narrow.low, narrow.high], "margin": margin}
    found["guardrails"] = guardrails(log, options, about)
    verdict = str(judge(wide, narrow, margin or 0.0, least=0.0))
    if options.method == "fixed":
        found["difference"]["p_value"] = exact_p(*arms)
        if verdict in {"adopt", "reject"} and found["difference"]["p_value"] > options.error:
            verdict = "undecided"  # an interval of skewed numbers or of a small arm can be too narrow
    reason = verdict
    if any(rail["broken"] for rail in found["guardrails"]):
        verdict, reason = "reject", "guardrail"
    elif verdict == "adopt" and any(rail["open"] for rail in found["guardrails"]):
        verdict, reason = "undecided", "guardrail_open"
    found["segments"] = segments(log, options, about)
    return found | {"verdict": verdict, "reason": reason}


def _errors(error: float) -> tuple[float, float]:
    return error, 2 * error


def interval(baseline: Arm, candidate: Arm, method: str, error: float, planned: float) -> Interval:
    """Fixed, or valid at every look."""
    if method == "fixed":
        return fixed_interval(baseline, candidate, 1 - error)
    return sequence(baseline, candidate, error, planned)


def signed(found: Interval, sign: float) -> Interval:
    """So that positive is better."""
    if sign > 0:
        return found
    return Interval(
        -found.mean, -found.high, -found.low, found.level, found.method, found.standard_error, found.df, found.pairs
    )


def described(arms: tuple[Arm, Arm], found: Interval, sign: float) -> dict[str, Any]:
    """A difference as plain values; means in the outcome's own sign."""
    p = None
    if found.method != "confidence-sequence" and found.standard_error > 0:
        p = float(2 * stats.t.sf(abs(found.mean) / found.standard_error, found.df))
    return {
        "baseline": arms[0].mean,
        "candidate": arms[1].mean,
        "rows": [len(arm.values) for arm in arms],
        "mean": found.mean,
        "interval": [found.low, found.high],
        "level": found.level,
        "method": found.method,
        "p_value": p,
        "better": "higher" if sign > 0 else "lower",
    }


def guardrails(log: Log, options: Abtest, planned: float) -> list[dict[str, Any]]:
    """What must not become worse.

    Broken: shown to be worse. Open: too few cases to say, or a latency beyond its limit without being shown to be.
    """
    found = []
    for name, sign in [(options.value, 1.0), *((name, -1.0) for name in options.guardrails)]:
        if name is None:
            continue
        values = guardrail_values(log.frame[name], name, options)
        arms = (log.arm(False, values), log.arm(True, values))
        if min(len(np.unique(arm.units)) for arm in arms) < LEAST_UNITS:
            found.append(unchecked(name))
            continue
        one = signed(interval(*arms, options.method, options.error, planned), sign)
        never = not any(arm.values.any() for arm in arms)  # nobody complained at all: nothing is worse
        state = {"broken": one.high < 0, "open": bool(np.isinf(one.high)) and not never}
        found.append(described(arms, one, sign) | {"name": name, "kind": "mean"} | state)
    if options.latency is not None:
        values = guardrail_values(log.frame[options.latency], options.latency, options)
        arms = (log.arm(False, values), log.arm(True, values))
        enough = min(len(np.unique(arm.units)) for arm in arms) >= LEAST_UNITS
        enough = enough and np.quantile(arms[0].values, QUANTILE) > 0
        found.append(latency(options.latency, arms, options, planned) if enough else unchecked(options.latency))
    return found


def latency(name: str, arms: tuple[Arm, Arm], options: Abtest, planned: float) -> dict[str, Any]:
    """The 95th percentile of an answer's time, candidate / baseline, and whether it keeps its limit."""
    widths = float(stats.norm.ppf(1 - options.error / 2))
    if options.method == "always_valid":
        units = sum(arm.n_units for arm in arms)
        widths = float(boundary(units, options.error, tightest(planned, options.error)))
    ratio, low, high = ratio_of_quantile(*arms, QUANTILE, widths=widths)
    return {
        "name": name,
        "kind": "latency",
        "baseline": float(np.quantile(arms[0].values, QUANTILE)),
        "candidate": float(np.quantile(arms[1].values, QUANTILE)),
        "ratio": ratio,
        "interval": [low, high],
        "limit": options.max_latency_ratio,
        "broken": low > options.max_latency_ratio,
        "open": low <= options.max_latency_ratio < ratio,
    }


def unchecked(name: str) -> dict[str, Any]:
    """A guardrail with too few cases to say anything."""
    return {"name": name, "kind": "unchecked", "broken": False, "open": True}


def guardrail_values(cells: pd.Series, name: str, options: Abtest) -> np.ndarray:
    """Numbers, or yes (1) and no (0)."""
    words = texts(cells).str.strip().str.lower()
    if set(words.dropna()) <= YES | NO:
        return np.where(words.isna(), np.nan, words.isin(YES).astype(np.float64))
    values = plain_numbers(cells)
    bad = np.isnan(values) & cells.notna().to_numpy()
    if bad.any():
        raise DataError(f"input={options.input}: column {name!r} holds {str(cells[bad].iloc[0])!r}, which is no number")
    return values


def segments(log: Log, options: Abtest, planned: float) -> list[dict[str, Any]]:
    """The difference within each level of each column, all of them together at the error (Bonferroni)."""
    sign = 1.0 if options.better == "higher" else -1.0
    cuts: list[tuple[str, str, tuple[Arm, Arm]]] = []
    small = []
    for name in options.segments:
        cells = texts(log.frame[name])
        for level in cells.value_counts().index[:MOST_LEVELS]:
            rows = (cells == level).to_numpy()
            arms = (log.arm(False, log.outcome, rows), log.arm(True, log.outcome, rows))
            if min(arm.n_units if len(arm.values) else 0 for arm in arms) < LEAST_UNITS:
                small.append({"column": name, "level": str(level), "rows": [len(arm.values) for arm in arms]})
            else:
                cuts.append((name, str(level), arms))
    each = options.error / max(1, len(cuts) + len(small))  # of all, so that it is the same at every look
    found = []
    for name, level, arms in cuts:
        one = signed(interval(*arms, options.method, each, planned), sign)
        found.append(
            described(arms, one, sign) | {"column": name, "level": level, "shown": one.low > 0 or one.high < 0}
        )
    return found + [cut | {"mean": None, "shown": False} for cut in small]

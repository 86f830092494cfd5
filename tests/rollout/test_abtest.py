"""What came out of a test: the arms first, no peeking, guardrails, segments."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adaptact.errors import ConfigError, DataError
from adaptact.rollout.abtest import analyse, outcome_of, read_log
from adaptact.rollout.options import Abtest

TODAY = date(2026, 11, 26)


def log(rows: int = 4000, lift: float = 0.05, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    candidate = random.random(rows) < 0.5
    return pd.DataFrame(
        {
            "identifier": [f"A{n}" for n in range(rows)],
            "arm": np.where(candidate, "candidate", "baseline"),
            "outcome": np.where(random.random(rows) < 0.7 + lift * candidate, "はい", "いいえ"),
            "latency": random.gamma(4, 5, rows),
            "complaints": random.poisson(0.1, rows),
            "line": random.choice(["第一", "第二"], rows),
        }
    )


def result(frame: pd.DataFrame, plan: dict[str, Any] | None = None, **words: Any) -> dict[str, Any]:
    options = Abtest(step="analyse", input="log.csv", **words)
    return analyse(read_log(frame, options), options, plan or {}, TODAY)


def test_a_difference_is_shown_at_the_planned_end() -> None:
    found = result(log(), until="2026-11-26", smallest=0.03)
    assert found["verdict"] == "adopt"
    low, high = found["difference"]["interval"]
    assert 0 < low < 0.05 < high
    assert result(log(lift=-0.05), until="2026-11-26", smallest=0.03)["verdict"] == "reject"
    assert result(log(lift=0.05), until="2026-11-26", smallest=0.03, better="lower")["verdict"] == "reject"


def test_before_its_end_a_fixed_test_shows_nothing() -> None:
    found = result(log(), until="2026-11-27")
    assert (found["verdict"], found["difference"], found["segments"]) == ("too early", None, [])
    assert result(log(), plan={"rows": 5000, "until": None})["verdict"] == "too early"
    assert result(log(), plan={"rows": 4000, "until": None})["verdict"] != "too early"
    frame = log().assign(day="2026/12/01")
    assert result(frame, until="2026-11-27", time="day")["verdict"] == "adopt"  # the log's last day counts


def test_an_early_look_is_allowed_with_a_confidence_sequence() -> None:
    found = result(log(lift=0.1), method="always_valid")
    assert found["verdict"] == "adopt"
    fixed = result(log(lift=0.1), until="2026-11-01")
    width = [one["difference"]["interval"][1] - one["difference"]["interval"][0] for one in (found, fixed)]
    assert width[0] > 1.3 * width[1]


def test_arms_that_are_not_as_dealt_out_end_everything() -> None:
    frame = log()
    lost = frame[(frame.arm == "baseline") | (np.arange(len(frame)) % 5 > 0)]
    found = result(lost, until="2026-01-01")
    assert (found["verdict"], found["difference"]) == ("invalid", None)
    assert found["mismatch_p"] < 0.001


def test_a_case_in_both_arms_is_left_out_and_counted() -> None:
    frame = pd.concat(
        [log(), log().head(3).assign(arm=lambda f: f.arm.map({"baseline": "candidate"}).fillna("baseline"))]
    )
    found = result(frame.reset_index(drop=True), until="2026-01-01")
    assert found["in_both_arms"] == 3
    assert sum(found["units"]) == 3997


def test_guardrails_overrule() -> None:
    frame = log(lift=0.1)
    slow = frame.assign(latency=frame.latency * np.where(frame.arm == "candidate", 1.6, 1.0))
    found = result(slow, until="2026-01-01", latency="latency")
    assert (found["verdict"], found["reason"]) == ("reject", "guardrail")
    random = np.random.default_rng(1)
    angry = frame.assign(complaints=frame.complaints + (frame.arm == "candidate") * random.poisson(0.2, len(frame)))
    found = result(angry, until="2026-01-01", guardrails=["complaints"])
    assert found["reason"] == "guardrail"
    assert result(frame, until="2026-01-01", guardrails=["complaints"], latency="latency")["verdict"] == "adopt"


def test_a_guardrail_that_cannot_be_checked_does_not_hold() -> None:
    frame = log(lift=0.1)
    frame.loc[11:, "complaints"] = None
    frame.loc[11:, "latency"] = None
    found = result(frame, until="2026-01-01", guardrails=["complaints"], latency="latency")
    assert (found["verdict"], found["reason"]) == ("undecided", "guardrail_open")
    assert [rail["kind"] for rail in found["guardrails"]] == ["unchecked", "unchecked"]


def test_segments_are_corrected_for_their_number() -> None:
    found = result(log(lift=0.06), until="2026-01-01", segments=["line"])
    alone = result(log(lift=0.06), until="2026-01-01")["difference"]
    assert {one["level"] for one in found["segments"]} == {"第一", "第二"}
    assert found["segments"][0]["interval"][1] - found["segments"][0]["interval"][0] > 1.3 * (
        alone["interval"][1] - alone["interval"][0]
    )
    tiny = log().assign(line=["rare"] * 5 + ["often"] * 3995)
    assert [one["mean"] is None for one in result(tiny, until="2026-01-01", segments=["line"])["segments"]] == [
        False,
        True,
    ]


def test_rows_of_one_customer_are_one_case() -> None:
    frame = log(1000)
    many = pd.concat([frame] * 5, ignore_index=True)
    once, five = result(frame, until="2026-01-01"), result(many, until="2026-01-01")
    assert five["units"] == once["units"]
    one, other = (found["difference"]["interval"] for found in (once, five))
    assert other[1] - other[0] == pytest.approx(one[1] - one[0], rel=0.02)


def test_what_cannot_be_understood_is_said() -> None:
    with pytest.raises(DataError, match="an arm is baseline or candidate"):
        result(log().assign(arm="B"))
    with pytest.raises(DataError, match="no such column"):
        result(log(), latency="latenz")
    with pytest.raises(ConfigError, match="identifier=<column>"):
        result(log().rename(columns={"identifier": "case"}))
    for pair in (["good", "bad"], ["pass", "fail"], ["良", "不良"]):  # no pair that is known says which is counted
        with pytest.raises(DataError, match="positive="):
            result(log().assign(outcome=pair * 2000))
    assert result(log().assign(outcome=["good", "bad"] * 2000), positive="good", until="2026-01-01")["binary"]
    with pytest.raises(DataError, match="nothing to compare"):
        result(log().assign(arm="candidate"))


def test_outcomes_may_be_written_in_many_ways() -> None:
    options = Abtest(step="analyse", input="log.csv")
    values, binary = outcome_of(pd.Series(["TRUE", "false", None]), options, "log.csv")
    assert (values[:2].tolist(), bool(np.isnan(values[2])), binary) == ([1.0, 0.0], True, True)
    values, binary = outcome_of(pd.Series(["1,5", "2,25", "3,75"]), options, "log.csv")
    assert (values.tolist(), binary) == ([1.5, 2.25, 3.75], False)

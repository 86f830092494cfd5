"""Numbers and names within the sentences and tables of a report, in the language of a speaker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adaptact.formatting import number
from adaptact.report.comparison_words import Say


def interval(pair: Sequence[float | None], say: Say) -> str:
    low, high = (say("no_limit") if end is None else number(end, signed=True, digits=3) for end in pair)
    return say("interval", low=low, high=high)


def difference(found: dict[str, Any], say: Say) -> str:
    mean = number(found["mean_difference"], signed=True, digits=3)
    return say("with_interval", mean=mean, interval=interval(found["interval"], say))


def mean_sd(values: dict[str, float] | None) -> str:
    return "-" if values is None else f"{number(values['mean'])} ± {number(values['sd'], digits=2)}"


def ratio(measured: dict[str, Any] | None, say: Say) -> str:
    if measured is None:
        return say("not_measured")
    low, high = measured["interval"]
    return say("ratio", ratio=f"{measured['ratio']:.2f}", low=f"{low:.2f}", high=f"{high:.2f}")


def joined(names: Sequence[str], say: Say) -> str:
    """Names as a sentence joins them: a, b and c."""
    if len(names) < 2:
        return "".join(names)
    return say("names", first=say("name_separator").join(names[:-1]), last=names[-1])


def plural(key: str, n: int) -> str:
    """The sentence for one, or that for several."""
    return f"{key}_one" if n == 1 else key

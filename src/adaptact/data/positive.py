"""The positive class of a two-class target: the one that thresholds, costs and average precision are about."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from adaptact.errors import ConfigError

By = Literal["typed", "pair", "rarer", "order", "earlier"]

# The class that people look for, then the other one; labels are compared by `folded`.
KNOWN = """
yes/no true/false y/n 1/0 有/無 あり/なし はい/いいえ ○/×
ng/ok fail/pass failed/passed bad/good defect/ok defective/ok abnormal/normal anomaly/normal
fraud/legit fraud/normal churn/stay churned/retained default/paid positive/negative malignant/benign
不良/良 不良品/良品 不合格/合格 異常/正常 解約/継続 陽性/陰性 悪性/良性 否/可
"""
PAIRS = {tuple(pair.split("/")) for pair in KNOWN.split()}
CIRCLES_AND_CROSSES = str.maketrans("〇◯✕✖☓", "○○×××")  # NFKC keeps these letters apart

GUESSES = {"rarer", "order"}  # nothing but the number of rows spoke for the class


@dataclass(frozen=True)
class Positive:
    """The class to be found.

    Args:
        number: its class number, 0 or 1.
        share: of the rows of the main file that have it.
        by: how it was decided: "typed" (``data.positive``), "pair" (a known pair of labels), "rarer" (the rarer class),
            "order" (equal shares: the second label), "earlier" (the second label: the rule of runs trained before
            there were the others).
    """

    label: str
    other: str
    number: int
    share: float
    by: By

    @property
    def is_guess(self) -> bool:
        """True if nothing but the number of rows spoke for this class."""
        return self.by in GUESSES

    def line(self) -> str:
        """One line for the screen.

        >>> Positive("NG", "OK", 0, 1 / 3, "pair").line()
        'to be found: NG (33 % of the rows); data.positive=OK for the other'
        """
        found = f"to be found: {self.label} ({percent(self.share)} of the rows)"
        if self.by == "earlier":
            return f"{found}, the second label, as when this run was trained"
        return f"{found}; data.positive={self.other} for the other"


def percent(share: float) -> str:
    """A share in whole percent, with as many digits as a small one needs.

    >>> percent(0.333), percent(0.0012), percent(0.9995)
    ('33 %', '0.12 %', '99.95 %')
    """
    rounded = round(100 * share)
    return f"{rounded} %" if 1 <= rounded <= 99 else f"{100 * share:.4g} %"


def choose(
    labels: Sequence[str], y: np.ndarray, typed: str | None = None, target: str = "the target"
) -> Positive | None:
    """Decide the positive class: the typed one, the sought side of a known pair, else the rarer class.

    Args:
        labels: class names in the order of their numbers; empty for a regression.
        y: (rows,): class numbers of the main file, before it is split.
        typed: ``data.positive``.
        target: name of the target, for messages.

    Returns:
        None unless there are two classes.

    Raises:
        ConfigError: ``typed`` is no label, or there are not two classes.

    >>> choose(["NG", "OK"], np.array([0, 1, 1])).label, choose(["a", "b"], np.array([0, 1, 1])).by
    ('NG', 'rarer')
    """
    if len(labels) != 2:
        if typed is not None:
            what = f"{len(labels)} classes" if labels else "a quantity"
            raise ConfigError([f"data.positive is for two classes, and {target!r} has {what}: leave it out"])
        return None
    counts = np.bincount(y, minlength=2)
    by: By
    if typed is not None:
        number, by = _number_of(typed, labels, target), "typed"
    elif (known := _of_pair(labels)) is not None:
        number, by = known, "pair"
    elif counts[0] != counts[1]:
        number, by = int(counts.argmin()), "rarer"
    else:
        number, by = 1, "order"
    return Positive(labels[number], labels[1 - number], number, float(counts[number] / max(1, counts.sum())), by)


def second(labels: Sequence[str], y: np.ndarray) -> Positive:
    """The positive class of runs that were trained before it was chosen: the second label."""
    return Positive(labels[1], labels[0], 1, float(np.mean(y == 1)), "earlier")


def folded(label: str) -> str:
    """A label as labels are compared: NFKC, case folded, signs for yes and no in one form, whole numbers plain.

    >>> folded("ＮＧ ") == folded("ng"), folded("1.0") == folded("1"), folded("◯") == folded("○")
    (True, True, True)
    """
    text = unicodedata.normalize("NFKC", label).casefold().strip().translate(CIRCLES_AND_CROSSES)
    return text[:-2] if text in {"0.0", "1.0"} else text


def _of_pair(labels: Sequence[str]) -> int | None:
    first, other = map(folded, labels)
    if (first, other) in PAIRS:
        return 0
    return 1 if (other, first) in PAIRS else None


def _number_of(typed: str, labels: Sequence[str], target: str) -> int:
    """The label as typed, or else the only one that differs in case or width of letters alone."""
    if typed in labels:
        return labels.index(typed)
    alike = [number for number, label in enumerate(labels) if folded(label) == folded(typed)]
    if len(alike) == 1:
        return alike[0]
    raise ConfigError([f"data.positive={typed} is no label of {target!r}; it has {', '.join(labels)}"])

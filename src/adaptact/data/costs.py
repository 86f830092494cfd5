"""A check that costs of errors go with what is to be predicted."""

from __future__ import annotations

from typing import Protocol

from adaptact import config
from adaptact.data.positive import Positive
from adaptact.data.prepared import Task
from adaptact.errors import ConfigError


class Target(Protocol):
    """What is to be predicted: a table that has been read, or data that is prepared."""

    @property
    def task(self) -> Task: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def positive(self) -> Positive | None: ...


def two_classes(options: config.Data, target: Target) -> None:
    """Raise where costs are set that only two classes have, or where it is a guess which class they are about."""
    wanted = options.costs_given
    if wanted and len(target.labels) != 2:
        what = f"{len(target.labels)} classes" if target.labels else "a quantity"
        raise ConfigError([f"data.{wanted[0]} is for two classes, and {options.predicts!r} has {what}: leave it out"])
    if wanted:
        costs_need_a_class(target.positive, f"data.{wanted[0]}")


def costs_need_a_class(positive: Positive | None, key: str, word: str = "data.positive") -> None:
    """Raise ConfigError where errors cost money and nothing but the number of rows says which class is to be found.

    Args:
        key: the option that gives a cost.
        word: the option that names the class.
    """
    if positive is None or not positive.is_guess:
        return
    why = "is the rarer one" if positive.by == "rarer" else "is the second in order"
    raise ConfigError(
        [
            f"{key} needs to know which class is to be found: {positive.label!r} {why}, which is a guess, and with the "
            f"wrong one the wrong errors cost money. Type {word}={positive.label} or {word}={positive.other}"
        ]
    )

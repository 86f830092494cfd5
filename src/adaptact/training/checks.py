"""What can be wrong once the data is known, said before anything slow is imported or anything is written."""

from __future__ import annotations

from typing import Protocol

from adaptact import config
from adaptact.data import Prepared
from adaptact.data.positive import Positive
from adaptact.data.prepared import Task
from adaptact.errors import ConfigError, DataError


class Target(Protocol):
    """What is to be predicted: a table that has been read, or data that is prepared."""

    @property
    def task(self) -> Task: ...
    @property
    def labels(self) -> list[str]: ...
    @property
    def positive(self) -> Positive | None: ...


def check_target(settings: config.Config, target: Target) -> None:
    """Raise ConfigError where a configuration does not go with what is to be predicted."""
    monitored_metric(settings, target)
    two_classes(settings.data, target)
    if settings.imbalance != "none" and target.task == "regression":
        raise ConfigError([f"imbalance={settings.imbalance} is for classes, and this is a regression: leave it out"])


def check(settings: config.Config, prepared: Prepared) -> None:
    """Raise ConfigError or DataError where a configuration does not go with its data or with this machine."""
    check_target(settings, prepared)
    size, rows = settings.data.batch_size, len(prepared.parts["train"])
    if size > rows:
        raise DataError(f"data.batch_size={size} is more than the {rows} training rows: set a smaller one")
    from adaptact.training import hardware  # torch

    hardware.precision(settings.trainer, hardware.accelerator(settings.trainer))


def two_classes(options: config.Data, target: Target) -> None:
    """Raise where costs are set that only two classes have, or where it is a guess which class they are about."""
    if not isinstance(options, config.Rows):
        return
    wanted = [key for key in ("cost_fp", "cost_fn") if getattr(options, key) is not None]
    if wanted and len(target.labels) != 2:
        what = f"{len(target.labels)} classes" if target.labels else "a quantity"
        raise ConfigError([f"data.{wanted[0]} is for two classes, and {options.target!r} has {what}: leave it out"])
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


def monitored_metric(settings: config.Config, target: Target) -> tuple[str, config.Mode]:
    """Name and mode of the metric that picks the best checkpoint.

    Raises:
        ConfigError: a metric of the other task.
    """
    known = config.METRICS[target.task]
    name = settings.monitor.removeprefix("val/")
    if name == "auto":
        two = "auroc" if len(target.labels) == 2 else "accuracy"
        name = two if target.task == "classification" else "rmse"
    if name not in known:
        raise ConfigError(
            [f"monitor=val/{name}: this is a {target.task}; it has {', '.join('val/' + k for k in known)}"]
        )
    return f"val/{name}", known[name]

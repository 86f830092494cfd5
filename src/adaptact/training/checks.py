"""What can be wrong once the data is known, said before anything slow is imported or anything is written."""

from __future__ import annotations

from adaptact import config
from adaptact.data import Prepared
from adaptact.data.costs import Target, two_classes
from adaptact.errors import ConfigError, DataError


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

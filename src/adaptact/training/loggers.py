"""Loggers of a run, by ``logger=tensorboard``, ``csv``, ``mlflow`` or ``wandb``, or several in brackets."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, Logger

from adaptact import config, records
from adaptact.errors import ConfigError, UserError, machine_error
from adaptact.training.tensorboard import tensorboard_logger

NAME = "adaptact"  # of the experiment of MLflow, and of the project of Weights & Biases


def loggers(folder: Path, settings: config.Config, last: Path | None) -> list[Logger]:
    """Return the loggers that the configuration asks for.

    Args:
        folder: of the run.
        last: the checkpoint that a resumed run goes on from.

    Raises:
        ConfigError: the package of a logger is not installed.
    """
    makers: dict[str, Callable[[], Logger]] = {
        "tensorboard": lambda: tensorboard_logger(folder, settings, last),
        "csv": lambda: CSVLogger(folder, name="", version="csv"),
        "mlflow": lambda: _mlflow(folder, settings.logger),
        "wandb": lambda: _wandb(folder, settings.logger),
    }
    return [_opened(name, make) for name, make in makers.items() if name in settings.logger.chosen]


def _opened(name: str, make: Callable[[], Logger]) -> Logger:
    try:
        logger = make()
        getattr(logger, "experiment")  # noqa: B009 - connects: a server that does not answer is said now
    except Exception as error:  # of MLflow and Weights & Biases: whatever a server, a path or an account leads to
        if isinstance(error, UserError) or machine_error(error) is not None:
            raise
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(f"logger={name} cannot be opened: {reason}; debug=true shows where") from error
    return logger


def check_installed(options: config.Logger) -> None:
    """Raise ConfigError for a logger whose package is not installed, before anything is written."""
    from importlib.util import find_spec

    missing = [name for name in ("mlflow", "wandb") if name in options.chosen and find_spec(name) is None]
    if missing:
        way_out = "make setup EXTRAS={0}, or pip install {0}"
        raise ConfigError([f"logger={name} needs the package {name}: {way_out.format(name)}" for name in missing])


def _mlflow(folder: Path, options: config.Logger) -> Logger:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves this machine unasked
    from lightning.pytorch.loggers import MLFlowLogger

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    local = records.project_root() / "runs" / "mlflow"
    if options.mlflow_uri is None:
        local.mkdir(parents=True, exist_ok=True)
    return MLFlowLogger(
        experiment_name=NAME,
        run_name=folder.name,
        tracking_uri=options.mlflow_uri or f"sqlite:///{local / 'mlflow.db'}",
        artifact_location=None if options.mlflow_uri else (local / "artifacts").as_uri(),
        tags={"run_folder": str(folder)},
    )


def _wandb(folder: Path, options: config.Logger) -> Logger:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    from lightning.pytorch.loggers import WandbLogger

    return WandbLogger(name=folder.name, project=NAME, save_dir=folder, offline=options.wandb_mode == "offline")


def hyperparameters(settings: config.Config) -> dict[str, Any]:
    """Every key of the configuration as a dotted name, the choices of groups first; lists as text."""
    plain = config.to_dict(settings)
    flat: dict[str, Any] = {group: plain[group].pop("name") for group in config.GROUPS}
    for key, value in plain.items():
        for name, leaf in value.items() if isinstance(value, dict) else [("", value)]:
            flat[f"{key}.{name}" if name else key] = leaf if isinstance(leaf, (bool, int, float, str)) else str(leaf)
    return flat

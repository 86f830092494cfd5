"""TensorBoard, written in fewer and larger pieces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from adaptact import config
from adaptact.records import CONFIG_FILE
from adaptact.training.checkpoints import load_checkpoint


class Board(TensorBoardLogger):
    """As its base, but the scalars of one call become one event: a sixth of the time, and half of the bytes."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary  # takes half a second: with the first event

        values = [Summary.Value(tag=tag, simple_value=float(value)) for tag, value in metrics.items()]
        self.experiment._get_file_writer().add_summary(Summary(value=values), step)


def tensorboard_logger(folder: Path, settings: config.Config, last: Path | None) -> Board:
    """Make the logger of a run. After a resume, what was logged after the checkpoint is taken back: it comes again."""
    purge: dict[str, Any] = {}
    if settings.resume is not None:
        purge["purge_step"] = 0 if last is None else load_checkpoint(last)["global_step"]
    logger = Board(folder, name="", version="tensorboard", default_hp_metric=False, **purge)
    if settings.resume is None:
        text = (folder / CONFIG_FILE).read_text(encoding="utf-8")
        logger.experiment.add_text("config", f"```yaml\n{text}\n```")
    return logger

"""Runs of a sweep as they lie on disk: what was set, what came out, gradient norms by layer."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, median
from typing import Any

from adaptact.records import LAST_FILE, RESULT_FILE, Record, read_config

NOT_SET_APART = {"activation.kind", "output_dir", "resume", "trust"}  # say nothing that another key does not


@dataclass
class Run:
    """One combination of a sweep. ``settings`` has dotted keys; without a ``record`` the run failed."""

    settings: dict[str, Any]
    status: str
    reason: str | None
    record: Record | None = None
    folder: Path | None = None

    @classmethod
    def read(cls, folder: Path) -> Run:
        """A run folder; one without a record is a run that failed.

        Raises:
            UserError: no configuration, a broken record.
        """
        settings = flat(read_config(folder))
        if not (folder / RESULT_FILE).is_file():
            return cls(settings, "failed", "it left no result.json", None, folder)
        record = Record.load(folder)
        return cls(settings, record.status, record.reason, record, folder)

    @classmethod
    def failed(cls, settings: Mapping[str, Any], reason: str) -> Run:
        """A combination that an error ended."""
        return cls(flat(settings), "failed", reason)

    @property
    def monitor(self) -> str:
        """Name of the metric that picked the checkpoint, without its part."""
        return "" if self.record is None else self.record.monitor["name"].partition("/")[2]

    @cached_property
    def grad_norms(self) -> list[float]:
        """See :func:`gradient_norms`; empty for a run that left none."""
        return [] if self.folder is None else gradient_norms(self.folder)

    def metric(self, part: str) -> float | None:
        """The monitored metric of the best checkpoint."""
        return None if self.record is None else self.record.metrics[part].get(self.monitor)

    def learned(self, key: str) -> float | None:
        """Mean over all sites of what was learned under ``key`` (alpha, beta, gap ...), at the best checkpoint."""
        layers = [] if self.record is None else self.record.layers
        values = [layer[key] for layer in layers if layer.get(key) is not None]
        return fmean(values) if values else None


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings with dotted keys; lists as text, so that values can be counted.

    >>> flat({"model": {"name": "mlp", "widths": [8]}, "seed": 0})
    {'model.name': 'mlp', 'model.widths': '[8]', 'seed': 0}
    """
    plain: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            plain |= {f"{key}.{name}": leaf for name, leaf in flat(value).items()}
        else:
            plain[key] = str(value) if isinstance(value, list) else value
    return plain


def varied(runs: Iterable[Run]) -> list[str]:
    """Keys with more than one value among the runs that have them."""
    values: dict[str, set[Any]] = {}
    for run in runs:
        for key, value in run.settings.items():
            values.setdefault(key, set()).add(value)
    return [key for key, found in values.items() if len(found) > 1 and key not in NOT_SET_APART]


def gradient_norms(folder: Path) -> list[float]:
    """Median gradient norm of every weight layer over the logged steps, from the input to the output; nan for a layer
    that had no finite one.

    Weight layers are those with a matrix or a kernel, in the order of the checkpoint: norms and activations are not
    comparable with them. Empty where the run left no checkpoint or no event files.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from adaptact.training.checkpoints import load_checkpoint

    path = folder / "checkpoints" / LAST_FILE
    if not path.is_file() or not (folder / "tensorboard").is_dir():
        return []
    weights = load_checkpoint(path)["state_dict"]
    names = [key.removeprefix("network.").removesuffix(".weight") for key, w in weights.items() if w.ndim > 1]
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    tags = set(events.Tags()["scalars"])
    logged = [[e.value for e in events.Scalars(f"grad_norm/{n}")] for n in names if f"grad_norm/{n}" in tags]
    return [finite_median(values) for values in logged]


def finite_median(values: Iterable[float]) -> float:
    """The median of those that are finite; nan where none is."""
    finite = list(filter(math.isfinite, values))
    return median(finite) if finite else math.nan


def table(runs: list[Run], keys: list[str]) -> str:
    """One row per run as CSV: the settings under ``keys``, then what came out."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    results = ["status", "reason", "metric", "val", "test", "nonfinite_steps", "grad_norm_first", "grad_norm_last"]
    learned = ["alpha", "beta", "gap"]
    writer.writerow([*keys, *results, *(f"learned_{key}" for key in learned), "folder"])
    for run in runs:
        writer.writerow(
            [
                *(run.settings.get(key) for key in keys),
                *(run.status, run.reason, run.monitor, run.metric("val"), run.metric("test")),
                None if run.record is None else run.record.stability["nonfinite_steps"],
                *([run.grad_norms[0], run.grad_norms[-1]] if run.grad_norms else [None, None]),
                *(run.learned(key) for key in learned),
                run.folder.name if run.folder else None,
            ]
        )
    return text.getvalue()

"""The data of a comparison, read before anything slow is imported: what is wrong with it is said at once."""

from __future__ import annotations

import dataclasses
from typing import Any

from adaptact import config, data
from adaptact.comparison.options import Comparison
from adaptact.data import Prepared


def load(settings: config.Config, options: Comparison) -> tuple[Prepared, bool]:
    """The data of the first seed, and whether all seeds share their test rows.

    Raises:
        DataError, ConfigError: whatever is wrong with it.
    """
    seeds = options.seeds[:2] if "split" in options.compare.vary else [settings.data.split_seed]
    found = [data.load(dataclasses.replace(settings.data, split_seed=seed), settings.trust) for seed in seeds]
    tests = [prepared.parts["test"] for prepared in found]
    fixed = len(tests[0]) == len(tests[-1]) and bool((tests[0].y == tests[-1].y).all())
    if isinstance(settings.data, config.ImageFolder):  # classes in their order look alike in every split
        fixed = fixed and bool((tests[0].x == tests[-1].x).all())
    fixed = fixed and tests[0].x.shape == tests[-1].x.shape and getattr(settings.data, "folds", None) is None
    official = isinstance(settings.data, config.Idx) or getattr(settings.data, "test_path", None) is not None
    read = (config.CustomData, config.Rows, config.ImageFolder)
    return found[0], official or (fixed and isinstance(settings.data, read))


def data_warnings(options: config.Data) -> list[dict[str, Any]]:
    """What `make check-data` warns of, for the report."""
    from adaptact.data.table.checks import INFO

    readers = data.readers(options)
    if readers is None:
        return []
    reader, checker = readers
    found = checker.findings(reader.read_and_split(options), options)
    kept = [f for f in found if f.level != INFO]
    return [{"kind": f.kind, "column": f.column, "detail": f.detail, "advice": f.advice} for f in kept]

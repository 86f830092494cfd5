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
    return found[0], data.kind_of(settings.data).shares_test(found)


def data_warnings(options: config.Data) -> list[dict[str, Any]]:
    """What `make check-data` warns of, for the report."""
    found = data.kind_of(options).warnings()
    return [{"kind": f.kind, "column": f.column, "detail": f.detail, "advice": f.advice} for f in found]

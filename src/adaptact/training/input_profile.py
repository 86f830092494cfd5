"""What a run's network saw, kept in the run folder so that later rows can be held against it: ``seen.json``."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from adaptact import files, records
from adaptact.callbacks.input_ranges import Range, learn_ranges, leaving
from adaptact.data import Prepared
from adaptact.data.table.profile import Distribution, distribution
from adaptact.data.text.padding import batches_of, trimmed
from adaptact.layouts import PLAIN, Layout
from adaptact.shapes import conform

FILE = "seen.json"
SCHEMA = 1
MOST_ROWS = 2000  # of the training rows, for ranges, and of the test rows, for how often rows leave them
BATCH_ROWS = 256


class _Site(TypedDict):
    low: float
    high: float
    shares: list[float]
    mean: float
    outside: Distribution


class _Seen(TypedDict):
    """``seen.json``: ranges of each site's inputs, and what was measured on inputs that have no columns."""

    schema: int
    sites: dict[str, _Site]
    measures: dict[str, Distribution]


def describe(network: nn.Module, prepared: Prepared) -> dict[str, Any]:
    """The content of ``seen.json``.

    Ranges are those of training rows; how often rows leave them is counted on test rows, which the network has not
    seen, as it will not have seen the rows to come.
    """
    ranges = learn_ranges(network, batches(network, _some(prepared.parts["train"].x), prepared.layout))
    test = _some(prepared.parts["test"].x)
    found = leaving(network, batches(network, test, prepared.layout), ranges)
    train = (prepared.layout or PLAIN).measures(_some(prepared.parts["train"].x))
    return {
        "schema": SCHEMA,
        "sites": {
            name: dataclasses.asdict(ranges[name])
            | {"mean": float(left.outside.mean()), "outside": distribution(left.outside)}
            for name, left in found.items()
        },
        "measures": {name: distribution(values) for name, values in train.items()},
    }


def read(folder: Path) -> dict[str, Any]:
    """``seen.json`` of a run; "sites" with a "range" each.

    Raises:
        UserError: no such file, or a broken one.
    """
    missing = (
        f"{folder} has no {FILE}, which later rows are held against: it is of an earlier version of adaptact, or "
        "was not trained to its end; train again"
    )
    plain = records.read_versioned(
        folder / FILE, SCHEMA, lambda plain: conform(plain, _Seen), missing=missing, way_out="train again"
    )
    for site in plain["sites"].values():
        site["range"] = Range(site["low"], site["high"], site["shares"])
    return {"sites": plain["sites"], "measures": plain["measures"]}


def batches(network: nn.Module, x: Tensor, layout: Layout | None) -> Iterator[Tensor]:
    """Inputs as the network takes them, on its device."""
    like = next(network.parameters())
    for rows in batches_of(x, layout, BATCH_ROWS):
        piece = trimmed(x[rows], layout)
        yield piece.to(like.device) if not piece.is_floating_point() else piece.to(like.device, like.dtype)


def save(folder: Path, found: dict[str, Any]) -> None:
    files.write_json(folder / FILE, found)


def _some(x: Tensor) -> Tensor:
    """At most :data:`MOST_ROWS` rows, spread evenly."""
    rows = torch.linspace(0, len(x) - 1, min(len(x), MOST_ROWS), dtype=torch.float64)
    return x[rows.round().long().to(x.device)]

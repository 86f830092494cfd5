"""The range of inputs that each activation site was trained on, and how far later rows leave it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adaptact.callbacks.site_inputs import eagerly, sample, watch
from adaptact.surgery import named_activations

INSIDE = (0.001, 0.999)  # quantiles of the training inputs that bound the range
BINS = 40
PER_BATCH = 20_000  # inputs of a site that are looked at per batch


@dataclass(frozen=True)
class Range:
    """The quantiles 0.001 and 0.999 of a site's inputs, and the shares of 40 equal bins between them."""

    low: float
    high: float
    shares: list[float]


@dataclass(frozen=True)
class Leaving:
    """What a site saw of some rows.

    Args:
        outside: (rows,): the share of each row's inputs that lie outside the site's range.
        shares: as of :class:`Range`, and what lies below and above it, first and last.
    """

    outside: np.ndarray
    shares: list[float]


def learn_ranges(network: nn.Module, batches: Iterable[Tensor]) -> dict[str, Range]:
    """The ranges of all sites over training rows; a site without finite or with constant inputs is left out."""
    samples: dict[str, list[Tensor]] = {}

    def see(name: str, module: nn.Module, value: Tensor) -> None:
        flat = sample(value.detach().flatten(), PER_BATCH).float().cpu()
        samples.setdefault(name, []).append(flat[torch.isfinite(flat)])

    _run(network, batches, see)
    found = {}
    for name, parts in samples.items():
        values = torch.cat(parts).numpy()
        low, high = np.quantile(values, INSIDE) if len(values) else (0.0, 0.0)
        if high > low:
            counts = np.histogram(values, BINS, (low, high))[0]
            found[name] = Range(float(low), float(high), (counts / len(values)).tolist())
    return found


def leaving(network: nn.Module, batches: Iterable[Tensor], ranges: Mapping[str, Range]) -> dict[str, Leaving]:
    """How far rows leave the ranges. A site whose inputs have no first dimension of rows is left out.

    Not finite counts as outside.
    """
    outside: dict[str, dict[int, list[np.ndarray]]] = {}
    counts: dict[str, np.ndarray] = {}
    batch = rows = 0

    def see(name: str, module: nn.Module, value: Tensor) -> None:
        if name not in ranges or not value.dim() or len(value) % rows:
            return
        known = ranges[name]
        each = value.detach().reshape(rows, -1).float()
        inside = (each >= known.low) & (each <= known.high)
        # a site that is called several times in one pass: all its calls count
        outside.setdefault(name, {}).setdefault(batch, []).append((~inside).float().mean(dim=1).cpu().numpy())
        flat = sample(each.flatten(), PER_BATCH).cpu().numpy()
        edges = np.concatenate([[-np.inf], np.linspace(known.low, known.high, BINS + 1), [np.inf]])
        counts[name] = counts.get(name, 0) + np.histogram(flat[~np.isnan(flat)], edges)[0]

    def counted() -> Iterable[Tensor]:
        nonlocal batch, rows
        for x in batches:
            batch, rows = batch + 1, len(x)
            yield x

    _run(network, counted(), see)
    return {
        name: Leaving(
            np.concatenate([np.mean(calls, axis=0) for calls in found.values()]),
            (counts[name] / max(1, counts[name].sum())).tolist(),
        )
        for name, found in outside.items()
    }


@torch.no_grad()
def _run(network: nn.Module, batches: Iterable[Tensor], see: Any) -> None:
    training = network.training
    network.eval()
    try:
        with eagerly(), watch(named_activations(network), see):
            for x in batches:
                network(x)
    finally:
        network.train(training)

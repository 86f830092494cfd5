"""Texts of different length: batches of similar ones, cut to their longest, so that little is computed on padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from adaptact.layouts import PLAIN, Layout

if TYPE_CHECKING:
    from torch import nn

POOL = 50  # training batches that are sorted by length together: more leave less padding and less to chance
EVALUATION_TEXTS = 256  # per batch where nothing is learned


def lengths_of(x: Tensor, layout: Layout | None) -> Tensor | None:
    """Tokens of each text, (rows,) in int64 on the CPU; None for other inputs than texts."""
    return (layout or PLAIN).lengths(x)


def trimmed(x: Tensor, layout: Layout | None) -> Tensor:
    """Texts without the padding that all of them have; other inputs as they are."""
    lengths = lengths_of(x, layout)
    return x if lengths is None or not len(lengths) else x[:, : int(lengths.max())]


def without_padding(x: Tensor, layout: Layout | None) -> Tensor:
    """Texts that have no padding at all: those of median length or more, cut to it; other inputs as they are."""
    lengths = lengths_of(x, layout)
    if lengths is None or not len(lengths):
        return x
    median = int(lengths.median())
    return x[(lengths >= median).to(x.device), :median]


def by_length(order: Tensor, lengths: Tensor, batch_size: int, generator: torch.Generator) -> list[Tensor]:
    """Cut an order of rows into batches of similar length.

    Of each pool of about :data:`POOL` batches the rows are sorted by length, those of equal length in their order.
    All batches but the last are full, as without lengths; the full ones then come in a random order.
    """
    batches: list[Tensor] = []
    rest: list[Tensor] = []
    n_batches = -(-len(order) // batch_size)
    n_pools = max(1, round(n_batches / POOL))
    for pool in order.split(-(-n_batches // n_pools) * batch_size):
        ranked = pool[lengths[pool].argsort(stable=True)]
        full, left = divmod(len(pool), batch_size)
        if left:  # rows of similar length too, and of another length each time
            place = batch_size * int(torch.randint(full + 1, (1,), generator=generator))
            rest.append(ranked[place : place + left])
            ranked = torch.cat([ranked[:place], ranked[place + left :]])
        batches += ranked.split(batch_size) if full else ()
    return [batches[place] for place in torch.randperm(len(batches), generator=generator)] + rest


def padding_share(lengths: Tensor, batches: list[Tensor]) -> float:
    """Share of the tokens of all batches, each cut to its longest text, that are padding."""
    whole = sum(int(lengths[rows].max()) * len(rows) for rows in batches)
    return 1 - sum(int(lengths[rows].sum()) for rows in batches) / whole


def batches_of(x: Tensor, layout: Layout | None, batch_rows: int) -> list[Tensor]:
    """Row numbers in batches: rows in their order; of texts those of similar length together."""
    lengths = lengths_of(x, layout)
    if lengths is None:
        return list(torch.arange(len(x)).split(batch_rows))
    return list(lengths.argsort(stable=True).split(min(batch_rows, EVALUATION_TEXTS)))


def outputs_of(network: nn.Module, x: Tensor, layout: Layout | None, batch_rows: int) -> Tensor:
    """What a network says of each row, on the CPU in the rows' order."""
    device = next(network.parameters()).device
    batches = batches_of(x, layout, batch_rows)
    found = torch.cat([network(trimmed(x[rows], layout).to(device)).cpu() for rows in batches])
    return found[torch.cat(batches).argsort()]

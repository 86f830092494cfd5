"""Batches by length: every row once, by seed and epoch alone, little padding, nothing out of its order at the end."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader

from adaptact import config
from adaptact.data import Part, Prepared
from adaptact.data.loaders import BatchIndices, DataModule, ResidentLoader
from adaptact.data.text.padding import lengths_of, outputs_of, padding_share, trimmed, without_padding
from adaptact.layouts import Columns, Tokens

LAYOUT = Tokens(1000, pad=3, unknown=1)
LONGEST = 40


def tokens(lengths: Tensor) -> Tensor:
    """Texts whose tokens carry the number of their row, from 10 on."""
    place = torch.arange(LONGEST)
    numbers = torch.arange(len(lengths)).unsqueeze(1) + 10
    return torch.where(place < lengths.unsqueeze(1), numbers, LAYOUT.pad).int()


def prepared(rows: int = 203, seed: int = 0) -> Prepared:
    draw = torch.Generator().manual_seed(seed)

    def part(n: int) -> Part:
        return Part(tokens(torch.randint(1, LONGEST + 1, (n,), generator=draw)), torch.arange(n) + 10)

    parts = {"train": part(rows), "val": part(33), "test": part(600)}
    return Prepared("texts", "classification", parts, "0" * 64, ["a", "b"], layout=LAYOUT)


def module(seed: int = 0, **options: Any) -> DataModule:
    made = DataModule(prepared(), config.Bundled(name="wine", **{"batch_size": 8, **options}), seed)
    made.setup("fit")
    return made


def epoch_of(loader: Any, epoch: int = 0) -> list[tuple[Tensor, Tensor]]:
    loader.sampler.set_epoch(epoch)
    batches = list(loader)
    assert len(loader) == len(batches)
    for x, y in batches:
        assert (x[:, 0] == y).all()  # rows and targets stay together
        assert (x != LAYOUT.pad).any(dim=0).all()  # no column of padding alone
    return batches


sizes, batch_sizes = st.integers(1, 90), st.integers(1, 9)


@given(sizes, batch_sizes, st.integers(0, 99), st.integers(0, 9), st.integers(1, 40))
def test_every_row_comes_once_save_one_that_would_be_alone(
    rows: int, batch_size: int, seed: int, epoch: int, most: int
) -> None:
    lengths = torch.from_numpy(np.random.default_rng(seed).integers(1, most + 1, rows))
    sampler = BatchIndices(rows, batch_size, shuffle=True, seed=seed, lengths=lengths)
    sampler.set_epoch(epoch)
    batches = [batch.tolist() for batch in sampler]
    assert [len(batch) for batch in batches] == [
        len(batch) for batch in BatchIndices(rows, batch_size, shuffle=True, seed=seed)
    ]
    seen = [row for batch in batches for row in batch]
    left_out = 1 if rows > batch_size and rows % batch_size == 1 and batch_size > 1 else 0
    assert len(set(seen)) == len(seen) == rows - left_out
    assert set(seen) <= set(range(rows))


@given(st.integers(64, 400), st.integers(0, 50))
def test_full_batches_hold_neighbours_by_length(rows: int, seed: int) -> None:
    lengths = torch.from_numpy(np.random.default_rng(seed).integers(1, 200, rows))
    batches = list(BatchIndices(rows, 8, shuffle=True, seed=seed, lengths=lengths))
    spans = sorted((int(lengths[b].min()), int(lengths[b].max())) for b in batches if len(b) == 8)
    assert all(high <= low for (_, high), (low, _) in pairwise(spans))


def test_less_is_padding_than_in_batches_by_chance() -> None:
    lengths = torch.from_numpy(np.random.default_rng(0).lognormal(3, 0.6, 5000).astype(int) + 1)
    share = padding_share(lengths, list(BatchIndices(5000, 64, shuffle=True, lengths=lengths)))
    assert share < 0.1
    assert padding_share(lengths, list(BatchIndices(5000, 64, shuffle=True))) > 0.5


def test_the_share_of_padding_is_counted_per_token() -> None:
    assert padding_share(torch.tensor([1, 3, 4, 4]), [torch.tensor([0, 1]), torch.tensor([2, 3])]) == pytest.approx(
        2 / 14
    )


def test_order_depends_on_seed_and_epoch_alone_and_batches_change() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return [y.tolist() for _, y in epoch_of(module(seed).train_dataloader(), epoch)]

    torch.manual_seed(1)
    first, state = order(3, 2), torch.get_rng_state()
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    assert order(3, 2) == first
    loader = module(3).train_dataloader()
    for epoch in (0, 1):
        epoch_of(loader, epoch)
    assert [y.tolist() for _, y in epoch_of(loader, 2)] == first
    assert len({str(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9
    lengths = [x.shape[1] for x, _ in epoch_of(module().train_dataloader())]
    assert lengths != sorted(lengths)  # not the short ones first


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resident_and_a_loaded_data_set_give_the_same_batches(workers: int) -> None:
    resident = module(seed=5, resident="true")
    loaded = module(seed=5, resident="false", num_workers=workers)
    assert isinstance(resident.train_dataloader(), ResidentLoader)
    assert isinstance(loaded.train_dataloader(), DataLoader)
    for part in ("train", "test"):
        one, other = (m.train_dataloader() if part == "train" else m.evaluation(part) for m in (resident, loaded))
        pairs = list(zip(epoch_of(one, 1), epoch_of(other, 1), strict=True))
        assert all(torch.equal(a, b) for first, second in pairs for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("part", ["val", "test"])
def test_evaluation_goes_by_length_and_finds_its_way_back(part: str) -> None:
    made = module()
    found = torch.cat([y for _, y in epoch_of(made.evaluation(part))])
    assert not torch.equal(found, made.data.parts[part].y)
    assert torch.equal(found[made.order_of(part).argsort()], made.data.parts[part].y)


@given(sizes, st.integers(1, 4), st.integers(0, 9))
def test_several_processes_share_every_batch_and_every_row(rows: int, world: int, seed: int) -> None:
    lengths = torch.from_numpy(np.random.default_rng(seed).integers(1, 30, rows))
    shares = [
        list(BatchIndices(rows, 8, shuffle=True, seed=seed, lengths=lengths, rank=r, world=world)) for r in range(world)
    ]
    batches = [torch.cat(pieces).tolist() for pieces in zip(*shares, strict=True)]
    assert [len(batch) for batch in batches[:-1]] == [8] * (len(batches) - 1)
    seen = [row for batch in batches for row in batch]
    assert len(seen) == len(set(seen))
    assert rows - len(seen) < 2 * world
    pieces = BatchIndices(rows, 8, shuffle=False, world=world, lengths=lengths).evaluated()
    assert sorted(torch.cat(pieces).tolist()) == list(range(rows))


def test_cutting_leaves_every_token() -> None:
    x = tokens(torch.tensor([2, 5, 3]))
    assert trimmed(x, LAYOUT).shape == (3, 5)
    assert torch.equal(trimmed(x, LAYOUT), x[:, :5])
    assert trimmed(x, None) is x
    assert lengths_of(x, Columns(40, 0, ())) is None
    whole = without_padding(x, LAYOUT)
    assert torch.equal(whole, x[1:, :3])
    assert (whole != LAYOUT.pad).all()


def test_outputs_come_in_the_order_of_the_rows() -> None:
    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            return x[:, :1].float() * self.scale

    part = prepared().parts["test"]
    with torch.no_grad():
        for layout in (LAYOUT, None):
            assert torch.equal(outputs_of(First(), part.x, layout, 100).squeeze(1).long(), part.y)

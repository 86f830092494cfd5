"""Batches: every row once, in an order that a seed and an epoch decide, however they are loaded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader

from adaptact import config
from adaptact.data import PARTS, Part, Prepared
from adaptact.data.loaders import EVALUATION_ROWS, BatchIndices, DataModule, ResidentLoader

modest = settings(deadline=None, max_examples=60)
sizes, batch_sizes = st.integers(1, 70), st.integers(1, 9)


def prepared(train: int = 23, val: int = 5, test: int = 1030) -> Prepared:
    """Data whose rows carry their number: x is (number, number + 0.5), y is the number."""

    def part(start: int, rows: int) -> Part:
        numbers = torch.arange(start, start + rows)
        return Part(torch.stack([numbers, numbers + 0.5], dim=1).float(), numbers)

    parts = {"train": part(0, train), "val": part(10_000, val), "test": part(20_000, test)}
    return Prepared("rows", "classification", parts, "0" * 64, labels=["a", "b"])


def module(seed: int = 0, data: Prepared | None = None, **options: Any) -> DataModule:
    made = DataModule(data or prepared(), config.Bundled(name="wine", **{"batch_size": 4, **options}), seed)
    made.setup("fit")
    return made


def epoch_of(loader: Any, epoch: int = 0) -> list[tuple[Tensor, Tensor]]:
    """All batches of an epoch, which is announced as Lightning announces it."""
    loader.sampler.set_epoch(epoch)
    batches = [(x, y) for x, y in loader]
    assert len(loader) == len(batches)
    for x, y in batches:
        assert torch.equal(x[:, 0].long(), y)  # rows and targets stay together
    return batches


def numbers(batches: list[tuple[Tensor, Tensor]]) -> list[list[int]]:
    return [y.tolist() for _, y in batches]


# --- training ----------------------------------------------------------------------------------------------------


@modest
@given(sizes, batch_sizes, st.integers(0, 99), st.integers(0, 9))
def test_an_epoch_of_training_has_every_row_once_save_one_that_would_be_alone(
    rows: int, batch_size: int, seed: int, epoch: int
) -> None:
    sampler = BatchIndices(rows, batch_size, shuffle=True, seed=seed)
    sampler.set_epoch(epoch)
    batches = [batch.tolist() for batch in sampler]
    assert len(sampler) == len(batches)
    seen = [row for batch in batches for row in batch]
    left_out = 1 if rows > batch_size and rows % batch_size == 1 and batch_size > 1 else 0
    assert len(set(seen)) == len(seen) == rows - left_out
    assert set(seen) <= set(range(rows))
    assert all(len(batch) == batch_size for batch in batches[:-1])


def test_the_row_left_out_is_another_one_each_epoch() -> None:
    train = module(data=prepared(train=9)).train_dataloader()
    left_out = [set(range(9)) - {row for batch in numbers(epoch_of(train, e)) for row in batch} for e in range(20)]
    assert all(len(rows) == 1 for rows in left_out)
    assert len(set.union(*left_out)) > 3


def test_the_order_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return numbers(epoch_of(module(seed).train_dataloader(), epoch))

    torch.manual_seed(1)
    np.random.seed(1)
    first = order(3, 2)
    torch.manual_seed(2)
    np.random.seed(2)
    state = torch.get_rng_state()
    assert order(3, 2) == first
    assert torch.equal(torch.get_rng_state(), state)  # and does not move the generator of dropout
    loader = module(3).train_dataloader()
    for epoch in (0, 1):
        epoch_of(loader, epoch)
    assert numbers(epoch_of(loader, 2)) == first
    distinct = {str(order(seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(distinct) == 16


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resident_and_a_loaded_data_set_give_the_same_batches(workers: int) -> None:
    resident = module(seed=5, resident="true").train_dataloader()
    loaded = module(seed=5, resident="false", num_workers=workers).train_dataloader()
    assert isinstance(resident, ResidentLoader)
    assert isinstance(loaded, DataLoader)
    for epoch in (0, 1):
        pairs = list(zip(epoch_of(resident, epoch), epoch_of(loaded, epoch), strict=True))
        assert all(torch.equal(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("resident", "kind"), [("auto", ResidentLoader), ("true", ResidentLoader), ("false", DataLoader)]
)
def test_data_in_memory_stays_there_unless_told_otherwise(resident: str, kind: type) -> None:
    assert isinstance(module(resident=resident, num_workers=0).train_dataloader(), kind)


def test_a_batch_may_be_the_whole_training_part() -> None:
    assert numbers(epoch_of(module(batch_size=23).train_dataloader()))[0] != list(range(23))


# --- evaluation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resident", ["true", "false"])
@pytest.mark.parametrize("part", PARTS)
def test_evaluation_has_all_rows_in_their_order(part: str, resident: str) -> None:
    made = module(seed=7, resident=resident, num_workers=0)
    batches = epoch_of(made.evaluation(part), epoch=3)
    assert [row for batch in numbers(batches) for row in batch] == made.data.parts[part].y.tolist()


@pytest.mark.parametrize("resident", ["true", "false"])
def test_evaluation_keeps_a_last_batch_of_one_row(resident: str) -> None:
    data = prepared(val=EVALUATION_ROWS + 1, test=1)
    made = module(data=data, resident=resident, num_workers=0)
    assert [len(batch) for batch in numbers(epoch_of(made.val_dataloader()))] == [EVALUATION_ROWS, 1]
    assert [len(batch) for batch in numbers(epoch_of(made.test_dataloader()))] == [1]


def test_evaluation_takes_larger_batches_where_training_does() -> None:
    made = module(data=prepared(train=3000, val=2500), batch_size=2000)
    assert [len(batch) for batch in numbers(epoch_of(made.val_dataloader()))] == [2000, 500]

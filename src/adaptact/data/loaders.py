"""Batches: tensors that live on the device, a batch as one index operation."""

from __future__ import annotations

from collections.abc import Iterator

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from adaptact import config
from adaptact.data.images.augment import augment, generator_for
from adaptact.data.prepared import PARTS, Part, Prepared
from adaptact.data.text.padding import EVALUATION_TEXTS, by_length, lengths_of

EVALUATION_ROWS = 1024  # rows per batch where nothing is learned
EVALUATION_VALUES = 1 << 21  # and their inputs: of 64 x 64 pixels in three colours 170 rows


class BatchIndices(Sampler[Tensor]):
    """Row numbers of each batch; the order depends on the seed and the epoch alone.

    A last batch of one row is left out when shuffled: batch normalisation cannot use it. Of ``world`` processes each
    has its share of every training batch, and of the rows to evaluate a piece of its own.

    Args:
        lengths: (rows,) of texts, of which a batch then has similar ones; to evaluate, each piece is sorted by them.
    """

    def __init__(
        self,
        rows: int,
        batch_size: int,
        *,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        lengths: Tensor | None = None,
    ) -> None:
        self.rows, self.batch_size, self.shuffle, self.seed = rows, batch_size, shuffle, seed
        self.rank, self.world, self.lengths = rank, world, lengths
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        # all processes have equally many batches to evaluate: where weights are sharded they run in step
        rows = self.rows if self.shuffle else -(-self.rows // self.world)
        full, rest = divmod(rows, self.batch_size)
        return full + (rest >= (2 * self.world if self.shuffle and full else 1))

    def evaluated(self) -> list[Tensor]:
        """The rows that each process evaluates, in its order."""
        pieces = torch.arange(self.rows).tensor_split(self.world)
        if self.lengths is None:
            return list(pieces)
        return [piece[self.lengths[piece].argsort(stable=True)] for piece in pieces]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shuffle:
            piece = self.evaluated()[self.rank]
            yield from piece.split(self.batch_size) if self.world == 1 else piece.tensor_split(len(self))
        else:
            state = np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)[0]
            generator = torch.Generator().manual_seed(int(state) % 2**63)
            order = torch.randperm(self.rows, generator=generator)
            if self.lengths is None:
                batches = list(order.split(self.batch_size)[: len(self)])
            else:
                kept = min(self.rows, len(self) * self.batch_size)
                batches = by_length(order[:kept], self.lengths, self.batch_size, generator)
            for batch in batches:
                yield batch[self.rank :: self.world]


class CutRows(Dataset[tuple[Tensor, Tensor]]):
    """Rows of a part by their numbers, texts cut to the longest among them."""

    def __init__(self, part: Part, lengths: Tensor | None = None) -> None:
        self.part, self.lengths = part, lengths

    def __getitem__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        x, y = self.part.x, self.part.y
        longest = None if self.lengths is None or not len(rows) else int(self.lengths[rows].max())
        rows = rows.to(x.device)
        return (x[rows] if longest is None else x[rows, :longest]), y[rows]


class ResidentLoader:
    """Batches of tensors that stay where they are. Lightning looks for ``set_epoch`` at these two attributes."""

    batch_sampler = None

    def __init__(self, part: Part, sampler: BatchIndices) -> None:
        self.part, self.sampler = part, sampler

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        sampler = self.sampler
        if not sampler.shuffle and sampler.world == 1 and sampler.lengths is None:
            yield from zip(self.part.x.split(sampler.batch_size), self.part.y.split(sampler.batch_size), strict=True)
            return
        rows_of = CutRows(self.part, sampler.lengths)
        for rows in sampler:
            yield rows_of[rows]


class DataModule(L.LightningDataModule):
    """Loaders of prepared data.

    Args:
        data: split and prepared.
        options: ``batch_size``, ``resident``, ``num_workers``.
        seed: of the order of training rows.
    """

    def __init__(self, data: Prepared, options: config.Data, seed: int) -> None:
        super().__init__()
        self.data, self.options, self.seed = data, options, seed
        self.parts = data.parts
        self.lengths = {name: lengths_of(part.x, data.layout) for name, part in data.parts.items()}
        self.resident = options.resident != "false"
        self.augmentations = options.augmentations

    def setup(self, stage: str) -> None:
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        if self.options.resident == "auto":
            self.resident = _bytes(self.data) < _free_bytes(device) / 4
        if self.resident:
            self.parts = {name: Part(p.x.to(device), p.y.to(device)) for name, p in self.data.parts.items()}

    @property
    def rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    @property
    def world(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    def loss_weight(self, batch_idx: int) -> float:
        """Weight that makes the processes' mean of mean losses the mean over all rows of a training batch."""
        size = self.options.batch_size
        rows = min(size, len(self.parts["train"]) - batch_idx * size)
        return len(range(self.rank, rows, self.world)) * self.world / rows

    def train_dataloader(self) -> ResidentLoader | DataLoader[Tensor]:
        return self._loader("train", self.options.batch_size, shuffle=True)

    def val_dataloader(self) -> ResidentLoader | DataLoader[Tensor]:
        return self.evaluation("val")

    def test_dataloader(self) -> ResidentLoader | DataLoader[Tensor]:
        return self.evaluation("test")

    def evaluation(self, part: str) -> ResidentLoader | DataLoader[Tensor]:
        """One part in its own order, in batches for evaluation."""
        assert part in PARTS
        rows = EVALUATION_ROWS if self.lengths[part] is None else EVALUATION_TEXTS
        most = EVALUATION_VALUES // max(1, int(np.prod(self.data.input_shape)))
        return self._loader(part, max(self.options.batch_size, min(rows, most)), shuffle=False)

    def on_after_batch_transfer(self, batch: tuple[Tensor, Tensor], dataloader_idx: int) -> tuple[Tensor, Tensor]:
        """Called by Lightning where a batch has come to the device: training pictures are varied there."""
        if not self.augmentations or self.trainer is None or not self.trainer.training:
            return batch
        generator = generator_for(self.seed, self.trainer.global_step, self.rank)
        return augment(batch[0], self.augmentations, generator), batch[1]

    def order_of(self, part: str) -> Tensor:
        """Row numbers of a part in the order in which all processes together evaluate it."""
        sampler = BatchIndices(len(self.parts[part]), 1, shuffle=False, world=self.world, lengths=self.lengths[part])
        return torch.cat(sampler.evaluated())

    def _loader(self, part: str, batch_size: int, *, shuffle: bool) -> ResidentLoader | DataLoader[Tensor]:
        rows = self.parts[part]
        sampler = BatchIndices(
            len(rows),
            batch_size,
            shuffle=shuffle,
            seed=self.seed,
            rank=self.rank,
            world=self.world,
            lengths=self.lengths[part],
        )
        if self.resident:
            return ResidentLoader(rows, sampler)
        workers = self.options.num_workers
        return DataLoader(
            CutRows(rows, self.lengths[part]),  # type: ignore[arg-type]
            sampler=sampler,  # type: ignore[arg-type]  # whole batches of indices: a batch is one index operation
            batch_size=None,
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator().manual_seed(self.seed),  # else it draws from the one that dropout draws from
            persistent_workers=workers > 0 and shuffle,
        )


def _bytes(data: Prepared) -> int:
    return sum(t.numel() * t.element_size() for p in data.parts.values() for t in (p.x, p.y))


def _free_bytes(device: torch.device) -> float:
    """Free memory of a GPU; on a CPU the data is in memory already."""
    return float(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else float("inf")

"""Data of one's own for adaptact: as arrays, and as the LightningDataModule that one has already.

    cd examples/custom_data
    python -m adaptact train data=custom data.target_class=my_package.MyDataModule trust=my_package data.rows=600
    python -m adaptact train data=custom data.target_class=my_package.moons trust=my_package

Synthetic: two half-moons to tell apart, with two columns of noise.
"""

from __future__ import annotations

from types import SimpleNamespace

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

PARTS = ("train", "val", "test")


def moons(rows: int = 600, noise: float = 0.2, split_seed: int = 0) -> SimpleNamespace:
    """Three pairs of arrays, a name and a task: all that adaptact asks for."""
    random = np.random.default_rng(split_seed)
    y = random.integers(2, size=rows)
    angle = random.uniform(0, np.pi, rows)
    x = np.stack([np.cos(angle) + y, np.sin(angle) * (1 - 2 * y) + y / 2], axis=1)
    x = np.hstack([x + random.normal(0, noise, x.shape), random.normal(size=(rows, 2))]).astype(np.float32)
    cuts = [int(0.6 * rows), int(0.8 * rows)]
    parts = dict(zip(PARTS, zip(np.split(x, cuts), np.split(y, cuts), strict=True), strict=True))
    return SimpleNamespace(name="moons", task="classification", labels=["upper", "lower"], **parts)


class MyDataModule(L.LightningDataModule):
    """A module as it may stand in a project already; adaptact reads its loaders once."""

    def __init__(self, rows: int = 600, noise: float = 0.2, batch_size: int = 64) -> None:
        super().__init__()
        self.rows, self.noise, self.batch_size = rows, noise, batch_size

    def setup(self, stage: str) -> None:
        data = moons(self.rows, self.noise)
        self.parts = {part: TensorDataset(*map(torch.from_numpy, getattr(data, part))) for part in PARTS}

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.parts["train"], self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.parts["val"], self.batch_size)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.parts["test"], self.batch_size)

"""ActivationMonitor in a LightningModule and Trainer of one's own: python examples/own_lightning.py"""

import csv
import tempfile
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from adaptact import SGBlend, param_groups, replace_activations
from adaptact.callbacks import ActivationMonitor


class Mine(L.LightningModule):
    """A module that knows nothing of adaptact but the two lines that call it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.head = nn.Linear(32, 1)
        replace_activations(self, SGBlend)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = nn.functional.mse_loss(self.head(self.encoder(batch[0])), batch[1])
        self.log("my_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(param_groups(self, lr=3e-3, weight_decay=0.01))


L.seed_everything(0)
x = torch.randn(1024, 8)
y = torch.sin(2 * x[:, :1]) + x[:, 1:2].relu()
with tempfile.TemporaryDirectory() as folder:
    trainer = L.Trainer(
        max_epochs=10,
        accelerator="cpu",
        logger=CSVLogger(folder, name="mine", version=0),  # takes scalars, and nothing else
        callbacks=[ActivationMonitor(every_n_steps=40)],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Mine(), DataLoader(TensorDataset(x, y), batch_size=64, shuffle=True))
    with (Path(folder) / "mine" / "version_0" / "metrics.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["alpha/encoder.1"]]  # rows with my_loss stand apart

print("keys:", *(key for key in rows[0] if "/" in key), sep="\n  ")
for row in rows:
    shown = [f"{key} {float(row[key]):.4f}" for key in ("alpha/encoder.1", "beta/encoder.1", "gap/encoder.1")]
    print(f"step {row['step']:>3}:", ", ".join(shown))

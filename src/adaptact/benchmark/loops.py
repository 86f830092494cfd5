"""The two loops that the group ``loop`` compares."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from adaptact import config
from adaptact.data import Prepared
from adaptact.surgery import param_groups
from adaptact.training.build import build_network
from adaptact.training.run import train


def bare(settings: config.Config, prepared: Prepared, device: str) -> dict[str, float]:
    """What one would write by hand: forward, loss, backward, step. Nothing is watched, clipped or scheduled."""
    network = build_network(settings, prepared.input_shape, prepared.n_outputs, prepared.layout).to(device).train()
    o = settings.optimizer
    groups = param_groups(network, o.lr, o.weight_decay, o.activation_lr_scale)
    optimizer = torch.optim.AdamW(groups, lr=o.lr, fused=True)
    x, y = prepared.parts["train"].x.to(device), prepared.parts["train"].y.to(device)
    size = settings.data.batch_size
    assert len(x) % size != 1  # a batch of one row would be left out by train
    took = 0.0
    for _ in range(settings.trainer.max_epochs):
        begun = time.perf_counter()
        for rows in torch.randperm(len(x)).split(size):
            rows = rows.to(device)
            optimizer.zero_grad()
            cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        took += time.perf_counter() - begun
    return _rate(settings, prepared, took)


def watched(settings: config.Config, prepared: Prepared) -> dict[str, float]:
    """``train`` as users run it, TensorBoard included; the time of its training steps, without validation."""
    with tempfile.TemporaryDirectory() as folder:
        settings.references, settings.logger.curves = False, False
        record, _ = train(settings, prepared=prepared, folder=Path(folder), quiet=True)
    rate = float(record.speed["train_samples_per_second"])
    return {"p50_ms": 1e6 / rate, "samples_per_second": rate}


def _rate(settings: config.Config, prepared: Prepared, took: float) -> dict[str, float]:
    rows = len(prepared.parts["train"]) * settings.trainer.max_epochs
    return {"p50_ms": 1e6 * took / rows, "samples_per_second": rows / took}

"""Several processes: the same batches in total as one, and the same numbers."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adaptact import config, data, launcher
from adaptact.data.loaders import BatchIndices
from adaptact.errors import UserError
from adaptact.training import distributed
from adaptact.training.distributed import train_in_processes
from adaptact.training.run import train
from adaptact.training.run_folder import batch_norm_notes

Make = Callable[..., config.Config]


@settings(deadline=None, max_examples=60)
@given(rows=st.integers(4, 60), size=st.integers(4, 20), world=st.integers(1, 2), epoch=st.integers(0, 3))
def test_the_processes_share_the_batches_of_one(rows: int, size: int, world: int, epoch: int) -> None:
    def batches(rank: int, of: int) -> list[torch.Tensor]:
        sampler = BatchIndices(rows, size, shuffle=True, seed=3, rank=rank, world=of)
        sampler.set_epoch(epoch)
        found = list(sampler)
        assert len(found) == len(sampler)
        return found

    shares = [batches(rank, world) for rank in range(world)]
    for whole, *parts in zip(batches(0, 1), *shares, strict=False):
        assert sorted(whole.tolist()) == sorted(torch.cat(parts).tolist())
    seen = torch.cat([batch for share in shares for batch in share]).tolist()
    assert len(seen) == len(set(seen)) > rows - max(2 * world, 2)
    evaluated = [list(BatchIndices(rows, size, shuffle=False, rank=rank, world=world)) for rank in range(world)]
    assert torch.cat([b for share in evaluated for b in share]).tolist() == list(range(rows))
    assert len({len(share) for share in evaluated}) == 1
    assert all(0 < len(batch) <= size for share in evaluated for batch in share)


@pytest.mark.slow
def test_two_processes_agree_with_one(make_config: Make) -> None:
    same = {"model.dropout": 0.0, "trainer.max_epochs": 3, "logger.tensorboard": True, "monitor": "val/log_loss"}
    one, one_folder = train(make_config(same))
    both = make_config({**same, "trainer.strategy": "ddp", "trainer.devices": 2})
    two, two_folder = train_in_processes(both, data.load(both.data), started=None)
    assert two.status == "finished"
    for part, metrics in one.metrics.items():
        for name, value in metrics.items():
            assert two.metrics[part][name] == pytest.approx(value, abs=1e-6), (part, name)
    weights = [
        torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for folder in (one_folder, two_folder)
    ]
    assert all(torch.allclose(weights[0][key], weights[1][key], atol=1e-6) for key in weights[0])
    assert len(list(Path(both.output_dir).glob("*"))) == 2  # one folder each
    with (two_folder / "metrics.csv").open(encoding="utf-8") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["0", "1", "2"]


@pytest.mark.slow
def test_an_error_in_the_processes_is_one_message(make_config: Make) -> None:
    wrong = make_config({"trainer.strategy": "ddp", "trainer.devices": 2, "monitor": "val/rmse"})
    with pytest.raises(UserError, match="val/accuracy"):
        train_in_processes(wrong, data.load(wrong.data), started=None)


def test_batch_normalisation_of_several_processes_is_noted_on_a_cpu() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    assert "each process uses the statistics of its own share" in batch_norm_notes(network, "cpu")[0]
    assert batch_norm_notes(network, "gpu") == []  # there they are those of the whole batch
    assert batch_norm_notes(network[:1], "cpu") == []


@pytest.mark.slow
def test_two_processes_with_batch_normalisation_note_it(make_config: Make, capfd: pytest.CaptureFixture[str]) -> None:
    both = make_config({"model.norm": "batch", "trainer.strategy": "ddp", "trainer.devices": 2})
    record, folder = train_in_processes(both, data.load(both.data), started=None)
    assert record.status == "finished"
    assert capfd.readouterr().err.count("note: batch normalisation") == 1
    assert "batch normalisation" in (folder / "environment.json").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_record_of_before_is_not_that_of_a_resumed_run(make_config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_config({"trainer.max_epochs": 1})
    _, folder = train(settings)
    resumed = launcher.resumed([f"resume={folder}", "trainer.max_epochs=2"])
    resumed.trainer.strategy, resumed.trainer.devices = "ddp", 2
    monkeypatch.setattr(distributed, "_work", os._exit)  # a process that ends without a word
    with pytest.raises(UserError, match="lost one of its processes"):
        train_in_processes(resumed, data.load(resumed.data), started=None)

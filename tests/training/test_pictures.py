"""Training on pictures: varied in training alone, alike for all arms, resumed bit by bit; references, disturbances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor

from adaptact import config, launcher
from adaptact.data import Prepared, load, loaders
from adaptact.training.references import MOST_IMAGES, references, small_pixels
from adaptact.training.robustness import disturbed_metrics
from adaptact.training.run import train
from pictures import write_folder

Make = Callable[..., config.Config]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("parent") / "写真", per_class=20)


@pytest.fixture
def settings(folder: Path, make_config: Make) -> Callable[..., config.Config]:
    def make(**changes: Any) -> config.Config:
        data = {"name": "image_folder", "root": str(folder), "batch_size": 8, "cache": str(folder.parent / "cache")}
        model = {"name": "resnet", "depth": 8, "width": 4, "dropout": 0.2}
        dotted = {key.replace("__", "."): value for key, value in changes.items()}
        return make_config({"data": data, "model": model, "references": False, **dotted})

    return make


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor]]:
    """Batches before and after they were varied."""
    pairs: list[tuple[Tensor, Tensor]] = []

    def watched(x: Tensor, kinds: Any, generator: torch.Generator) -> Tensor:
        y = original(x, kinds, generator)
        pairs.append((x.clone(), y.clone()))
        return y

    original = loaders.augment
    monkeypatch.setattr(loaders, "augment", watched)
    return pairs


def weights(run: Path) -> dict[str, Tensor]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_training_pictures_are_varied_and_no_others(settings: Make, seen: list[tuple[Tensor, Tensor]]) -> None:
    record, _ = train(settings(), quiet=True)
    assert record.status == "finished"
    assert len(seen) == 2 * 3  # epochs and batches of 24 training pictures
    assert all(before.dtype == after.dtype == torch.uint8 for before, after in seen)
    assert all(not torch.equal(before, after) for before, after in seen)
    seen.clear()
    train(settings(data__augment=["none"]), quiet=True)
    assert seen == []


@pytest.mark.parametrize("resident", ["true", "false"])
def test_all_activations_of_a_seed_see_the_same_pictures(
    settings: Make, seen: list[tuple[Tensor, Tensor]], resident: str
) -> None:
    found = []
    for activation in ("sgblend", "relu"):
        chosen = {"name": activation, "kind": activation}
        train(settings(activation=chosen, data__resident=resident, data__num_workers=0), quiet=True)
        found.append(torch.cat([after for _, after in seen]))
        seen.clear()
    assert torch.equal(*found)
    train(settings(seed=1), quiet=True)
    assert not torch.equal(found[0], torch.cat([after for _, after in seen]))


def test_a_resumed_run_sees_the_pictures_it_would_have_seen(
    settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = settings(trainer__max_epochs=3, output_dir=str(tmp_path / "whole"))
    _, reference = train(whole, quiet=True)

    class CutError(Exception):
        pass

    def cut(self: Any, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch == 1:
            raise CutError

    from adaptact.callbacks.progress import ProgressLine  # any callback would do that is there when it is not quiet

    monkeypatch.setattr(ProgressLine, "on_train_epoch_start", cut, raising=False)
    parts = settings(trainer__max_epochs=3, output_dir=str(tmp_path / "parts"))
    with pytest.raises(CutError):
        train(parts)
    monkeypatch.undo()
    (started,) = (tmp_path / "parts").iterdir()
    train(launcher.resumed([f"resume={started}"]), quiet=True)
    ours, theirs = weights(started), weights(reference)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_the_same_words_give_the_same_run(settings: Make) -> None:
    first, second = (train(settings(), quiet=True) for _ in range(2))
    assert first[0].metrics == second[0].metrics
    assert all(torch.equal(a, b) for a, b in zip(weights(first[1]).values(), weights(second[1]).values(), strict=True))


def test_the_network_takes_bytes_and_standardises_them(settings: Make) -> None:
    from adaptact.training.build import build_network

    chosen = settings()
    prepared = load(chosen.data)
    network = build_network(chosen, prepared.input_shape, prepared.n_outputs, prepared.layout).eval()
    x = prepared.parts["test"].x
    seen: list[Tensor] = []
    network.net.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))  # type: ignore[union-attr]
    with torch.inference_mode():
        outputs = network(x)
        assert torch.allclose(outputs, network(x.float()), atol=1e-6)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (prepared.layout.mean, prepared.layout.std))  # type: ignore[union-attr]
    assert torch.allclose(seen[0], ((x.double() / 255 - mean) / std).float(), atol=1e-5)


# --- references and disturbances ---------------------------------------------------------------------------------


def test_a_linear_model_of_small_pixels_stands_beside_the_network(settings: Make) -> None:
    (reference,) = references(load(settings().data))
    assert reference["name"] == "linear"
    assert reference["metrics"]["test"]["accuracy"] >= 0.75  # a disc's colour is no hard thing
    assert reference["seconds"] < 60


def test_small_pixels_are_means_of_areas() -> None:
    x = torch.randint(0, 256, (5, 3, 32, 48), dtype=torch.uint8)
    expected = x.numpy().reshape(5, 3, 16, 2, 16, 3).mean(axis=(3, 5)).reshape(5, -1)
    assert np.allclose(small_pixels(x), expected, atol=1e-3)
    assert small_pixels(x[:, :, :8, :8]).shape == (5, 3 * 64)
    assert MOST_IMAGES >= 1000


def bytes_of(prepared: Prepared) -> list[bytes]:
    return [part.x.numpy().tobytes() for part in prepared.parts.values()]


def test_disturbances_of_bytes_hurt_the_more_the_stronger_and_leave_the_data_alone(settings: Make) -> None:
    chosen = settings(trainer__max_epochs=8, optimizer__lr=3e-3, data__augment=["none"])
    prepared = load(chosen.data)
    before = bytes_of(prepared)
    _, run = train(chosen, prepared=prepared, quiet=True)
    from adaptact.training.checkpoints import fitted_network

    network = fitted_network(run, chosen, prepared.input_shape, prepared.n_outputs, prepared.layout)
    found = disturbed_metrics(network, prepared, seed=0)
    assert set(found) == {"noise", "covered"}
    assert found == disturbed_metrics(network, prepared, seed=0)
    losses = [found["noise"][strength]["log_loss"] for strength in ("0.1", "1")]
    assert losses[0] != losses[1]
    assert bytes_of(prepared) == before

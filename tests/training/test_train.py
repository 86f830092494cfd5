"""One run, in process: what it leaves behind, that it repeats, and that its switches do what they say."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
import yaml

from adaptact import config, data, memory, records
from adaptact.callbacks.activation_monitor import ActivationMonitor
from adaptact.data.loaders import DataModule
from adaptact.errors import ConfigError
from adaptact.surgery import named_activations
from adaptact.training.build import build_network
from adaptact.training.run import train

Make = Callable[..., config.Config]
TIMES = {"seconds"}


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def without_times(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def weights(folder: Path, name: str = "best") -> dict[str, torch.Tensor]:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]


def test_a_run_leaves_everything_that_is_promised(make_config: Make) -> None:
    settings = make_config({"trainer.max_epochs": 3, "logger.tensorboard": True})
    record, folder = train(settings)
    plain = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    jsonschema.validate(plain, json.loads(records.SCHEMA_FILE.read_text(encoding="utf-8")))
    assert plain["status"] == "finished"
    assert record == records.Record.load(folder)
    assert config.from_dict(yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))) == settings
    assert json.loads((folder / "environment.json").read_text(encoding="utf-8"))["precision"] == "32-true"
    assert [row["epoch"] for row in rows_of(folder)] == ["0", "1", "2"]
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert list((folder / "tensorboard").glob("events*"))
    assert (folder / "figures" / "curve-1.png").stat().st_size > 1000


def test_the_same_seed_twice_is_identical_and_another_is_not(make_config: Make) -> None:
    first, second, other = (train(make_config({"seed": seed})) for seed in (0, 0, 1))
    assert first[0].metrics == second[0].metrics
    assert without_times(rows_of(first[1])) == without_times(rows_of(second[1]))
    assert all(torch.equal(a, b) for a, b in zip(weights(first[1]).values(), weights(second[1]).values(), strict=True))
    assert first[0].metrics != other[0].metrics


def test_the_split_depends_on_its_own_seed_alone(make_config: Make) -> None:
    def rows(seed: int, split_seed: int) -> torch.Tensor:
        return data.load(make_config({"seed": seed, "data.split_seed": split_seed}).data).parts["test"].x

    assert torch.equal(rows(0, 0), rows(1, 0))
    assert not torch.equal(rows(0, 0), rows(0, 1))


@pytest.mark.parametrize("model", ["mlp", "cnn", "resnet"])
def test_activations_of_one_seed_share_every_other_start_weight(make_config: Make, model: str) -> None:
    small = {"mlp": {"model.widths": [8]}, "cnn": {"model.widths": [4]}, "resnet": {"model.depth": 8}}[model]

    def network(kind: str) -> torch.nn.Module:
        raw = {"model": {"name": model}, **small, "activation": {"name": kind, "kind": kind}, "data.name": "digits"}
        return build_network(make_config(raw), (1, 8, 8), 10)

    arms = [network(kind) for kind in ("gelu", "native", "sgblend", "prelu", "sgblend_authors")]
    for arm in arms[1:]:
        own = {id(p) for m in named_activations(arm).values() for p in m.parameters()}
        shared = {name: p for name, p in arm.named_parameters() if id(p) not in own}
        reference = dict(arms[0].named_parameters())
        assert shared.keys() == reference.keys()
        assert all(torch.equal(p, reference[name]) for name, p in shared.items())


def test_the_generator_after_building_does_not_depend_on_the_activation(make_config: Make) -> None:
    draws = []
    for kind in ("gelu", "sgblend_authors"):
        build_network(make_config({"activation": {"name": kind, "kind": kind}}), (13,), 3)
        draws.append(torch.rand(4))
    assert torch.equal(*draws)


def test_checkpoints_hold_tensors_and_plain_values_only(make_config: Make) -> None:
    _, folder = train(make_config())
    for name in ("best", "last"):
        checkpoint = torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert all(isinstance(value, torch.Tensor) for value in checkpoint["state_dict"].values())
        assert "hyper_parameters" not in checkpoint


def test_metrics_are_those_of_the_best_checkpoint(make_config: Make) -> None:
    record, folder = train(make_config({"trainer.max_epochs": 6, "monitor": "val/log_loss", "optimizer.lr": 0.3}))
    losses = [float(row["val/log_loss"]) for row in rows_of(folder)]
    assert record.monitor["best_epoch"] == losses.index(min(losses))
    assert losses.index(min(losses)) != len(losses) - 1  # else best and last could not be told apart
    assert record.metrics["val"]["log_loss"] == pytest.approx(min(losses), rel=1e-6)


def test_the_test_part_is_seen_once_after_training(make_config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []
    loader = DataModule.evaluation

    def spy(self: DataModule, part: str) -> Any:
        seen.append((part, self.trainer is not None and self.trainer.state.finished))
        return loader(self, part)

    monkeypatch.setattr(DataModule, "evaluation", spy)
    train(make_config())
    assert [finished for part, finished in seen if part == "test"] == [True]


def test_early_stopping_ends_a_run_that_gets_no_better(make_config: Make) -> None:
    changes = {"optimizer.lr": 1e-12, "trainer.max_epochs": 30, "trainer.early_stopping_patience": 2}
    _, folder = train(make_config(changes))
    assert len(rows_of(folder)) == 3


def test_activation_warmup_keeps_the_start_and_then_lets_go(make_config: Make) -> None:
    start = {"alpha": 0.5, "beta": 1.0, "gamma": 0.0}
    changes = {"trainer.max_epochs": 3, "optimizer.lr": 0.05, "monitor": "val/log_loss"}
    for warmup, moved in ((3, False), (2, True)):
        _, folder = train(make_config({**changes, "activation_warmup_epochs": warmup}))
        stored = weights(folder, "last")
        values = {name: stored[f"network.1.raw_{name}"].item() for name in start}
        assert (values != start) is moved


def test_the_penalty_pulls_toward_the_start_and_stays_out_of_the_loss(make_config: Make) -> None:
    changes = {"optimizer.lr": 0.05, "trainer.max_epochs": 4, "logger.tensorboard": True, "logger.curves": False}
    distances = []
    for penalty in (0.0, 100.0):
        record, folder = train(make_config({**changes, "activation_penalty": penalty, "monitor": "val/log_loss"}))
        layer = record.layers[0]
        distances.append(abs(layer["alpha"] - 0.5) + abs(layer["beta"] - 1) + abs(layer["gamma"]))
        tags = scalars(folder)
        assert ("train/activation_penalty" in tags) is bool(penalty)
        assert max(tags["train/loss"]) < 5
    assert distances[1] < distances[0] / 3


def scalars(folder: Path) -> dict[str, list[float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_other_precisions_work_on_a_cpu(make_config: Make, precision: str) -> None:
    record, folder = train(make_config({"trainer.precision": precision, "trainer.max_epochs": 4}))
    assert record.status == "finished"
    assert record.metrics["test"]["accuracy"] > 0.5
    expected = torch.float64 if precision == "64-true" else torch.float32
    assert all(tensor.dtype == expected for tensor in weights(folder).values() if tensor.is_floating_point())


def test_data_that_is_not_resident_gives_the_same_run(make_config: Make) -> None:
    resident, loaded = (
        train(make_config({"data.resident": resident, "data.num_workers": 0}))[0] for resident in ("true", "false")
    )
    assert resident.metrics == loaded.metrics


def test_deterministic_runs(make_config: Make) -> None:
    assert train(make_config({"deterministic": True}))[0].status == "finished"
    torch.use_deterministic_algorithms(False)


def test_compiling_keeps_the_keys_of_checkpoints(make_config: Make) -> None:
    small = {"trainer.max_epochs": 1, "model.widths": [8], "data.batch_size": 53}
    plain, plain_folder = train(make_config(small))
    compiled, compiled_folder = train(make_config({**small, "compile": True}))
    assert weights(plain_folder).keys() == weights(compiled_folder).keys()
    for name, value in plain.metrics["test"].items():
        assert compiled.metrics["test"][name] == pytest.approx(value, abs=1e-3)
    assert compiled.layers[0]["gap"] == pytest.approx(plain.layers[0]["gap"], rel=1e-3)


def test_regression_is_measured_in_the_unit_of_the_target(make_config: Make) -> None:
    record, _ = train(make_config({"data.name": "diabetes", "trainer.max_epochs": 20, "optimizer.lr": 1e-2}))
    assert set(record.metrics["test"]) == {"rmse", "mae", "r2"}
    assert record.monitor["name"] == "val/rmse"
    assert 40 < record.metrics["test"]["rmse"] < 77  # the target's standard deviation is 77
    assert record.metrics["test"]["r2"] > 0.2


def test_a_run_that_diverges_says_so(make_config: Make) -> None:
    changes = {"data.name": "diabetes", "optimizer.lr": 1e30, "optimizer.gradient_clip": None}
    record, folder = train(make_config(changes))
    assert record.status == "diverged"
    assert record.stability["nonfinite_steps"] > 0
    assert json.loads((folder / "result.json").read_text(encoding="utf-8"))["status"] == "diverged"


def test_no_network_is_needed(make_config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a run opened a socket")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert train(make_config({"logger.tensorboard": True}))[0].status == "finished"


def test_no_hooks_and_no_events_where_the_logger_is_off(make_config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(ActivationMonitor, "_see", lambda self, name, module, x: calls.append(name))
    _, folder = train(make_config({"logger.tensorboard": False}))
    assert calls == []
    assert not (folder / "tensorboard").exists()
    train(make_config({"logger.tensorboard": True, "logger.curves": False}))
    assert calls


def test_every_shipped_activation_trains(make_config: Make) -> None:
    for file in sorted((records.conf_dir() / "activation").glob("*.yaml")):
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
        record, _ = train(make_config({"activation": raw, "trainer.max_epochs": 1}))
        assert record.status == "finished"
        assert record.activation == file.stem
        frozen = {"sgblend_frozen", "relu", "gelu", "silu", "mish", "elu", "leaky_relu", "native"}
        assert (record.model["activation_parameters"] > 0) or file.stem in frozen


@pytest.mark.parametrize("kind", ["sgblend", "prelu", "abu", "swish"])
def test_per_channel_parameters_are_one_per_unit(make_config: Make, kind: str) -> None:
    activation = {"name": kind, "kind": kind, "per_channel": True}
    changes = {"activation": activation, "logger.tensorboard": True, "trainer.max_epochs": 1}
    record, _ = train(make_config(changes))
    channels = [value for key, value in record.layers[0].items() if key.endswith("_channels")]
    assert channels
    assert all(len(values) == 16 for values in channels)


def test_nothing_unsafe_is_loaded(make_config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    flags: list[Any] = []
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: (flags.append(k.get("weights_only")), load(*a, **k))[1])
    train(make_config())
    assert flags
    assert all(flag is True for flag in flags)


def test_a_network_beyond_the_memory_is_refused_before_it_is_built(
    make_config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_config()
    monkeypatch.setattr(memory, "available", lambda: 100)
    with pytest.raises(ConfigError, match="GiB of memory are free"):
        build_network(settings, (13,), 3)
    for free in (None, 10**9):
        monkeypatch.setattr(memory, "available", lambda free=free: free)
        assert build_network(settings, (13,), 3) is not None

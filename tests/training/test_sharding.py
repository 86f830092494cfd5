"""Sharded weights: the numbers and the files of a run in one process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from test_train import scalars
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from adaptact import SGBlend, config, data, launcher
from adaptact.callbacks.activation_monitor import layer_norms, parameter_norms
from adaptact.config import Optimizer
from adaptact.errors import ConfigError
from adaptact.surgery import param_groups
from adaptact.training import hardware
from adaptact.training.checkpoints import load_checkpoint
from adaptact.training.distributed import train_in_processes
from adaptact.training.learner import Learner
from adaptact.training.run import train
from adaptact.training.sharding import load_weights, shard, whole

Make = Callable[..., config.Config]


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    """A group of one process."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'rendezvous'}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def learner() -> Learner:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 6), SGBlend(), nn.Sequential(nn.Linear(6, 3)))
    return Learner(network, task="classification", optimizer=Optimizer(gradient_clip=0.1))


def sharded() -> Learner:
    module = learner()
    shard(module.network, init_device_mesh("cpu", (1,)))
    return module


@pytest.mark.usefixtures("alone")
def test_weights_are_sharded_and_activations_are_whole() -> None:
    kinds = {name: isinstance(p, DTensor) for name, p in sharded().network.named_parameters()}
    assert {name for name, is_shard in kinds.items() if not is_shard} == {"1.raw_alpha", "1.raw_beta", "1.raw_gamma"}


@pytest.mark.usefixtures("alone")
def test_a_step_on_shards_is_that_on_whole_weights() -> None:
    batch = torch.randn(8, 4), torch.randint(3, (8,))
    results = []
    for module in (learner(), sharded()):
        optimizer = torch.optim.AdamW(param_groups(module.network, 0.1, 0.1), lr=0.1, fused=True)
        module.training_step(batch, 0).backward()
        norms = layer_norms(parameter_norms(module.network))
        module.configure_gradient_clipping(optimizer)
        optimizer.step()
        results.append((norms, module.grad_norms, {n: whole(v) for n, v in module.state_dict().items()}))
    for ours, theirs in zip(*results, strict=True):
        assert ours.keys() == theirs.keys()
        assert all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)


@pytest.mark.usefixtures("alone")
def test_a_bad_step_on_shards_leaves_weights_and_moments_alone() -> None:
    module = sharded()
    optimizer = torch.optim.AdamW(param_groups(module.network, 0.1, 0.1), lr=0.1, fused=True)
    for value in (1.0, float("inf")):
        before = [whole(p).clone() for p in module.parameters()]
        module.training_step((torch.full((2, 4), value), torch.tensor([0, 1])), 0).backward()
        module.configure_gradient_clipping(optimizer)
        optimizer.step()
        optimizer.zero_grad()
    assert all(torch.equal(a, whole(b)) for a, b in zip(before, module.parameters(), strict=True))
    assert {state["step"].item() for state in optimizer.state.values()} == {1}


@pytest.mark.usefixtures("alone")
def test_whole_weights_are_loaded_into_shards() -> None:
    module, other = sharded(), learner()
    nn.init.constant_(other.network[0].weight, 0.25)
    load_weights(module, other.state_dict())
    assert torch.equal(whole(module.network[0].weight), other.network[0].weight)


@pytest.mark.parametrize("wrong", [{"trainer.precision": "16-mixed"}, {"compile": True}])
def test_what_does_not_go_with_shards_is_refused(make_config: Make, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="trainer=fsdp"):
        make_config({"trainer.strategy": "fsdp", "trainer.devices": 2, **wrong})


def test_an_old_gpu_trains_shards_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    assert hardware.precision(config.Trainer(strategy="fsdp"), "gpu") == "32-true"


@pytest.mark.slow
def test_two_processes_with_shards_agree_with_one(make_config: Make) -> None:
    same = {
        "model.widths": [16, 15],  # 15 does not divide by 2
        "model.dropout": 0.0,
        "optimizer.lr": 0.01,
        "optimizer.activation_lr_scale": 1.0,  # alpha stays off its bounds, where each process blocks its own gradient
        "trainer.max_epochs": 3,
        "logger.tensorboard": True,
        "monitor": "val/log_loss",
    }
    one, one_folder = train(make_config(same))
    both = make_config({**same, "trainer.strategy": "fsdp", "trainer.devices": 2})
    two, two_folder = train_in_processes(both, data.load(both.data), started=None)
    assert two.status == "finished"
    assert two.model == one.model
    for part, metrics in one.metrics.items():
        assert two.metrics[part] == pytest.approx(metrics, abs=1e-5), part
    assert [layer["gap"] for layer in two.layers] == pytest.approx([layer["gap"] for layer in one.layers], abs=1e-5)
    for name in ("best", "last"):
        ours, theirs = (load_checkpoint(f / "checkpoints" / f"{name}.ckpt") for f in (two_folder, one_folder))
        assert ours.keys() == theirs.keys()
        assert ours["state_dict"].keys() == theirs["state_dict"].keys()
        for key, value in theirs["state_dict"].items():
            assert type(ours["state_dict"][key]) is torch.Tensor
            assert torch.allclose(ours["state_dict"][key], value, atol=1e-5), key
        moments, expected = ours["optimizer_states"][0]["state"], theirs["optimizer_states"][0]["state"]
        assert moments.keys() == expected.keys()
        assert all(torch.allclose(moments[i][k], expected[i][k], atol=1e-5) for i in expected for k in expected[i])
    ours, theirs = scalars(two_folder), scalars(one_folder)
    norms = [tag for tag in theirs if "grad" in tag or "alpha" in tag]
    assert "grad_norm/total" in norms
    for tag in norms:
        assert ours[tag] == pytest.approx(theirs[tag], abs=1e-4), tag
    assert len(list(Path(both.output_dir).glob("*"))) == 2  # one folder each
    resumed = launcher.resumed([f"resume={two_folder}", "trainer.max_epochs=4"])
    again, _ = train_in_processes(resumed, data.load(resumed.data), started=None)
    reference, _ = train(launcher.resumed([f"resume={one_folder}", "trainer.max_epochs=4"]))
    assert again.metrics["test"] == pytest.approx(reference.metrics["test"], abs=1e-5)

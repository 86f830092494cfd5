"""Fully sharded data parallel (torch's ``fully_shard``): every process holds a part of each weight.

The parameters of activations stay whole in all processes: they are few, and what watches them sees plain tensors.
Checkpoints are those of a run in one process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.utils._pytree import tree_map

from adaptact.surgery import named_activations


class Sharded(DDPStrategy):
    """As ddp, but for where weights, gradients and moments live."""

    def _setup_model(self, model: nn.Module) -> Any:
        network: nn.Module = model.network  # type: ignore[assignment]
        self._whole = shard(network, init_device_mesh(self.root_device.type, (self.world_size,)))
        return model.to(self.root_device)

    def _register_ddp_hooks(self) -> None:
        """Those of DistributedDataParallel; there is none."""

    def model_to_device(self) -> None:
        """Sharding does it, block by block: the whole might not fit."""

    def setup(self, trainer: L.Trainer) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            super().setup(trainer)  # else: sharded by the fit, and in step

    def teardown(self) -> None:
        """The shards stay on their devices: the best checkpoint is loaded and evaluated there."""
        assert self.cluster_environment is not None
        self.cluster_environment.teardown()
        self.precision_plugin.teardown()

    def post_backward(self, closure_loss: Tensor) -> None:
        """Average the gradients that fully_shard leaves alone."""
        gradients = [p.grad for p in self._whole if p.grad is not None]
        if gradients:
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            dist.all_reduce(flat)
            for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(mean.view_as(gradient) / self.world_size)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        return {name: whole(value).cpu() for name, value in super().lightning_module_state_dict().items()}

    def optimizer_state(self, optimizer: Any) -> dict[str, Any]:
        return tree_map(whole, super().optimizer_state(optimizer))

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            for index, state in saved["state"].items():
                state.update({key: part_of(value, parameters[index]) for key, value in state.items()})
        super().load_optimizer_state_dict(checkpoint)


def shard(network: nn.Module, mesh: DeviceMesh) -> list[nn.Parameter]:
    """Shard a network in place, its blocks one by one; returns the parameters that stay whole."""
    kept = [p for site in named_activations(network).values() for p in site.parameters()]
    ids = {id(p) for p in kept}
    for module in (*blocks(network), network):
        if any(id(p) not in ids for p in module.parameters()):
            fully_shard(module, mesh=mesh, ignored_params=set(kept), reshard_after_forward=True)
    return [p for p in kept if p.requires_grad]


def blocks(network: nn.Module) -> Iterator[nn.Module]:
    """What runs one after the other: the children, and those of containers among them."""
    for child in network.children():
        if isinstance(child, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
            yield from blocks(child)
        else:
            yield child


def whole(value: Any) -> Any:
    """A sharded tensor put together, in all processes at once; anything else as it is."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def part_of(value: Any, like: Tensor) -> Any:
    """This process's part of a whole tensor where ``like`` is sharded; no process waits for another."""
    if not isinstance(like, DTensor) or not isinstance(value, Tensor) or value.shape != like.shape:
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def load_weights(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """``module.load_state_dict``, sharded or not."""
    own = module.state_dict()
    module.load_state_dict({name: part_of(value, own[name]) for name, value in state.items()})


def skip_unless_finite(optimizer: torch.optim.Optimizer, norm: Tensor) -> bool:
    """Whether parameters are sharded; then a step whose gradient norm is not finite is skipped.

    ``found_inf`` of a fused step is a plain tensor, and does not mix with shards: here the host looks, once a step.
    Without a gradient, weights and moments stay as they are.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if not any(isinstance(p, DTensor) for p in parameters):
        return False
    if not torch.isfinite(norm):
        for parameter in parameters:
            parameter.grad = None
    return True

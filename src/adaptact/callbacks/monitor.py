"""Alphas, gaps and gradients during training, for any logger that takes scalars."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from adaptact.activations import learned_values, stored_parameters
from adaptact.callbacks.sites import eagerly, gap, watch
from adaptact.surgery import named_activations


class ActivationMonitor(L.Callback):
    """Logs what activations learn and the gradient norms of all layers, every ``every_n_steps`` steps.

    Works in anybody's Lightning trainer; without a logger it does nothing. Values and gradients are those of the
    logged step, before its update and before clipping. Hooks exist on logged steps only (there a compiled network
    runs eagerly), and everything is fetched from the device once per logged step.

    ========================  =========================================================================
    key                       meaning
    ========================  =========================================================================
    ``alpha/<site>`` ...      effective value of each learned parameter; per channel the mean
    ``gap/<site>``            root mean square of first - second (SSwish - GELU) over the site's inputs
    ``grad_alpha/<site>`` ... gradient of the stored parameter; per channel the root mean square
    ``grad_norm/<layer>``     gradient norm of the parameters that a layer owns
    ``grad_norm/total``       of all parameters
    ``grad_norm/activations`` of all parameters of activations
    ========================  =========================================================================

    Args:
        every_n_steps: None takes the trainer's ``log_every_n_steps``.
    """

    def __init__(self, every_n_steps: int | None = None) -> None:
        self.every_n_steps = every_n_steps
        self._sites: dict[str, nn.Module] = {}
        self._hooks: ExitStack | None = None
        self._values: dict[str, Tensor] = {}

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        network = getattr(pl_module, "network", pl_module)
        self._sites = named_activations(network) if isinstance(network, nn.Module) else {}

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        blends = [name for name, m in self._sites.items() if "alpha" in learned_values(m)]
        for logger in trainer.loggers:
            add = getattr(getattr(logger, "experiment", None), "add_custom_scalars", None)
            if add is not None:
                charts = {"gradient norms": ["Multiline", ["grad_norm/total", "grad_norm/activations"]]}
                if blends:
                    charts |= {
                        f"{key} of all layers": ["Multiline", [f"^{key}/"]] for key in ("alpha", "beta", "gamma", "gap")
                    }
                add({"activations": charts})

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        every = self.every_n_steps or max(1, trainer.log_every_n_steps)  # type: ignore[attr-defined]
        if not trainer.loggers or trainer.global_step % every:
            return
        self._values = {}
        self._hooks = ExitStack()
        self._hooks.enter_context(eagerly(pl_module))
        self._hooks.enter_context(watch(self._sites, self._see))

    def _see(self, name: str, module: nn.Module, x: Tensor) -> None:
        if (difference := gap(module, x)) is not None:
            self._values[f"gap/{name}"] = difference

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if self._hooks is None:
            return
        for site, module in self._sites.items():
            for key, value in learned_values(module).items():
                self._values[f"{key}/{site}"] = value.float().mean()
                if value.numel() > 1:
                    _add_histogram(trainer, f"{key}/{site}", value)
            for key, parameter in stored_parameters(module).items():
                if parameter.grad is not None:
                    g = parameter.grad.float()
                    self._values[f"grad_{key}/{site}"] = g.sum() if g.numel() == 1 else g.square().mean().sqrt()
        self._values.update(gradient_norms(getattr(pl_module, "network", pl_module)))

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._hooks is None:
            return
        self._close()
        fetched = torch.stack([value.reshape(()).float() for value in self._values.values()]).tolist()
        metrics = dict(zip(self._values, fetched, strict=True))
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step - 1)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self._hooks is not None:
            self._hooks.close()
            self._hooks = None


def gradient_norms(network: nn.Module) -> dict[str, Tensor]:
    """Norms of the gradients by the layer that owns them, of all, and of all activation parameters."""
    activations = {id(m) for site in named_activations(network).values() for m in site.modules()}
    owners = [
        (name, id(module) in activations, parameter.grad)
        for name, module in network.named_modules()
        for parameter in module.parameters(recurse=False)
        if parameter.grad is not None
    ]
    if not owners:
        return {}
    gradients = [grad for _, _, grad in owners]
    if any(hasattr(grad, "full_tensor") for grad in gradients):  # sharded: all processes are here
        norms_of_all = [getattr(n, "full_tensor", lambda n=n: n)() for n in (grad.norm() for grad in gradients)]
    else:
        norms_of_all = list(torch._foreach_norm(gradients))
    squares = torch.stack(norms_of_all).float().square()
    layers: dict[str, list[int]] = {}
    for index, (name, _, _) in enumerate(owners):
        layers.setdefault(name or type(network).__name__, []).append(index)
    own = [index for index, (_, is_activation, _) in enumerate(owners) if is_activation]
    norms = {f"grad_norm/{name}": squares[indices].sum().sqrt() for name, indices in layers.items()}
    norms["grad_norm/total"] = squares.sum().sqrt()
    if own:
        norms["grad_norm/activations"] = squares[own].sum().sqrt()
    return norms


def _add_histogram(trainer: L.Trainer, tag: str, value: Tensor) -> None:
    for logger in trainer.loggers:
        add = getattr(getattr(logger, "experiment", None), "add_histogram", None)
        if add is not None:
            add(tag, value.float().cpu(), trainer.global_step)

"""Alphas, gaps and gradients during training, for any logger that takes scalars."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from adaptact.activations import learned_values, stored_parameters
from adaptact.callbacks.site_inputs import eagerly, gap, watch, watched
from adaptact.surgery import named_activations


class ActivationMonitor(L.Callback):
    """Logs what activations learn and the gradient norms of all layers, every ``every_n_steps`` steps.

    Works in anybody's Lightning trainer; without a logger it does nothing. Values and gradients are those of the
    logged step, before its update and before clipping; with accumulated gradients those of the whole step, and the
    inputs those of its last batch. Under manual optimization a step is a batch in which an optimizer stepped; each
    optimizer contributes the gradients of its own parameters, as they were before its last step. Hooks exist on
    logged steps only (there a compiled network runs eagerly), and everything is fetched from the device once per
    logged step.

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

    Sites and layers are named by their path in the LightningModule, or in its attribute ``network`` where all its
    parameters are in that.

    Args:
        every_n_steps: None takes the trainer's ``log_every_n_steps``.
    """

    def __init__(self, every_n_steps: int | None = None) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"every_n_steps must be at least 1, not {every_n_steps}")
        self.every_n_steps = every_n_steps
        self._sites: dict[str, nn.Module] = {}
        self._hooks: ExitStack | None = None
        self._values: dict[str, Tensor] = {}
        self._norms: dict[str, Norm] = {}
        self._step = 0
        self._due = False

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._sites, self._due = named_activations(watched(pl_module)), False
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
        if not trainer.loggers:
            return
        every = self.every_n_steps or max(1, trainer.log_every_n_steps)  # type: ignore[attr-defined]
        self._step = _steps_done(trainer, pl_module)
        self._due = self._due or self._step % every == 0  # until a batch comes in which an optimizer steps
        if not self._due:
            return
        self._values, self._norms = {}, {}
        self._hooks = ExitStack()
        self._hooks.enter_context(eagerly())
        self._hooks.enter_context(watch(self._sites, self._see))

    def _see(self, name: str, module: nn.Module, x: Tensor) -> None:
        if (difference := gap(module, x)) is not None:
            self._values[f"gap/{_plain(name)}"] = difference

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if self._hooks is None:
            return
        alone = len(trainer.optimizers) == 1
        steps = None if alone else {id(p) for group in optimizer.param_groups for p in group["params"]}
        for name, module in self._sites.items():
            site = _plain(name)
            for key, value in learned_values(module).items():
                self._values[f"{key}/{site}"] = value.float().mean()
                if value.numel() > 1:
                    _add_histogram(trainer, f"{key}/{site}", value)
            for key, parameter in stored_parameters(module).items():
                if parameter.grad is not None and (steps is None or id(parameter) in steps):
                    g = parameter.grad.float()
                    self._values[f"grad_{key}/{site}"] = g.sum() if g.numel() == 1 else g.square().mean().sqrt()
        self._norms |= parameter_norms(watched(pl_module), steps)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._hooks is None:
            return
        self._close()
        if not self._norms:  # gradients accumulate, or the batch was skipped
            return
        self._due = False
        self._values |= layer_norms(self._norms)
        fetched = torch.stack([value.reshape(()).float() for value in self._values.values()]).tolist()
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.log_metrics(dict(zip(self._values, fetched, strict=True)), step=self._step)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self._hooks is not None:
            self._hooks.close()
            self._hooks = None


def _steps_done(trainer: L.Trainer, pl_module: L.LightningModule) -> int:
    """Optimizer steps so far. Under manual optimization batches, as Lightning counts them for its loggers."""
    return (
        trainer.global_step if pl_module.automatic_optimization else trainer.fit_loop.epoch_loop._batches_that_stepped
    )


def _plain(name: str) -> str:
    """A path without what torch.compile puts into it, so that tags are those of the uncompiled network."""
    return name.replace("_orig_mod.", "")


@dataclass(frozen=True)
class Norm:
    """Norm of one parameter's gradient, and who owns the parameter."""

    layer: str
    is_activation: bool
    value: Tensor


def parameter_norms(network: nn.Module, only: set[int] | None = None) -> dict[str, Norm]:
    """Gradient norms by the name of the parameter, of those that have a gradient; ``only``: of these ids."""
    activations = {id(m) for site in named_activations(network).values() for m in site.modules()}
    owned = {
        f"{name}.{key}": (_plain(name) or type(network).__name__, id(module) in activations, parameter.grad)
        for name, module in network.named_modules()
        for key, parameter in module.named_parameters(recurse=False)
        if parameter.grad is not None and (only is None or id(parameter) in only)
    }
    if not owned:
        return {}
    gradients = [grad for _, _, grad in owned.values()]
    if any(hasattr(grad, "full_tensor") for grad in gradients):  # sharded: all processes are here
        norms = [getattr(n, "full_tensor", lambda n=n: n)() for n in (grad.norm() for grad in gradients)]
    else:
        norms = list(torch._foreach_norm(gradients))
    return {name: Norm(*who[:2], norm) for (name, who), norm in zip(owned.items(), norms, strict=True)}


def layer_norms(parameters: dict[str, Norm]) -> dict[str, Tensor]:
    """Norms of the gradients by the layer that owns them, of all, and of all activation parameters, as logged."""
    if not parameters:
        return {}
    found = list(parameters.values())
    squares = torch.stack([norm.value.float() for norm in found]).square()
    layers: dict[str, list[int]] = {}
    for index, norm in enumerate(found):
        layers.setdefault(norm.layer, []).append(index)
    own = [index for index, norm in enumerate(found) if norm.is_activation]
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

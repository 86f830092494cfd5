"""The LightningModule: one for classification and regression."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from adaptact import config
from adaptact.activations import effective_values, learned_values
from adaptact.surgery import named_activations, param_groups
from adaptact.training.finetune import spread
from adaptact.training.gradient_clipping import clip_apart
from adaptact.training.losses import classification_loss
from adaptact.training.metrics import Outputs
from adaptact.training.sharding import skip_unless_finite


class Learner(L.LightningModule):
    """Trains a plain network.

    Args:
        network: inputs (batch, *input_shape) to outputs (batch, n_outputs).
        task: "classification" (cross-entropy) or "regression" (mean squared error of the standardised target).
        optimizer: learning rates, decay, schedule, gradient clipping.
        label_smoothing: share of each label spread over all classes.
        activation_penalty: weight of the squared distance of activation parameters from their start.
        activation_warmup_epochs: epochs during which activation parameters keep their start.
        center, scale: a regression target is (value - center) / scale.
        positive: number of the class to be found, of two.
        class_weights: (classes,), weight of each class in the loss.
        focal_gamma: above 0 the focal loss.
        finetune: learning rates by layer, epochs of the head alone.

    Attributes:
        task_loss: loss of the last training step without the penalty, on the device.
        grad_norms: gradient norms of the last step before clipping, of all parameters ("total") and of those of
            activations ("activations"), on the device.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        *,
        task: str,
        optimizer: config.Optimizer,
        label_smoothing: float = 0.0,
        activation_penalty: float = 0.0,
        activation_warmup_epochs: int = 0,
        center: float = 0.0,
        scale: float = 1.0,
        positive: int = 1,
        class_weights: Tensor | None = None,
        focal_gamma: float = 0.0,
        finetune: config.Finetune | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.task, self.options, self.finetune = task, optimizer, finetune or config.Finetune()
        self.label_smoothing, self.focal_gamma = label_smoothing, focal_gamma
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.activation_penalty, self.activation_warmup_epochs = activation_penalty, activation_warmup_epochs
        self.outputs = Outputs(task, center, scale, positive)
        self.stage = "val"
        self.task_loss = self.penalty = torch.zeros(())
        self.grad_norms: dict[str, Tensor] = {}
        # Not parameters and not in the checkpoint: the configuration gives the same start again.
        self._start = {
            name: {key: value.clone() for key, value in learned_values(module).items()}
            for name, module in named_activations(network).items()
        }

    def forward(self, x: Tensor) -> Tensor:
        """(batch, classes), or (batch,) for regression, in at least float32.

        A network of k members gives (batch, k, classes) or (batch, k) in training.
        """
        outputs = self.network(x)
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        return outputs if self.task == "classification" else outputs.squeeze(-1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        outputs = self(x)
        if outputs.dim() > 1 + (self.task == "classification"):  # the mean of the members' losses
            y, outputs = y.repeat_interleave(outputs.shape[1]), outputs.flatten(0, 1)
        if self.task == "classification":
            loss = classification_loss(
                outputs,
                y,
                weight=self.class_weights,
                focal_gamma=self.focal_gamma,
                label_smoothing=self.label_smoothing,
            )
        else:
            loss = F.mse_loss(outputs, y)
        self.task_loss = loss.detach()
        if self._world() > 1:
            loss = loss * self.trainer.datamodule.loss_weight(batch_idx)  # type: ignore[attr-defined]
        if self.activation_penalty:
            penalty = self.activation_penalty * self._distance_from_start()
            self.penalty = penalty.detach()
            loss = loss + penalty
        return loss

    def _world(self) -> int:
        """Number of processes; 1 outside a trainer."""
        return 1 if self._trainer is None else self._trainer.world_size

    def _distance_from_start(self) -> Tensor:
        """Sum of squared distances of all effective activation parameters from their start."""
        total = torch.zeros((), device=self.device)
        for name, module in named_activations(self.network).items():
            for key, value in effective_values(module).items():
                total = total + (value - self._start[name][key].to(self.device)).square().sum()
        return total

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.outputs.update(self(batch[0]), batch[1])

    def on_validation_epoch_end(self) -> None:
        self.log_dict({f"val/{name}": value for name, value in self.outputs.compute().items()})
        self.outputs.reset()

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.validation_step(batch, batch_idx)

    def on_test_epoch_start(self) -> None:
        self.outputs.reset()

    def on_test_epoch_end(self) -> None:
        """Metrics of the part named by ``stage``; the collected outputs stay for whoever draws them."""
        metrics = {f"{self.stage}/{name}": value for name, value in self.outputs.compute().items()}
        self.log_dict(metrics, logger=False)

    def configure_optimizers(self) -> Any:
        o = self.options
        groups = param_groups(self.network, o.lr, o.weight_decay, o.activation_lr_scale)
        groups = spread(groups, self.network, self.finetune)
        # Under a gradient scaler a fused step would see scaled gradients where they are clipped.
        fused = self.trainer.precision != "16-mixed"
        optimizer = AdamW(groups, lr=o.lr, betas=(o.beta1, o.beta2), fused=fused)
        total = int(self.trainer.estimated_stepping_batches)
        per_epoch = total / max(1, self.trainer.max_epochs or 1)
        schedule = learning_rate_factor(total, round(o.warmup_epochs * per_epoch), o.schedule)

        def after(epochs: int) -> Callable[[int], float]:
            return lambda step: 0.0 if step < epochs * per_epoch else schedule(step)

        factors = []
        for group in groups:
            waits = 0 if group.get("head", True) else self.finetune.head_epochs
            factors.append(after(max(waits, self.activation_warmup_epochs * (group["name"] == "activations"))))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factors), "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Clip the weights and the activation parameters apart.

        A few scalars can hold much of the squared gradient norm; clipped together, they would change the effective
        learning rate of the weights, and the arms of a comparison would differ in it.
        """
        sets: dict[bool, list[nn.Parameter]] = {False: [], True: []}
        for group in optimizer.param_groups:
            sets[group["name"] == "activations"] += group["params"]
        weights, scalars = clip_apart(list(sets.values()), self.options.gradient_clip or math.inf)
        self.grad_norms = {"total": torch.hypot(weights, scalars)}
        if sets[True]:
            self.grad_norms["activations"] = scalars
        if not skip_unless_finite(optimizer, self.grad_norms["total"]) and optimizer.defaults.get("fused"):
            # The fused step leaves weights and moments alone where this is 1: no host has to look at the loss.
            # Of several processes all see the same gradient, but each its own loss.
            seen = self.grad_norms["total"] + (self.task_loss if self._world() == 1 else 0.0)
            optimizer.found_inf = (seen - seen != 0).float()  # a number minus itself is 0, infinity and NaN are not


def learning_rate_factor(total: int, warmup: int, schedule: str) -> Callable[[int], float]:
    """Factor of the learning rate at a step: linear warm-up to 1, then a half cosine to 0 or constant.

    >>> factor = learning_rate_factor(total=100, warmup=10, schedule="cosine")
    >>> [round(factor(step), 2) for step in (0, 9, 10, 55, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if schedule == "constant":
            return 1.0
        progress = min(1.0, (step - warmup) / max(1, total - warmup))
        return 0.5 * (1 + math.cos(math.pi * progress))

    return factor

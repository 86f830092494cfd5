"""The learner's parts, with hand-set numbers."""

import itertools
import math

import pytest
import torch
from torch import nn

from adaptact import SGBlend
from adaptact.config import Optimizer
from adaptact.surgery import param_groups
from adaptact.training.learner import Learner, learning_rate_factor


def learner(limit: float | None, **options: float) -> Learner:
    network = nn.Sequential(nn.Linear(2, 2, bias=False), SGBlend())
    return Learner(network, task="classification", optimizer=Optimizer(gradient_clip=limit), **options)


@pytest.mark.parametrize(("limit", "weights", "scalars"), [(1.0, 1.0, 1.0), (None, 10.0, 6.0), (8.0, 8.0, 6.0)])
def test_weights_and_scalars_are_clipped_apart(limit: float | None, weights: float, scalars: float) -> None:
    module = learner(limit)
    optimizer = torch.optim.SGD(param_groups(module.network, 1.0, 0.0))
    linear, activation = module.network
    linear.weight.grad = torch.tensor([[10.0, 0.0], [0.0, 0.0]])
    activation.raw_alpha.grad = torch.tensor([6.0])
    module.configure_gradient_clipping(optimizer)
    assert linear.weight.grad.norm().item() == pytest.approx(weights, rel=1e-5)
    assert activation.raw_alpha.grad.norm().item() == pytest.approx(scalars, rel=1e-5)
    assert module.grad_norms["total"].item() == pytest.approx(math.hypot(10, 6))
    assert module.grad_norms["activations"].item() == pytest.approx(6)


def test_label_smoothing_and_loss_against_the_formula() -> None:
    module = learner(1.0, label_smoothing=0.2)
    x, y = torch.tensor([[0.3, -0.4], [1.0, 2.0]]), torch.tensor([0, 1])
    log_p = torch.log_softmax(module.network(x), dim=1)
    expected = -(0.9 * log_p[[0, 1], y] + 0.1 * log_p[[0, 1], 1 - y]).mean()
    assert module.training_step((x, y), 0).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_penalty_is_the_squared_distance_from_the_start() -> None:
    module = learner(1.0, activation_penalty=3.0)
    module.network[1].alpha, module.network[1].gamma = 0.7, 0.1
    batch = torch.zeros(1, 2), torch.tensor([0])
    total = module.training_step(batch, 0)
    assert (total - module.task_loss).item() == pytest.approx(3 * (0.2**2 + 0.1**2), rel=1e-5)
    assert module.penalty.item() == pytest.approx(3 * (0.2**2 + 0.1**2), rel=1e-5)


def test_warmup_is_linear_and_the_cosine_ends_near_zero() -> None:
    factor = learning_rate_factor(total=50, warmup=5, schedule="cosine")
    values = [factor(step) for step in range(50)]
    assert values[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert all(a >= b for a, b in itertools.pairwise(values[5:]))
    assert values[-1] < 0.01
    assert learning_rate_factor(50, 0, "constant")(49) == 1.0

"""Losses against their formulas in float64."""

import pytest
import torch

from adaptact.training.losses import balanced_weights, classification_loss

LOGITS = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.arange(50) % 3


def test_focal_loss_is_its_formula() -> None:
    p = LOGITS.softmax(dim=1)[torch.arange(50), Y]
    expected = (-((1 - p) ** 2) * p.log()).mean()
    assert classification_loss(LOGITS, Y, focal_gamma=2.0).item() == pytest.approx(expected.item())


def test_without_options_it_is_cross_entropy() -> None:
    expected = torch.nn.functional.cross_entropy(LOGITS, Y, label_smoothing=0.1)
    assert classification_loss(LOGITS, Y, label_smoothing=0.1).item() == expected.item()


def test_weights_make_classes_count_alike() -> None:
    y = torch.tensor([0] * 90 + [1] * 10)
    weights = balanced_weights(y, 2)
    assert (weights[0] * 90).item() == pytest.approx((weights[1] * 10).item())
    assert weights[y].mean().item() == pytest.approx(1.0)
    sure = torch.zeros(100, 2)
    sure[:, 0] = 3.0  # always says 0
    plain, weighted = classification_loss(sure, y), classification_loss(sure, y, weight=weights)
    assert weighted > plain

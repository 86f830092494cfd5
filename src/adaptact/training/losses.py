"""Losses, with what rare classes may ask for: weights or focal loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def classification_loss(
    logits: Tensor, y: Tensor, *, weight: Tensor | None = None, focal_gamma: float = 0.0, label_smoothing: float = 0.0
) -> Tensor:
    """Mean cross-entropy, or focal loss for ``focal_gamma`` > 0 (Lin et al. 2017, arXiv 1708.02002, equation 5).

    Shape:
        (rows, classes) and (rows,); weight: (classes,).
    """
    if not focal_gamma:
        return F.cross_entropy(logits, y, weight=weight, label_smoothing=label_smoothing)
    own = F.cross_entropy(logits, y, reduction="none")
    each = F.cross_entropy(logits, y, weight=weight, label_smoothing=label_smoothing, reduction="none")
    return ((1 - torch.exp(-own)) ** focal_gamma * each).mean()


def balanced_weights(y: Tensor, n_classes: int) -> Tensor:
    """Weight per class, inverse to its share; the mean over all rows is 1.

    >>> balanced_weights(torch.tensor([0, 0, 0, 1]), 2)
    tensor([0.6667, 2.0000])
    """
    counts = torch.bincount(y, minlength=n_classes).clamp(min=1)
    return len(y) / (n_classes * counts.float())

"""The input side of networks for images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from adaptact.layouts import Pixels


class Standardize(nn.Module):
    """Pixels from 0 to 255, whatever their type, to (pixel / 255 - mean) / std.

    Shape:
        (batch, channels, height, width) in and out; ``mean`` and ``std`` per channel, or one for all.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        center, spread = (torch.tensor(values).view(-1, 1, 1) for values in (mean, std))
        self.register_buffer("scale", 1 / (255 * spread))
        self.register_buffer("shift", -center / spread)

    def forward(self, x: Tensor) -> Tensor:
        return x.to(self.scale.dtype) * self.scale + self.shift


class FromPixels(nn.Module):
    """A network of standardised images that takes pixels as files keep them."""

    def __init__(self, net: nn.Module, layout: Pixels) -> None:
        super().__init__()
        self.pixels = Standardize(layout.mean, layout.std)
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(self.pixels(x))

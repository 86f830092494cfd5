"""Training pictures varied: whole batches at a time, where they are.

What is drawn depends on the seed and the step alone: runs are repeatable, a resumed one goes on as if it had never
stopped, and of one seed all activations see the same pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

SHIFT = 0.125  # of a side, at most, in each direction
SCALE = 0.25  # of the size, at most, smaller or larger
JITTER = 0.25  # of brightness, contrast and saturation, at most


def generator_for(*numbers: int) -> torch.Generator:
    """A generator that depends on these numbers alone, on the CPU whatever the device."""
    state = np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) % 2**63)


def augment(x: Tensor, kinds: Sequence[str], generator: torch.Generator) -> Tensor:
    """A batch of pictures, each varied in its own way.

    Args:
        x: (batch, channels, height, width) in uint8.
        kinds: some of flip, vertical_flip, crop, color.

    Returns:
        Pictures of the same shape and type.
    """
    for kind in kinds:
        x = KINDS[kind](x, generator)
    return x


def flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the pictures, left and right exchanged."""
    return _flipped(x, 3, generator)


def vertical_flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the pictures, upside down."""
    return _flipped(x, 2, generator)


def _flipped(x: Tensor, dim: int, generator: torch.Generator) -> Tensor:
    chosen = torch.rand(len(x), generator=generator) < 0.5
    return torch.where(chosen.to(x.device).view(-1, 1, 1, 1), x.flip(dim), x)


def crop(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture shifted and scaled; its edge goes on into what comes in. Pixels are the nearest ones."""
    n, _, height, width = x.shape
    scale = 1 + SCALE * (2 * torch.rand(n, 1, generator=generator) - 1)
    rows = _places(height, scale, generator).to(x.device)[:, :, None]
    columns = _places(width, scale, generator).to(x.device)[:, None, :]
    pictures = torch.arange(n, device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[pictures, rows, columns].permute(0, 3, 1, 2).contiguous()


def _places(side: int, scale: Tensor, generator: torch.Generator) -> Tensor:
    """(n, side): the places that a side is read from; ``scale``: (n, 1), how far apart they are."""
    shift = SHIFT * side * (2 * torch.rand(len(scale), 1, generator=generator) - 1)
    middle = (side - 1) / 2
    return (middle + shift + scale * (torch.arange(side) - middle)).round().long().clamp(0, side - 1)


def color(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture lighter or darker, of more or less contrast and, with three channels, saturation."""
    bright, contrast, saturation = (
        (1 + JITTER * (2 * torch.rand(3, len(x), generator=generator) - 1)).to(x.device).view(3, -1, 1, 1, 1)
    )
    y = x.float() * bright
    if x.shape[1] == 3:
        grey = (y * y.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
        y = grey + saturation * (y - grey)
    mean = y.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + contrast * (y - mean)).round().clamp(0, 255).to(x.dtype)


KINDS = {"flip": flip, "vertical_flip": vertical_flip, "crop": crop, "color": color}

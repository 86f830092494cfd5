"""A small convolutional network for images from 8 x 8 pixels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn


def check_image(input_shape: tuple[int, ...], smallest: int) -> tuple[int, int, int]:
    """(channels, height, width), or ValueError where that is no image or too small a one."""
    if len(input_shape) != 3 or min(input_shape[1:]) < smallest:
        raise ValueError(f"needs images of at least {smallest} x {smallest} pixels, not inputs of shape {input_shape}")
    channels, height, width = input_shape
    return channels, height, width


def cnn(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    widths: Sequence[int] = (32, 64),
    hidden: int = 128,
    dropout: float = 0.1,
) -> nn.Sequential:
    """Stages of convolution, batch normalisation, activation and pooling until at most 4 pixels are left.

    Args:
        input_shape: (channels, height, width), at least 8 x 8 pixels.
        widths: channels per stage; the last one repeats for as long as the image is larger than 4 pixels.
        hidden: units of the fully connected layer before the output.

    Shape:
        (batch, channels, height, width) in, (batch, n_outputs) out.

    Raises:
        ValueError: inputs that are no images or too small.
    """
    channels, height, width = check_image(input_shape, smallest=8)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    stage = 0
    while stage < len(widths) or max(height, width) > 4:
        d_out = widths[min(stage, len(widths) - 1)]
        block: OrderedDict[str, nn.Module] = OrderedDict()
        block["conv"] = nn.Conv2d(channels, d_out, kernel_size=3, padding=1, bias=False)
        block["norm"] = nn.BatchNorm2d(d_out)
        block["act"] = nn.ReLU()
        if max(height, width) > 4:
            pool = (2 if height > 1 else 1, 2 if width > 1 else 1)
            block["pool"] = nn.MaxPool2d(pool)
            height, width = height // pool[0], width // pool[1]
        channels, stage = d_out, stage + 1
        layers[f"stage{stage}"] = nn.Sequential(block)
    layers["flatten"] = nn.Flatten()
    layers["head"] = nn.Sequential(
        OrderedDict(
            hidden=nn.Linear(channels * height * width, hidden),
            act=nn.ReLU(),
            dropout=nn.Dropout(dropout),
            out=nn.Linear(hidden, n_outputs),
        )
    )
    return nn.Sequential(layers)

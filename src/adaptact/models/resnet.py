"""Residual networks for small images."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from adaptact.models.cnn import check_image

LARGEST = 32  # pixels a side that the blocks see
NORMS = {"batch": nn.BatchNorm2d, "none": nn.Identity}


class Block(nn.Module):
    """Two convolutions with a shortcut (He et al. 2016, option A: the shortcut has no parameters)."""

    def __init__(self, d_in: int, d_out: int, stride: int, norm: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(d_in, d_out, 3, stride=stride, padding=1, bias=norm == "none")
        self.norm1 = NORMS[norm](d_out)
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv2d(d_out, d_out, 3, padding=1, bias=norm == "none")
        self.norm2 = NORMS[norm](d_out)
        self.act2 = nn.ReLU()
        self.stride = stride
        self.extra = d_out - d_in

    def forward(self, x: Tensor) -> Tensor:
        y = self.act1(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        if self.stride > 1 or self.extra:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))
        return self.act2(x + y)


class ResNet(nn.Module):
    """See :func:`resnet`."""

    def __init__(
        self, channels: int, n_outputs: int, n_blocks: int, width: int, norm: str, dropout: float, stem: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 2 * stem + 1, stride=stem, padding=stem, bias=norm == "none")
        self.norm = NORMS[norm](width)
        self.act = nn.ReLU()
        stages: list[nn.Module] = []
        d_in = width
        for stage in range(3):
            d_out = width * 2**stage
            blocks = [
                Block(d_in if i == 0 else d_out, d_out, 2 if stage and i == 0 else 1, norm) for i in range(n_blocks)
            ]
            stages.append(nn.Sequential(*blocks))
            d_in = d_out
        self.stages = nn.Sequential(*stages)
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(d_in, n_outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(self.act(self.norm(self.conv(x))))
        return self.out(self.drop(x.mean(dim=(2, 3))))


def resnet(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    depth: int = 20,
    width: int = 16,
    norm: Literal["batch", "none"] = "batch",
    dropout: float = 0.0,
    stem: int | None = None,
) -> ResNet:
    """CIFAR-style residual network of He et al. 2016 (arXiv 1512.03385, section 4.2).

    Args:
        input_shape: (channels, height, width), at least 8 x 8 pixels.
        depth: 6 n + 2 layers in three stages of n blocks.
        width: channels of the first stage; they double with each stage.
        norm: after each convolution; without one the convolutions have biases.
        dropout: share of units dropped before the output.
        stem: stride of the first convolution, of 2 stem + 1 pixels a side; None: the smallest that leaves at most
            :data:`LARGEST` pixels a side, so that larger images cost no more than CIFAR's.

    Raises:
        ValueError: inputs that are no images or too small, a depth that is not 6 n + 2.
    """
    channels, height, width_in = check_image(input_shape, smallest=8)
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth must be 6 n + 2, not {depth}")
    stem = stem or -(-max(height, width_in) // LARGEST)
    return ResNet(channels, n_outputs, (depth - 2) // 6, width, norm, dropout, stem)

"""Networks of the package timm, where the user has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from adaptact.errors import ConfigError


def timm(
    input_shape: tuple[int, ...],
    n_outputs: int,
    *,
    architecture: str = "",
    pretrained: bool = False,
    options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """``timm.create_model(architecture)`` for images of this shape.

    Args:
        architecture: a name of ``timm.list_models()``.
        pretrained: start from the package's own weights, which it downloads.
        options: further arguments of ``create_model``, such as ``drop_rate``.

    Raises:
        ValueError: no images.
        ConfigError: timm is not installed, or cannot build this.
    """
    if len(input_shape) != 3:
        raise ValueError(f"it reads images, not inputs of shape {input_shape}")
    try:
        import timm as package
    except ImportError as error:
        raise ConfigError([f"model=timm needs the package timm, which cannot be imported ({error})"]) from None
    try:
        return package.create_model(
            architecture, pretrained=pretrained, num_classes=n_outputs, in_chans=input_shape[0], **(options or {})
        )
    except Exception as error:  # an unknown name, no network, options that it does not have
        raise ConfigError([f"model.architecture={architecture}: {error}"]) from error

"""From a configuration to a network with its activation."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import nn

from adaptact import config, models
from adaptact.activations import ACTIVATIONS, create
from adaptact.errors import ConfigError
from adaptact.layouts import Layout, Tokens
from adaptact.surgery import Replacement, Site, replace_activations
from adaptact.trust import import_trusted


def seed_all(seed: int) -> None:
    """Seed every generator that start weights, dropout or a user's own code may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def build_network(
    settings: config.Config, input_shape: tuple[int, ...], n_outputs: int, layout: Layout | None = None
) -> nn.Module:
    """The network of ``model`` with the activation of ``activation`` at its sites.

    Weights are drawn before the swap, so that all activations of one seed share the start weights of every other
    parameter; the generators are seeded again afterwards, so that they share dropout masks too.

    Raises:
        ConfigError: no site, an activation that cannot be built, an input that the network cannot read.
    """
    seed_all(settings.seed)
    network = models.build(
        settings.model.name, input_shape, n_outputs, layout=layout, **config.options_of(settings.model)
    )
    swap(network, settings, example_of(input_shape, layout))
    seed_all(settings.seed)
    return network


def example_of(input_shape: tuple[int, ...], layout: Layout | None = None, rows: int = 2) -> torch.Tensor:
    """Rows that a network of this input can read: zeros, or texts of unknown words."""
    if isinstance(layout, Tokens):
        return torch.full((rows, *input_shape), layout.unknown, dtype=torch.int32)
    return torch.zeros(rows, *input_shape)


def swap(network: nn.Module, settings: config.Config, example: torch.Tensor) -> list[Replacement]:
    """Put the configured activation into a network; ``native`` leaves it alone."""
    options = settings.activation
    if options.kind == "native":
        return []
    factory = activation_factory(settings)
    try:
        return replace_activations(
            network, factory, kinds=options.only, names=options.sites, example=example, preserve=options.preserve
        )
    except (ValueError, TypeError) as error:
        raise ConfigError([f"activation={options.name}: {error}"]) from None


def activation_factory(settings: config.Config) -> Any:
    """``make(site)`` for :func:`replace_activations`."""
    options = settings.activation
    if isinstance(options, config.CustomActivation):
        target = import_trusted(options.target, settings.trust)
        return lambda site: target(**options.options)
    arguments = config.options_of(options)
    per_channel, channel_dim = arguments.pop("per_channel", False), arguments.pop("channel_dim", 1)

    def make(site: Site) -> nn.Module:
        if options.start is not None:
            if site.name not in options.start:
                raise ValueError(f"activation.start has no values for the site {site.name!r}")
            return create(options.kind, **{**arguments, **options.start[site.name]})
        if not per_channel:
            return create(options.kind, **arguments)
        if site.shape is None:
            raise ValueError(f"the channels of {site.name!r} are unknown: it is not reached in a forward pass")
        channels = site.shape[channel_dim]
        if options.kind == "prelu":  # torch's own counts channels in dimension 1
            return nn.PReLU(num_parameters=channels, **arguments)
        return create(options.kind, channels=channels, channel_dim=channel_dim, **arguments)

    assert options.kind in ACTIVATIONS
    return make

"""From a configuration to a network with its activation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from adaptact import config, memory, models
from adaptact.activations import create
from adaptact.data import Prepared
from adaptact.errors import ConfigError
from adaptact.layouts import PLAIN, Layout
from adaptact.records import LAST_FILE
from adaptact.surgery import Replacement, Site, replace_activations
from adaptact.training.finetune import freeze
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
    return build_with_sites(settings, input_shape, n_outputs, layout)[0]


def build_with_sites(
    settings: config.Config, input_shape: tuple[int, ...], n_outputs: int, layout: Layout | None = None
) -> tuple[nn.Module, list[Replacement]]:
    """As :func:`build_network`, with the activations that were put in."""
    if settings.resume is not None and (Path(settings.resume) / "checkpoints" / LAST_FILE).is_file():
        settings = without_checkpoint(settings)  # the run's own checkpoint brings the weights
    options = config.options_of(settings.model)
    check_memory(settings, input_shape, n_outputs, layout, options)
    seed_all(settings.seed)
    if isinstance(settings.model, config.CustomModel):
        network = own_network(settings.model, settings.trust, input_shape, n_outputs)
    else:
        network = models.build(settings.model.name, input_shape, n_outputs, layout=layout, **options)
    replaced = swap(network, settings, example_of(input_shape, layout))
    freeze(network, settings.finetune)
    seed_all(settings.seed)
    return network, replaced


def check_memory(
    settings: config.Config,
    input_shape: tuple[int, ...],
    n_outputs: int,
    layout: Layout | None,
    options: dict[str, Any],
) -> None:
    """Raise ConfigError for a network whose parameters alone are beyond the free memory, before it is built.

    A builder that needs real numbers, as one that reads a checkpoint does, is not asked.
    """
    free = memory.available()
    if free is None or isinstance(settings.model, config.CustomModel) or getattr(settings.model, "pretrained", None):
        return
    try:
        with torch.device("meta"):
            built = models.build(settings.model.name, input_shape, n_outputs, layout=layout, **options)
    except Exception:  # it says what is wrong when it is really built
        return
    size = sum(parameter.numel() * parameter.element_size() for parameter in built.parameters())
    if size > free:
        sizes = f"{size / 2**30:,.1f} GiB of parameters, and {free / 2**30:,.1f} GiB of memory are free"
        raise ConfigError([f"model={settings.model.name} would have {sizes}: choose fewer or smaller layers"])


def learns(replaced: Sequence[Replacement]) -> bool:
    """Return True if one of the activations that were put in has parameters that are trained."""
    return any(parameter.requires_grad for one in replaced for parameter in one.new.parameters())


def own_network(
    options: config.CustomModel, trust: str | None, input_shape: tuple[int, ...], n_outputs: int
) -> nn.Module:
    """What somebody's own ``build(input_shape, n_outputs, ...)`` gives.

    Raises:
        ConfigError: code that the user does not trust, that is not there, that fails, or that gives something else.
    """
    target = import_trusted(options.target, trust)
    try:
        network = target(input_shape, n_outputs, **options.options)
    except Exception as error:  # whatever somebody's code raises
        raise ConfigError(
            [f"model.target={options.target}: {type(error).__name__}: {error}; debug=true shows where"]
        ) from error
    if not isinstance(network, nn.Module):
        raise ConfigError([f"model.target={options.target} gives no nn.Module but a {type(network).__name__}"])
    return network


def with_positive(settings: config.Config, prepared: Prepared) -> config.Config:
    """The settings with the positive class that was chosen, so that a run keeps it."""
    if prepared.positive is None:
        return settings
    return replace(settings, data=replace(settings.data, positive=prepared.positive.label))


def resolved(settings: config.Config, network: nn.Module) -> config.Config:
    """The settings with which the network can be built again where its checkpoint is not at hand."""
    if not isinstance(settings.model, config.HuggingFace):
        return settings
    return replace(settings, model=replace(settings.model, **network.resolved()))  # type: ignore[operator]


def without_checkpoint(settings: config.Config) -> config.Config:
    """The settings of a network whose weights come from elsewhere, as from a run of ours."""
    if not isinstance(settings.model, (config.HuggingFace, config.Timm)) or not settings.model.pretrained:
        return settings
    model: Any = settings.model
    return replace(settings, model=replace(model, pretrained=type(model)().pretrained))


def example_of(input_shape: tuple[int, ...], layout: Layout | None = None, rows: int = 2) -> torch.Tensor:
    """Rows that a network of this input can read: zeros, or texts of unknown words."""
    return (layout or PLAIN).example((rows, *input_shape))


def swap(network: nn.Module, settings: config.Config, example: torch.Tensor) -> list[Replacement]:
    """Put the configured activation into a network; ``native`` leaves it alone."""
    options = settings.activation
    if options.kind == "native":
        return []
    factory = activation_factory(settings)
    try:
        replaced = replace_activations(
            network, factory, kinds=options.only, names=options.sites, example=example, preserve=options.preserve
        )
        for one in replaced:
            if options.start is not None and not config.starts_from_options(vars(options)):
                set_state(one.new, start_at(one.name, options.start))
            if options.frozen:
                one.new.requires_grad_(False)
    except (ValueError, TypeError) as error:
        raise ConfigError([f"activation={options.name}: {error}"]) from None
    return replaced


def start_at(site: str, start: dict[str, Any]) -> dict[str, Any]:
    """The start values of a site.

    Raises:
        ValueError: none for it.
    """
    if site not in start:
        raise ValueError(f"activation.start has no values for the site {site!r}")
    return dict(start[site])


def set_state(module: nn.Module, values: dict[str, Any]) -> None:
    """Give a module the state that :func:`adaptact.training.checkpoints.activation_state` reads.

    Raises:
        ValueError: values of another module.
    """
    own = module.state_dict()
    try:
        module.load_state_dict({name: torch.tensor(value).to(own[name].dtype) for name, value in values.items()})
    except (KeyError, RuntimeError) as error:
        raise ValueError(f"activation.start does not fit {type(module).__name__}: {error}") from None


def activation_factory(settings: config.Config) -> Any:
    """``make(site)`` for :func:`replace_activations`."""
    options = settings.activation
    if isinstance(options, config.CustomActivation):
        target = import_trusted(options.target, settings.trust)
        return lambda site: target(**options.options)
    arguments = config.options_of(options)
    per_channel, channel_dim = arguments.pop("per_channel", False), arguments.pop("channel_dim", 1)

    def make(site: Site) -> nn.Module:
        if options.start is not None and config.starts_from_options(vars(options)):
            return create(options.kind, **{**arguments, **start_at(site.name, options.start)})
        if not per_channel:
            return create(options.kind, **arguments)
        if site.shape is None:
            raise ValueError(f"the channels of {site.name!r} are unknown: it is not reached in a forward pass")
        channels = site.shape[channel_dim]
        if options.kind == "prelu":  # torch's own counts channels in dimension 1
            return nn.PReLU(num_parameters=channels, **arguments)
        return create(options.kind, channels=channels, channel_dim=channel_dim, **arguments)

    return make

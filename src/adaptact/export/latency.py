"""What an adaptive activation costs where the model is used: in ONNX Runtime, against GELU, interleaved."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from adaptact.activations import learned_values
from adaptact.onnx_export import BATCH, to_onnx, traced
from adaptact.surgery import named_activations
from adaptact.training.timing import (
    CALLS,
    LARGE_BATCH,
    ROUNDS,
    answers,
    interleaved,
    large_batch,
    ratios,
    repeat,
    session_of,
)


def latency(network: nn.Module, content: bytes, x: Tensor, dimensions: Sequence[str] = BATCH) -> dict[str, Any] | None:
    """Times of an exported network and of the same one with GELU for every activation that learns.

    Args:
        content: the network as ONNX.
        x: real rows, repeated as needed.

    Returns:
        By batch size, as text, "ratio" and "interval" (exported to GELU), "ms" and "gelu_ms"; None for a network
        whose activations learn nothing.
    """
    if not adaptive(network):
        return None
    with_gelu = to_onnx(traced(gelu_instead(network), repeat(x, 3), dimensions), dimensions=dimensions)
    arms = {"own": session_of(content), "gelu": session_of(with_gelu.SerializeToString())}
    large = repeat(x, LARGE_BATCH)
    rows = large_batch(arms["gelu"], large)
    batches = {1: large[:1], rows: large[:rows]}
    found = interleaved(
        {
            name: {
                str(size): partial(answers, call, batch, CALLS if size == 1 else 3) for size, batch in batches.items()
            }
            for name, call in arms.items()
        },
        ROUNDS,
    )
    compared = ratios(found, "gelu")
    return {
        "rounds": ROUNDS,
        "threads": torch.get_num_threads(),
        "batch": {
            size: {
                **{key: own[key] for key in ("ratio", "interval", "interval_level")},
                "ms": own["p50_ms"],
                "gelu_ms": compared["gelu"][size]["p50_ms"],
            }
            for size, own in compared["own"].items()
        },
    }


def adaptive(network: nn.Module) -> list[str]:
    """Sites whose activation has learned values."""
    return [site for site, module in named_activations(network).items() if learned_values(module)]


def gelu_instead(network: nn.Module) -> nn.Module:
    """A copy with ``nn.GELU`` for every activation that has learned values."""
    network = copy.deepcopy(network)
    activations = [module for module in named_activations(network).values() if learned_values(module)]
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if any(child is activation for activation in activations):
                setattr(parent, name, nn.GELU())
    return network

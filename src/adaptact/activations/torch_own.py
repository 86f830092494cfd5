"""torch's own activations."""

from __future__ import annotations

from torch import nn

from adaptact.activations.registry import register

OWN: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
}
for name, make in OWN.items():
    register(name)(make)

"""torch's own activations."""

from __future__ import annotations

from torch import nn

from adaptact.activations.registry import register

register("identity")(nn.Identity)
register("relu")(nn.ReLU)
register("leaky_relu")(nn.LeakyReLU)
register("prelu")(nn.PReLU)
register("elu")(nn.ELU)
register("gelu")(nn.GELU)
register("silu")(nn.SiLU)
register("mish")(nn.Mish)

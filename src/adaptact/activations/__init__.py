"""The mathematics: activation functions and modules. Knows torch and nothing else of adaptact."""

from adaptact.activations import functional
from adaptact.activations.adaptive import AdaptiveActivation, effective_values, learned_values, stored_parameters
from adaptact.activations.modules import (
    ABU,
    PELU,
    Blend,
    NonlinearityEnhanced,
    Scaled,
    SGBlend,
    SGBlendAuthors,
    SSwish,
    Swish,
)
from adaptact.activations.registry import ACTIVATIONS, create

__all__ = [
    "ABU",
    "ACTIVATIONS",
    "PELU",
    "AdaptiveActivation",
    "Blend",
    "NonlinearityEnhanced",
    "SGBlend",
    "SGBlendAuthors",
    "SSwish",
    "Scaled",
    "Swish",
    "create",
    "effective_values",
    "functional",
    "learned_values",
    "stored_parameters",
]

"""Implementations of activations on a CPU."""

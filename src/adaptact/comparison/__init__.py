"""Comparisons of activations: plans and their runs, pairing, statistics, verdicts. Knows records, never networks."""

"""``make benchmark``: what adaptive activations cost, against GELU, on this machine."""

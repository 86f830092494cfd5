"""The jobs as functions: what the command line and the package's own functions call."""

"""Code from elsewhere, imported only from the package that the user trusts by name."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from adaptact.errors import ConfigError


def import_trusted(target: str, trust: str | None) -> Any:
    """A class or function by its dotted path, only from the package that the user trusts by name.

    Raises:
        ConfigError: another package than the trusted one, or nothing there by that name.
    """
    package = target.split(".", maxsplit=1)[0]
    if trust != package:
        raise ConfigError([f"{target!r} is somebody's code: add trust={package} to run it"])
    module, _, name = target.rpartition(".")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # where one stands, as `python -m` has it
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever somebody's module raises while it is read
        raise ConfigError([f"{target!r} cannot be imported: {error}"]) from error

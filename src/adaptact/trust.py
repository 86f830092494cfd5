"""Code from elsewhere, imported only from the package that the user trusts by name."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from adaptact.errors import ConfigError


def distrust(target: str, trust: str | None) -> str | None:
    """The reason why a class or function may not be imported, with the way out; None if it may.

    >>> distrust("my_package.Net", "my_package")
    >>> distrust("my_package.Net", None)
    "'my_package.Net' is code from elsewhere: add trust=my_package to run it"
    """
    package, *names = target.split(".")
    if not names or not all(name.isidentifier() for name in (package, *names)):
        return f"{target!r} is no dotted path of a class or function, as in my_package.MyClass"
    if package in sys.stdlib_module_names:  # a configuration that asks for os.system wants no network
        return f"{target!r} belongs to Python itself, which has no such class: name one of a package of your own"
    if trust != package:
        return f"{target!r} is code from elsewhere: add trust={package} to run it"
    return None


def import_trusted(target: str, trust: str | None) -> Any:
    """Import a class or function by its dotted path, only from the package that the user trusts by name.

    Raises:
        ConfigError: another package than the trusted one, or nothing there by that name.
    """
    if reason := distrust(target, trust):
        raise ConfigError([reason])
    module, _, name = target.rpartition(".")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # where one stands, as `python -m` has it
    try:
        return getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # whatever a module raises while it is read
        raise ConfigError([f"{target!r} cannot be imported: {error}"]) from error

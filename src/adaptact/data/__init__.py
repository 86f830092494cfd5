"""Reading, checking, splitting and preparing data."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from adaptact import config
from adaptact.data.positive import second
from adaptact.data.prepared import PARTS, Part, Prepared
from adaptact.errors import ConfigError
from adaptact.trust import import_trusted

__all__ = ["PARTS", "Part", "Prepared", "load", "readers"]


def load(options: config.Data, trust: str | None = None, *, resumed: bool = False) -> Prepared:
    """Read the data set that a configuration names; ``trust`` is the package whose code may be run for that.

    Args:
        resumed: the options are those of an earlier run. Where they name no positive class it is the second label: runs
            write down the one that was chosen, and earlier versions, which did not, took the second.

    Raises:
        DataError: whatever is wrong with the files, with the way out.
    """
    prepared = _load(options, trust)
    if resumed and options.positive is None and prepared.positive is not None:
        return replace(prepared, positive=second(prepared.labels, prepared.parts["train"].y.numpy()))
    return prepared


def _load(options: config.Data, trust: str | None) -> Prepared:
    if isinstance(options, config.Table):
        from adaptact.data.table import table

        return table.load(options)
    if isinstance(options, config.Text):
        from adaptact.data.text import text

        return text.load(options)
    if isinstance(options, config.Idx):
        from adaptact.data import idx

        return idx.load(options)
    if isinstance(options, config.ImageFolder):
        from adaptact.data.images import folder

        return folder.load(options)
    if isinstance(options, config.CustomData):
        import_trusted(options.target_class, trust)  # says what is missing before slow imports
        from adaptact.data import custom

        return custom.load(options, trust)
    if isinstance(options, config.NoData):
        raise ConfigError(["data=none is for make inspect: choose data to learn from, as in data=digits"])
    from adaptact.data import bundled

    assert isinstance(options, config.Bundled)
    return bundled.load(options)


def readers(options: config.Data) -> tuple[ModuleType, ModuleType] | None:
    """For data of a user's own files the modules that read and that check it; None for other data.

    The first has ``read_and_split(options) -> raw`` and ``prepare(raw, options)``, the second
    ``findings(raw, options)`` and ``report(raw, options)``.
    """
    if isinstance(options, config.Table):
        from adaptact.data.table import checks as table_checks
        from adaptact.data.table import table

        return table, table_checks
    if isinstance(options, config.ImageFolder):
        from adaptact.data.images import checks as images_checks
        from adaptact.data.images import folder

        return folder, images_checks
    if isinstance(options, config.Text):
        from adaptact.data.text import checks as text_checks
        from adaptact.data.text import text

        return text, text_checks
    return None

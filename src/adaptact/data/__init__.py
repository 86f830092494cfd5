"""Reading, checking, splitting and preparing data."""

from __future__ import annotations

from types import ModuleType

from adaptact import config
from adaptact.data.parts import PARTS, Part, Prepared
from adaptact.errors import ConfigError
from adaptact.trust import import_trusted

__all__ = ["PARTS", "Part", "Prepared", "load", "readers"]


def load(options: config.Data, trust: str | None = None) -> Prepared:
    """Read the data set that a configuration names; ``trust`` is the package whose code may be run for that.

    Raises:
        DataError: whatever is wrong with the files, with the way out.
    """
    if isinstance(options, config.Table):
        from adaptact.data import table

        return table.load(options)
    if isinstance(options, config.Text):
        from adaptact.data import text

        return text.load(options)
    if isinstance(options, config.Idx):
        from adaptact.data import idx

        return idx.load(options)
    if isinstance(options, config.ImageFolder):
        from adaptact.data import image_folder

        return image_folder.load(options)
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
        from adaptact.data import checking, table

        return table, checking
    if isinstance(options, config.ImageFolder):
        from adaptact.data import image_checking, image_folder

        return image_folder, image_checking
    if isinstance(options, config.Text):
        from adaptact.data import text, text_checking

        return text, text_checking
    return None

"""Reading, checking, splitting and preparing data."""

from __future__ import annotations

from adaptact import config
from adaptact.data.parts import PARTS, Part, Prepared
from adaptact.trust import import_trusted

__all__ = ["PARTS", "Part", "Prepared", "load"]


def load(options: config.Data, trust: str | None = None) -> Prepared:
    """Read the data set that a configuration names; ``trust`` is the package whose code may be run for that.

    Raises:
        DataError: whatever is wrong with the files, with the way out.
    """
    if isinstance(options, config.Table):
        from adaptact.data import table

        return table.load(options)
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
    from adaptact.data import bundled

    assert isinstance(options, config.Bundled)
    return bundled.load(options)

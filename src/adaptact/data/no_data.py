"""No data: networks are looked at with inputs of a usual size."""

from __future__ import annotations

from adaptact import config
from adaptact.data.kinds import DataKind
from adaptact.data.prepared import Prepared
from adaptact.errors import ConfigError


class Kind(DataKind[config.NoData]):
    """See :class:`DataKind`."""

    has_rows = False

    def read(self) -> Prepared:
        raise ConfigError(["data=none is for make inspect: choose data to learn from, as in data=digits"])

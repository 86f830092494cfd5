"""Texts as a kind of data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adaptact import config
from adaptact.data.prepared import RowPreparation
from adaptact.data.table.kind import RowsKind
from adaptact.data.table.reading import read
from adaptact.data.text import checks, text
from adaptact.data.text.tokens import TextPreparation


class Kind(RowsKind[config.Text]):
    """See :class:`adaptact.data.kinds.DataKind`."""

    reader = text
    checker = checks

    def refuse_path(self) -> None:
        if not Path(self.options.path).exists():
            read(self.options.path, self.options)

    def row_preparation(self, folder: Path) -> RowPreparation:
        return TextPreparation.load(folder)

    def recipe(self, folder: Path) -> dict[str, Any]:
        return TextPreparation.load(folder).recipe()

"""Texts as a kind of data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adaptact import config
from adaptact.data.findings import Finding
from adaptact.data.prepared import Prepared, RowPreparation
from adaptact.data.table.kind import RowsKind
from adaptact.data.table.reading import read
from adaptact.data.table.table import Raw
from adaptact.data.text import checks, text
from adaptact.data.text.tokens import TextPreparation


class Kind(RowsKind[config.Text]):
    """See :class:`adaptact.data.kinds.DataKind`."""

    def read(self) -> Raw:
        return text.read_and_split(self.options)

    def prepare(self, raw: Raw) -> Prepared:
        return text.prepare(raw, self.options)

    def findings(self, raw: Raw) -> list[Finding]:
        return checks.findings(raw, self.options)

    def report(self, raw: Raw) -> dict[str, Any]:
        return checks.report(raw, self.options)

    def refuse_path(self) -> None:
        if not Path(self.options.path).exists():
            read(self.options.path, self.options)

    def row_preparation(self, folder: Path) -> RowPreparation:
        return TextPreparation.load(folder)

    def recipe(self, folder: Path) -> dict[str, Any]:
        return TextPreparation.load(folder).recipe()

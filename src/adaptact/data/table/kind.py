"""Tables as a kind of data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from adaptact import config
from adaptact.data.kinds import FileKind, same_test
from adaptact.data.prepared import Prepared, RowPreparation
from adaptact.data.table import checks, table
from adaptact.data.table.reading import read

R = TypeVar("R", bound=config.Rows)


class RowsKind(FileKind[R]):
    """Common part of tables and texts: data with a row per case."""

    @property
    def name(self) -> str:
        return table.name_of(self.options.path)

    @property
    def path(self) -> str:
        return self.options.path

    def shares_test(self, seeds: Sequence[Prepared]) -> bool:
        return self.options.test_path is not None or (self.options.folds is None and same_test(seeds))


class Kind(RowsKind[config.Table]):
    """See :class:`adaptact.data.kinds.DataKind`."""

    reader = table
    checker = checks

    def refuse_path(self) -> None:
        if not Path(self.options.path).exists() or Path(self.options.path).is_dir():
            read(self.options.path, self.options)

    def row_preparation(self, folder: Path) -> RowPreparation:
        from adaptact.data.table.preparation import TablePreparation

        return TablePreparation.load(folder)

    def recipe(self, folder: Path) -> dict[str, Any]:
        from adaptact.data.table.preparation import TablePreparation
        from adaptact.data.table.recipe import recipe

        return recipe(TablePreparation.load(folder))

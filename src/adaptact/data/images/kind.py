"""Folders of pictures as a kind of data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from adaptact import config
from adaptact.data.images import checks, files, folder
from adaptact.data.images.folder import RawImages
from adaptact.data.images.preparation import ImagePreparation
from adaptact.data.kinds import FileKind, same_test
from adaptact.data.prepared import Prepared


class Kind(FileKind[config.ImageFolder]):
    """See :class:`adaptact.data.kinds.DataKind`."""

    reader = folder
    checker = checks

    @property
    def name(self) -> str:
        return folder.name_of(self.options)

    @property
    def path(self) -> str:
        return self.options.root or str(self.options.labels)

    def unusable(self, message: str) -> dict[str, Any]:
        return checks.unusable(self.options, message)

    def samples(self, raw: RawImages) -> dict[str, list[np.ndarray]]:
        return checks.samples(raw)

    def refuse_path(self) -> None:
        if not files.root_of(self.options).is_dir():
            files.discover(self.options)

    def shares_test(self, seeds: Sequence[Prepared]) -> bool:
        # classes in their order look alike in every split
        return self.options.folds is None and same_test(seeds, inputs=True)

    def recipe(self, folder: Path) -> dict[str, Any]:
        return asdict(ImagePreparation.load(folder))

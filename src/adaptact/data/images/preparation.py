"""What turns a picture's file into a network's input; kept with the run as plain JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from adaptact import files
from adaptact.data.images.decoding import Decoding, decode
from adaptact.data.table.profile import Watched
from adaptact.errors import DataError, UserError
from adaptact.layouts import Pixels
from adaptact.shapes import conform

SCHEMA = 1
FILE = "pictures.json"


@dataclass(frozen=True)
class ImagePreparation:
    """How pictures are decoded, the classes in the order of their numbers, how networks standardise."""

    how: Decoding
    labels: list[str]
    layout: Pixels
    task: str = "classification"

    @property
    def watched(self) -> list[Watched]:
        """None: pictures have no columns."""
        return []

    @property
    def time_column(self) -> None:
        return None

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.how.shape

    def transform(self, content: bytes) -> np.ndarray:
        """A picture's file as uint8 of shape (channels, height, width).

        Raises:
            DataError: no picture, or a damaged one.
        """
        return decode(content, self.how)

    def save(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        files.write_json(folder / FILE, {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def load(cls, folder: Path) -> ImagePreparation:
        """The inverse of :meth:`save`.

        Raises:
            DataError: a file that is missing, damaged or of another schema.
        """
        try:
            plain = files.read_json(folder / FILE)
            if plain.pop("schema", None) != SCHEMA:
                raise ValueError("it is of another version of adaptact; train again")
            made = conform(plain, cls)
            if made.how.channels not in {1, 3} or not 0 < made.how.height <= 1024 or not 0 < made.how.width <= 1024:
                raise ValueError("its pictures have an odd size")
            return made  # type: ignore[no-any-return]
        except FileNotFoundError as error:
            raise DataError(f"{folder} holds no preparation of pictures: {error} is missing") from None
        except (UserError, ValueError) as error:
            raise DataError(f"{folder} holds no preparation of pictures that can be read: {error}") from None

"""What a run's network takes and gives: with it, and without the data, the network can be built again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptact import records
from adaptact.data import Prepared
from adaptact.errors import UserError
from adaptact.layouts import Columns, Layout, Pixels, Tokens

SCHEMA = 1
FILE = "inputs.json"
LAYOUTS: dict[str, Callable[..., Layout]] = {"Pixels": Pixels, "Tokens": Tokens}


@dataclass(frozen=True)
class Interface:
    """Shape of one input (without the batch), number of outputs, and what both mean.

    Args:
        center, scale: an output of a regression means output * scale + center; 0 and 1 for classification.
    """

    input_shape: tuple[int, ...]
    n_outputs: int
    layout: Layout | None
    center: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, prepared: Prepared) -> Interface:
        return cls(prepared.input_shape, prepared.n_outputs, prepared.layout, prepared.center, prepared.scale)

    def save(self, folder: Path) -> None:
        """Write ``inputs.json``; not for a table, whose preparation says all of it."""
        if isinstance(self.layout, Columns):
            return
        layout = None
        if self.layout is not None:
            layout = {"kind": type(self.layout).__name__, **dataclasses.asdict(self.layout)}
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        records.write_json(folder / FILE, {"schema": SCHEMA, **plain, "layout": layout})

    @classmethod
    def load(cls, folder: Path) -> Interface:
        """The inverse of :meth:`save`.

        Raises:
            UserError: no such file, or a broken one.
        """
        path = folder / FILE
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            if plain.pop("schema") != SCHEMA:
                raise ValueError("it is of another version of adaptact")
            shape = tuple(int(size) for size in plain.pop("input_shape"))
            return cls(shape, layout=_layout(plain.pop("layout")), **plain)
        except FileNotFoundError:
            raise UserError(
                f"{folder} has no {FILE}, which says what its network takes: it is of an earlier version of adaptact; "
                "train again"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is broken ({error}): train again") from None


def _layout(plain: dict[str, Any] | None) -> Layout | None:
    if plain is None:
        return None
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in plain.items() if key != "kind"}
    return LAYOUTS[plain["kind"]](**values)

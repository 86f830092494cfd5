"""What a run's network takes and gives: with it, and without the data, the network can be built again."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from adaptact import files, records
from adaptact.data import Prepared
from adaptact.layouts import Columns, Layout, Pixels, Tokens
from adaptact.shapes import Between, Shaped, conform

SCHEMA = 1
FILE = "inputs.json"
LAYOUTS: dict[str, type] = {"Pixels": Pixels, "Tokens": Tokens}
MOST = 10_000_000  # inputs or outputs of a network


@dataclass(frozen=True)
class Interface:
    """Shape of one input (without the batch), number of outputs, and what both mean.

    Args:
        center, scale: an output of a regression means output * scale + center; 0 and 1 for classification.
    """

    input_shape: Annotated[tuple[Annotated[int, Between(1, MOST)], ...], Between(1, 4)]
    n_outputs: Annotated[int, Between(1, MOST)]
    layout: Annotated[Layout | None, Shaped(None)]
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
        files.write_json(folder / FILE, {"schema": SCHEMA, **plain, "layout": layout})

    @classmethod
    def load(cls, folder: Path) -> Interface:
        """The inverse of :meth:`save`.

        Raises:
            UserError: no such file, or a broken one.
        """
        return records.read_versioned(
            folder / FILE,
            SCHEMA,
            _from_plain,
            missing=f"{folder} has no {FILE}, which says what its network takes: it is of an earlier version of "
            "adaptact; train again",
            way_out="train again",
        )


def _from_plain(plain: dict[str, Any]) -> Interface:
    values = {key: value for key, value in plain.items() if key not in {"schema", "layout"}}
    return replace(conform({**values, "layout": None}, Interface), layout=_layout(plain.get("layout")))


def _layout(plain: Any) -> Layout | None:
    if plain is None:
        return None
    kind = LAYOUTS.get(str(plain.get("kind"))) if isinstance(plain, dict) else None
    if kind is None:
        raise ValueError(f"layout.kind must be one of {', '.join(LAYOUTS)}")
    return conform({key: value for key, value in plain.items() if key != "kind"}, kind, "layout")  # type: ignore[no-any-return]

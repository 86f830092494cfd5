"""Options of an export and of a prediction."""

from __future__ import annotations

from dataclasses import dataclass

from adaptact.errors import did_you_mean
from adaptact.schema import option

FORMATS = ("onnx", "torch")


@dataclass
class Export:
    """Everything that `export` takes."""

    run: str = option("", "folder of a trained run")
    output: str | None = option(None, "folder to write to; null: export/ in the run's folder")
    formats: list[str] = option(list(FORMATS), "onnx (model.onnx), torch (model.pt2, of torch.export)")
    rows: str | None = option(
        None, "file of raw rows to check on, where the data of a run on a table is gone; null: the run's test rows"
    )
    follow_links: bool = option(False, "write through links that lead out of the folder")
    trust: str | None = option(None, "package whose code the run's configuration may import")
    debug: bool = option(False, "show the traceback of an error")

    def __post_init__(self) -> None:
        self.formats = list(dict.fromkeys(self.formats))
        self.output, self.rows, self.trust = self.output or None, self.rows or None, self.trust or None

    def problems(self) -> list[str]:
        """Describe each option that is missing or unknown."""
        found = [
            f"formats={item} is unknown. {did_you_mean(item, FORMATS)}" for item in self.formats if item not in FORMATS
        ]
        if not self.formats:
            found.append(f"formats is empty: name {' or '.join(FORMATS)}")
        if not self.run:
            found.append("run is missing: export run=<run folder>")
        return found


@dataclass
class Predict:
    """Everything that `predict` takes."""

    run: str = option("", "folder of a trained run")
    input: str = option("", "file of new rows; of a run on pictures a folder of them, a picture or a table of paths")
    output: str | None = option(None, "file to write, .csv or .parquet; null: beside the input")
    trust: str | None = option(None, "package whose code the run's configuration may import")
    debug: bool = option(False, "show the traceback of an error")

    def __post_init__(self) -> None:
        self.output, self.trust = self.output or None, self.trust or None

    def problems(self) -> list[str]:
        """Describe each option that is missing."""
        missing = [key for key in ("run", "input") if not getattr(self, key)]
        return [f"{key} is missing: predict run=<run folder> input=new.csv" for key in missing]

"""A prediction from its options to the scored file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adaptact import terminal
from adaptact.api.inputs import keep_frame
from adaptact.errors import ConfigError, UserError
from adaptact.export.options import Predict

if TYPE_CHECKING:
    import pandas as pd

    from adaptact.data.tally import Tally
    from adaptact.export.predict_images import Pictured


@dataclass(frozen=True)
class Predictions:
    """Scored rows.

    Args:
        notes: what was odd about the rows, in words.
        path: the file that was written; None where none was asked for.
    """

    frame: pd.DataFrame
    notes: list[str]
    path: Path | None

    def to_frame(self) -> pd.DataFrame:
        """Return a row per input row: identifier, prediction, probabilities or value, decision."""
        return self.frame


def predict(
    run: str | Path, data: pd.DataFrame | str | Path, /, *, output: str | Path | None = None, trust: str | None = None
) -> Predictions:
    """Score rows or pictures with a trained run, as ``adaptact predict`` does.

    Args:
        run: folder of the run (``record.folder``).
        data: a data frame, a file of rows, or for a run on pictures a folder of them.
        output: a file to write, .csv or .parquet; None keeps no file.
        trust: package whose code the run's configuration may import.

    Raises:
        ConfigError, DataError, UserError: a run, data or an output that cannot be used.

    >>> import adaptact
    >>> adaptact.predict("runs/train/...", "new.csv").to_frame()  # doctest: +SKIP
    """
    import pandas as pd

    with tempfile.TemporaryDirectory() as own:
        source = data if isinstance(data, (str, Path)) else keep_frame(data, Path(own))
        target = Path(output) if output is not None else Path(own) / "scored.parquet"
        written, tally = carry_out(Predict(run=str(run), input=str(source), output=str(target), trust=trust))
        read = pd.read_csv if written.suffix.lower() == ".csv" else pd.read_parquet
        return Predictions(read(written), tally.warnings(), None if output is None else written)


def carry_out(options: Predict) -> tuple[Path, Tally | Pictured]:
    """Score a file of rows, or a folder of pictures, with a trained run.

    Returns:
        The scored file, and what was odd about the rows.

    Raises:
        ConfigError: an output of another kind, or one that would overwrite its input.
        UserError: a run or a file that cannot be read.
    """
    source, folder = options.input, Path(options.run)
    stem = Path(source) if Path(source).is_dir() else Path(source).with_suffix("")
    output = Path(options.output or f"{stem}-scored.csv")
    if output.suffix.lower() not in {".csv", ".parquet", ".pq"}:
        raise ConfigError([f"output={output} must end in .csv or .parquet"])
    if output.exists() and Path(source).exists() and output.samefile(source):
        raise ConfigError([f"output={output} is the input itself: name another file"])
    if not output.parent.is_dir():
        raise UserError(f"output={output}: there is no folder {output.parent}")
    with terminal.console(stderr=True).status("loading the run") as status:
        from adaptact.export import predict_images
        from adaptact.export.predict import predict_file
        from adaptact.export.trained_run import TableRun

        def say(rows: int) -> None:
            status.update(f"{rows:,} rows scored")

        tally: Tally | Pictured
        if predict_images.is_image_run(folder):
            pictures = predict_images.ImageRun.load(folder, options.trust)
            tally = predict_images.predict_pictures(pictures, source, output, say)
        else:
            tally = predict_file(TableRun.load(folder, options.trust), source, output, say)
    return output, tally

"""A prediction from its options to the scored file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adaptact import terminal
from adaptact.errors import ConfigError, UserError
from adaptact.export.options import Predict

if TYPE_CHECKING:
    from adaptact.data.tally import Tally
    from adaptact.export.predict_images import Pictured


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

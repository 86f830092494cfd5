"""An export from its options to the checked files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adaptact import terminal
from adaptact.errors import UserError
from adaptact.export.options import Export
from adaptact.folders import refuse_links

if TYPE_CHECKING:
    from adaptact.export.write import Export as Exported


def carry_out(options: Export) -> tuple[Path, Exported]:
    """Write a trained run as files that answer without adaptact, checked against its network.

    Returns:
        The path of the model and what was found about the files.

    Raises:
        UserError: a run or data that cannot be read, a folder that cannot be written to, a model that answers
            differently from its network, packages that are not there.
    """
    folder = Path(options.run)
    output = Path(options.output) if options.output is not None else folder / "export"
    if "onnx" in options.formats:
        from adaptact.onnx_export import require_onnx

        require_onnx("export")  # said before anything is read
    with terminal.console(stderr=True).status("loading the run") as status:
        from adaptact.export.check_rows import real_rows
        from adaptact.export.trained_run import load_run
        from adaptact.export.write import FORMATS, export_run

        loaded = load_run(folder, options.trust)
        refuse_links(folder if options.output is None else output, options.follow_links, output)
        if output.exists() and not output.is_dir():
            raise UserError(f"output={output} is a file: name a folder")
        if not output.parent.is_dir():
            raise UserError(f"output={output}: there is no folder {output.parent}")
        status.update("reading rows to check on")
        rows = real_rows(loaded, options.rows)
        status.update("converting, checking, measuring")
        made = export_run(loaded, rows, output, options.formats)
    return output / FORMATS["onnx" if "onnx" in options.formats else "torch"], made

"""A look at data before the training: a report as plain values, and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adaptact import config, files, folders, records, terminal

if TYPE_CHECKING:
    from adaptact.data.kinds import Check


def carry_out(settings: config.Config) -> tuple[Check, Path]:
    """Look at the data and write ``data_report.html`` and ``.json`` into a new folder; return the page's path, too.

    Raises:
        ConfigError: data that is neither a table, texts nor a folder of pictures.
        DataError: there is nothing at the path; where the data cannot be used the report says so.
    """
    with terminal.console(stderr=True).status("looking at the data"):
        from adaptact import data
        from adaptact.report import data_page

        found = data.kind_of(settings.data, settings.trust).check()
        page = data_page.page(files.finite(found.report), found.samples)
    beside = (records.project_root() / settings.output_dir).parent / "check-data"
    folder = folders.new_folder(beside, folders.safe_name(found.name))
    with files.together(folder) as draft:
        files.write_json(draft / "data_report.json", found.report)
        files.write_text(draft / "data_report.html", page)
    return found, folder / "data_report.html"

"""A look at data before the training: a report as plain values, and as a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptact import config, files, folders, launcher, records, terminal
from adaptact.api.inputs import configuration

if TYPE_CHECKING:
    import pandas as pd

    from adaptact.data.kinds import Check


@dataclass(frozen=True)
class DataReport:
    """The result of a look at data.

    Args:
        report: the content of ``data_report.json``.
        page: the report for people, one HTML file.
    """

    report: dict[str, Any]
    page: Path

    @property
    def verdict(self) -> str:
        """One of "ready", "warnings" and "unusable"."""
        return str(self.report["verdict"])

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Findings, the severe ones first: kind, level, column, detail, advice."""
        return list(self.report["findings"])

    def to_frame(self) -> pd.DataFrame:
        """Tabulate the findings, a row each."""
        import pandas as pd

        return pd.DataFrame(self.findings, columns=["level", "kind", "column", "detail", "advice"])


def check_data(data: pd.DataFrame | str | Path, /, *, target: str | None = None, **options: Any) -> DataReport:
    """Look at data before the training, as ``adaptact check-data`` does.

    Args:
        data: a data frame, the path of a table or of a folder of pictures, or the name of a data set.
        target: name of the column to predict.
        options: as in :func:`adaptact.train`: ``data={"time": "date"}``.

    Raises:
        ConfigError, DataError: options that do not go together, nothing at the path. Data that cannot be used is
            reported, with the verdict "unusable".

    >>> import adaptact
    >>> adaptact.check_data("customers.csv", target="churn").verdict  # doctest: +SKIP
    'warnings'
    """
    words, changes = configuration(data, target, options)
    found, page = carry_out(launcher.compose(words, changes))
    return DataReport(files.finite(found.report), page)


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

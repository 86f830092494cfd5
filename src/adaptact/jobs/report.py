"""``report``: a comparison's report again, from its records alone: in another language, with other costs of errors."""

from __future__ import annotations

from adaptact import terminal
from adaptact.api.report import carry_out
from adaptact.comparison.options import Presentation
from adaptact.config.words import checked, read_section


def run(words: list[str]) -> None:
    """Write the report of ``name=`` again; nothing is trained. The last line on stdout is its folder.

    Raises:
        ConfigError, UserError: an unknown word, no such comparison, files that are broken.
    """
    options, rest, problems = read_section(Presentation, words)
    takes = "report takes name=, output_dir=, report.language= and value...."
    folder, report = carry_out(checked(options, problems + [f"unknown word {word!r}: {takes}" for word in rest]), words)
    from adaptact.report.comparison import print_summary

    print_summary(report, terminal.console())
    print(folder, flush=True)

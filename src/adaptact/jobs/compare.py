"""``compare``: a plan, its runs in worker processes, and a report that says adopt, equivalent, reject or undecided."""

from __future__ import annotations

from adaptact import terminal
from adaptact.api.compare import carry_out
from adaptact.comparison.options import read_words


def run(words: list[str]) -> None:
    """Compare activations over paired seeds; the last line on stdout is the folder of the comparison."""
    folder, report = carry_out(*read_words(words), words)
    from adaptact.report.comparison import print_summary

    print_summary(report, terminal.console())
    print(folder, flush=True)

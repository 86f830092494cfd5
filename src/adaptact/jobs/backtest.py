"""``backtest``: models trained up to each window of time are scored on the windows after it: how fast do they age?"""

from __future__ import annotations

from adaptact import terminal
from adaptact.api.backtest import carry_out
from adaptact.comparison.backtest_options import read_words


def run(words: list[str]) -> None:
    """Train, score and report; the last line on stdout is the folder of the back-test."""
    folder, report = carry_out(*read_words(words), words)
    from adaptact.report.backtest import print_summary

    print_summary(report, terminal.console())
    print(folder, flush=True)

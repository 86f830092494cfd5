"""``abtest``: plan a test on a limited line, deal out who gets which model, and say what came out."""

from __future__ import annotations

from adaptact import terminal
from adaptact.api.abtest import carry_out
from adaptact.config.words import read_options
from adaptact.rollout.options import Abtest


def run(words: list[str]) -> None:
    """Words: see ``rollout.options.Abtest``. The last line on stdout is the folder, of step=assign the file.

    Raises:
        ConfigError, DataError, UserError: an unknown word, a file or a record that cannot be used.
    """
    options = read_options(Abtest, words)
    path, found = carry_out(options, words)
    from adaptact.report.rollout import print_plan, print_results

    if options.step == "assign":
        rows = ", ".join(f"{arm} {found[arm]:,}" for arm in ("candidate", "baseline"))
        print(f"{sum(found.values()):,} rows: {rows}")
    else:
        show = print_plan if options.step == "plan" else print_results
        show(found, terminal.console())
    print(path, flush=True)

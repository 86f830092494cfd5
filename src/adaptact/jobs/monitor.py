"""``monitor``: a batch of new rows held against the run that is in use: ok, watch or retrain."""

from __future__ import annotations

from adaptact import terminal
from adaptact.api.monitor import carry_out
from adaptact.config.words import read_options
from adaptact.rollout.options import Monitor


def run(words: list[str]) -> int:
    """Words: see ``rollout.options.Monitor``. The last line on stdout is the folder of the batch.

    Returns:
        0 for ok, 3 for watch, 4 for retrain.

    Raises:
        ConfigError, DataError, UserError: an unknown word, a run or a file that cannot be used.
    """
    options = read_options(Monitor, words)
    folder, found = carry_out(options, words)
    from adaptact.report.rollout import print_monitor
    from adaptact.rollout.monitor_history import STATUS

    print_monitor(found, options.language, terminal.console())
    print(folder, flush=True)
    return STATUS[found["status"]]

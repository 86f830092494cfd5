"""``shadow``: two runs on the same rows, before anybody depends on the new one."""

from __future__ import annotations

from adaptact import terminal
from adaptact.api.shadow import carry_out
from adaptact.config.words import read_options
from adaptact.rollout.options import Shadow


def run(words: list[str]) -> None:
    """Words: see ``rollout.options.Shadow``. The last line on stdout is the folder.

    Raises:
        ConfigError, DataError, UserError: an unknown word, runs that answer different questions, files that are broken.
    """
    folder, found = carry_out(read_options(Shadow, words), words)
    from adaptact.report.rollout import print_shadow

    print_shadow(found, terminal.console())
    print(folder, flush=True)

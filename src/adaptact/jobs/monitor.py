"""``monitor``: a batch of new rows held against the run that is in use: ok, watch or retrain."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from adaptact import files, records, terminal
from adaptact.folders import refuse_links
from adaptact.locks import locked
from adaptact.rollout.options import Monitor, read_words


def run(words: list[str]) -> int:
    """Words: see ``rollout.options.Monitor``. The last line on stdout is the folder of the batch.

    Returns:
        0 for ok, 3 for watch, 4 for retrain.

    Raises:
        ConfigError, DataError, UserError: an unknown word, a run or a file that cannot be used.
    """
    options = read_words(Monitor, words)
    assert options.run is not None
    assert options.input is not None
    with terminal.console(stderr=True).status("loading the run") as status:
        from adaptact.rollout import monitor_history
        from adaptact.rollout.monitor import ageing, examine, status_of
        from adaptact.rollout.monitor_batch import read_batch
        from adaptact.rollout.outcomes import digest_of

        folder = Path(options.run)
        status.update("scoring")
        trained, batch, notes = read_batch(folder, options)
        status.update("comparing with the training")
        found = examine(trained, batch, options)
        found["ageing"] = ageing(trained, batch, options.backtest)
        found["status"], found["reasons"] = status_of(found)
        found |= {
            "schema": 1,
            "run": str(folder),
            "input": options.input,
            "notes": notes,
        }
        found["positive"] = trained.record.positive
        found["false_alarms"], found["batches"] = options.false_alarms, options.batches
    watched = records.project_root() / options.output_dir / monitor_history.folder_of(folder)
    with locked(watched):
        refuse_links(watched, options.follow_links)
        return keep(watched, found, digest_of(options.input), options, words)


def keep(watched: Path, found: dict[str, Any], digest: str, options: Monitor, words: list[str]) -> int:
    """Write the pages of a batch and its row in the history, print them, and return the exit code."""
    from adaptact.report.rollout import print_monitor, write_monitor
    from adaptact.rollout import monitor_history

    assert options.input is not None
    entry = monitor_history.place(watched, digest)
    if entry.outcomes > found["outcomes"]:
        kept = monitor_history.earlier(entry)
        print(
            f"note: this batch was judged with {entry.outcomes:,} outcomes before, and now has {found['outcomes']:,}: "
            "what was found then stays",
            file=sys.stderr,
        )
        print_monitor(kept | {"seen_before": True}, options.language, _console())
        print(entry.folder, flush=True)
        return monitor_history.STATUS[kept["status"]]
    found["batch"], found["seen_before"] = entry.number, entry.again
    before = monitor_history.read(watched)
    rows = monitor_history.with_row(before, monitor_history.row_of(entry, found, options.input, digest))
    with files.together(entry.folder) as draft:
        write_monitor(found, rows, draft, words)
    monitor_history.write(watched, rows, before, found)  # after its page: a row in the history has one
    print_monitor(found, options.language, _console())
    print(entry.folder, flush=True)
    return monitor_history.STATUS[found["status"]]


def _console() -> Console:
    return terminal.console()

"""A batch of new rows held against the run that is in use: from the options to the pages and the history."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptact import files, records, terminal
from adaptact.folders import refuse_links
from adaptact.locks import locked
from adaptact.rollout.options import Monitor


def carry_out(options: Monitor, words: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Judge the batch and keep what was found.

    Returns:
        The folder of the batch and the content of its ``monitor.json``, with "seen_before".

    Raises:
        ConfigError, DataError, UserError: a run or a file that cannot be used.
    """
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


def keep(
    watched: Path, found: dict[str, Any], digest: str, options: Monitor, words: Sequence[str]
) -> tuple[Path, dict[str, Any]]:
    """Write the pages of a batch and its row in the history; what was found with more outcomes before stays."""
    from adaptact.report.rollout import write_monitor
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
        return entry.folder, kept | {"seen_before": True}
    found["batch"], found["seen_before"] = entry.number, entry.again
    before = monitor_history.read(watched)
    rows = monitor_history.with_row(before, monitor_history.row_of(entry, found, options.input, digest))
    with files.together(entry.folder) as draft:
        write_monitor(found, rows, draft, words)
    monitor_history.write(watched, rows, before, found)  # after its page: a row in the history has one
    return entry.folder, found

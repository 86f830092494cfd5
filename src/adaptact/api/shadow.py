"""Two runs on the same rows, from the options to the pages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptact import files, folders, records, terminal
from adaptact.errors import ConfigError
from adaptact.folders import refuse_links
from adaptact.locks import locked
from adaptact.rollout.options import Shadow


def carry_out(options: Shadow, words: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Score the rows with both runs and write what differs.

    Returns:
        The folder and the content of ``shadow.json``.

    Raises:
        ConfigError, DataError, UserError: runs that answer different questions, files that are broken.
    """
    assert options.input is not None
    with terminal.console(stderr=True).status("loading the runs") as status:
        from adaptact.data.table.splits import groups_of
        from adaptact.export.predict import neutral
        from adaptact.report.rollout import write_shadow
        from adaptact.rollout import shadow
        from adaptact.rollout.outcomes import all_rows, metric_of, outcomes, table_run

        runs = [table_run(Path(folder), options.trust, "runs") for folder in options.runs]
        shadow.check_alike(runs)
        metric_of(runs[0], options.metric)
        status.update("scoring")
        frames = [all_rows(run, options.input) for run in runs]
        answers = [run.predict(frame) for run, frame in zip(runs, frames, strict=True)]
        came = outcomes(runs[0], frames[0], options.target, options.input, options.labels, options.key)
        group = options.group or getattr(runs[0].settings.data, "group", None)
        if group is not None and group not in frames[0].columns:
            if options.group is not None:
                raise ConfigError([f"group={group}: input={options.input} has no such column"])
            group = None
        groups = groups_of(frames[0], group)
        status.update("comparing")
        found = shadow.compare(runs, answers, came, groups, options)
        found["group"] = group
        found["input"] = options.input
        listed = shadow.disagreements(runs, frames[0], answers, came)
    name = options.name or f"{time.strftime('%Y%m%d-%H%M%S')}-{folders.safe_name(Path(options.input).stem)}"
    folder = records.project_root() / options.output_dir / folders.safe_name(name)
    listed = neutral(listed)
    refuse_links(folder, options.follow_links)
    with locked(folder), files.together(folder) as draft:
        files.write_bytes(draft / "disagreements.csv", listed.to_csv(index=False).encode("utf-8-sig"))
        write_shadow(found, listed, draft, words)
    return folder, found

"""A batch of new rows, of tables, texts or pictures, scored by the run that is in use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from adaptact.data.table.cell_values import texts
from adaptact.data.table.splits import groups_of
from adaptact.errors import ConfigError
from adaptact.export.predict_images import ImageRun, is_image_run
from adaptact.rollout.monitor import Batch, Run, answers_of
from adaptact.rollout.options import Monitor
from adaptact.rollout.outcomes import Outcomes, all_rows, outcomes, pictures, plain_table, table_run

Notes = list[tuple[str, dict[str, Any]]]


def read_batch(folder: Path, options: Monitor) -> tuple[Run, Batch, Notes]:
    """The run, its batch, and what a person should know about how it was read: keys of sentences and their values.

    Raises:
        ConfigError, DataError, UserError: no such run, an input that is not of its kind.
    """
    assert options.input is not None
    if is_image_run(folder):
        return _pictures(ImageRun.load(folder, options.trust), options)
    run = table_run(folder, options.trust, "run")
    frame = all_rows(run, options.input)
    came = outcomes(run, frame, options.target, options.input, options.labels, options.key)
    notes: Notes = []
    if came is not None and not came.known.all():
        notes.append(("note_outcomes", {"known": f"{int(came.known.sum()):,}", "rows": f"{len(frame):,}"}))
    group = options.group or getattr(run.settings.data, "group", None)
    groups = groups_of(frame, group)
    if groups is not None:
        if len(np.unique(groups)) < len(groups):
            notes.append(("note_groups", {"group": group}))
    elif options.group is not None:
        raise ConfigError([f"group={options.group}: input={options.input} has no such column"])
    x, answers = answers_of(run, frame, None)
    return run, Batch(x, answers, frame, came, groups), notes


def _pictures(run: ImageRun, options: Monitor) -> tuple[Run, Batch, Notes]:
    """A folder of pictures; what came out is the subfolder of a class's name, or a column ``label`` of ``labels``."""
    assert options.input is not None
    pixels, names, bad = pictures(run, options.input)
    notes: Notes = [("note_unreadable", {"n": f"{len(bad):,}", "example": bad[0]})] if bad else []
    known = {label: number for number, label in enumerate(run.preparation.labels)}
    words = [Path(name).parts[0] if len(Path(name).parts) > 1 else "" for name in names]
    if options.labels is not None:
        table = plain_table(options.labels, "labels")
        key, target = options.key or "path", options.target or "label"
        for name in (key, target):
            if name not in table.columns:
                raise ConfigError([f"labels={options.labels} has no column {name!r}: say key= and target="])
        given = dict(zip(texts(table[key]), texts(table[target]), strict=True))
        words = [str(given.get(name, "")) for name in names]
    came = np.array([known.get(word, -1) for word in words])
    if options.labels is not None and not (came >= 0).any():
        raise ConfigError(
            [f"labels={options.labels}: none of its rows has a class of a picture of input={options.input}"]
        )
    outcome = Outcomes(came >= 0, came[came >= 0]) if (came >= 0).any() else None
    if outcome is not None and not outcome.known.all():
        notes.append(("note_outcomes", {"known": f"{len(outcome.y):,}", "rows": f"{len(came):,}"}))
    x, answers = answers_of(run, None, pixels)
    return run, Batch(x, answers, None, outcome), notes

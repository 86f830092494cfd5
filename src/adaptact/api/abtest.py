"""A step of a test on a limited line, from its options to its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptact import files, folders, records
from adaptact.folders import refuse_links
from adaptact.locks import locked
from adaptact.rollout.options import Abtest


def carry_out(options: Abtest, words: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Plan, assign or analyse, as ``options.step`` says.

    Args:
        words: that the options are from; what they do not name is taken from the test's plan.

    Returns:
        The folder of the test and what was found: the content of ``plan.json`` or ``results.json``; of an assignment
        the file with the arms and how many rows each has.

    Raises:
        ConfigError, DataError, UserError: a file or a record that cannot be used.
    """
    from adaptact.report.rollout import write_plan, write_results
    from adaptact.rollout import abtest_steps as steps

    folder = records.project_root() / options.output_dir / folders.safe_name(options.name)
    given = {word.partition("=")[0] for word in words}
    with locked(folder):
        refuse_links(folder, options.follow_links)
        if options.step == "assign":
            return steps.assign(options, folder, given)
        if options.step == "plan":
            found = steps.plan(options, folder)
            with files.together(folder) as draft:
                write_plan(found, draft, words)
            return folder, found
        found = steps.analyse(options, folder, given)
        folders.make_folder(folder)
        with files.together(folder) as draft:
            write_results(found, draft, words)
            steps.note_look(found, options.method, folder)
        return folder, found

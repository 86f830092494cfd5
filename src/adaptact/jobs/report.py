"""``report``: a comparison's report again, from its records alone: in another language, with other costs of errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from adaptact import records
from adaptact.compare.options import Comparison, Presentation, read_section
from adaptact.compare.plan import Plan, earlier_uses
from adaptact.errors import ConfigError, UserError, did_you_mean


def run(words: list[str]) -> None:
    """Write the report of ``name=`` again; nothing is trained. The last line on stdout is its folder.

    Raises:
        ConfigError, UserError: an unknown word, no such comparison, files that are broken.
    """
    options, rest, problems = read_section(Presentation, words, lists=set())
    problems += [
        f"unknown word {word!r}: report takes name=, output_dir=, report.language= and value...." for word in rest
    ]
    problems += options.value.problems() if options is not None and not problems else []
    if problems:
        raise ConfigError(problems)
    assert options is not None
    folder = folder_of(options.name, options.output_dir)
    plan = Plan.read(folder)
    typed, *_ = read_section(Comparison, plan.words, lists={"activations", "compare.vary", "compare.cost"})
    assert typed is not None
    given = {word.partition("=")[0] for word in words}
    value = options.value if any(key.startswith("value.") for key in given) else typed.value
    language = options.report.language if "report.language" in given else typed.report.language
    from adaptact.report.comparison import print_summary, write_report
    from adaptact.training.metrics import metric_of_arrays

    report = write_report(
        plan,
        folder,
        metric_of=metric_of_arrays,
        cost=cost_of(folder),
        earlier_uses=earlier_uses(folder.parent, plan),
        language=language,
        backtest=options.report.backtest or typed.report.backtest,
        value=value,
    )
    print_summary(report, Console(width=None if sys.stdout.isatty() else 120))
    print(folder, flush=True)


def folder_of(name: str | None, parent: str) -> Path:
    """The folder of a comparison, named by its path or its name.

    Raises:
        UserError: none of that name.
    """
    below = records.project_root() / parent
    known = sorted(path.parent.name for path in below.glob("*/plan.json"))
    if name is None:
        raise ConfigError([f"name is missing: report needs name=, one of {', '.join(known) or '(none yet)'}"])
    for folder in (Path(name), below / name):
        if (folder / "plan.json").is_file():
            return folder.absolute()
    raise UserError(f"there is no comparison {name!r} in {below}. {did_you_mean(name, known)}")


def cost_of(folder: Path) -> dict[str, Any] | None:
    """What was measured after the runs; None where nothing was."""
    try:
        return dict(json.loads((folder / "cost.json").read_text(encoding="utf-8"))["cost"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

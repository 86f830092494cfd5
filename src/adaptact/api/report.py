"""A comparison's report again, from its records alone: in another language, with other costs of errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptact import files, records
from adaptact.comparison.analysis import positive_of
from adaptact.comparison.earlier_looks import earlier_looks
from adaptact.comparison.options import Comparison, Presentation
from adaptact.comparison.plan import Plan
from adaptact.comparison.results import CostFile
from adaptact.comparison.value import Value
from adaptact.config.words import read_section
from adaptact.data.positive import GUESSES
from adaptact.errors import ConfigError, UserError, did_you_mean
from adaptact.records import COST_FILE, PLAN_FILE


def carry_out(options: Presentation, words: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """Write the report of a comparison again; nothing is trained.

    Args:
        words: that the options are from: what they do not name stays as the comparison has it.

    Returns:
        The folder of the comparison and the content of its ``report.json``.

    Raises:
        ConfigError, UserError: no such comparison, files that are broken.
    """
    folder = folder_of(options.name, options.output_dir)
    plan = Plan.read(folder)
    typed, *_ = read_section(Comparison, plan.words)
    assert typed is not None
    given = {word.partition("=")[0] for word in words}
    value = options.value if any(key.startswith("value.") for key in given) else typed.value
    language = options.report.language if "report.language" in given else typed.report.language
    from adaptact.report.comparison import write_report
    from adaptact.training.metrics import metric_of_arrays

    report = write_report(
        plan,
        folder,
        metric_of=metric_of_arrays,
        cost=cost_of(folder),
        looks=earlier_looks(folder, plan),
        language=language,
        backtest=options.report.backtest or typed.report.backtest,
        value=value,
        positive=positive_for_costs(plan, value, options.positive),
        words=reproducing(plan.words, words) if options.positive is None else plan.words,
        report_words=None if options.positive is None else words,
    )
    return folder, report


def positive_for_costs(plan: Plan, value: Value, typed: str | None) -> str | None:
    """Label of the class that costs are about.

    Raises:
        ConfigError: no such label; a class that decides the comparison's metric; costs for a class that is a guess.
    """
    sought = positive_of(plan)
    if typed is None:
        if sought is not None and value.cost_fn is not None and sought["by"] in GUESSES:
            way_out = f"positive={sought['label']} or positive={sought['other']}"
            raise ConfigError([f"value.cost_fn: that {sought['label']!r} is to be found is a guess; type {way_out}"])
        return None
    labels = [] if sought is None else list(plan.data["labels"])
    if typed not in labels:
        raise ConfigError([f"positive={typed} is no label of this comparison. {did_you_mean(typed, labels)}"])
    if plan.metric == "average_precision" and sought is not None and typed != sought["metric_of"]:
        raise ConfigError(
            [
                f"positive={typed}: this comparison was decided by the average precision of {sought['metric_of']!r}; "
                f"compare again with data.positive={typed}"
            ]
        )
    return typed


def reproducing(made: Sequence[str], typed: Sequence[str]) -> list[str]:
    """The words of the comparison with what was typed for this report: costs and language."""
    given = [word for word in typed if word.startswith(("value.", "report."))]
    replaced = {word.partition("=")[0] for word in given}
    costs = any(word.startswith("value.") for word in given)  # they stand for all that were given before
    kept = [w for w in made if w.partition("=")[0] not in replaced and not (costs and w.startswith("value."))]
    return kept + given


def folder_of(name: str | None, parent: str) -> Path:
    """The folder of a comparison, named by its path or its name.

    Raises:
        UserError: none of that name.
    """
    below = records.project_root() / parent
    known = sorted(path.parent.name for path in below.glob(f"*/{PLAN_FILE}"))
    if name is None:
        raise ConfigError([f"name is missing: report needs name=, one of {', '.join(known) or '(none yet)'}"])
    for folder in (Path(name), below / name):
        if (folder / PLAN_FILE).is_file():
            return folder.absolute()
    raise UserError(f"there is no comparison {name!r} in {below}. {did_you_mean(name, known)}")


def cost_of(folder: Path) -> dict[str, Any] | None:
    """What was measured after the runs; None where nothing was."""
    try:
        return dict(files.read_json(folder / COST_FILE, CostFile)["cost"])
    except FileNotFoundError:
        return None

"""A comparison from its options to its report: plan, runs, references, costs, pages."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptact import launcher, records, terminal
from adaptact.api.inputs import as_words, configuration, plain
from adaptact.comparison.earlier_looks import earlier_looks
from adaptact.comparison.folder import ending, folder_of
from adaptact.comparison.load_data import load
from adaptact.comparison.options import Comparison as Options
from adaptact.comparison.plan import settle
from adaptact.config.words import checked
from adaptact.errors import UserError
from adaptact.folders import refuse_links
from adaptact.interrupts import continues
from adaptact.locks import locked
from adaptact.records import REPORT_PAGE
from adaptact.schema import Checker

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Args:
        folder: plan, runs and reports.
        report: the content of ``report.json``; docs/compare.md explains its keys.
    """

    folder: Path
    report: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, str]:
        """Per candidate "adopt", "equivalent", "reject" or "undecided"."""
        return {candidate["activation"]: candidate["verdict"] for candidate in self.report["candidates"]}

    @property
    def page(self) -> Path:
        """The report for people, one HTML file."""
        return self.folder / REPORT_PAGE

    def to_frame(self) -> pd.DataFrame:
        """Tabulate the candidates: verdict, mean difference to the baseline with its interval, pairs, reason."""
        import pandas as pd

        rows = [
            {
                "activation": found["activation"],
                "verdict": found["verdict"],
                "difference": found["mean_difference"],
                "low": found["interval"][0],
                "high": found["interval"][1],
                "pairs": found["pairs"],
                "reason": found["reason"],
            }
            for found in self.report["candidates"]
        ]
        return pd.DataFrame(rows).set_index("activation")


def compare(
    data: pd.DataFrame | str | Path | None = None,
    /,
    *,
    target: str | None = None,
    activations: Sequence[str] = (),
    seeds: int | Sequence[int] = 8,
    **options: Any,
) -> Comparison:
    """Compare activations over paired seeds, as ``adaptact compare`` does; the same call continues.

    Args:
        data: a data frame, the path of a table or of a folder of pictures, or the name of a data set.
        target: name of the column to predict.
        activations: the arms; the first is the baseline.
        seeds: how many, or which.
        options: ``name``, ``compare={"margin": 0.01}``, ``value={...}``, ``report={"language": "ja"}`` and all that
            goes to each run, as in :func:`adaptact.train`.

    Raises:
        ConfigError, DataError, UserError: before anything is trained.

    >>> import adaptact
    >>> found = adaptact.compare("wine", activations=["gelu", "sgblend"], seeds=2)  # doctest: +SKIP
    >>> found.verdicts  # doctest: +SKIP
    {'sgblend': 'undecided'}
    """
    own = {each.name for each in fields(Options)}
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    raw: dict[str, Any] = {"seeds": numbers} | ({"activations": list(activations)} if activations else {})
    raw |= {key: plain(value) for key, value in options.items() if key in own}
    checker = Checker({}, own)
    asked = checked(checker.build(Options, raw), checker.problems)
    rest, changes = configuration(data, target, {key: value for key, value in options.items() if key not in own})
    return Comparison(*carry_out(asked, rest, [*as_words(raw), *rest, *as_words(changes)], changes))


def carry_out(
    options: Options, rest: Sequence[str], words: Sequence[str], changes: Mapping[str, Any] | None = None
) -> tuple[Path, dict[str, Any]]:
    """Train, measure and report what is not there yet.

    Args:
        rest: the words that go to each run.
        words: all words of the command; the report shows them.
        changes: options of each run as nested values, which win over the words.

    Returns:
        The folder of the comparison and the content of its ``report.json``.

    Raises:
        ConfigError, DataError, UserError: whatever is wrong with the settings of any arm, with the data, or with what
            the folder holds; nothing is trained then.
    """
    settings = launcher.compose_arms(options.activations, rest, changes)
    first = next(iter(settings.values()))
    with terminal.console(stderr=True).status("loading torch and the data"):
        prepared, fixed_test = load(first, options)
        from adaptact.comparison import prepare, worker_pool

        adaptive = prepare.checks(settings, prepared)
        prepare.check_costs(options.value.cost_fn, prepared)
        prepare.keep_positive(settings, prepared.positive)
        plan = prepare.plan_of(options, settings, prepared, fixed_test, adaptive, words)
        workers = prepare.workers_of(first, options.compare.workers)
    plan.threads = worker_pool.share(min(workers, sum(1 for arm in plan.arms for _ in plan.runs(arm))))
    parent = records.project_root() / options.output_dir
    folder = folder_of(parent, plan, options.name, options.compare.retrain)
    with locked(folder), continues("the same command goes on"), worker_pool.ended_afterwards():
        if folder_of(parent, plan, options.name, options.compare.retrain) != folder:
            raise UserError(f"{folder} was begun by another command meanwhile: give this one again")
        refuse_links(folder, first.follow_links)
        plan = settle(folder, plan)
        for change in plan.changes:
            print(f"note: changed since the plan was written: {change['what']}", file=sys.stderr)
        from adaptact.comparison import execute
        from adaptact.report.comparison import write_report
        from adaptact.training.metrics import metric_of_arrays

        how: dict[str, Any] = {"workers": workers, "backend": options.compare.backend, "trust": first.trust}
        with ending(lambda state: plan.end(folder, state)):
            execute.train_all(plan, folder, **how)
            execute.fit_references(plan, folder, **how)
            cost = options.compare.cost and execute.measure(plan, folder, settings, prepared, options.compare.cost)
            report = write_report(
                plan,
                folder,
                metric_of=metric_of_arrays,
                cost=cost or None,
                looks=earlier_looks(folder, plan),
                language=options.report.language,
                backtest=options.report.backtest,
                value=options.value,
            )
    return folder, report

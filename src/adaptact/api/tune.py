"""A tuning from its options to ``tuned.yaml``: equally many trials for every arm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adaptact import config, data, files, folders, launcher, records, terminal
from adaptact.comparison.folder import threads_of
from adaptact.comparison.plan import decisive, digest
from adaptact.comparison.results import as_csv
from adaptact.comparison.tuning import Study, Tuning, defaults_of, write_tuned
from adaptact.folders import refuse_links
from adaptact.interrupts import continues
from adaptact.locks import locked

THREADS_FILE = "threads.json"


def carry_out(options: Tuning, rest: Sequence[str]) -> tuple[Path, dict[str, Study], str]:
    """Try settings until each arm has its number of trials; those of an earlier command count.

    Args:
        rest: the words that go to each run.

    Returns:
        The folder of the studies, the study of each arm, and the name of the metric that ranks trials.

    Raises:
        ConfigError, DataError, UserError: whatever is wrong with the settings of any arm, with the data, or with what
            the folder holds.
    """
    settings = launcher.compose_arms(options.activations, rest)
    first = next(iter(settings.values()))
    with terminal.console(stderr=True).status("loading torch and the data"):
        prepared = data.load(first.data, first.trust)
        from adaptact.comparison import prepare, worker_pool
        from adaptact.training.checks import monitored_metric

        adaptive = prepare.checks(settings, prepared)
        prepare.keep_positive(settings, prepared.positive)
        monitor, mode = monitored_metric(first, prepared)
        workers = prepare.workers_of(first, options.workers)
    name = options.name or f"{prepared.name}-{first.model.name}"
    folder = records.project_root() / options.output_dir / folders.safe_name(name)
    with locked(folder), continues("the same command goes on"), worker_pool.ended_afterwards():
        refuse_links(folder, first.follow_links)
        from adaptact.comparison.search import keep_settings, search

        folders.make_folder(folder)
        plain = {arm: config.to_dict(one) for arm, one in settings.items()}
        keep_settings(folder, {arm: digest([decisive(one), prepared.fingerprint]) for arm, one in plain.items()})
        threads = threads_of(folder / THREADS_FILE) or worker_pool.share(workers)
        files.write_json(folder / THREADS_FILE, {"threads": threads})
        studies = {
            arm: Study(folder / "journal.log", arm, mode, options.space, defaults_of(one, arm in adaptive))
            for arm, one in plain.items()
        }
        search(
            options,
            studies,
            plain,
            folder,
            metric=monitor.removeprefix("val/"),
            mode=mode,
            workers=workers,
            threads=threads,
            trust=first.trust,
        )
        with files.together(folder) as draft:
            write_tuned(draft, {arm: study.best[0] for arm, study in studies.items()}, options.trials)
            rows = [row for study in studies.values() for row in study.rows]
            files.write_text(draft / "trials.csv", as_csv(rows))
    return folder, studies, monitor

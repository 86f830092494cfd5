"""``tune``: equally many trials for every arm, judged on validation rows; `compare` takes what was found."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from adaptact import terminal
from adaptact.api.tune import carry_out
from adaptact.comparison.tuning import Study, read_words
from adaptact.formatting import number


def run(words: list[str]) -> None:
    """Tune each arm; the last line on stdout is the folder that `compare.tuned=` takes."""
    options, rest = read_words(words)
    folder, studies, monitor = carry_out(options, rest)
    console = terminal.console()
    console.print(table(studies, monitor, options.trials))
    console.print(escape(f"compare with them: make compare activations={','.join(studies)} compare.tuned={folder}"))
    print(folder, flush=True)


def table(studies: dict[str, Study], monitor: str, trials: int) -> Table:
    """The best settings of each arm."""
    found = Table(title=f"best of {trials} trials each, by {escape(monitor)}", title_justify="left")
    keys = list(dict.fromkeys(key for study in studies.values() for key in study.space))
    for column in ("activation", monitor, *keys):
        found.add_column(column)
    for arm, study in studies.items():
        best, value = study.best
        found.add_row(escape(arm), number(value, digits=5), *(number(best.get(key), digits=3) for key in keys))
    return found

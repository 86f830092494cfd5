"""How far a comparison is: done, running, left, time to go, best so far. A live display, or a line a run in a file."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from adaptact import terminal
from adaptact.comparison.plan import Run
from adaptact.comparison.results import Result
from adaptact.formatting import number


class Progress:
    """Counts runs as they end.

    Args:
        total: runs of the plan.
        workers: runs at once.
        metric, mode: of which the mean per arm is shown, and whether "max" or "min" is better.
    """

    def __init__(self, total: int, workers: int, metric: str, mode: str) -> None:
        self.total, self.workers, self.metric, self.mode = total, workers, metric, mode
        self.ended = self.failed = self.new = 0
        self.scores: dict[str, list[float]] = {}
        self._began = time.perf_counter()
        console = terminal.console(stderr=True)
        self._live = (
            Live(console=console, get_renderable=self._shown, refresh_per_second=2) if console.is_terminal else None
        )

    def __enter__(self) -> Progress:
        if self._live is not None:
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)

    def kept(self, arm: str, score: float | None) -> None:
        """A run that was there already."""
        self.ended += 1
        self._score(arm, score)

    def skip(self, runs: int) -> None:
        """Runs that will not come, as those of a control whose values nobody learned."""
        self.total -= runs

    def done(self, run: Run, result: Result) -> None:
        self.ended += 1
        self.new += 1
        self.failed += result.failed
        score = result.score(self.metric)
        self._score(run.arm, score)
        fold = "" if run.fold is None else f" fold {run.fold}"
        what = f"{self.metric} {number(score)}" if result.status == "finished" and score is not None else result.status
        reason = f": {result.reason}" if result.reason else ""
        if self._live is None:
            line = f"{self.ended}/{self.total} {run.arm} seed {run.seed}{fold}: {what}{reason}, {self.to_go}"
            print(line, file=sys.stderr, flush=True)
        elif result.failed:
            self._live.console.print(f"{run.arm} seed {run.seed}{fold}: {what}{reason}", markup=False)

    @property
    def to_go(self) -> str:
        left = self.total - self.ended
        if not left:
            return "nothing left"
        if not self.new:
            return "time to go not known yet"
        seconds = (time.perf_counter() - self._began) / self.new * left
        return f"about {seconds:.0f} s to go" if seconds < 100 else f"about {seconds / 60:.0f} min to go"

    @property
    def best(self) -> str:
        """The arm with the best mean so far; it may change with every run."""
        means = {arm: sum(scores) / len(scores) for arm, scores in self.scores.items()}
        if not means:
            return ""
        arm = (min if self.mode == "min" else max)(means, key=means.__getitem__)
        return f", best so far {arm} ({means[arm]:.4f})"

    def _score(self, arm: str, score: float | None) -> None:
        if score is not None:
            self.scores.setdefault(arm, []).append(score)

    @property
    def headline(self) -> str:
        running = min(self.workers, self.total - self.ended)
        left = self.total - self.ended - running
        failed = f"; {self.failed} failed" if self.failed else ""
        return (
            f"{self.ended} of {self.total} runs done, {running} running, {left} left, {self.to_go}{self.best}{failed}"
        )

    def _shown(self) -> Group:
        table = Table()
        table.add_column("arm")
        table.add_column("runs", justify="right")
        table.add_column(f"mean test {self.metric} so far", justify="right")
        for arm, scores in self.scores.items():
            table.add_row(escape(arm), str(len(scores)), f"{sum(scores) / len(scores):.4f}")
        return Group(Text(self.headline), table)

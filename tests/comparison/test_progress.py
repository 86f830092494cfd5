"""How far a comparison is, in words that a log file keeps."""

from collections.abc import Callable

import pytest

from adaptact.comparison.plan import Plan
from adaptact.comparison.progress import Progress
from plans import result


def test_done_left_failed_and_best_so_far(make_plan: Callable[..., Plan], capsys: pytest.CaptureFixture[str]) -> None:
    plan = make_plan("activations=gelu,sgblend seeds=2")
    with Progress(total=4, workers=2, metric="accuracy", mode="max") as progress:
        assert progress.to_go == "time to go not known yet"
        progress.kept("gelu", 0.8)
        for arm, seed, value, status in (("gelu", 1, 0.9, "finished"), ("sgblend", 0, None, "diverged")):
            one = result(plan, arm, seed, value, status)
            progress.done(one.run, one)
        assert (progress.ended, progress.failed) == (3, 1)
        assert progress.best == ", best so far gelu (0.8500)"
        progress.skip(1)
        assert progress.to_go == "nothing left"
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("2/4 gelu seed 1: accuracy 0.9, about ")
    assert lines[1].startswith("3/4 sgblend seed 0: diverged, about ")
    assert "3 of 3 runs done, 0 running, 0 left" in progress.headline


def test_of_an_error_the_least_is_the_best() -> None:
    progress = Progress(total=2, workers=1, metric="rmse", mode="min")
    progress.kept("a", 2.0)
    progress.kept("b", 1.0)
    assert progress.best == ", best so far b (1.0000)"

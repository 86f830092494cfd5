"""How often `monitor` and `abtest` err, and what they find. Prints the tables of docs/rollout.md:

.venv/bin/python tests/rollout/rollout_simulation.py
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from adaptact import config
from adaptact.export.trained_run import TableRun
from adaptact.rollout.monitor import Batch, answers_of, examine, status_of
from adaptact.rollout.options import Monitor
from adaptact.rollout.outcomes import Outcomes
from adaptact.rollout.sample_size import Aim, of_rate, rows_needed
from adaptact.rollout.two_samples import Arm, exact_p, fixed_interval, sequence
from adaptact.training.run import train

BATCHES = 12
SIZES = (100, 200, 500, 1000, 2000)
SHIFTS = (0.25, 0.5)
COLUMNS = ("a", "b", "c", "d", "e", "f")
DAYS = 60
RARE = 4.0  # 5 % yes

# --- monitor -----------------------------------------------------------------------------------------------------


def table(rows: int, draw: np.random.Generator, shift: float = 0.0, rare: float = 0.0) -> pd.DataFrame:
    """Six numbers of different kinds, two categories with rare words, blanks, and an answer that they half give away.

    Args:
        shift: of column a, in standard deviations.
        rare: how much less often the answer is yes, in units of its leaning; 0 is half of the rows.
    """
    x = draw.normal(size=(rows, 6))
    frame = pd.DataFrame(x, columns=list(COLUMNS))
    lean = x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * x[:, 3]
    frame["a"] = x[:, 0] + shift
    frame["b"] = np.exp(x[:, 1])  # skewed
    frame["c"] = x[:, 2].round(1)  # with ties
    frame.loc[draw.random(rows) < 0.1, "d"] = np.nan
    frame["plant"] = draw.choice(["Osaka", "Nagoya", "浜松"], rows, p=[0.6, 0.3, 0.1])
    frame["part"] = [f"P{n}" for n in draw.zipf(1.8, rows).clip(max=40)]
    frame["late"] = np.where(lean - rare + draw.logistic(size=rows) > 0, "yes", "no")
    return frame


def trained(folder: Path, seed: int, rare: float = 0.0, rows: int = 4000) -> TableRun:
    """A run on rows of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"rows{seed}-{rare}.csv"
    table(rows, np.random.default_rng([1, seed]), rare=rare).to_csv(path, index=False)
    settings = config.from_dict(
        {
            "activation": {"name": "sgblend", "kind": "sgblend"},
            "model": {"name": "mlp", "widths": [16]},
            "data": {"name": "table", "path": str(path), "target": "late", "batch_size": 64},
            "trainer": {"max_epochs": 4, "accelerator": "cpu"},
            "optimizer": {"lr": 1e-2},
            "logger": {"tensorboard": False},
            "references": False,
            "seed": seed,
            "output_dir": str(folder / "runs"),
        }
    )
    with contextlib.redirect_stderr(None):
        _, run = train(settings, quiet=True)
    return TableRun.load(run)


def batch_of(run: TableRun, frame: pd.DataFrame, *, labelled: bool) -> Batch:
    x, answers = answers_of(run, frame, None)
    y = (frame["late"] == "yes").to_numpy().astype(np.int64)
    outcomes = Outcomes(np.ones(len(frame), dtype=bool), y) if labelled else None
    return Batch(x, answers, frame, outcomes)


def status(run: TableRun, frame: pd.DataFrame, *, labelled: bool) -> str:
    found = examine(run, batch_of(run, frame, labelled=labelled), Monitor())
    return status_of(found | {"ageing": None})[0]


def years(runs: Sequence[TableRun], rows: int, count: int, *, labelled: bool, rare: float = 0.0) -> dict[str, float]:
    """Of ``count`` runs of twelve batches without a change, the share with any alarm, and with any retrain."""
    any_alarm = any_retrain = 0
    for number in range(count):
        draw = np.random.default_rng([2, rows, number])
        run = runs[number % len(runs)]
        seen = {status(run, table(rows, draw, rare=rare), labelled=labelled) for _ in range(BATCHES)}
        any_alarm += bool(seen - {"ok"})
        any_retrain += "retrain" in seen
    return {"any": any_alarm / count, "retrain": any_retrain / count}


def detected(runs: Sequence[TableRun], rows: int, shift: float, count: int) -> float:
    """Share of single batches with a shift that are not ok."""
    found = 0
    for number in range(count):
        draw = np.random.default_rng([3, rows, number])
        found += status(runs[number % len(runs)], table(rows, draw, shift), labelled=False) != "ok"
    return found / count


# --- A/B test ----------------------------------------------------------------------------------------------------


def arms(
    draw: np.random.Generator, rows: int, kind: str, lift: float, share: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the candidate served each row, and its outcome."""
    candidate = draw.random(rows) < share
    if kind == "rate":
        return candidate, (draw.random(rows) < 0.2 + lift * candidate).astype(np.float64)
    if kind == "rare":
        return candidate, (draw.random(rows) < 0.02 + lift * candidate).astype(np.float64)
    return candidate, draw.lognormal(0, 1, rows) + lift * candidate  # skewed


def shown(candidate: np.ndarray, outcome: np.ndarray, method: str, planned: int, *, exact: bool = True) -> int:
    """-1, 0 or 1: whether the interval excludes 0, and on which side; of a fixed test the exact p-value as well."""
    units = np.arange(len(outcome))
    parts = [Arm(outcome[candidate == arm], units[candidate == arm]) for arm in (False, True)]
    found = fixed_interval(*parts, 0.95) if method == "fixed" else sequence(*parts, 0.05, planned)
    side = int(found.low > 0) - int(found.high < 0)
    return side if side and (method != "fixed" or not exact or exact_p(*parts) <= 0.05) else 0


def error_rate(kind: str, method: str, per_day: int, count: int, *, looks: str, share: float = 0.5) -> float:
    """Of tests without a difference, the share that shows one: at the end, or at any of 60 daily looks."""
    wrong = 0
    for number in range(count):
        draw = np.random.default_rng([4, number])
        candidate, outcome = arms(draw, per_day * DAYS, kind, 0.0, share)
        ends = [per_day * DAYS] if looks == "end" else [per_day * day for day in range(1, DAYS + 1)]
        wrong += any(shown(candidate[:n], outcome[:n], method, per_day * DAYS, exact=looks == "end") for n in ends)
    return wrong / count


def power(kind: str, lift: float, share: float, count: int) -> tuple[int, float]:
    """Rows that are planned for a power of 0.8, and the share of tests of so many rows that show the difference."""
    spread = float(np.sqrt((np.e - 1) * np.e))  # of a lognormal
    base = {"rate": 0.2, "rare": 0.02}.get(kind)
    aim = Aim((spread, spread), lift, share) if base is None else of_rate(base, lift, share=share)
    rows, found = rows_needed(aim), 0
    for number in range(count):
        candidate, outcome = arms(np.random.default_rng([5, number]), rows, kind, lift, share)
        found += shown(candidate, outcome, "fixed", rows) > 0
    return rows, found / count


# --- tables ------------------------------------------------------------------------------------------------------


def percent(share: float, count: int) -> str:
    """A share with twice its standard error."""
    return f"{100 * share:.1f} ± {200 * np.sqrt(max(share * (1 - share), 0.25 / count) / count):.1f} %"


def monitor_tables(count: int = 200, runs: int = 20) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        models = [trained(Path(folder), seed) for seed in range(runs)]
        seldom = [trained(Path(folder), seed, RARE) for seed in range(runs)]
        yield "| rows | any alarm in 12 batches | with outcomes | retrain | with outcomes, 5 % yes | retrain |"
        yield "|---|---|---|---|---|---|"
        for rows in SIZES:
            plain, known = (years(models, rows, count, labelled=labelled) for labelled in (False, True))
            rare = years(seldom, rows, count, labelled=True, rare=RARE)
            shares = (plain["any"], known["any"], known["retrain"], rare["any"], rare["retrain"])
            yield f"| {rows:,} | {' | '.join(percent(share, count) for share in shares)} |"
        yield ""
        yield "| rows of a batch | shift of 0.25 standard deviations found | of 0.5 |"
        yield "|---|---|---|"
        for rows in SIZES:
            found = [percent(detected(models, rows, shift, count), count) for shift in SHIFTS]
            yield f"| {rows:,} | {found[0]} | {found[1]} |"


def abtest_tables(count: int = 1000) -> Iterator[str]:
    yield "| outcome, rows a day, share of the candidate | fixed, after 60 days | fixed, daily | always valid, daily |"
    yield "|---|---|---|---|"
    for kind, name, per_day, share in (
        ("rate", "20 % yes", 50, 0.5),
        ("rate", "20 % yes", 50, 0.1),
        ("rare", "2 % yes", 200, 0.5),
        ("rare", "2 % yes", 50, 0.1),
        ("number", "skewed number", 50, 0.5),
        ("number", "skewed number", 50, 0.1),
    ):
        cells = [
            percent(error_rate(kind, method, per_day, count, looks=looks, share=share), count)
            for method, looks in (("fixed", "end"), ("fixed", "daily"), ("always_valid", "daily"))
        ]
        yield f"| {name}, {per_day}, {share:.0%} | {' | '.join(cells)} |"
    yield ""
    yield "| outcome, difference, share of the candidate | rows planned for 80 % | power |"
    yield "|---|---|---|"
    for kind, name, lift, share in (
        ("rate", "20 % yes", 0.04, 0.5),
        ("rate", "20 % yes", 0.04, 0.1),
        ("rare", "2 % yes", 0.01, 0.5),
        ("number", "skewed number", 0.2, 0.5),
    ):
        rows, found = power(kind, lift, share, count)
        yield f"| {name}, {lift:g}, {share:.0%} | {rows:,} | {percent(found, count)} |"


def main() -> None:
    torch.set_num_threads(1)
    begun = time.time()
    for lines in (monitor_tables(), abtest_tables()):
        for line in lines:
            print(line, flush=True)
        print()
    print(f"{time.time() - begun:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

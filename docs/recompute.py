"""Every interval of a comparison, again, from runs.csv with SciPy: python docs/recompute.py <folder of the comparison>

report.json is read for what was decided (metric, levels) and for the intervals to hold against.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

folder = Path(sys.argv[1])
report, runs = json.loads((folder / "report.json").read_text()), pd.read_csv(folder / "runs.csv")
sign, metric = (1 if report["mode"] == "max" else -1), report["metric"].removeprefix("test/")
runs = runs.assign(fold=runs["fold"].fillna(-1)).set_index(["arm", "seed", "fold"])
varies = "split" in report["vary"] or report["folds"] is not None
ratio = (runs["n_test"] / runs["n_train"]).mean() if varies else 0.0  # Nadeau and Bengio, where splits vary


def interval(ours: str, theirs: str, level: float, column: str, direction: int) -> list[float]:
    d = (direction * (runs.loc[ours][column] - runs.loc[theirs][column])).dropna()
    half = stats.t.ppf((1 + level) / 2, len(d) - 1) * d.std() * np.sqrt(1 / len(d) + ratio)
    return [d.mean() - half, d.mean() + half] if d.std() > 1e-12 else [np.nan, np.nan]


def agree(given: list[float | None], again: list[float], what: object) -> int:
    """1 if two intervals agree; 0 where all differences are equal: docs/statistics.md has the rule for that."""
    if None in given or np.isnan(again[0]):
        return 0
    assert np.allclose(given, again, rtol=1e-6, atol=1e-9), (what, given, again)
    return 1


checked = 0
for found in report["candidates"]:
    name, base, level = found["activation"], report["baseline"], found["interval_level"]
    over_pairs, over_rows = found.get("over_pairs", found), found.get("over_rows")
    pairs = [(over_pairs["interval"], level, "score", sign)]
    pairs += [(over_pairs["equivalence_interval"], found["equivalence_level"], "score", sign)]
    for kind in ("interval", "equivalence_interval"):  # the verdict's reach at least as far as the test rows allow
        if over_rows is not None and None not in [*found[kind], *over_pairs[kind], *over_rows[kind]]:
            (low, high), (row_low, row_high) = over_pairs[kind], over_rows[kind]
            assert np.allclose(found[kind], [min(low, row_low), max(high, row_high)]), (name, kind)
    pairs += [(found["validation"]["interval"], level, f"val/{metric}", sign)]
    if "clearer" in found:
        pairs += [(found["clearer"]["interval"], level, f"test/{found['clearer']['metric']}", -1)]
    for given, wanted, column, direction in pairs:
        checked += agree(given, interval(name, base, wanted, column, direction), (name, column))
for found in report["controls"]:
    given = found["adaptive_minus_control"]
    again = interval(found["of"], found["activation"], given["interval_level"], "score", sign)
    checked += agree(given["interval"], again, found["activation"])
print(f"{checked} intervals of {folder.name} computed again: all agree")

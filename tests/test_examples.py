"""The examples run from an empty folder, as somebody else's programs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SOURCE = EXAMPLES.parent / "src"


def run(name: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(EXAMPLES / name)]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not list(folder.iterdir())  # it leaves nothing behind
    return done.stdout


def test_the_plain_loop_prints_both_arms_and_what_was_learned(tmp_path: Path) -> None:
    printed = run("plain_pytorch.py", tmp_path)
    pairs = [tuple(map(float, pair)) for pair in re.findall(r"GELU (0\.\d+), SG-Blend (0\.\d+)", printed)]
    assert len(pairs) == 5
    assert min(map(min, pairs)) > 0.9
    mean = float(re.search(r"SG-Blend minus GELU: ([+-]0\.\d+)", printed)[1])
    assert mean == pytest.approx(sum(b - a for a, b in pairs) / 5, abs=2e-4)
    assert re.findall(r"site (\d), last seed: alpha 0\.\d+, beta", printed) == ["1", "3"]


@pytest.mark.slow  # importing Lightning takes most of it
def test_somebody_elses_trainer_logs_alpha_beta_and_gap_to_a_logger_of_scalars(tmp_path: Path) -> None:
    printed = run("own_lightning.py", tmp_path)
    assert {"alpha/encoder.1", "gap/encoder.3", "grad_norm/head", "grad_norm/total"} <= set(printed.split())
    steps = re.findall(r"step +(\d+): alpha/encoder\.1 (\S+), beta/encoder\.1 \S+, gap/encoder\.1 0\.\d+", printed)
    assert [int(step) for step, _ in steps] == [0, 40, 80, 120]
    assert steps[0][1] == "0.5000" != steps[-1][1]


def test_every_example_is_in_the_readme() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"examples/{path.name}" in page for path in EXAMPLES.glob("*.py"))

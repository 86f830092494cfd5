"""What a start does not wait for."""

from __future__ import annotations

import os
import subprocess
import sys

NEEDLESS = ("transformers", "scipy.signal", "matplotlib.pyplot")


def printed(code: str, **environment: str) -> str:
    env = {key: value for key, value in os.environ.items() if key != "ADAPTACT_JOB"} | environment
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    ).stdout.strip()


def test_a_job_imports_nothing_that_torchmetrics_alone_would_need() -> None:
    code = f"import sys; import adaptact.training.run; print([name for name in {NEEDLESS} if name in sys.modules])"
    assert printed(code, ADAPTACT_JOB="1") == "[]"


def test_a_program_that_imports_adaptact_keeps_all_of_torchmetrics() -> None:
    code = (
        "import adaptact.training, torchmetrics.utilities.imports as i;"
        "metric = __import__('torchmetrics').MeanMetric(); metric.update(1.0); metric.plot();"
        "print(bool(i._SCIPY_AVAILABLE), bool(i._MATPLOTLIB_AVAILABLE))"
    )
    assert printed(code, MPLBACKEND="agg") == "True True"

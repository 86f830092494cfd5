"""What a start does not wait for."""

from __future__ import annotations

import subprocess
import sys

NEEDLESS = ("transformers", "scipy.signal", "matplotlib.pyplot")


def printed(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_training_imports_nothing_that_torchmetrics_alone_would_need() -> None:
    code = f"import sys; import adaptact.training.run; print([name for name in {NEEDLESS} if name in sys.modules])"
    assert printed(code) == "[]"


def test_others_find_packages_as_before() -> None:
    code = (
        "import adaptact.training, lightning_utilities.core.imports as i;"
        "print(bool(i.RequirementCache('scipy>=1.0')), i.package_available('scipy'))"
    )
    assert printed(code) == "True True"

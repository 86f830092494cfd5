"""One thread per test process: workers of pytest-xdist share the cores, and small tensors gain nothing from more."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from adaptact import config
from plans import make_plan

__all__ = ["make_plan"]  # a fixture of several folders
hypothesis.settings.register_profile("busy machine", deadline=None)
hypothesis.settings.load_profile("busy machine")

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def small_config(output_dir: Path, changes: dict[str, Any] | None = None) -> config.Config:
    """A checked configuration of a run of a second."""
    raw: dict[str, Any] = {
        "activation": {"name": "sgblend", "kind": "sgblend"},
        "model": {"name": "mlp", "widths": [16], "dropout": 0.1},
        "data": {"name": "wine", "batch_size": 16},
        "trainer": {"max_epochs": 2, "accelerator": "cpu"},
        "logger": {"tensorboard": False},
        "log_every_n_steps": 2,
        "output_dir": str(output_dir),
    }
    for key, value in (changes or {}).items():
        section, _, name = key.rpartition(".")
        (raw.setdefault(section, {}) if section else raw)[name] = value
    return config.from_dict(raw)


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., config.Config]:
    """A checked configuration of a small run: ``make_config({"data.name": "wine", "seed": 1})``."""

    return functools.partial(small_config, tmp_path / "runs")


@pytest.fixture
def datasets() -> Iterator[Path]:
    """Folder of real data sets, where ADAPTACT_DATASETS names one."""
    folder = os.environ.get("ADAPTACT_DATASETS")
    if not folder:
        pytest.skip("ADAPTACT_DATASETS is not set")
    return Path(folder).resolve()

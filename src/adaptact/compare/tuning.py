"""Settings that `make tune` found for each arm, with equally many trials for all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from adaptact import records
from adaptact.errors import UserError, did_you_mean

FILE = "tuned.yaml"


def write_tuned(folder: Path, best: dict[str, dict[str, Any]], trials: int) -> None:
    records.write_yaml(folder / FILE, {"schema": 1, "trials": trials, "arms": best})


def read_tuned(folder: Path, activations: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Dotted keys and values per activation.

    Raises:
        UserError: no such folder, a broken file, or an activation that was not tuned.
    """
    path = folder / FILE
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        arms = {str(name): dict(values) for name, values in plain["arms"].items()}
    except FileNotFoundError:
        raise UserError(f"compare.tuned={folder} has no {FILE}: it is not a folder of `make tune`") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise UserError(f"{path} is broken: {' '.join(str(error).split())}") from None
    for name in activations:
        if name not in arms:
            raise UserError(f"{path} has no settings of {name}: tune all arms alike. {did_you_mean(name, arms)}")
    return arms

"""What a run leaves behind: its folder, its files, and the Record that machines read."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import tempfile
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from adaptact.errors import UserError

SCHEMA = 1
ENDED = {"finished", "diverged", "failed"}  # status of a planned run that is not tried again
PLANNED_FILE = "planned.json"  # what a run of a comparison leaves beside its record
WINDOWS_FILE = "windows.json"  # and one of a back-test: its metrics per later window
COST = "cost"  # of a decision: beside those metrics, where costs are given
SCHEMA_FILE = Path(__file__).parent / "schemas" / "result.json"


@dataclass
class Record:
    """``result.json``: what was run, what came out, how steadily, how fast. See ``schemas/result.json``."""

    status: str
    reason: str | None
    data: dict[str, Any]
    model: dict[str, Any]
    activation: str
    seed: int
    monitor: dict[str, Any]
    metrics: dict[str, dict[str, float]]
    stability: dict[str, Any]
    speed: dict[str, Any]
    layers: list[dict[str, Any]]
    versions: dict[str, str]
    device: str
    decision: dict[str, Any] | None = None
    references: list[dict[str, Any]] = field(default_factory=list)
    schema: int = field(default=SCHEMA)

    @property
    def positive(self) -> str | None:
        """Label of the class to be found; None unless there are two. Earlier versions took the second."""
        labels = list(self.data.get("labels") or [])
        if len(labels) != 2:
            return None
        return str((self.decision or {}).get("positive") or self.data.get("positive") or labels[1])

    @property
    def positive_number(self) -> int:
        """Class number of :attr:`positive`; 1 where there is none."""
        return 1 if self.positive is None else list(self.data["labels"]).index(self.positive)

    @property
    def average_precision_of(self) -> str | None:
        """Label of the class that the recorded average precision is about; earlier versions took the second."""
        return None if self.positive is None else str(self.data.get("positive") or self.data["labels"][1])

    def save(self, folder: Path) -> None:
        """Write ``result.json``; values that are not finite become null."""
        plain = {"schema": self.schema, **dataclasses.asdict(self)}
        write_json(folder / "result.json", plain)

    @classmethod
    def load(cls, folder: Path) -> Record:
        """Read a run folder's record.

        Raises:
            UserError: no record, a broken one, or one of another schema.
        """
        path = folder / "result.json"
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            if plain["schema"] != SCHEMA:
                raise UserError(f"{path} has schema {plain['schema']}; this version of adaptact reads schema {SCHEMA}")
            return cls(**plain)
        except (FileNotFoundError, NotADirectoryError):
            raise UserError(f"{folder} is no finished run: it has no result.json") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is broken ({error}); run again") from None


def finite(value: Any) -> Any:
    """``value`` with every float that is not finite replaced by None, at any depth.

    >>> finite({"a": [1.0, float("nan")]})
    {'a': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file that is, at any moment, either the old one or the new one: temporary name, flush, rename."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, plain: Any) -> None:
    write_text(path, json.dumps(finite(plain), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_yaml(path: Path, plain: Any) -> None:
    write_text(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def read_config(folder: Path) -> dict[str, Any]:
    """``config.yaml`` of a run folder as plain values; nothing in it is executed.

    Raises:
        UserError: no such file, or one that holds no keys.
    """
    path = folder / "config.yaml"
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict):
            raise ValueError("it holds no keys")
        return raw
    except FileNotFoundError:
        raise UserError(f"{folder} is no run folder: it has no config.yaml") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from None


def safe_name(text: str) -> str:
    """``text`` as part of a file name that every file system takes; letters of any script stay.

    >>> safe_name('a/b:c*?"<>|.. 売上')
    'a-b-c-売上'
    """
    text = re.sub(r"[^\w.=+-]+", "-", unicodedata.normalize("NFC", text))
    return re.sub(r"[-.]{2,}", "-", text).strip("-. ")[:60].strip("-. ") or "unnamed"


def new_run_folder(parent: Path, *, data: str, model: str, activation: str, seed: int) -> Path:
    """Make ``<time>-<data>-<model>-<activation>-seed<n>`` below ``parent``; never one that exists already."""
    return new_folder(parent, f"{safe_name(data)}-{safe_name(model)}-{safe_name(activation)}-seed{seed}")


def read_planned(folder: Path) -> dict[str, Any]:
    """The content of a run's ``planned.json``; empty where there is none, or a broken one."""
    try:
        plain = json.loads((folder / PLANNED_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return plain if isinstance(plain, dict) else {}


def new_folder(parent: Path, name: str) -> Path:
    """Make ``<time>-<name>`` below ``parent``; never one that exists already.

    Raises:
        UserError: the folder cannot be made.
    """
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    for attempt in range(1, 1000):
        folder = parent / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"cannot make the run folder {folder}: {error.strerror}; set output_dir=") from None
        return folder
    raise UserError(f"cannot make a new run folder {parent / stem}: 999 of that name exist")


def make_folder(folder: Path) -> None:
    """Make a folder that may be there already.

    Raises:
        UserError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}; set output_dir=") from None


def project_root() -> Path:
    """The clone that holds ``conf/``, or the current folder where adaptact was installed from a wheel."""
    clone = Path(__file__).resolve().parents[2]
    return clone if (clone / "conf" / "train.yaml").is_file() else Path.cwd()


def conf_dir() -> Path:
    """The folder of the Hydra groups: ``conf/`` of the clone, or the copy that travels in a wheel."""
    packaged = Path(__file__).resolve().parent / "conf"
    return packaged if packaged.is_dir() else project_root() / "conf"

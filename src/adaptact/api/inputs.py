"""From the arguments of a Python function to the words and options of a configuration."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptact import files, launcher, records
from adaptact.config import GROUPS
from adaptact.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

FRAMES = Path("runs") / "frames"
AS_WORDS = ("trust", "resume", "follow_links")  # count only where a person types them


def configuration(
    data: pd.DataFrame | str | Path | None, target: str | None, options: Mapping[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    """Return the choices of groups as words, and all other options as nested values.

    Args:
        data: a data frame, the path of a table or of a folder of pictures, the name of a data set, or None.
        target: name of the column to predict.
        options: as keyword arguments: a choice of a group by name or as a dictionary with "name", a section as a
            dictionary, anything else by its key.

    >>> configuration("wine", None, {"activation": "swish", "trainer": {"max_epochs": 3}, "seed": 1})
    (['data=wine', 'activation=swish'], {'trainer': {'max_epochs': 3}, 'seed': 1})
    """
    given = {name: plain(value) for name, value in options.items()}
    own = given.pop("data", {})
    if not isinstance(own, dict):
        raise ConfigError(["data: give the options of the data as a dictionary, as in data={'drop': ['id']}"])
    given = {"data": own | _source(data, own), **given}
    if target is not None:
        given["data"]["target"] = target
    words: list[str] = []
    changes: dict[str, Any] = {}
    groups = launcher.group_choices()
    for name, value in given.items():
        if name in AS_WORDS:
            words.append(f"{name}={value}")
        elif name in groups and isinstance(value, (str, list)):
            words.append(f"{name}={value}" if isinstance(value, str) else f"{name}=[{','.join(map(str, value))}]")
        elif name in groups and isinstance(value, dict):
            chosen = value.pop("name", None)
            words += [] if chosen is None else [f"{name}={chosen}"]
            changes |= {name: value} if value else {}
        else:
            changes[name] = value
    return words, changes


def _source(data: pd.DataFrame | str | Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The kind of data and where it is."""
    if data is None:
        return {}
    known = GROUPS["data"][1]
    if isinstance(data, str) and data in known and not Path(data).exists():
        return {"name": data}
    if not isinstance(data, (str, Path)):
        data = keep_frame(data)
    name = options.get("name", "image_folder" if Path(data).is_dir() else "table")
    key = "root" if name == "image_folder" else "path"
    return {"name": name, key: str(Path(data).absolute())}


def keep_frame(frame: pd.DataFrame, folder: Path | None = None) -> Path:
    """Write a data frame as Parquet into ``runs/frames``, or another folder, named by its content; return the path.

    The same frame is the same file, so that a comparison of it can be continued. An index with a name, or of another
    type than whole numbers, becomes a column.

    Raises:
        DataError: no data frame, or columns that Parquet cannot hold.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"data must be a data frame, a path or the name of a data set, not {type(frame).__name__}")
    numbered = frame.index.nlevels == 1 and frame.index.name is None and pd.api.types.is_integer_dtype(frame.index)
    frame = frame.reset_index(drop=True) if numbered else frame.reset_index()
    frame.columns = [str(name) for name in frame.columns]
    if twice := sorted(set(frame.columns[frame.columns.duplicated()])):
        raise DataError(f"the data frame has two columns of the name {twice[0]!r}: rename one")
    buffer = io.BytesIO()
    try:
        frame.to_parquet(buffer, index=False)
    except Exception as error:  # of pyarrow: whatever a column holds that it cannot
        raise DataError(f"the data frame cannot be kept ({error}): give each column cells of one type") from error
    content = buffer.getvalue()
    folder = folder or records.project_root() / FRAMES
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"frame-{hashlib.sha256(content).hexdigest()[:16]}.parquet"
    if not path.is_file():
        files.write_bytes(path, content)
    return path


def plain(value: Any) -> Any:
    """A value as the configuration knows it: paths as text, tuples as lists, numbers of NumPy as Python's."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, Path):
        return str(value)
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value


def as_words(options: Mapping[str, Any]) -> list[str]:
    """Return nested options as one would type them, for a report that says how it was made.

    >>> as_words({"seeds": [0, 1], "trainer": {"max_epochs": 3}, "name": None})
    ['seeds=[0,1]', 'trainer.max_epochs=3', 'name=null']
    """
    words = []
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            words += [f"{key}.{word}" for word in as_words(value)]
        elif isinstance(value, list):
            words.append(f"{key}=[{','.join(map(str, value))}]")
        else:
            words.append(
                f"{key}={'null' if value is None else str(value).lower() if isinstance(value, bool) else value}"
            )
    return words

"""What an export takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adaptact.errors import ConfigError, did_you_mean
from adaptact.schema import option, split_words, types_of

FORMATS = ("onnx", "torch")


@dataclass
class Export:
    """Everything that `export` takes."""

    run: str = option("", "folder of a trained run")
    output: str | None = option(None, "folder to write to; null: export/ in the run's folder")
    formats: list[str] = option(list(FORMATS), "onnx (model.onnx), torch (model.pt2, of torch.export)")
    rows: str | None = option(
        None, "file of raw rows to check on, where the data of a run on a table is gone; null: the run's test rows"
    )
    follow_links: bool = option(False, "write through links that lead out of the folder")
    trust: str | None = option(None, "package whose code the run's configuration may import")
    debug: bool = option(False, "show the traceback of an error")


def read_words(words: list[str]) -> Export:
    """The options; values are taken as they stand, whatever signs a path has.

    Raises:
        ConfigError: with all problems at once.

    >>> read_words(["run=runs/[1] a", "formats=[onnx]"]).formats
    ['onnx']
    """
    raw, problems = split_words(words, types_of(Export))
    formats = [item.strip() for item in raw.pop("formats", ",".join(FORMATS)).strip("[]").split(",") if item.strip()]
    problems += [f"formats={item} is unknown. {did_you_mean(item, FORMATS)}" for item in formats if item not in FORMATS]
    if not formats:
        problems.append(f"formats is empty: name {' or '.join(FORMATS)}")
    given_flags = {key: raw.pop(key, "false").lower() for key in ("debug", "follow_links")}
    problems += [f"{key} must be true or false" for key, word in given_flags.items() if word not in {"true", "false"}]
    given: dict[str, str | None] = {key: None if value in {"", "null"} else value for key, value in raw.items()}
    if not given.get("run"):
        problems.append("run is missing: export run=<run folder>")
    if problems:
        raise ConfigError(problems)
    flags = {key: word == "true" for key, word in given_flags.items()}
    values: dict[str, Any] = {**given, **flags, "formats": list(dict.fromkeys(formats))}
    return Export(**values)

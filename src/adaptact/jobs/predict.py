"""``predict``: score a new file, or a folder of pictures, with a trained run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from adaptact import terminal
from adaptact.errors import ConfigError, UserError
from adaptact.schema import split_words

KEYS = ("run", "input", "output", "trust", "debug")


def run(words: list[str]) -> None:
    """Words: run=<run folder> input=new.csv [output=scored.csv|.parquet] [trust=package].

    Of a run on pictures the input is a folder of them, a picture or a table of paths. The last line on stdout is the
    path of the scored file; what was odd about the rows is said on stderr.

    Raises:
        ConfigError: an unknown or missing word.
        UserError: a run or a file that cannot be read, an output that would overwrite its input.
    """
    options = parse(words)
    source, folder = options["input"], Path(options["run"])
    stem = Path(source) if Path(source).is_dir() else Path(source).with_suffix("")
    output = Path(options.get("output") or f"{stem}-scored.csv")
    if output.suffix.lower() not in {".csv", ".parquet", ".pq"}:
        raise ConfigError([f"output={output} must end in .csv or .parquet"])
    if output.exists() and Path(source).exists() and output.samefile(source):
        raise ConfigError([f"output={output} is the input itself: name another file"])
    if not output.parent.is_dir():
        raise UserError(f"output={output}: there is no folder {output.parent}")
    with terminal.console(stderr=True).status("loading the run") as status:
        from adaptact.export import predict_images
        from adaptact.export.predict import predict_file
        from adaptact.export.trained_run import TableRun

        def say(rows: int) -> None:
            status.update(f"{rows:,} rows scored")

        tally: Any
        if predict_images.is_image_run(folder):
            pictures = predict_images.ImageRun.load(folder, options.get("trust"))
            tally = predict_images.predict_pictures(pictures, source, output, say)
        else:
            tally = predict_file(TableRun.load(folder, options.get("trust")), source, output, say)
    for line in tally.warnings():
        print(f"note: {line}", file=sys.stderr)
    print(f"{tally.rows:,} rows scored")
    print(output, flush=True)


def parse(words: list[str]) -> dict[str, str]:
    options, problems = split_words(words, KEYS)
    problems += [
        f"{key} is missing: predict run=<run folder> input=new.csv" for key in KEYS[:2] if not options.get(key)
    ]
    if problems:
        raise ConfigError(problems)
    return options

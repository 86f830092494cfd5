"""``predict``: score a new file, or a folder of pictures, with a trained run."""

from __future__ import annotations

import sys

from adaptact.api.predict import carry_out
from adaptact.config.words import read_options
from adaptact.export.options import Predict


def run(words: list[str]) -> None:
    """Words: run=<run folder> input=new.csv [output=scored.csv|.parquet] [trust=package].

    Of a run on pictures the input is a folder of them, a picture or a table of paths. The last line on stdout is the
    path of the scored file; what was odd about the rows is said on stderr.

    Raises:
        ConfigError: an unknown or missing word.
        UserError: a run or a file that cannot be read, an output that would overwrite its input.
    """
    output, tally = carry_out(read_options(Predict, words))
    for line in tally.warnings():
        print(f"note: {line}", file=sys.stderr)
    print(f"{tally.rows:,} rows scored")
    print(output, flush=True)

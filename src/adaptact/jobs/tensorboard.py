"""``tensorboard``: the dashboards of all runs, on this machine only."""

from __future__ import annotations

import contextlib
import sys
import threading

from adaptact.errors import ConfigError
from adaptact.records import project_root

DEFAULTS = {"logdir": "runs", "port": "6006"}


def run(words: list[str]) -> None:
    """Serve TensorBoard on localhost until Ctrl-C. Words: logdir=runs (folder), port=6006.

    Raises:
        ConfigError: an unknown word, a port that is no number or taken.
    """
    options = dict(DEFAULTS)
    for word in words:
        key, _, value = word.partition("=")
        if key not in DEFAULTS:
            raise ConfigError([f"unknown key {key!r}. Known: {', '.join(DEFAULTS)}."])
        options[key] = value
    if not options["port"].isdigit() or not 0 <= int(options["port"]) < 65536:
        raise ConfigError([f"port must be a number from 0 to 65535, not {options['port']!r}"])
    logdir = project_root() / options["logdir"]
    if not logdir.is_dir():
        raise ConfigError([f"there are no runs in {logdir} yet: run `make train` first, or set logdir="])
    from tensorboard import program

    server = program.TensorBoard()
    server.configure(argv=[None, "--logdir", str(logdir), "--host", "127.0.0.1", "--port", options["port"]])
    try:
        url = server.launch()
    except program.TensorBoardServerException as error:
        raise ConfigError([f"{error.msg} Set another one: port=6007"]) from None
    print(f"TensorBoard of {logdir} at {url} (Ctrl-C ends it)", file=sys.stderr, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()

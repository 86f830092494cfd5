"""Workers of joblib's loky that are forks of their command, made before it begins: no imports to wait for.

They are children of the command, in its session, as real ones are, which need 10 s of processor time each to start.
"""

from __future__ import annotations

import fcntl
import json
import os
import runpy
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from joblib.externals.loky.backend import fork_exec as loky

FREE = 200  # file descriptors from here on are in nobody's way


def keep_ready(number: int) -> None:
    """Fork so many workers-to-be, which loky takes before it starts processes of its own."""
    ready: list[tuple[socket.socket, int]] = []
    for _ in range(number):
        ours, theirs = socket.socketpair()
        process = os.fork()
        if not process:
            for other, _ in [*ready, (ours, 0)]:
                other.close()
            _become_worker(theirs)
        theirs.close()
        ready.append((ours, process))
    start: Any = loky.fork_exec

    def fork_exec(command: Sequence[str], keep_fds: Sequence[int], env: Mapping[str, str] | None = None) -> int:
        if not ready:
            return int(start(command, keep_fds, env=env))
        link, process = ready.pop(0)
        numbers = [int(number) for number in keep_fds]
        order = {"command": list(command), "numbers": numbers, "environment": {**os.environ, **(env or {})}}
        socket.send_fds(link, [json.dumps(order).encode()], numbers)
        link.close()
        return process

    vars(loky)["fork_exec"] = fork_exec


def _become_worker(link: socket.socket) -> None:
    """Wait for the order to be a worker, which does not come if the command ends before, and never return."""
    code = 1
    try:
        message, given, *_ = socket.recv_fds(link, 1 << 20, 64)
        link.close()
        if not message:
            os._exit(0)
        order = json.loads(message)
        aside = [fcntl.fcntl(own, fcntl.F_DUPFD_CLOEXEC, FREE) for own in given]
        for own in given:
            os.close(own)
        for own, number in zip(aside, order["numbers"]):
            os.dup2(own, number)
            os.close(own)
        os.environ.clear()
        os.environ.update(order["environment"])
        name = "joblib.externals.loky.backend.popen_loky_posix"
        sys.argv = order["command"][2:]
        sys.modules.pop(name, None)
        runpy.run_module(name, run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        os._exit(code)

"""Text on a terminal: every control character that names, labels and messages may carry is shown, not obeyed."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator
from typing import IO, Any, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# C0 (but for tab and line feed), DEL, C1, and what turns the direction of writing or starts a line of its own
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\udc80-\udcff]")
WIDE = 120  # columns of a table that goes to a file or another program


def clean(text: str) -> str:
    r"""Show each control and bidirectional character of ``text`` as an escape.

    >>> clean("a\x1b[2Jb\u202ec")
    'a\\x1b[2Jb\\u202ec'
    """
    return CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class CleanStream:
    """A text stream that writes only what :func:`clean` leaves; all else is that of the stream within."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(clean(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextlib.contextmanager
def guarded_output() -> Iterator[None]:
    """Clean all that is printed meanwhile; letters that the terminal's encoding lacks become escapes, too."""
    before = sys.stdout, sys.stderr
    for name, stream in zip(("stdout", "stderr"), before):
        if stream is None or isinstance(stream, CleanStream):
            continue
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        setattr(sys, name, CleanStream(stream))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def console(*, stderr: bool = False, width: int = WIDE) -> Console:
    """A rich console for stdout, or for stderr: its own colours pass, control characters in texts do not.

    Args:
        width: columns where stdout is a file or a pipe.
    """
    stream = sys.stderr if stderr else sys.stdout
    inner = stream.stream if isinstance(stream, CleanStream) else stream
    own_width = stderr or inner.isatty()
    return _CleanConsole(file=cast("IO[str]", inner), width=None if own_width else width)


class _CleanConsole(Console):
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=clean(segment.text))

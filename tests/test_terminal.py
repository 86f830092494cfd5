"""Nothing that a name or a message carries is obeyed by a terminal."""

import io
import itertools
import re
import sys
import tokenize
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.markup import escape
from rich.table import Table

from adaptact import terminal
from adaptact.terminal import clean, console, guarded_output

ODD = "a\x1b[2Jb\x1b]0;title\x07c\u202edrow\u2066x\x9b31m\x7f\r\u2028z"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@given(st.text())
def test_no_control_is_left_and_all_else_stays(text: str) -> None:
    found = clean(text)
    assert not OBEYED.search(found)
    assert clean(found) == found
    if not re.search(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", text):
        assert found == text


def test_what_is_printed_is_clean_and_the_streams_are_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with guarded_output():
        print(ODD)
        print(ODD, file=sys.stderr)
        sys.stdout.writelines([ODD, "\n"])
        table = Table(title=escape(ODD))
        table.add_column(escape(ODD))
        table.add_row(escape(ODD))
        console().print(table)
        console(stderr=True).print(escape(ODD))
    assert (sys.stdout, sys.stderr) == before
    out, err = capsys.readouterr()
    assert not OBEYED.search(out + err)
    assert out.count(r"\x1b[2J") >= 4
    assert r"\u202e" in err


def test_colours_of_our_own_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("FORCE_COLOR", "1")
    console().print("[bold red]fine[/]" + escape("\x1b[31mnot"), highlight=False)
    assert "\x1b[1;31mfine" in stream.getvalue()
    assert r"\x1b[31mnot" in stream.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "cp932", "cp1252", "utf-8"])
def test_letters_that_a_console_lacks_are_escapes(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    inner = sys.stdout
    with guarded_output():
        print("解約 – é €")
        table = Table("解約", "é")
        table.add_row("한", "€")
        console().print(table)
        inner.flush()
    text = inner.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert ("解約" in text) == (encoding in {"cp932", "utf-8"})
    assert "\\u" in text or "\\x" in text or encoding == "utf-8"


def test_every_console_is_made_in_one_place() -> None:
    """A console of rich's own would print controls, or lose its colours in the guard."""
    source = Path(terminal.__file__).parent
    made = []
    for path in source.rglob("*.py"):
        with tokenize.open(path) as file:
            words = [token.string for token in tokenize.generate_tokens(file.readline)]
        made += [path.name for one, two in itertools.pairwise(words) if (one, two) == ("Console", "(")]
    assert set(made) <= {"terminal.py"}

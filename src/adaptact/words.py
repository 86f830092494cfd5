"""The words after a job, checked one by one: flags, ``name=value``, and the few keys of Hydra's own that may be typed.

What is not allowed here does not reach Hydra, and what its grammar cannot read is said with its place in the word.
Values that are text (paths, column names) are quoted, since that grammar would refuse or split them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adaptact import config
from adaptact.errors import did_you_mean
from adaptact.shapes import repr_short

MAKE_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*=")  # PYTHON=, TORCH_INDEX=: for the Makefile, not for the job
MOST_LETTERS = 100_000  # of a word that Hydra's grammar reads, which takes a second for them
MOST_DEPTH = 50  # of its brackets

KEY = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*", flags=re.ASCII)

SWITCHES = {"-m": "multirun", "--multirun": "multirun", "--resolve": "resolve", "--version": "version"}
VALUED = {
    "--config-dir": "config_dir",
    "-cd": "config_dir",
    "--cfg": "cfg",
    "-c": "cfg",
    "--info": "info",
    "-i": "info",
    "--package": "package",
    "-p": "package",
}
CHOICES = {
    "cfg": ("job", "hydra", "all"),
    "info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
}
REFUSED = {
    "--experimental-rerun": "it runs what a pickle holds; resume=<run folder> continues a run",
    "--config-path": "--config-dir names a folder of files of your own",
    "--config-name": "write what you set into experiment/<name>.yaml below --config-dir, and experiment=<name>",
}

# Keys of Hydra's own that run no code. Not among them: callbacks, job_logging, hydra_logging (classes by name),
# searchpath (imports packages), job.env_set (changes how Python starts).
HYDRA_KEYS = re.compile(
    r"hydra\.(run\.dir|sweep\.(dir|subdir)|mode|verbose|output_subdir|job\.(name|chdir)"
    r"|job\.config\.override_dirname\.[a-z_]+|(sweeper|launcher)(\.[A-Za-z]\w*)+)"
)
HYDRA_GROUPS = re.compile(r"hydra/(launcher|sweeper)(/[a-z]\w*)?")
ALLOWED = (
    "hydra.run.dir, hydra.sweep.*, hydra.sweeper.*, hydra.launcher.*, hydra/sweeper, hydra/launcher, hydra.mode, "
    "hydra.verbose, hydra.output_subdir, hydra.job.name, hydra.job.chdir"
)


SEVERAL_AT_ONCE = {"logger", "callbacks"}  # groups that take files together, as in logger=[tensorboard,mlflow]


@dataclass
class Flags:
    """Hydra's flags, as far as they are taken."""

    multirun: bool = False
    resolve: bool = False
    version: bool = False
    config_dir: str | None = None
    cfg: str | None = None
    info: str | None = None
    package: str | None = None

    @property
    def folder(self) -> Path | None:
        """The folder of ``--config-dir``."""
        return None if self.config_dir is None else Path(self.config_dir)


@dataclass
class Prepared:
    """Words as Hydra takes them, and everything that is wrong with those that are left out."""

    overrides: list[str] = field(default_factory=list)
    hydra: list[str] = field(default_factory=list)  # those among them that are about Hydra itself
    several: bool = False  # they ask for several runs
    problems: list[str] = field(default_factory=list)


def words_from_make(environment: Mapping[str, str]) -> list[str]:
    """The ``name=value`` words that were typed after ``make <job>``, in their order, exactly as typed.

    GNU make hands them on in MAKEFLAGS, last one first, after ``--``, with blanks and backslashes escaped by a
    backslash and dollars doubled.

    >>> words_from_make({"MAKEFLAGS": r"s -j2 -- data.target=解約 data.path=a\\ b,$$c.csv"})
    ['data.path=a b,$c.csv', 'data.target=解約']
    """
    words = re.findall(r"(?:\\.|[^ \t\n\\])+", environment.get("MAKEFLAGS", ""), flags=re.DOTALL)
    typed = words[words.index("--") + 1 :] if "--" in words else []
    plain = [re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL).replace("$$", "$") for word in reversed(typed)]
    return [word for word in plain if not MAKE_VARIABLE.match(word)]


def split_flags(words: list[str]) -> tuple[Flags, list[str], list[str]]:
    """Flags, all other words, and what is wrong with flags. Nothing is abbreviated or run together.

    >>> flags, rest, problems = split_flags(["-m", "--config-dir=conf", "seed=0", "--exp=x"])
    >>> flags.multirun, flags.config_dir, rest, len(problems)
    (True, 'conf', ['seed=0'], 1)
    """
    flags = Flags()
    rest: list[str] = []
    problems: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if not word.startswith("-"):
            rest.append(word)
            continue
        flag, separator, value = word.partition("=")
        if not separator and flag in SWITCHES:
            setattr(flags, SWITCHES[flag], True)
        elif flag in VALUED:
            name = VALUED[flag]
            choices = CHOICES.get(name)
            if not separator and queue and (name != "info" or queue[0] in CHOICES["info"]):
                value = queue.pop(0)
            elif not separator and name == "info":
                value = "all"
            if not value or (choices and value not in choices):
                given = f", not {repr_short(value)}" if value else ""
                problems.append(f"{flag} takes {' or '.join(choices) if choices else 'a value'}{given}")
            elif getattr(flags, name) is not None:
                problems.append(f"{flag} is given twice: give it once")
            else:
                setattr(flags, name, value)
        else:
            reason = next((why for known, why in REFUSED.items() if len(flag) > 3 and known.startswith(flag)), "")
            reason = reason or did_you_mean(flag, [*SWITCHES, *VALUED, "--help"])
            problems.append(f"{repr_short(flag)} is no flag that is taken: {reason}")
    return flags, rest, problems


def prepare(words: list[str], groups: Mapping[str, list[str]]) -> Prepared:
    """Check words that are no flags, and quote those values that are text.

    Args:
        words: as typed.
        groups: the choices of each configuration group.
    """
    result = Prepared()
    searching = any(re.fullmatch(r"\+*hydra/sweeper=(?!basic$).*", word) for word in words)
    for word in words:
        try:
            prepared, several = _prepared(word, groups, searching=searching)
        except ValueError as error:
            result.problems.append(str(error))
            continue
        result.overrides.append(prepared)
        result.several |= several
        if re.match(r"\+*hydra[./]", prepared):
            result.hydra.append(prepared)
    return result


def _prepared(word: str, groups: Mapping[str, list[str]], *, searching: bool) -> tuple[str, bool]:
    """A word as Hydra takes it, and if it stands for several values; ValueError says what is wrong with it."""
    key, separator, value = word.partition("=")
    name = key.lstrip("+~")
    if not separator and not key.startswith("~"):
        raise ValueError(f"{repr_short(word)} is not of the form name=value")
    if re.match(r"hydra\b", name):
        return _hydra_word(word, name, value), False
    if not KEY.fullmatch(name):
        reason = f"{repr_short(name)} is no name of a key" if name else "it names no key"
        raise ValueError(f"{repr_short(word)}: {reason}; names are Latin letters, digits, _ and single dots")
    if key.startswith("~"):
        _parse(word, word)
        return word, False
    if name in groups:
        if "(" not in value:
            together = name in SEVERAL_AT_ONCE and value.startswith("[") and value.endswith("]")
            choices = [c.strip() for c in (value[1:-1] if together else value).split(",")]
            if unknown := [c for c in choices if c not in groups[name]]:
                said = [f"{name}={c} is unknown. {did_you_mean(c, groups[name])}" for c in unknown]
                raise ValueError("\n".join(said))
        return f"{name}={value}", _several(_parse(f"{name}={value}", word), word, groups[name], searching=searching)
    quoted = f"++{name}={_for_hydra(name, value)}"
    try:
        parsed = _parse(quoted, word)
    except ValueError:
        if config.field_types(name):
            raise
        quoted = f"++{name}={quote(value)}"  # a key of a class of the user's own: text
        parsed = _parse(quoted, word)
    return quoted, _several(parsed, word, None, searching=searching)


def _hydra_word(word: str, name: str, value: str) -> str:
    group = HYDRA_GROUPS.fullmatch(name)
    if not (group or HYDRA_KEYS.fullmatch(name)) or word.startswith("~"):
        raise ValueError(
            f"{repr_short(name)} is not taken from words: it may run code. Of Hydra's keys, type {ALLOWED}"
        )
    if group and not re.fullmatch(r"[\w-]+", value, flags=re.ASCII):
        raise ValueError(f"{name}={value} is no name of an installed plugin")
    parsed = _parse(word, word)
    if parsed.is_sweep_override():
        raise ValueError(f"{name} takes one value for all runs")
    if name.startswith(("hydra.launcher", "hydra.sweeper")) and not group:
        if "${" in str(parsed.value()):
            raise ValueError(f"{name} takes a plain value: what ${{...}} stands for could name a class")
        if any(key.startswith("_") for key in _keys(parsed.value())):
            raise ValueError(f"{name} takes no keys that begin with _: they name classes")
    return word


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*map(str, value), *(key for item in value.values() for key in _keys(item))]
    return [key for item in value for key in _keys(item)] if isinstance(value, list) else []


def _several(parsed: Any, word: str, choices: list[str] | None, *, searching: bool) -> bool:
    """Check that a word for several runs gives at least one value, before Hydra asks for it."""
    from hydra.core.override_parser.types import Glob

    if not parsed.is_sweep_override():
        return False
    if isinstance(parsed.value(), Glob):
        if choices is None:
            raise ValueError(f"{repr_short(word)}: glob() picks files of a group, as in activation=glob(s*)")
        if not parsed.value().filter(choices):
            raise ValueError(f"{repr_short(word)} picks nothing. Known: {', '.join(choices)}.")
        return True
    if parsed.is_interval_sweep():
        if not searching:
            raise ValueError(
                f"{repr_short(word)}: interval() is for a sweeper that searches, typed as hydra/sweeper=<name>; "
                "choice(...), range(...) and commas need none"
            )
        return True
    try:
        first = next(parsed.sweep_iterator(), None)
    except Exception as error:  # whatever a function of the grammar makes of its arguments
        raise ValueError(f"{repr_short(word)} gives no values: {error}") from None
    if first is None:
        raise ValueError(f"{repr_short(word)} gives no values")
    return True


# --- text ---------------------------------------------------------------------------------------------------------


def _for_hydra(name: str, value: str) -> str:
    types = [str(t) for t in config.field_types(name)]
    if any(t.startswith("list[str]") for t in types):
        return value if value in {"null", "[]"} else f"[{','.join(map(quote, _split(value)))}]"
    is_text = any(t in {"<class 'str'>", "str | None"} for t in types)
    if is_text and not (value == "null" and "str | None" in types) and name not in {"monitor"}:
        return quote(value)
    return value


def _split(value: str) -> list[str]:
    """The items of ``[a, b c]`` or ``a,b c``; an item in quotes keeps its commas."""
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    items = re.findall(r"""\s*("[^"]*"|'[^']*'|[^,]*)\s*(?:,|$)""", inner)
    return [item.strip() for item in items if item.strip()]


def quote(text: str) -> str:
    """``text`` as a quoted value of Hydra's grammar that comes out as it went in, interpolations included."""
    from hydra.core.override_parser.types import Quote, QuotedString

    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]  # quoted by the user already
    return QuotedString(text.replace("${", "\\${"), Quote.single).with_quotes()


# --- grammar ------------------------------------------------------------------------------------------------------


def _parse(text: str, word: str) -> Any:
    """``text``, in the place of ``word``, as Hydra reads it; ValueError says where it cannot, and why."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    shown = repr_short(word)
    if len(text) > MOST_LETTERS:
        raise ValueError(f"{shown} has {len(word):,} letters, and at most {MOST_LETTERS:,} are read")
    if _depth(text) > MOST_DEPTH:
        raise ValueError(f"{shown} has more than {MOST_DEPTH} brackets inside each other")
    try:
        return OverridesParser.create().parse_override(text)
    except Exception as error:  # its functions raise whatever their arguments make them raise
        if (column := _where(text)) is None:
            raise ValueError(f"{shown} cannot be read: {_spoken(str(error), word)}") from None
        column = max(0, column - len(text) + len(word)) if text.endswith(word.lstrip("+")) else None
        raise ValueError(_explained(word, shown, column)) from None


def _spoken(message: str, word: str) -> str:
    """Plain words for a function of the grammar that does not exist, or that cannot use its arguments."""
    line = message.split("\n", maxsplit=1)[0]
    found = re.fullmatch(r"\w+ while evaluating '(.*?)': (.*)", line)
    if not found:
        return line or "its value is none that Hydra knows"
    call, reason = found.groups()
    name = call.partition("(")[0]
    where = f"{name}(...) at position {word.find(f'{name}(') + 1}"
    if reason.startswith("Unknown function"):
        known = "choice, range, interval, glob, sort, shuffle, tag, int, float, str, bool"
        return f"{where} is no function here. Known: {known}. Text with brackets is typed in quotes inside quotes"
    return f"{where} cannot use what is in its brackets: {reason}"


def _depth(text: str) -> int:
    depth = most = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        most = max(most, depth)
    return most


def _where(text: str) -> int | None:
    """The column in which Hydra's grammar stops, None where the grammar takes all of it."""
    from antlr4 import CommonTokenStream, InputStream
    from antlr4.error.ErrorListener import ErrorListener
    from hydra.grammar.gen.OverrideLexer import OverrideLexer
    from hydra.grammar.gen.OverrideParser import OverrideParser

    columns: list[int] = []

    class Listener(ErrorListener):  # type: ignore[misc]
        def syntaxError(self, recognizer: Any, symbol: Any, line: int, column: int, message: str, e: Any) -> None:  # noqa: N802
            columns.append(column)

    lexer = OverrideLexer(InputStream(text))
    lexer.removeErrorListeners()
    lexer.addErrorListener(Listener())
    parser = OverrideParser(CommonTokenStream(lexer))
    parser.removeErrorListeners()
    parser.addErrorListener(Listener())
    parser.override()
    return columns[0] if columns else None


def _explained(word: str, shown: str, column: int | None) -> str:
    """Plain words for a word that the grammar cannot read from ``column`` on."""
    key, _, value = word.partition("=")
    way_out = f"""text with such letters is typed in quotes inside quotes: "{key}='...'" """.strip()
    if config.field_types(key.lstrip("+~")):  # no text, or it would have been quoted
        way_out = "type one value, a list [a,b], or a,b for several runs"
    found, why = column, ""
    if (bracket := _unbalanced(word)) is not None:
        found, letter = bracket, word[bracket]
        why = "closes nothing" if letter in ")]}" else "is not closed" if letter in "([{" else "opens a quote only"
    elif value.endswith(","):
        return f"{shown} cannot be read: ',' at position {len(word)} promises one more value: add it, or leave ',' out"
    elif "$(" in value or "`" in value:
        why = "is not what a value may hold here; nothing is run by a shell"
    if found is None or found >= len(word):
        return f"{shown} cannot be read: its end comes too early; {way_out}"
    why = why or "is not what a value may hold here"
    return f"{shown} cannot be read: {word[found]!r} at position {found + 1} {why}; {way_out}"


def _unbalanced(word: str) -> int | None:
    """Where a bracket stands without its other half, or a quote is not closed; brackets inside quotes do not count."""
    opened: list[int] = []
    quote: int | None = None
    for index, letter in enumerate(word):
        if quote is not None:
            quote = None if letter == word[quote] and word[index - 1] != "\\" else quote
        elif letter in "'\"":
            quote = index
        elif letter in "([{":
            opened.append(index)
        elif letter in ")]}":
            if not opened or word[opened[-1]] + letter not in {"()", "[]", "{}"}:
                return index
            opened.pop()
    return quote if quote is not None else opened[-1] if opened else None

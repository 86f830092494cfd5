"""Hashes of the source files that a run's numbers depend on."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
AFTER_THE_RUNS = (
    "report",
    "rollout",
    "api",
    "jobs",
    "benchmark",
    "export",
)  # folders that no run's numbers depend on
SOURCES = (".py", ".cpp")


@cache
def code_files(package: Path = PACKAGE) -> dict[str, str]:
    """SHA-256, shortened, of each source file that a run depends on, by its path in the package; and torch's version.

    All files count but those of folders that only read what runs left. Of Python it is the syntax tree without
    docstrings: comments, docstrings and layout may be corrected in the middle of a comparison.
    """
    found = {"torch": version("torch")}
    for path in sorted(path for suffix in SOURCES for path in package.rglob(f"*{suffix}")):
        name = path.relative_to(package).as_posix()
        if name.partition("/")[0] not in AFTER_THE_RUNS:
            found[name] = file_digest(path)
    return found


def file_digest(path: Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a source file; of Python of its :func:`tree`."""
    content = path.read_bytes().replace(b"\r\n", b"\n")
    if path.suffix == ".py":
        content = "\0".join(tree(ast.parse(content))).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def tree(node: ast.AST) -> Iterator[str]:
    """The syntax tree as words, without docstrings, the same under every version of Python that knows the syntax.

    ``ast.dump`` is not used: what it writes for empty fields has changed between versions.
    """
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if value is None or value == []:
            continue
        yield name
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, ast.AST):
                if not _is_words(item):
                    yield from tree(item)
            else:
                yield repr(item)
    yield "."


def _is_words(statement: ast.AST) -> bool:
    """Return True for a docstring, of a module, class, function or constant."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )

"""Limits of the source: files and functions that can be read at once, jobs that only parse, call and print."""

import ast
import re
from pathlib import Path

import pytest

import adaptact

SOURCE = Path(adaptact.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
KINDS = "Table|Rows|Text|ImageFolder|Idx|CustomData|Bundled|NoData|Tokens|Pixels|TablePreparation|TextPreparation"


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    docstring = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


@pytest.mark.parametrize("file", FILES, ids=[file.relative_to(SOURCE).as_posix() for file in FILES])
def test_a_file_and_its_functions_can_be_read_at_once(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count("\n") <= (100 if file.parent.name == "jobs" else 450)
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    assert [function.name for function in functions if lines_of(function) > 80] == []


def test_nobody_outside_asks_data_for_its_kind() -> None:
    asked = re.compile(rf"isinstance\([^)]*\b(config\.)?({KINDS})\b")
    outside = [file for file in FILES if not file.is_relative_to(SOURCE / "data")]
    assert [file.name for file in outside if asked.search(file.read_text(encoding="utf-8"))] == []

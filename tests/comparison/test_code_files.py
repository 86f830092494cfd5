"""The hash of the code: every file that a run's numbers depend on, and nothing that only words changed."""

import shutil
from pathlib import Path

import pytest

from adaptact.comparison.code_files import AFTER_THE_RUNS, PACKAGE, code_files, file_digest
from adaptact.comparison.plan import code_version, digest

SOURCES = sorted(path.relative_to(PACKAGE).as_posix() for suffix in ("*.py", "*.cpp") for path in PACKAGE.rglob(suffix))
KINDS = [
    *("layouts.py", "schema.py", "records.py", "errors.py", "trust.py", "fonts.py", "launcher.py"),
    *("activations/cpu/kernels.cpp", "activations/functional.py", "comparison/plan.py", "config/data.py"),
    *("data/splits.py", "models/mlp.py", "training/run.py", "callbacks/stability.py", "__init__.py"),
]


@pytest.mark.parametrize("name", SOURCES)
def test_a_changed_line_changes_the_hash_of_every_file_that_counts(name: str, tmp_path: Path) -> None:
    counts = name.partition("/")[0] not in AFTER_THE_RUNS
    assert (name in code_files()) is counts
    copy = tmp_path / Path(name).name
    content = (PACKAGE / name).read_text(encoding="utf-8")
    copy.write_text(content, encoding="utf-8")
    same = file_digest(copy)
    copy.write_text(content + ("\n_TOUCHED = 1\n" if name.endswith(".py") else "\nint touched;\n"), encoding="utf-8")
    assert file_digest(copy) != same


@pytest.mark.parametrize("name", KINDS)
def test_one_changed_file_changes_the_hash_of_the_code(name: str) -> None:
    files = code_files()
    assert name in files
    assert digest(files | {name: "0" * 16}) != code_version()


def test_words_may_be_corrected(tmp_path: Path) -> None:
    def of(text: str) -> str:
        path = tmp_path / "some.py"
        path.write_text(text, encoding="utf-8")
        return file_digest(path)

    before = of('"""Old words."""\nimport os\n\ndef f(x):\n    """Says it."""\n    return x + 1\n')
    assert of('"""New."""\nimport os\n\n\n# why\ndef f(x):\n    """Say it."""\n    return (x + 1)\n') == before
    assert of("import os\n\ndef f(x):\n    return x + 1\n") == before
    assert of('"""Old words."""\nimport os\n\ndef f(x):\n    """Says it."""\n    return x + 2\n') != before
    assert of('"""Old words."""\nimport os\n\ndef f(x):\n    x = "Says it."\n    return x + 1\n') != before


def test_words_after_a_constant_and_line_ends_may_change(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('MOST = 3\n"""Beyond so many."""\n', encoding="utf-8")
    (tmp_path / "b.py").write_text('MOST = 3\n"""Other words."""\n', encoding="utf-8")
    assert file_digest(tmp_path / "a.py") == file_digest(tmp_path / "b.py")
    (tmp_path / "a.cpp").write_bytes(b"int x;\nint y;\n")
    (tmp_path / "b.cpp").write_bytes(b"int x;\r\nint y;\r\n")
    assert file_digest(tmp_path / "a.cpp") == file_digest(tmp_path / "b.cpp")


def test_a_package_elsewhere_has_the_same_hash(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "adaptact", ignore=shutil.ignore_patterns("__pycache__"))
    assert code_files(tmp_path / "adaptact") == code_files()
    (tmp_path / "adaptact" / "training" / "losses.py").write_text("x = 1\n", encoding="utf-8")
    changed = code_files.__wrapped__(tmp_path / "adaptact")
    assert [name for name in changed if changed[name] != code_files()[name]] == ["training/losses.py"]

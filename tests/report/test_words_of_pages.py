"""Sentences of the pages: each is used by some page."""

import re
from pathlib import Path

import pytest

from adaptact.report import backtest_words, comparison_words, rollout_words

SOURCE = Path(comparison_words.__file__).parents[1]
TABLES = {module.__name__: module for module in (backtest_words, comparison_words, rollout_words)}


def sentences(module: object) -> dict[str, tuple[str, str]]:
    tables = (value for value in vars(module).values() if isinstance(value, dict))
    return {
        key: texts
        for table in tables
        for key, texts in table.items()
        if isinstance(texts, tuple) and len(texts) == 2 and all(isinstance(text, str) for text in texts)
    }


@pytest.mark.parametrize("name", TABLES)
def test_every_sentence_is_used(name: str) -> None:
    """By its key as a literal, or by a key that is put together from a literal beginning or end."""
    own = Path(TABLES[name].__file__ or "")
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py") if path != own)
    built = {(m[1], m[2]) for m in re.finditer(r'f"([a-z_]*)\{[^}"]*\}([a-z_]*)"', code) if m[1] or m[2]}
    assert len(sentences(TABLES[name])) > 40
    unused = [
        key
        for key in sentences(TABLES[name])
        if not re.search(f"[\"']{key}[\"']", code)
        and not any(key.startswith(start) and key.endswith(end) for start, end in built)
    ]
    assert unused == []

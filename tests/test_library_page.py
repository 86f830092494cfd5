"""Every block of code in docs/library.md runs, section by section, as a reader would paste it into an empty folder."""

import re
import shutil
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "library.md").read_text(encoding="utf-8")
SECTIONS = {
    part.splitlines()[0]: "\n".join(blocks)
    for part in PAGE.split("\n## ")
    if (blocks := re.findall(r"^```python\n(.*?)^```$", part, flags=re.DOTALL | re.MULTILINE))
}
SLOW = {"A Lightning trainer of your own", "Hugging Face's Trainer", "Compiled"}


def test_every_block_belongs_to_a_section_that_is_run() -> None:
    assert sum(code.count("import torch\n") for code in SECTIONS.values()) == PAGE.count("```python") == len(SECTIONS)
    assert set(SECTIONS) >= SLOW


@pytest.mark.parametrize(
    "title", [pytest.param(title, marks=pytest.mark.slow) if title in SLOW else title for title in SECTIONS]
)
def test_a_section_runs(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if title == "Hugging Face's Trainer":
        pytest.importorskip("transformers"), pytest.importorskip("accelerate")
    if title == "Compiled" and not shutil.which("g++"):
        pytest.skip("torch.compile needs a C++ compiler")
    monkeypatch.chdir(tmp_path)
    exec(compile(SECTIONS[title], title, "exec"), {"__name__": "__main__"})  # noqa: S102 - our own page

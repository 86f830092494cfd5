"""The page of check-data: whole, self-contained, and nothing in a file becomes markup."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adaptact import config
from adaptact.data.findings import unusable
from adaptact.data.table import checks, table
from adaptact.report.blocks import Document, Gallery, Histogram, Note, Shares, Table, to_markdown
from adaptact.report.data_page import page
from adaptact.report.html import to_html

HOSTILE = '<script>alert("x")</script>'


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append(tag)
        assert not any(name in {"src", "href"} or name.startswith("on") for name, _ in attrs)


def test_hostile_names_and_cells_stay_text(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({HOSTILE: draw.normal(size=300).round(3), "<b>c</b>": draw.choice([HOSTILE, "ok"], 300)})
    frame["<i>y</i>"] = draw.choice(["<u>yes</u>", "no"], 300)
    path = tmp_path / "<img src=x onerror=alert(1)>.csv"
    frame.to_csv(path, index=False)
    options = config.Table(name="table", path=str(path), target="<i>y</i>")
    text = page(checks.report(table.read_and_split(options), options))
    tags = Tags()
    tags.feed(text)
    assert not {"script", "img", "b>c", "i", "u"} & set(tags.found)
    assert "&lt;script&gt;" in text
    assert not re.search(r"https?://", text)  # nothing from elsewhere


def test_an_unusable_table_has_a_page_too() -> None:
    options = config.Table(name="table", path="a.csv", target="y")
    text = page(unusable(options.path, options.target, "the target 'y' has 1 value"))
    assert "Not usable yet" in text
    assert "the target &#x27;y&#x27; has 1 value" in text


def test_charts_of_a_cell_are_words_in_markdown_and_escaped_in_html() -> None:
    chart = Shares([(HOSTILE, "3", 0.75), ("no | way", "1", 0.25)])
    table = Table([{"n": "4", "values": chart}, {"n": "5", "values": Histogram([1, 4], "<0> to 2")}], numbers=("n",))
    document = Document("t", [Note("good", "good"), table, Gallery(HOSTILE, [b"png"])])
    html = to_html(document, "en", {})
    assert "<script" not in html
    assert 'class="note good"' in html
    assert '<td class="number">4</td>' in html
    assert 'width="45.0"' in html
    assert "&lt;0&gt; to 2" in html
    assert "data:image/png;base64,cG5n" in html
    markdown = to_markdown(document)
    assert "no \\| way 1" in markdown
    assert "&lt;0> to 2" in markdown
    assert "<script" not in markdown

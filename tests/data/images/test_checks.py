"""What check-data finds in a folder of pictures, and its page."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adaptact import config
from adaptact.data.findings import Finding
from adaptact.data.images.checks import findings, neighbours, report, samples, unusable
from adaptact.data.images.folder import read_and_split
from adaptact.report.data_page import page
from pictures import picture, write_folder

HOSTILE = '<script>alert("x")'  # a folder's name cannot hold a slash


def options(root: Path, **changes: Any) -> config.ImageFolder:
    return config.ImageFolder(name="image_folder", root=str(root), cache=str(root.parent / "cache"), **changes)


def found_in(root: Path, **changes: Any) -> dict[str, Finding]:
    asked = options(root, **changes)
    return {finding.kind: finding for finding in findings(read_and_split(asked), asked)}


def test_a_good_folder_is_ready(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", per_class=110)
    asked = options(root)
    found = report(read_and_split(asked), asked)
    assert found["verdict"] == "ready"
    assert found["findings"] == []
    assert found["rows"] == {"train": 132, "val": 44, "test": 44, "all": 220}
    assert [(one["label"], one["pictures"], one["test"]) for one in found["classes"]] == [
        ("赤い丸", 110, 22),
        ("青い丸", 110, 22),
    ]
    assert found["sizes"] == {"24 x 32": 220}
    assert found["modes"] == {"RGB": 220}


def test_copies_and_pictures_under_two_labels_are_found(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", per_class=110)
    shutil.copy(root / "赤い丸" / "000.png", root / "赤い丸" / "copy.png")
    found = found_in(root)
    assert found["duplicate"].level == "info"
    assert "赤い丸/000.png and 赤い丸/copy.png" in found["duplicate"].detail
    assert "label_noise" not in found
    shutil.copy(root / "赤い丸" / "000.png", root / "青い丸" / "copy.png")
    assert "1 pictures stand under two labels" in found_in(root)["label_noise"].detail


def test_copies_across_given_folders_make_the_data_unusable(tmp_path: Path) -> None:
    for seed, part in enumerate(("train", "test")):
        write_folder(tmp_path / "set" / part, per_class=60, seed=seed)
    for path in sorted((tmp_path / "set" / "test" / "赤い丸").iterdir())[:3]:
        shutil.copy(path, tmp_path / "set" / "train" / "赤い丸" / f"again{path.name}")
    asked = options(tmp_path / "set")
    found = report(read_and_split(asked), asked)
    assert found["verdict"] == "unusable"
    severe = [one for one in found["findings"] if one["level"] == "severe"]
    assert [one["kind"] for one in severe] == ["duplicate"]
    assert severe[0]["detail"].startswith("3 pictures stand in more than one of the folders")


def series(root: Path, shots: int) -> Path:
    """60 things per class, each photographed several times with a little noise."""
    draw = np.random.default_rng(0)
    for label, color in (("a", (200, 40, 40)), ("b", (40, 60, 200))):
        (root / label).mkdir(parents=True)
        for thing in range(60):
            base = np.asarray(picture(color, draw)).astype(int)
            for shot in range(shots):
                noisy = (base + draw.integers(-2, 3, base.shape)).clip(0, 255).astype(np.uint8)
                Image.fromarray(noisy).save(root / label / f"part{thing}_{shot}.bmp")
    return root


def test_series_of_one_thing_are_seen_by_neighbours_that_look_alike(tmp_path: Path) -> None:
    root = series(tmp_path / "set", shots=3)
    found = found_in(root)["near_duplicate"]
    assert found.level == "warning"
    near, pairs = map(int, re.match(r"(\d+) of (\d+) neighbours", found.detail).groups())  # type: ignore[union-attr]
    assert pairs == 2 * (60 * 3 - 1)
    assert abs(near - 2 * 60 * 2) < 5  # two pairs within each series of three
    assert "data.group_pattern" in found.advice
    assert "near_duplicate" not in found_in(root, group_pattern=r"(part\d+)_")
    assert "near_duplicate" not in found_in(series(tmp_path / "single", shots=1))


def test_pictures_that_all_look_alike_are_no_series(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    ground = draw.integers(0, 255, (32, 32)).astype(np.uint8)
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(110):
            shown = ground.copy()
            shown[:4, :4] = draw.integers(0, 255, (4, 4))
            Image.fromarray(shown).save(tmp_path / "set" / label / f"{number}.png")
    assert "near_duplicate" not in found_in(tmp_path / "set")


def test_neighbours_are_in_the_order_in_which_people_count() -> None:
    files = ["a/p10.png", "a/p9.png", "b/p1.png", "a/p1.png"]
    assert neighbours(files) == [(3, 1), (1, 0)]


def test_few_small_rare_bad_and_mixed_pictures_are_found(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set", per_class=60)
    write_folder(root, per_class=5, 珍しい=(0, 255, 0))
    (root / "赤い丸" / "bad.png").write_bytes(b"no")
    Image.new("RGB", (9, 40)).save(root / "赤い丸" / "small.png")
    Image.new("L", (32, 24), 3).save(root / "赤い丸" / "grey.png")
    Image.fromarray(np.full((24, 32), 3000, np.uint16)).save(root / "赤い丸" / "deep.png")
    found = found_in(root)
    for kind, words in {
        "rows": "128 pictures",
        "tiny_class": "'珍しい' (5)",
        "imbalance": "'珍しい' has 5 of 128",
        "unreadable": "赤い丸/bad.png",
        "small": "赤い丸/small.png",
        "sizes": "from 0.23 to 1.33",
        "modes": "grey",
    }.items():
        assert words in found[kind].detail, kind


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in {"src", "href"} or value.startswith("data:image/png;base64,")


def test_the_page_is_self_contained_and_hostile_names_stay_text(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "<b>set", **{HOSTILE: (200, 0, 0), "<i>b": (0, 0, 200)})
    (root / "<i>b" / f"{HOSTILE}.png").write_bytes(b"no picture")
    asked = options(root)
    raw = read_and_split(asked)
    text = page(report(raw, asked), samples(raw))
    tags = Tags()
    tags.feed(text)
    assert not {"script", "b>set", "i"} & set(tags.found)
    assert tags.found.count("img") == 16
    assert "&lt;script&gt;" in text
    assert not re.search(r"https?://", text)


def test_an_unusable_folder_has_a_page_too(tmp_path: Path) -> None:
    text = page(unusable(options(tmp_path / "none"), "one class, <only>"), {})
    assert "Not usable yet" in text
    assert "one class, &lt;only&gt;" in text

"""Folders of pictures: which files, which labels, which part; what belongs together stays together."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st
from PIL import Image

from adaptact import config
from adaptact.data import load
from adaptact.data.images import decoding
from adaptact.data.images.decoding import decode
from adaptact.data.images.folder import RawImages, moments, read_and_split, tensor_of
from adaptact.data.images.preparation import ImagePreparation
from adaptact.data.images.splits import groups, split
from adaptact.data.prepared import PARTS
from adaptact.errors import DataError
from adaptact.layouts import Pixels
from pictures import chunk, png, write_folder


def options(root: Path | str, **changes: Any) -> config.ImageFolder:
    where = Path(tempfile.gettempdir()) if root == "" else Path(root).parent
    return config.ImageFolder(**{"name": "image_folder", "root": str(root), "cache": str(where / "cache"), **changes})


def files_of(raw: RawImages) -> dict[str, set[str]]:
    return {part: {raw.files[place] for place in raw.rows[part]} for part in PARTS}


def refused(root: Path | str, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(options(root, **changes))
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- which files, which labels -----------------------------------------------------------------------------------


def test_classes_are_the_folders_and_every_picture_is_in_one_part(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "写真,2025 [新]", per_class=20)
    (root / "赤い丸" / "深い" / "所").mkdir(parents=True)
    shutil.move(root / "赤い丸" / "000.png", root / "赤い丸" / "深い" / "所" / "x.PNG")
    (root / "loose.png").write_bytes((root / "赤い丸" / "001.png").read_bytes())
    (root / "notes.txt").write_text("no picture")
    (root / "赤い丸" / "._001.png").write_bytes(b"what a Mac leaves")
    data = load(options(root))
    assert data.name == "写真,2025 [新]"
    assert data.labels == ["赤い丸", "青い丸"]
    assert {part: len(rows) for part, rows in data.parts.items()} == {"train": 24, "val": 8, "test": 8}
    assert data.input_shape == (3, 24, 32)  # their own size
    assert data.parts["train"].x.dtype == torch.uint8
    assert any("1 pictures stand in no folder" in note for note in data.notes)
    assert any("1 files that are no pictures" in note and ".txt" in note for note in data.notes)
    raw = read_and_split(options(root))
    for part, rows in data.parts.items():
        for place, x, y in zip(raw.rows[part], rows.x, rows.y, strict=True):
            file = raw.files[place]
            assert np.array_equal(x.numpy(), decode((root / file).read_bytes(), raw.how))
            assert data.labels[int(y)] == file.split("/")[0]


def test_pixels_are_standardised_by_the_training_part_alone(tmp_path: Path) -> None:
    data = load(options(write_folder(tmp_path / "set")))
    assert isinstance(data.layout, Pixels)
    x = data.parts["train"].x.double() / 255
    assert np.allclose(data.layout.mean, x.mean(dim=(0, 2, 3)), atol=1e-9)
    assert np.allclose(data.layout.std, x.std(dim=(0, 2, 3), correction=0), atol=1e-9)


def test_a_channel_that_is_constant_has_the_scale_one() -> None:
    assert moments(np.full((3, 1, 4, 4), 51, np.uint8), np.arange(3)) == ((0.2,), (1.0,))


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "valid", "TEST"), ("train", "test")])
def test_folders_train_val_and_test_are_the_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    for seed, name in enumerate(names):
        write_folder(tmp_path / "set" / name, per_class=10, seed=seed)
    raw = read_and_split(options(tmp_path / "set"))
    assert raw.labels == ["赤い丸", "青い丸"]
    found = files_of(raw)
    assert {file.split("/")[0] for file in found["test"]} == {names[-1]}
    if len(names) == 3:
        assert {file.split("/")[0] for file in found["val"]} == {names[1]}
        assert [len(found[part]) for part in PARTS] == [20, 20, 20]
    else:
        assert [len(found[part]) for part in PARTS] == [16, 4, 20]


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", train=(200, 0, 0), bus=(0, 0, 200))
    assert read_and_split(options(tmp_path / "set")).labels == ["bus", "train"]


def test_copies_and_groups_across_the_given_folders_are_left_out_of_training(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for seed, name in enumerate(("train", "test")):
        write_folder(root / name, per_class=10, seed=seed)
    shutil.copy(root / "test" / "赤い丸" / "003.png", root / "train" / "赤い丸" / "copy.png")
    raw = read_and_split(options(root))
    found = files_of(raw)
    assert "test/赤い丸/003.png" in found["test"]
    assert "train/赤い丸/copy.png" not in found["train"] | found["val"]
    assert any("1 pictures of train" in note for note in raw.notes)


def test_a_class_of_the_test_folder_that_training_has_not_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path / "set" / "train")
    write_folder(tmp_path / "set" / "test", 緑の丸=(0, 200, 0))
    assert "'緑の丸' is in test" in refused(tmp_path / "set")


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def test_a_table_names_paths_and_labels(tmp_path: Path, encoding: str) -> None:
    root = write_folder(tmp_path / "set")
    rows = [(path.relative_to(root).as_posix(), path.parent.name) for path in sorted(root.rglob("*.png"))]
    paths = [file if i % 2 else file.replace("/", "\\") for i, (file, _) in enumerate(rows)]  # some of Windows
    cells = zip(range(len(rows)), paths, [f"{label}丸" for _, label in rows], strict=True)
    lines = ["番号,画像,判定", *(f"{number},{path},{label}" for number, path, label in cells)]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(lines), encoding=encoding)
    raw = read_and_split(options(root, labels=str(table), target="判定"))
    assert raw.labels == ["赤い丸丸", "青い丸丸"]
    assert sorted(raw.files) == [file for file, _ in rows]
    assert raw.labels[raw.y[raw.files.index("青い丸/003.png")]] == "青い丸丸"
    same = read_and_split(options(root, labels=str(table), image="画像", target="判定"))
    assert same.fingerprint == raw.fingerprint
    assert "番号, 判定" in refused(root, labels=str(table))
    assert "no column '判'" in refused(root, labels=str(table), target="判")
    assert "data.image" in refused(tmp_path, labels=str(table), target="判定")  # paths below another folder


def test_paths_of_a_table_that_are_not_there_count_as_unreadable(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set")
    lines = [f"{path.relative_to(root).as_posix()},{path.parent.name}" for path in sorted(root.rglob("*.png"))]
    (tmp_path / "few.csv").write_text("\n".join(["file,label", *lines, "gone.png,赤い丸"]), encoding="utf-8")
    data = load(options(root, labels=str(tmp_path / "few.csv")))
    assert any("gone.png (No such file" in note for note in data.notes)
    many = [f"gone{i}.png,赤い丸" for i in range(9)]
    (tmp_path / "many.csv").write_text("\n".join(["file,label", *lines, *many]), encoding="utf-8")
    message = refused(root, labels=str(tmp_path / "many.csv"))
    assert "9 of 49" in message
    assert "data.max_bad_share=0.05" in message
    assert "gone0.png" in message


def test_bad_pictures_are_named_left_out_and_refused_beyond_a_share(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set")
    content = (root / "赤い丸" / "000.png").read_bytes()
    (root / "赤い丸" / "000.png").write_bytes(content[:200])
    (root / "青い丸" / "001.png").write_bytes(b"nothing")
    raw = read_and_split(options(root, max_bad_share=0.05))
    assert set(raw.bad) == {"赤い丸/000.png", "青い丸/001.png"}
    assert len(raw.files) == 38
    assert any("赤い丸/000.png" in note and "青い丸/001.png" in note for note in raw.notes)
    message = refused(root, max_bad_share=0.04)
    assert "2 of 40" in message
    assert "赤い丸/000.png" in message
    for path in root.rglob("*.png"):
        path.write_bytes(b"nothing")
    assert "none of the 40 pictures" in refused(root, max_bad_share=1.0)


def test_bombs_among_pictures_are_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_folder(tmp_path / "set")
    (root / "赤い丸" / "bomb.png").write_bytes(png(20_000, 20_000))
    (root / "赤い丸" / "remarks.png").write_bytes(png(8, 8, chunk(b"tEXt", b"k\0v") * 20_000))
    monkeypatch.setattr(decoding, "MOST_BYTES", 1_000_000)
    with (root / "青い丸" / "huge.png").open("wb") as file:
        file.truncate(2_000_000)
    raw = read_and_split(options(root, max_bad_share=0.1))
    assert raw.bad == {
        "赤い丸/bomb.png": "more than 89,478,485 pixels; make it smaller",
        "赤い丸/remarks.png": "more than 10,000 chunks of text or other remarks; save it anew without them",
        "青い丸/huge.png": "more than 0 MB; make it smaller",
    }
    assert len(raw.files) == 40


def test_what_is_no_folder_of_pictures_is_said_with_a_way_out(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    assert "is a file" in refused(tmp_path / "file")
    (tmp_path / "empty" / "a").mkdir(parents=True)
    assert "no pictures" in refused(tmp_path / "empty")
    write_folder(tmp_path / "one", only=(0, 0, 0))
    assert "one class, 'only'" in refused(tmp_path / "one")
    write_folder(tmp_path / "deep" / "pictures")
    assert f"data.root={tmp_path / 'deep' / 'pictures'}" in refused(tmp_path / "deep")
    root = write_folder(tmp_path / "rare")
    write_folder(root, per_class=1, 珍しい=(0, 255, 0))
    assert "'珍しい' has 1 row" in refused(root)
    assert "fits no file name" in refused(write_folder(tmp_path / "set"), group_pattern="^part")


def test_channels_and_size_follow_the_pictures_or_what_is_asked(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set")
    for path in root.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    assert load(options(root)).input_shape == (1, 24, 32)
    assert load(options(root, channels="rgb", image_size=[16])).input_shape == (3, 16, 16)
    Image.open(root / "赤い丸" / "000.png").convert("RGB").save(root / "赤い丸" / "000.png")
    assert load(options(root, image_size=[20, 40])).input_shape == (3, 20, 40)
    assert load(options(root, channels="grey", fit="crop")).input_shape == (1, 24, 32)


def test_the_fingerprint_is_that_of_content_and_labels_wherever_they_are(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "a")
    before = load(options(root)).fingerprint
    shutil.copytree(root, tmp_path / "else" / "b")
    assert load(options(tmp_path / "else" / "b")).fingerprint == before
    assert load(options(root, split_seed=1, image_size=[16])).fingerprint == before
    shutil.move(root / "赤い丸" / "000.png", root / "青い丸" / "900.png")
    assert load(options(root)).fingerprint != before


def test_the_preparation_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    preparation = load(options(write_folder(tmp_path / "set"))).preparation
    assert isinstance(preparation, ImagePreparation)
    preparation.save(tmp_path / "kept")
    assert ImagePreparation.load(tmp_path / "kept") == preparation
    for content in ("", "[]", "{}", '{"schema": 1}', '{"schema": 9}'):
        (tmp_path / "kept" / "pictures.json").write_text(content)
        with pytest.raises(DataError):
            ImagePreparation.load(tmp_path / "kept")


def test_large_sets_are_mapped_from_files_without_a_name(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3000, 1, 8, 8)).astype(np.uint8)
    rows = np.random.default_rng(1).permutation(3000)[:2500]
    mapped = tensor_of(pixels, rows, tmp_path)
    assert torch.equal(mapped, tensor_of(pixels, rows))
    assert not list(tmp_path.iterdir())


# --- which part --------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 60), st.integers(0, 1)), min_size=40, max_size=150),
    st.booleans(),
    st.sampled_from([None, 3]),
    st.integers(0, 9),
)
def test_copies_and_groups_never_stand_in_two_parts(
    made: list[tuple[int, int, int]], grouped: bool, folds: int | None, seed: int
) -> None:
    files = [f"k{label}/p{group}_{number}.png" for number, (_, group, label) in enumerate(made)]
    digests = [f"{content}" for content, _, _ in made]
    y = np.array([label for _, _, label in made])
    asked = options("", group_pattern=r"^(p\d+)_" if grouped else None, folds=folds, split_seed=seed)
    try:
        rows, _, _ = split(files, digests, y, [None] * len(files), list("ab"), asked)
    except DataError:
        event("refused")
        return  # too few of a class or of units: said, not split wrongly
    event("split")
    together = [digests] + ([[re.findall(r"p\d+", file)[0] for file in files]] if grouped else [])
    for keys in together:
        parts = [{keys[place] for place in rows[part]} for part in PARTS]
        assert len(set.union(*parts)) == sum(map(len, parts))
    assert sorted(np.concatenate(list(rows.values()))) == list(range(len(files)))


def test_a_group_is_the_first_group_of_the_pattern_or_all_that_it_matches() -> None:
    files = ["a/part7_1.png", "b/part7_2.png", "a/part8_1.png", "a/other.png", "a/another.png"]
    for pattern in (r"part(\d+)_", r"part\d+", r"(?:part)(\d+)_(\d)"):
        found = groups(files, pattern)
        assert found[0] == found[1]
        assert len(set(found)) == 4  # one without a match is alone


def test_folds_divide_the_pictures(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "set")
    tests = [files_of(read_and_split(options(root, folds=4, fold=fold)))["test"] for fold in range(4)]
    assert len(set.union(*tests)) == sum(map(len, tests)) == 40

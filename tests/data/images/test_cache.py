"""Pictures are decoded once, again where they change, and a cache is never half of one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adaptact.data.images import cache
from adaptact.data.images.cache import ImageCache, Pictures
from adaptact.data.images.decoding import Decoding, decode
from pictures import write_folder

HOW = Decoding(16, 16, 3, "pad")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was decoded, as it comes."""
    seen: list[bytes] = []

    def counting(content: bytes, how: Decoding) -> np.ndarray:
        seen.append(content)
        return decode(content, how)

    monkeypatch.setattr(cache, "decode", counting)
    return seen


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))


def read(root: Path, parent: Path, how: Decoding = HOW) -> tuple[Pictures, dict[str, str]]:
    """Pictures and the SHA-256 of each file."""
    cache = ImageCache(root, parent)
    entries = cache.scan(names(root))
    digests = {file: entry.digest for file, entry in entries.items()}
    return cache.decode({entry.digest: file for file, entry in entries.items() if entry.facts}, how), digests


def assert_right(root: Path, pictures: Pictures, digests: dict[str, str], how: Decoding = HOW) -> None:
    for file, digest in digests.items():
        if digest in pictures.rows:
            assert np.array_equal(pictures.pixels[pictures.rows[digest]], decode((root / file).read_bytes(), how))
        else:
            assert digest in pictures.errors


def test_a_second_reading_decodes_nothing(tmp_path: Path, decoded: list[bytes]) -> None:
    root = write_folder(tmp_path / "写真 [1]", per_class=5)
    pictures, digests = read(root, tmp_path / "cache")
    assert len(decoded) == len(digests) == 10
    assert_right(root, pictures, digests)
    again, _ = read(root, tmp_path / "cache")
    assert len(decoded) == 10
    assert again.rows == pictures.rows
    assert np.array_equal(again.pixels, pictures.pixels)
    read(root, tmp_path / "cache", Decoding(16, 20, 3, "pad"))
    assert len(decoded) == 20  # another way to decode is another cache


def test_only_what_has_changed_is_decoded_again(tmp_path: Path, decoded: list[bytes]) -> None:
    root = write_folder(tmp_path / "set", per_class=5)
    read(root, tmp_path / "cache")
    decoded.clear()
    changed, gone = root / names(root)[3], root / names(root)[7]
    Image.new("RGB", (20, 30), (1, 2, 3)).save(changed)
    gone.unlink()
    (root / names(root)[0]).rename(root / "moved.png")
    pictures, digests = read(root, tmp_path / "cache")
    assert decoded == [changed.read_bytes()]
    assert_right(root, pictures, digests)
    assert len(list((tmp_path / "cache").rglob("*.u8"))) == 1  # the old rows are gone


def test_a_file_of_the_same_size_and_time_with_other_content_is_seen(tmp_path: Path, decoded: list[bytes]) -> None:
    root = write_folder(tmp_path / "set", per_class=2)
    for path, color in (("a.bmp", 10), ("b.bmp", 200)):
        Image.new("L", (20, 20), color).save(root / path)
    cache = ImageCache(root, tmp_path / "cache")
    before = cache.scan(["a.bmp"])["a.bmp"].digest
    stat = (root / "a.bmp").stat()
    while (root / "a.bmp").stat().st_ctime_ns == stat.st_ctime_ns:  # until the file system's clock has ticked
        (root / "a.bmp").write_bytes((root / "b.bmp").read_bytes())
        os.utime(root / "a.bmp", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.scan(["a.bmp"])["a.bmp"].digest != before


def test_bad_pictures_are_remembered_with_their_reason(tmp_path: Path, decoded: list[bytes]) -> None:
    root = write_folder(tmp_path / "set", per_class=2)
    content = (root / names(root)[0]).read_bytes()
    (root / "cut.png").write_bytes(content[: len(content) // 2])
    (root / "no.png").write_bytes(b"nothing")
    for _ in range(2):
        cache = ImageCache(root, tmp_path / "cache")
        entries = cache.scan(names(root))
        assert entries["no.png"].facts is None
        assert "JPEG, PNG" in str(entries["no.png"].error)
        pictures = cache.decode({e.digest: f for f, e in entries.items() if e.facts}, HOW)
        assert list(pictures.errors) == [entries["cut.png"].digest]
    assert len(decoded) == 5


DAMAGES = {
    "pixels cut": lambda folder: cut(next(folder.glob("*.u8")), 2.5),
    "pixels gone": lambda folder: next(folder.glob("*.u8")).unlink(),
    "a flipped byte": lambda folder: flip(next(folder.glob("*.u8"))),
    "index cut": lambda folder: cut(index_of(folder), None),
    "index of nonsense": lambda folder: index_of(folder).write_text(json.dumps({"schema": 1, "rows": [1]})),
    "index with odd rows": lambda folder: odd_rows(index_of(folder)),
    "files cut": lambda folder: cut(folder / "files.json", None),
    "files of nonsense": lambda folder: (folder / "files.json").write_text('{"schema": 1, "files": {"a": 3}}'),
}


def index_of(folder: Path) -> Path:
    return next(path for path in folder.glob("*.json") if path.name != "files.json")


def cut(path: Path, rows: float | None) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 if rows is None else int(rows * 16 * 16 * 3)])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000] ^= 255
    path.write_bytes(content)


def odd_rows(path: Path) -> None:
    plain = json.loads(path.read_text())
    plain["rows"] = {digest: [-5, 3] for digest in plain["rows"]}
    plain["pixels"] = "../../../../etc/passwd"
    path.write_text(json.dumps(plain))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_cache_is_made_again(tmp_path: Path, decoded: list[bytes], damage: str) -> None:
    root = write_folder(tmp_path / "set", per_class=3)
    read(root, tmp_path / "cache")
    decoded.clear()
    folder = next((tmp_path / "cache").iterdir())
    DAMAGES[damage](folder)
    pictures, digests = read(root, tmp_path / "cache")
    assert_right(root, pictures, digests)
    assert len(decoded) == {"pixels cut": 4, "a flipped byte": 1, "files cut": 0, "files of nonsense": 0}.get(damage, 6)
    decoded.clear()
    read(root, tmp_path / "cache")
    assert not decoded


STUCK = """
import itertools, os, sys, threading
from pathlib import Path
from adaptact.data.images import cache
from adaptact.data.images.decoding import decode
begun = itertools.count(1)
def stuck(content, how):
    if next(begun) > 20:
        os.write(1, b"decoding\\n")  # in one piece: several threads do
        threading.Event().wait()  # for the end of the process
    return decode(content, how)
cache.decode = stuck
sys.path.insert(0, sys.argv[3])
sys.argv[3:] = []
from test_cache import read
read(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_one_that_is_killed_while_it_writes_leaves_nothing_half(tmp_path: Path, decoded: list[bytes]) -> None:
    root = write_folder(tmp_path / "set", per_class=20)
    command = [sys.executable, "-c", STUCK, str(root), str(tmp_path / "cache"), str(Path(__file__).parent)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[2])])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"decoding\n"
        process.send_signal(signal.SIGKILL)
    folder = next((tmp_path / "cache").iterdir())
    assert not list(folder.glob("*.u8"))
    left = list(folder.glob(".*.part"))
    assert left
    pictures, digests = read(root, tmp_path / "cache")
    assert_right(root, pictures, digests)
    assert len(decoded) == 40
    for path in left:  # swept up once it is surely abandoned
        os.utime(path, (0, 0))
    Image.new("RGB", (20, 30)).save(root / "new.png")
    read(root, tmp_path / "cache")
    assert not list(folder.glob(".*.part"))

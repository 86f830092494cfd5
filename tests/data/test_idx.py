"""MNIST and Fashion-MNIST: four files from a folder or from the network, complete and unmistaken."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adaptact import config
from adaptact.data import Prepared, idx, load
from adaptact.errors import DataError
from adaptact.layouts import Pixels
from adaptact.models.pixels import Standardize

N_TRAIN, N_TEST = 100, 20
RANDOM = np.random.default_rng(0)
ARRAYS = {
    "train images": RANDOM.integers(0, 256, size=(N_TRAIN, 9, 8), dtype=np.uint8),
    "train labels": (np.arange(N_TRAIN) % 10).astype(np.uint8),
    "test images": RANDOM.integers(0, 256, size=(N_TEST, 9, 8), dtype=np.uint8),
    "test labels": RANDOM.integers(0, 10, size=N_TEST, dtype=np.uint8),
}


def idx_bytes(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write_set(folder: Path, *, zipped: bool = True, **changed: np.ndarray) -> Path:
    """The four files; ``test_labels=`` ... replaces an array."""
    folder.mkdir(parents=True, exist_ok=True)
    for key, name in idx.FILES.items():
        content = idx_bytes(changed.get(key.replace(" ", "_"), ARRAYS[key]))
        if zipped:
            (folder / name).write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / name.removesuffix(".gz")).write_bytes(content)
    return folder


def read(root: Path | None, name: str = "mnist", split_seed: int = 0) -> Prepared:
    return load(config.Idx(name=name, root=None if root is None else str(root), split_seed=split_seed))


# --- from a folder -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_four_files_become_three_parts(tmp_path: Path, zipped: bool) -> None:
    data = read(write_set(tmp_path, zipped=zipped))
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 90, "val": 10, "test": N_TEST}
    assert data.input_shape == (1, 9, 8)
    assert data.n_outputs == 10
    assert all(part.x.dtype == torch.uint8 and part.y.dtype == torch.int64 for part in data.parts.values())


def test_zipped_and_unzipped_files_are_the_same_data(tmp_path: Path) -> None:
    first, second = read(write_set(tmp_path / "a")), read(write_set(tmp_path / "b", zipped=False))
    assert first.fingerprint == second.fingerprint
    assert all(torch.equal(first.parts[part].x, second.parts[part].x) for part in first.parts)


def test_the_official_test_part_stays_whole_and_in_order(tmp_path: Path) -> None:
    for split_seed in (0, 1):
        data = read(write_set(tmp_path), split_seed=split_seed)
        assert data.parts["test"].y.tolist() == ARRAYS["test labels"].tolist()
        assert data.parts["test"].x[:, 0].tolist() == ARRAYS["test images"].tolist()


def test_training_and_validation_rows_are_the_official_training_rows(tmp_path: Path) -> None:
    data = read(write_set(tmp_path))
    train, val = data.parts["train"], data.parts["val"]
    assert sorted([*train.y.tolist(), *val.y.tolist()]) == sorted(ARRAYS["train labels"].tolist())
    other = read(tmp_path, split_seed=1)
    assert other.fingerprint == data.fingerprint
    assert not torch.equal(other.parts["val"].x, val.x)
    assert torch.equal(read(tmp_path).parts["val"].x, val.x)


def test_pixels_are_scaled_by_the_training_part_alone(tmp_path: Path) -> None:
    before = read(write_set(tmp_path / "a"))
    assert isinstance(before.layout, Pixels)
    train = Standardize(before.layout.mean, before.layout.std)(before.parts["train"].x).double()
    assert abs(train.mean().item()) < 1e-5
    assert abs(train.std(correction=0).item() - 1) < 1e-5
    brighter = (ARRAYS["test images"] // 2 + 100).astype(np.uint8)
    after = read(write_set(tmp_path / "b", test_images=brighter))
    assert after.layout == before.layout
    assert not torch.equal(before.parts["test"].x, after.parts["test"].x)
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("file", idx.FILES.values())
def test_a_missing_file_is_named_with_the_folder(tmp_path: Path, file: str) -> None:
    (write_set(tmp_path) / file).unlink()
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert [name for name in idx.FILES.values() if name in str(caught.value)] == [file]


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_an_empty_or_missing_folder_is_told_what_belongs_there(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as caught:
        read(tmp_path / folder)
    for part in (str(tmp_path / folder), "mnist", *idx.FILES.values()):
        assert part in str(caught.value)


DAMAGES = {
    "cut short": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "not zipped": lambda content: b"<html>404</html>",
    "damaged at its end": lambda content: content[:-8] + b"12345678",
    "damaged at its start": lambda content: content[:10] + b"\x07" + content[11:],  # a kind of block there is not
    "zipped, but no idx file": lambda content: gzip.compress(b"P5 28 28 255"),
    "cut short before zipping": lambda content: gzip.compress(gzip.decompress(content)[:-5]),
    "a header alone": lambda content: gzip.compress(gzip.decompress(content)[:6]),
    "longer than its header says": lambda content: gzip.compress(gzip.decompress(content) + b"12345"),
    "of 32-bit numbers": lambda content: gzip.compress(b"\x00\x00\x0c" + gzip.decompress(content)[3:]),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("key", ["train images", "test labels"])
def test_a_damaged_file_is_named_with_a_way_out(tmp_path: Path, key: str, damage: str) -> None:
    path = write_set(tmp_path) / idx.FILES[key]
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(DataError, match="fetch it anew") as caught:
        read(tmp_path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"train_labels": ARRAYS["train labels"][:-1]},
        {"test_labels": ARRAYS["train labels"]},
        {"train_images": ARRAYS["train labels"]},
        {"test_labels": ARRAYS["test images"]},
        {"test_images": ARRAYS["test images"][:, :5]},
        {"train_labels": ARRAYS["train labels"] + np.uint8(1)},
        {"test_labels": np.full(N_TEST, 37, dtype=np.uint8)},
    ],
    ids=["fewer labels", "more labels", "labels as images", "images as labels", "other size", "label 10", "label 37"],
)
def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=str(tmp_path)):
        read(write_set(tmp_path, **changed))


def digests_of(folder: Path) -> dict[str, str]:
    return {key: hashlib.sha256((folder / name).read_bytes()).hexdigest() for key, name in idx.FILES.items()}


def test_files_of_the_other_data_set_are_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(idx.DIGESTS, "mnist", digests_of(write_set(tmp_path)))
    assert read(tmp_path, "mnist").name == "mnist"
    with pytest.raises(DataError, match="data=mnist"):
        read(tmp_path, "fashion_mnist")


# --- from the network --------------------------------------------------------------------------------------------


@dataclass
class Mirror:
    """A server on this machine: the files it has, how it answers, what it was asked for."""

    folder: Path
    url: str = ""
    manner: str = "well"
    requests: list[str] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(handler.path)
        path = self.folder / handler.path.lstrip("/")
        if self.manner == "nonsense":
            handler.wfile.write(b"welcome to the guest network\r\n\r\n")
        elif self.manner == "error" or not path.is_file():
            handler.send_error(404)
        else:
            content = path.read_bytes()
            handler.send_response(200)
            if self.manner == "cut":
                handler.send_header("Transfer-Encoding", "chunked")
                handler.end_headers()
                handler.wfile.write(b"ffff\r\n" + content)
                return
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content[: len(content) // 2] if self.manner == "half" else content)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """MNIST as the four tiny files, served from 127.0.0.1; the project's root is tmp_path / "project"."""
    served = Mirror(write_set(tmp_path / "served"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setitem(idx.MIRRORS, "mnist", [served.url])
    monkeypatch.setitem(idx.DIGESTS, "mnist", digests_of(served.folder))
    monkeypatch.setattr(idx, "project_root", lambda: tmp_path / "project")
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def cache_of(tmp_path: Path) -> list[str]:
    folder = tmp_path / "project" / "data" / "mnist"
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def test_files_are_fetched_once_and_kept(mirror: Mirror, tmp_path: Path) -> None:
    first = read(None)
    assert sorted(mirror.requests) == sorted(f"/{name}" for name in idx.FILES.values())
    assert cache_of(tmp_path) == sorted(idx.FILES.values())
    mirror.requests.clear()
    assert read(None).fingerprint == first.fingerprint == read(mirror.folder).fingerprint
    assert mirror.requests == []


def test_a_file_damaged_in_the_cache_is_fetched_again(mirror: Mirror, tmp_path: Path) -> None:
    first = read(None)
    mirror.requests.clear()
    (tmp_path / "project/data/mnist" / idx.FILES["test labels"]).write_bytes(b"half")
    assert read(None).fingerprint == first.fingerprint
    assert mirror.requests == [f"/{idx.FILES['test labels']}"]


def test_the_next_mirror_is_asked_where_one_does_not_answer(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(idx.MIRRORS, "mnist", [mirror.url + "gone/", mirror.url])
    assert len(read(None).parts["test"]) == N_TEST
    assert "/gone/" + idx.FILES["train images"] in mirror.requests


def test_a_wrong_checksum_is_refused_and_nothing_is_left_behind(mirror: Mirror, tmp_path: Path) -> None:
    file = mirror.folder / idx.FILES["train images"]
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(DataError, match="checksum") as caught:
        read(None)
    assert idx.FILES["train images"] in str(caught.value)
    assert cache_of(tmp_path) == []


@pytest.mark.parametrize("manner", ["error", "half", "cut", "nonsense"])
def test_a_server_that_answers_badly_leaves_one_message_and_no_file(
    mirror: Mirror, tmp_path: Path, manner: str
) -> None:
    mirror.manner = manner
    with pytest.raises(DataError, match=r"data\.root="):
        read(None)
    assert cache_of(tmp_path) == []


def test_without_a_network_the_message_says_what_to_put_where(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(idx.MIRRORS, "mnist", ["http://127.0.0.1:9/"])  # the discard port: nobody listens
    with pytest.raises(DataError) as caught:
        read(None)
    message = str(caught.value)
    for part in (*idx.FILES.values(), str(tmp_path / "project" / "data" / "mnist"), "data.root=", "refused"):
        assert part in message
    assert "\n" not in message
    assert cache_of(tmp_path) == []
    write_set(tmp_path / "project" / "data" / "mnist")  # what the message says
    assert len(read(None).parts["test"]) == N_TEST


def test_a_cache_that_cannot_be_written_is_a_data_error(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "data").write_text("a file")
    with pytest.raises(DataError, match=r"data\.root="):
        read(None)


# --- the real ones -----------------------------------------------------------------------------------------------


def test_the_real_files_are_what_they_say(datasets: Path) -> None:
    data = read(datasets / "mnist")
    assert {name: len(part) for name, part in data.parts.items()} == {"train": 54_000, "val": 6_000, "test": 10_000}
    assert data.input_shape == (1, 28, 28)
    assert data.parts["test"].y[:5].tolist() == [7, 2, 1, 0, 4]
    for name in idx.DIGESTS:
        assert digests_of(datasets / name) == idx.DIGESTS[name]
    with pytest.raises(DataError, match="data=mnist"):
        read(datasets / "mnist", "fashion_mnist")

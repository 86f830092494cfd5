"""MNIST and Fashion-MNIST: four idx files, gzip'd or not, with their official test part."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from adaptact import config
from adaptact.data.download import fetch, sha256
from adaptact.data.kinds import DataKind
from adaptact.data.positive import choose
from adaptact.data.prepared import Part, Prepared, SourceRows, classes, fingerprint
from adaptact.data.splits import split_rows
from adaptact.errors import DataError
from adaptact.layouts import Pixels
from adaptact.records import project_root

FILES = {
    "train images": "train-images-idx3-ubyte.gz",
    "train labels": "train-labels-idx1-ubyte.gz",
    "test images": "t10k-images-idx3-ubyte.gz",
    "test labels": "t10k-labels-idx1-ubyte.gz",
}
MIRRORS = {
    "mnist": ["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"],
    "fashion_mnist": ["https://fashion-mnist.s3.eu-central-1.amazonaws.com/"],
}
DIGESTS = {
    "mnist": {
        "train images": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "train labels": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "test images": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "test labels": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    },
    "fashion_mnist": {
        "train images": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train labels": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "test images": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "test labels": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
}
LABELS = {
    "mnist": [str(digit) for digit in range(10)],
    "fashion_mnist": [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
}


class Kind(DataKind[config.Idx]):
    """See :class:`DataKind`."""

    def read(self) -> Prepared:
        return load(self.options)

    def shares_test(self, seeds: Sequence[Prepared]) -> bool:
        return True


def load(options: config.Idx) -> Prepared:
    """60,000 training and 10,000 official test images of 28 x 28."""
    paths = find_files(options.name, options.root)
    arrays = {key: read_idx(path) for key, path in paths.items()}
    for split in ("train", "test"):
        images, numbers = arrays[f"{split} images"], arrays[f"{split} labels"]
        if images.ndim != 3 or numbers.ndim != 1 or len(images) != len(numbers):
            folder = paths[f"{split} images"].parent
            raise DataError(f"{folder}: {len(images)} {split} images but {len(numbers)} labels; fetch the files anew")
    folder = paths["train images"].parent
    if arrays["train images"].shape[1:] != arrays["test images"].shape[1:]:
        raise DataError(f"{folder}: training and test images differ in size; fetch the files anew")
    highest = max(arrays["train labels"].max(initial=0), arrays["test labels"].max(initial=0))
    if highest >= len(LABELS[options.name]):
        raise DataError(
            f"{folder}: there is a label {highest}, {options.name} has 0 to {len(LABELS[options.name]) - 1}"
        )
    y, y_test = arrays["train labels"], arrays["test labels"]
    rows = split_rows(y, "classification", val_size=options.val_size, test_size=0.0, seed=options.split_seed)
    images = arrays["train images"]
    pixels = images[rows["train"]] / np.float32(255)

    def part(images: np.ndarray, numbers: np.ndarray) -> Part:
        return Part(torch.from_numpy(images[:, None].copy()), classes(numbers))

    parts = {name: part(images[index], y[index]) for name, index in rows.items()}
    parts["test"] = part(arrays["test images"], y_test)
    layout = Pixels((float(pixels.mean(dtype=np.float64)),), (float(pixels.std(dtype=np.float64)),))
    labels, digest = LABELS[options.name], fingerprint(arrays.values())
    return Prepared(
        options.name,
        "classification",
        parts,
        digest,
        labels,
        layout=layout,
        positive=choose(labels, y, options.positive, options.name),
        test_rows=SourceRows.of_file(digest, np.arange(len(y_test))),
    )


def find_files(name: str, root: str | None) -> dict[str, Path]:
    """The four files below ``root`` as they are, or downloaded once into ``data/<name>`` of the project.

    Raises:
        DataError: files missing or of another data set, or no network; the message says what to put where.
    """
    if root is None:
        folder = project_root() / "data" / name
        try:
            return {
                key: fetch([mirror + file for mirror in MIRRORS[name]], DIGESTS[name][key], folder / file)
                for key, file in FILES.items()
            }
        except DataError as error:
            raise DataError(
                f"{error}. Without a network: put {', '.join(FILES.values())} of {name} into {folder}, "
                "or name their folder with data.root="
            ) from None
    folder = Path(root)
    found = {
        key: next((p for p in (folder / file, folder / file.removesuffix(".gz")) if p.is_file()), None)
        for key, file in FILES.items()
    }
    missing = [FILES[key] for key, path in found.items() if path is None]
    if missing:
        raise DataError(f"data.root={root} lacks {', '.join(missing)}: put the four idx files of {name} there")
    paths = {key: path for key, path in found.items() if path is not None}
    digest = sha256(paths["train images"])
    for other, digests in DIGESTS.items():
        if other != name and digest == digests["train images"]:
            raise DataError(f"data.root={root} holds {other}, whose files have the same names: use data={other}")
    return paths


def read_idx(path: Path) -> np.ndarray:
    """An idx file of unsigned bytes (big-endian header: 0, 0, 8, number of dimensions, sizes).

    Raises:
        DataError: not an idx file, or a truncated one.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
            raise ValueError("it does not start as an idx file of unsigned bytes")
        shape = tuple(int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3]))
        return np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * raw[3]).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}; fetch it anew") from None

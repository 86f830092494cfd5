"""Small made pictures: a disc or a square of its class's colour somewhere on a noisy ground."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

KINDS = {"赤い丸": (200, 40, 40), "青い丸": (40, 60, 200)}


def picture(color: tuple[int, int, int], draw: np.random.Generator, height: int = 24, width: int = 32) -> Image.Image:
    pixels = draw.integers(90, 150, (height, width, 3))
    row, column = np.mgrid[:height, :width]
    at = draw.integers(8, height - 8), draw.integers(8, width - 8)
    pixels[(row - at[0]) ** 2 + (column - at[1]) ** 2 < 36] = color
    return Image.fromarray(pixels.astype(np.uint8))


def write_folder(root: Path, per_class: int = 20, seed: int = 0, **kinds: tuple[int, int, int]) -> Path:
    """A folder per class with PNG files ``000.png`` ..., no two alike."""
    draw = np.random.default_rng(seed)
    for label, color in (kinds or KINDS).items():
        folder = root / label
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            picture(color, draw).save(folder / f"{number:03}.png")
    return root


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, extra: bytes = b"", pixels: bytes | None = None, bits: int = 1) -> bytes:
    """A grey PNG of zeros, made without its pixels in memory; ``extra`` chunks stand before them."""
    if pixels is None:
        packer = zlib.compressobj(1)
        line = bytes(1 + (width * bits + 7) // 8)
        pixels = b"".join([*(packer.compress(line) for _ in range(height)), packer.flush()])
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")

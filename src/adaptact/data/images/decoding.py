"""One picture's file as bytes of one size: JPEG, PNG, BMP, TIFF, WebP; grey to CMYK; rotated or not."""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, WebPImagePlugin  # noqa: F401 (the last two: else loaded by threads)

from adaptact.errors import DataError

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp"}
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")  # no other of Pillow's readers sees a file
DEEP = {"I", "F"}  # with I;16 and its kin: more than 8 bits of grey
GREY = {"1", "L", "LA", "La"}
BACKGROUND = (255, 255, 255)  # behind what is transparent
MARGIN = 128  # grey around a picture of another shape
LARGEST = 64  # pixels of the longer side, unless asked for more
SMALLEST = 16
SIZE_STEP = 4

MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485  # a file of a few kilobytes can claim gigapixels
MOST_BYTES = 1 << 30  # of a file: more than so many pixels take, however they are written
MOST_CHUNKS = 10_000  # of a PNG beside its pixels; Pillow reads a million of them for seconds
LARGE_PIXELS = 16_000_000  # decoded one at a time, as each takes up to a gigabyte, and threads are many
STRIPE_PIXELS = 1 << 20  # of which there are wide copies at once

_one_large = threading.Lock()

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # an error here, whatever the filters


@dataclass(frozen=True)
class Facts:
    """What the head of a file says: the size as it is to be seen (after its rotation), Pillow's mode."""

    height: int
    width: int
    mode: str

    @property
    def grey(self) -> bool:
        return self.mode in GREY or is_deep(self.mode)


@dataclass(frozen=True)
class Decoding:
    """How pictures become arrays: all of one size, one channel or three."""

    height: int
    width: int
    channels: Literal[1, 3]
    fit: Literal["pad", "crop"]

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.height, self.width

    def to_plain(self) -> dict[str, Any]:
        return asdict(self)


def is_deep(mode: str) -> bool:
    return mode in DEEP or mode.startswith("I;16")


def facts(content: bytes) -> Facts:
    """What a picture's head says, without decoding it.

    Raises:
        DataError: no picture of the known kinds, or one of too many pixels.
    """
    try:
        with _open(content) as image:
            height, width = image.height, image.width
            return Facts(*((width, height) if _is_turned(image) else (height, width)), image.mode)
    except Exception as error:  # Pillow raises many kinds for a broken file
        raise DataError(reason(error)) from None


def decode(content: bytes, how: Decoding) -> np.ndarray:
    """A picture as uint8 of shape (channels, height, width).

    Rotated as its EXIF says; what is transparent becomes white; grey of more than 8 bits is stretched from the
    picture's own darkest to its brightest value, for no fixed range suits cameras of 10, 12 and 16 bits alike.

    Raises:
        DataError: a truncated or damaged file, or one of too many pixels.
    """
    try:
        with _open(content) as image, _one_large if _pixels(image) > LARGE_PIXELS else contextlib.nullcontext():
            # a large JPEG is decoded at a fraction of its size, still at least twice what is needed
            image.draft(None, (2 * max(how.height, how.width),) * 2)
            image.load()
            plain = _plain(_upright(image), how.channels)
            pixels = np.asarray(_resized(plain, how), dtype=np.uint8)
    except Exception as error:
        raise DataError(reason(error)) from None
    return pixels[None] if how.channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def reason(error: Exception) -> str:
    """Why a file is no picture, in a few words and without the object's address that Pillow gives."""
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than {MOST_PIXELS:,} pixels; make it smaller"
    if isinstance(error, Image.UnidentifiedImageError):
        return "no JPEG, PNG, BMP, TIFF or WebP picture"
    return " ".join(str(error).split()) or type(error).__name__


def size_for(found: list[Facts]) -> tuple[int, int]:
    """Height and width that suit pictures of these sizes: their medians, scaled down to :data:`LARGEST`.

    >>> size_for([Facts(480, 640, "RGB")] * 3), size_for([Facts(28, 28, "L")])
    ((48, 64), (28, 28))
    """
    height, width = (float(np.median([getattr(one, side) for one in found])) for side in ("height", "width"))
    scale = min(1.0, LARGEST / max(height, width))
    return _stepped(scale * height), _stepped(scale * width)


def _stepped(side: float) -> int:
    return max(SMALLEST, SIZE_STEP * round(side / SIZE_STEP))


def read(path: Path) -> bytes:
    """The content of a picture's file.

    Raises:
        DataError: a file of more than :data:`MOST_BYTES`.
        OSError: one that cannot be read.
    """
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"more than {MOST_BYTES >> 20:,} MB; make it smaller")
    return path.read_bytes()


def _open(content: bytes) -> Image.Image:
    _check_chunks(content)
    image = Image.open(io.BytesIO(content), formats=FORMATS)
    if _pixels(image) > MOST_PIXELS:
        raise Image.DecompressionBombError
    return image


def _pixels(image: Image.Image) -> int:
    return image.width * image.height


def _check_chunks(content: bytes) -> None:
    """Raise DataError for a PNG with too many chunks beside its pixels."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return
    place, others = 8, 0
    while place + 8 <= len(content):
        others += content[place + 4 : place + 8] != b"IDAT"
        if others > MOST_CHUNKS:
            raise DataError(f"more than {MOST_CHUNKS:,} chunks of text or other remarks; save it anew without them")
        place += 12 + int.from_bytes(content[place : place + 4], "big")


def _is_turned(image: Image.Image) -> bool:
    """Whether EXIF says that height and width change places."""
    try:
        return image.getexif().get(0x0112) in {5, 6, 7, 8}
    except Exception:  # damaged EXIF says nothing
        return False


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _plain(image: Image.Image, channels: int) -> Image.Image:
    """8 bits a channel, nothing transparent."""
    mode = "L" if channels == 1 else "RGB"
    if is_deep(image.mode):
        image = Image.fromarray(_stretched(np.asarray(image)))
    elif image.has_transparency_data:
        opaque = Image.new(mode, image.size)
        for top, bottom in _stripes(image.height, image.width):
            above = image.crop((0, top, image.width, bottom)).convert("RGBA")
            behind = Image.new("RGBA", above.size, (*BACKGROUND, 255))
            behind.alpha_composite(above)
            opaque.paste(behind.convert(mode), (0, top))
        return opaque
    return image.convert(mode)


def _stretched(values: np.ndarray) -> np.ndarray:
    """Grey of more than 8 bits as uint8, from the darkest to the brightest value; what is not finite counts as 0."""
    stripes = [slice(*rows) for rows in _stripes(*values.shape)]

    def finite(rows: slice) -> np.ndarray:
        return np.nan_to_num(values[rows].astype(np.float64), posinf=0.0, neginf=0.0)

    low = min(finite(rows).min() for rows in stripes)
    high = max(finite(rows).max() for rows in stripes)
    found = np.zeros(values.shape, dtype=np.uint8)
    if high > low:
        for rows in stripes:
            found[rows] = np.round(255 * ((finite(rows) - low) / (high - low))).astype(np.uint8)
    return found


def _stripes(height: int, width: int) -> list[tuple[int, int]]:
    """First and last row (exclusive) of stripes of a picture."""
    step = max(1, STRIPE_PIXELS // width)
    return [(top, min(height, top + step)) for top in range(0, height, step)]


def _resized(image: Image.Image, how: Decoding) -> Image.Image:
    size = how.width, how.height
    if how.fit == "crop":
        return ImageOps.fit(image, size, Image.Resampling.BILINEAR)
    inside = ImageOps.contain(image, size, Image.Resampling.BILINEAR)
    if inside.size == size:
        return inside
    whole = Image.new(image.mode, size, MARGIN if how.channels == 1 else (MARGIN,) * 3)
    whole.paste(inside, ((size[0] - inside.width) // 2, (size[1] - inside.height) // 2))
    return whole

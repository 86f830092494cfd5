"""One picture's file as bytes of one size, whatever its mode, format, rotation or damage."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adaptact.data.images import decoding
from adaptact.data.images.decoding import MARGIN, Decoding, Facts, decode, facts, size_for
from adaptact.errors import DataError
from pictures import chunk, png

HEIGHT, WIDTH = 24, 36
RGB = Decoding(HEIGHT, WIDTH, 3, "pad")
GREY = Decoding(HEIGHT, WIDTH, 1, "pad")


def ramp() -> np.ndarray:
    """Smooth, and different in each channel and corner: (height, width, 3)."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([6 * column, 8 * row, 255 - 3 * column - 4 * row], axis=2).clip(0, 255).astype(np.uint8)


def saved(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, format, **options)
    return content.getvalue()


def test_pixels_come_out_as_they_went_in() -> None:
    found = decode(saved(Image.fromarray(ramp())), RGB)
    assert found.dtype == np.uint8
    assert np.array_equal(found.transpose(1, 2, 0), ramp())


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "WEBP", "JPEG"])
def test_every_format_gives_the_same_picture(format: str) -> None:
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    found = decode(saved(Image.fromarray(ramp()), format, **options), RGB)
    assert np.abs(found.transpose(1, 2, 0).astype(int) - ramp()).max() <= (4 if format == "JPEG" else 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_becomes_bytes_of_one_and_of_three_channels(mode: str) -> None:
    image = Image.fromarray(ramp())
    if mode in {"I;16", "I", "F"}:
        values = np.asarray(image.convert("L")).astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode])
        image = Image.fromarray(values)
    else:
        image = image.convert(mode)
    content = saved(image, "TIFF")
    head = facts(content)
    assert (head.height, head.width) == (HEIGHT, WIDTH)
    assert head.grey == (mode in {"1", "L", "LA", "I;16", "I", "F"})
    for how in (RGB, GREY):
        found = decode(content, how)
        assert found.shape == how.shape
        assert found.dtype == np.uint8
        assert found.std() > 10


def test_grey_of_more_than_8_bits_is_stretched_from_its_darkest_to_its_brightest() -> None:
    values = np.linspace(1000, 4095, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)
    found = decode(saved(Image.fromarray(values)), GREY)[0]
    expected = (values - 1000.0) / 3095.0 * 255
    assert np.abs(found - expected).max() <= 0.5
    constant = decode(saved(Image.fromarray(np.full((HEIGHT, WIDTH), 777, np.uint16))), GREY)
    assert len(np.unique(constant)) == 1


def test_what_is_transparent_is_white_in_rgba_and_in_palettes() -> None:
    pixels = np.dstack([ramp(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    pixels[:12, :, 3] = 0
    found = decode(saved(Image.fromarray(pixels)), RGB)
    assert (found[:, :12] == 255).all()
    assert np.array_equal(found[:, 12:].transpose(1, 2, 0), ramp()[12:])
    palette = Image.new("P", (WIDTH, HEIGHT), 0)
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.paste(1, (0, 0, 18, HEIGHT))
    found = decode(saved(palette, transparency=0), RGB)
    assert found[:, 0, 0].tolist() == [200, 100, 50]
    assert found[:, 0, -1].tolist() == [255, 255, 255]


TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNS)
def test_a_picture_is_turned_as_its_exif_says(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(ramp()), "PNG", exif=exif)
    expected = TURNS[orientation](ramp())  # what the tag means, by numpy
    head = facts(content)
    assert (head.height, head.width) == expected.shape[:2]
    found = decode(content, Decoding(head.height, head.width, 3, "pad"))
    assert np.array_equal(found.transpose(1, 2, 0), expected)


@pytest.mark.parametrize(("height", "width"), [(48, 36), (24, 72), (5, 200), (200, 5), (3, 3), (400, 600)])
def test_other_shapes_get_margins_or_lose_their_edges(height: int, width: int) -> None:
    white = saved(Image.new("RGB", (width, height), (255, 255, 255)))
    padded, cut = decode(white, RGB), decode(white, Decoding(HEIGHT, WIDTH, 3, "crop"))
    assert (cut == 255).all()
    inside = padded[0] == 255
    assert (padded[:, ~inside] == MARGIN).all()
    scale = min(HEIGHT / height, WIDTH / width)
    expected = max(1, scale * height) * max(1, scale * width)
    assert abs(inside.sum() - expected) <= max(HEIGHT, WIDTH)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert abs(rows[0] - (HEIGHT - 1 - rows[-1])) <= 1  # in the middle
    assert abs(columns[0] - (WIDTH - 1 - columns[-1])) <= 1


def test_a_large_jpeg_is_decoded_as_its_small_self() -> None:
    large = Image.fromarray(ramp()).resize((WIDTH * 60, HEIGHT * 60), Image.Resampling.BICUBIC)
    found = decode(saved(large, "JPEG", quality=95), RGB)
    assert np.abs(found.transpose(1, 2, 0).astype(int) - ramp()).mean() < 4


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_large_jpeg_of_a_telephone_is_turned_too(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    large = Image.fromarray(ramp()).resize((WIDTH * 60, HEIGHT * 60), Image.Resampling.BICUBIC)
    expected = TURNS[orientation](ramp())
    how = Decoding(expected.shape[0], expected.shape[1], 3, "pad")
    found = decode(saved(large, "JPEG", quality=95, exif=exif), how)
    assert np.abs(found.transpose(1, 2, 0).astype(int) - expected).mean() < 4


JPEG = saved(Image.fromarray(ramp()).resize((400, 300)), "JPEG")
PNG = saved(Image.fromarray(ramp()))
BROKEN = {
    "cut jpeg": JPEG[: len(JPEG) // 2],
    "cut png": PNG[: len(PNG) // 2],
    "empty": b"",
    "text": b"<html>404</html>",
    "bomb": png(20_000, 20_000, pixels=b""),
    "small bomb": png(10_000, 10_000, pixels=b""),  # of which Pillow only warns
    "gif": saved(Image.fromarray(ramp()), "GIF"),
    "damaged": PNG[:60] + bytes(40) + PNG[100:],
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_picture_is_a_data_error_in_words(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as where many runs share a screen
        with pytest.raises(DataError) as caught:
            decode(BROKEN[kind], RGB)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)
    if kind.endswith("bomb"):
        assert "pixels" in str(caught.value)
        with pytest.raises(DataError):
            facts(BROKEN[kind])


@given(st.binary(max_size=200), st.integers(0, len(PNG)))
def test_whatever_bytes_there_are_the_answer_is_a_picture_or_a_data_error(noise: bytes, at: int) -> None:
    for content in (noise, PNG[:at] + noise + PNG[at + len(noise) :], JPEG[: at % len(JPEG)] + noise):
        with contextlib.suppress(DataError):
            assert decode(content, GREY).shape == GREY.shape


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=1, max_size=9))
def test_the_size_suits_the_pictures(sizes: list[tuple[int, int]]) -> None:
    height, width = size_for([Facts(h, w, "RGB") for h, w in sizes])
    assert 16 <= height <= 64
    assert 16 <= width <= 64
    assert height % 4 == width % 4 == 0
    middle = np.median(np.array(sizes), axis=0)
    if middle.max() > 64:
        assert max(height, width) == 64


# --- bombs ---------------------------------------------------------------------------------------------------------


def gif(frames: int) -> bytes:
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 8, 8, 0) + b"\x02\x02\x84\x51\x00"
    return b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


def unpacks_to(megabytes: int) -> bytes:
    packer = zlib.compressobj(1)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(megabytes)), packer.flush()])


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "pixels": (lambda: png(20_000, 20_000), "more than 89,478,485 pixels"),
    "one long row": (lambda: png(2**31 - 1, 1, pixels=b""), "more than 89,478,485 pixels"),
    "zTXt": (lambda: png(8, 8, chunk(b"zTXt", b"k\0\0" + unpacks_to(200))), "too large"),
    "iTXt": (lambda: png(8, 8, chunk(b"iTXt", b"k\0\1\0\0\0" + unpacks_to(200))), "too large"),
    "iCCP": (lambda: png(8, 8, chunk(b"iCCP", b"k\0\0" + unpacks_to(200))), "too large"),
    "many texts": (
        lambda: png(8, 8, chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(900_000))) * 100),
        "too much memory",
    ),
    "a million remarks": (lambda: png(8, 8, chunk(b"tEXt", b"k\0v") * 1_000_000), "more than 10,000 chunks"),
    "a million frames": (lambda: gif(1_000_000), "no JPEG, PNG"),
    "truncated": (lambda: png(500, 500)[:70], "truncated"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_that_unpacks_to_far_more_than_it_is_is_refused_in_little_memory(name: str) -> None:
    make, why = BOMBS[name]
    content = make()
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=f"(?i){why}"):
            decode(content, RGB)
        assert tracemalloc.get_traced_memory()[1] < len(content) + (100 << 20)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "entries",
    [
        struct.pack("<HHII", 0x0112, 4, 0x3FFFFFFF, 8) * 60_000,  # a tag that claims 4 GB, many times
        struct.pack("<HHII", 0x8769, 4, 1, 8),  # a directory that holds itself
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_odd_exif_says_nothing(entries: bytes) -> None:
    exif = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries) // 12) + entries + bytes(4)
    content = png(8, 8, chunk(b"eXIf", exif))
    assert facts(content) == Facts(8, 8, "1")
    assert not decode(content, GREY)[0, HEIGHT // 2, WIDTH // 2]


def test_pixels_beyond_those_of_the_head_are_not_unpacked() -> None:
    with contextlib.suppress(DataError):
        assert decode(png(8, 8, pixels=unpacks_to(200)), GREY).shape == GREY.shape


@pytest.mark.parametrize("mode", ["LA", "P", "RGBA", "I;16", "I", "F"])
@pytest.mark.parametrize("how", [RGB, GREY])
def test_a_picture_in_stripes_is_the_same_as_whole(mode: str, how: Decoding, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    if mode == "P":
        image = Image.fromarray(ramp()).quantize(16)
        image.info["transparency"] = 3
    elif mode in {"LA", "RGBA"}:
        image = Image.fromarray(draw.integers(0, 255, (HEIGHT, WIDTH, len(mode)), dtype=np.uint8), mode)
    else:
        kind = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        image = Image.fromarray(draw.integers(0, 60_000, (HEIGHT, WIDTH)).astype(kind))
    content = saved(image, "TIFF" if mode in {"I", "F"} else "PNG")
    whole = decode(content, how)
    monkeypatch.setattr(decoding, "STRIPE_PIXELS", 5 * WIDTH)
    assert np.array_equal(decode(content, how), whole)


def test_a_file_larger_than_any_picture_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(decoding.MOST_BYTES + 1)
    with pytest.raises(DataError, match="more than 1,024 MB"):
        decoding.read(tmp_path / "huge.png")

"""Pictures decoded once: rows of bytes in a file, keyed by the content they come from and by how it was decoded.

A folder of pictures has a folder of its own in the cache, which may be deleted at any time:

    files.json            what each file was when it was last looked at: size, times, SHA-256, what its head says
    <how>.json            for one way to decode: SHA-256 -> row and checksum, or why it cannot be decoded
    <how>-<token>.u8      those rows, as the index names them
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adaptact import files, folders, records, terminal
from adaptact.data.images.decoding import Decoding, Facts, decode, facts, read
from adaptact.errors import DataError, UserError

SCHEMA = 1  # also raised where pictures are decoded in another way
CHUNK = 256
MANY = 500  # pictures; with fewer there is nothing to watch
ABANDONED_S = 3600  # a half-written file that nobody has written to for so long


@dataclass(frozen=True)
class Entry:
    """One file: SHA-256 of its content and what its head says, or why it is no picture."""

    digest: str
    facts: Facts | None
    error: str | None


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures.

    Args:
        pixels: (rows, channels, height, width) in uint8, mapped from the cache.
        rows: SHA-256 of a file -> its row.
        errors: SHA-256 of a file -> why it cannot be decoded.
    """

    pixels: np.ndarray
    rows: dict[str, int]
    errors: dict[str, str]


class ImageCache:
    """What is known of the pictures below ``root``.

    Args:
        root: the folder of the pictures; files are named relative to it, or absolutely.
        parent: where caches are kept; by default ``data/cache`` of the project.
    """

    def __init__(self, root: Path, parent: Path | None = None) -> None:
        self.root = root
        key = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
        name = f"{folders.safe_name(root.resolve().name)}-{key}"
        self.folder = (parent or records.project_root() / "data" / "cache") / name

    def scan(self, paths: list[str]) -> dict[str, Entry]:
        """Content and head of every file; one that is as it was (size and times) is not opened again."""
        known = self._read("files.json", "files")
        found: dict[str, Entry] = {}
        stamps: dict[str, list[int]] = {}
        for path in paths:
            try:
                stat = (self.root / path).stat()
            except OSError as error:
                found[path] = Entry("", None, error.strerror or str(error))
                continue
            stamps[path] = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
            try:
                stamp, (digest, head, why) = known[path]
                if stamp == stamps[path]:
                    found[path] = Entry(digest, Facts(*head) if head else None, why)
            except (KeyError, TypeError, ValueError):  # not known, or somebody has written into the file
                continue
        fresh = [path for path in paths if path not in found]
        for path, entry in zip(fresh, self._each(self._look, fresh, "looking at pictures"), strict=True):
            found[path] = entry
        if fresh or set(known) - set(paths):
            plain = {
                path: [stamp, [e.digest, list(asdict(e.facts).values()) if e.facts else None, e.error]]
                for path, stamp in stamps.items()
                if (e := found[path]).digest
            }
            self._write("files.json", {"files": plain})
        return {path: found[path] for path in paths}

    def _look(self, path: str) -> Entry:
        try:
            content = read(self.root / path)
        except OSError as error:
            return Entry("", None, error.strerror or str(error))
        except DataError as error:
            return Entry("", None, str(error))
        digest = hashlib.sha256(content).hexdigest()
        try:
            return Entry(digest, facts(content), None)
        except DataError as error:
            return Entry(digest, None, str(error))

    def decode(self, files: dict[str, str], how: Decoding) -> Pictures:
        """All pictures as rows of bytes; only those that the cache has not, or has damaged, are decoded.

        Args:
            files: SHA-256 -> one file of this content.
        """
        name = hashlib.sha256(json.dumps(asdict(how), sort_keys=True).encode()).hexdigest()[:12]
        kept, rows, errors = self._kept(name, how, files)
        missing = [digest for digest in files if digest not in rows and digest not in errors]
        if missing:
            kept, rows, more = self._extend(
                name, how, kept, rows, {digest: files[digest] for digest in missing}, errors
            )
            errors |= more
        return Pictures(kept, rows, {digest: errors[digest] for digest in files if digest in errors})

    def _kept(
        self, name: str, how: Decoding, files: dict[str, str]
    ) -> tuple[np.ndarray, dict[str, int], dict[str, str]]:
        """The rows of ``files`` that the cache has undamaged."""
        try:
            index = self._read(f"{name}.json")
            pixels = _mapped(self.folder / Path(index["pixels"]).name, how)
            rows = {
                digest: row
                for digest, (row, checksum) in index["rows"].items()
                if digest in files and 0 <= row < len(pixels) and zlib.crc32(pixels[row].tobytes()) == checksum
            }
            return pixels, rows, {digest: str(why) for digest, why in index["errors"].items() if digest in files}
        except (OSError, KeyError, TypeError, ValueError, AttributeError):  # none yet, or a broken one
            return np.zeros((0, *how.shape), dtype=np.uint8), {}, {}

    def _extend(
        self,
        name: str,
        how: Decoding,
        kept: np.ndarray,
        rows: dict[str, int],
        files: dict[str, str],
        known_errors: dict[str, str],
    ) -> tuple[np.ndarray, dict[str, int], dict[str, str]]:
        """A new file with the rows of before and those of ``files``; it appears whole or not at all."""
        errors: dict[str, str] = {}
        placed: dict[str, int] = {}
        checksums: dict[str, int] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._tidy(f".{name}-*.part", older=ABANDONED_S)
            handle, temporary = tempfile.mkstemp(dir=self.folder, prefix=f".{name}-", suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:

                    def add(digest: str, pixels: np.ndarray) -> None:
                        content = pixels.tobytes()
                        file.write(content)
                        placed[digest], checksums[digest] = len(placed), zlib.crc32(content)

                    for digest, row in rows.items():
                        add(digest, kept[row])
                    decoded = self._each(
                        lambda digest: self._decoded(digest, files[digest], how), files, "decoding pictures"
                    )
                    for digest, pixels in zip(files, decoded, strict=True):
                        if isinstance(pixels, str):
                            errors[digest] = pixels
                        else:
                            add(digest, pixels)
                    file.flush()
                    os.fsync(file.fileno())
                final = self.folder / f"{name}-{time.time_ns():x}.u8"
                Path(temporary).replace(final)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            pixels = _mapped(final, how)
            index = {digest: [row, checksums[digest]] for digest, row in placed.items()}
            self._write(f"{name}.json", {"pixels": final.name, "rows": index, "errors": known_errors | errors})
            self._tidy(f"{name}-*.u8", but=final)
        except OSError as error:
            raise DataError(
                f"decoded pictures cannot be kept in {self.folder}: {error.strerror or error}; make room, or name "
                "another folder with data.cache="
            ) from None
        return pixels, placed, errors

    def _decoded(self, digest: str, path: str, how: Decoding) -> np.ndarray | str:
        """The pixels, or why there are none."""
        try:
            content = read(self.root / path)
            if hashlib.sha256(content).hexdigest() != digest:
                raise OSError("it was changed while it was read")
            return decode(content, how)
        except OSError as error:  # may be mended without a change of its content: said now, not remembered
            raise DataError(f"{path} cannot be read: {error.strerror or error}; run again") from None
        except DataError as error:
            return str(error)

    def _each(self, function: Callable[[str], Any], items: Iterable[str], what: str) -> Iterator[Any]:
        """``function`` of all items in their order, by several threads (Pillow lets them run), watched."""
        items = list(items)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with (
            Progress(
                *columns, console=terminal.console(stderr=True), disable=len(items) < MANY, transient=True
            ) as progress,
            ThreadPoolExecutor(os.cpu_count()) as pool,
        ):
            task = progress.add_task(what, total=len(items))
            for start in range(0, len(items), CHUNK):
                for result in pool.map(function, items[start : start + CHUNK]):
                    yield result
                    progress.advance(task)

    def _tidy(self, pattern: str, *, but: Path | None = None, older: float = 0.0) -> None:
        """Remove what nobody needs any more; processes that have it mapped keep it."""
        for path in self.folder.glob(pattern):
            try:
                if path != but and time.time() - path.stat().st_mtime >= older:
                    path.unlink()
            except OSError:
                continue

    def _read(self, name: str, key: str | None = None) -> dict[str, Any]:
        """A file of ours, or what it has under a key; empty where there is none, or a broken one: it is made again."""
        try:
            plain = files.read_json(self.folder / name)
            inner = plain if key is None else plain[key]
            return inner if plain["schema"] == SCHEMA and isinstance(inner, dict) else {}
        except (FileNotFoundError, UserError, KeyError):
            return {}

    def _write(self, name: str, plain: dict[str, Any]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"schema": SCHEMA, **plain}, ensure_ascii=True)
            files.write_text(self.folder / name, text)
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be written: {error.strerror or error}; name another folder with data.cache="
            ) from None


def _mapped(path: Path, how: Decoding) -> np.ndarray:
    """Rows of a file, mapped; of one that is cut short, those that are whole."""
    size = int(np.prod(how.shape))
    rows = path.stat().st_size // size
    if not rows:
        return np.zeros((0, *how.shape), dtype=np.uint8)
    return np.memmap(path, dtype=np.uint8, mode="r", shape=(rows, *how.shape))

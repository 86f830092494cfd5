"""Read and write the files of run folders: one way in, with limits, and one way out, whole or not at all.

What is read may come from elsewhere: nothing in it is executed, its size, depth and types are checked, and whatever is
wrong with it is a UserError that names the file. What is written appears under its name when it is complete.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import itertools
import json
import math
import os
import platform
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from adaptact.errors import MachineError, UserError, machine_error
from adaptact.shapes import conform

MOST_BYTES = 256 << 20  # of a file that is read at once
MOST_YAML_BYTES = 4 << 20  # its parser takes a second for each of them
MOST_YAML_VALUES = 200_000  # with every alias counted as what it stands for
MOST_DEPTH = 64

# --- reading ------------------------------------------------------------------------------------------------------


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Read a UTF-8 text file, with or without a byte order mark.

    Raises:
        FileNotFoundError: no such file; also where the path leads through a file.
        ValueError: no regular file, one beyond ``most`` bytes, or no text.
        OSError: it cannot be read.
    """
    try:
        if not path.is_file():
            raise FileNotFoundError(path) if not path.exists() else ValueError("it is no file")
        if (size := path.stat().st_size) > most:
            raise ValueError(f"it has {size:,} bytes, and at most {most:,} are read")
        return path.read_text(encoding="utf-8-sig")
    except NotADirectoryError:
        raise FileNotFoundError(path) from None


def read_json(path: Path, shape: Any = dict) -> Any:
    """Read a JSON file, as the type that ``shape`` describes (see :func:`adaptact.shapes.conform`).

    Raises:
        FileNotFoundError: no such file.
        UserError: anything else that is wrong with it, by name.
    """
    with named(path):
        return conform(parse_json(read_text(path)), shape)


def parse_json(text: str) -> Any:
    """Parse JSON; NaN and infinity, which the format does not have, are refused.

    Raises:
        ValueError: no JSON, or nesting beyond all limits.
    """

    def refuse(name: str) -> float:
        raise ValueError(f"{name} is no number of JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("its nesting is too deep") from None


def read_yaml(path: Path, shape: Any = dict) -> Any:
    """Read a YAML file, as the type that ``shape`` describes; see :func:`parse_yaml`.

    Raises:
        FileNotFoundError: no such file.
        UserError: anything else that is wrong with it, by name.
    """
    with named(path):
        return conform(parse_yaml(read_text(path, MOST_YAML_BYTES)), shape)


def parse_yaml(text: str) -> Any:
    """Parse YAML into plain values, within limits on depth and on the number of values, aliases counted in full.

    Raises:
        ValueError: no YAML, a tag that names a class, or a value beyond the limits.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            if _count_values(node, {}) > MOST_YAML_VALUES:
                raise ValueError(f"it has more than {MOST_YAML_VALUES:,} values, with aliases counted in full")
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    except (RecursionError, OverflowError, TypeError) as error:
        raise ValueError(f"it cannot be parsed ({error})") from None


class _Loader(yaml.SafeLoader):
    """yaml.SafeLoader with a limit on nesting, before the parser's own recursion runs out of stack."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        try:
            if self.depth > MOST_DEPTH:
                raise ValueError(f"its nesting is deeper than {MOST_DEPTH}")
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _count_values(node: yaml.Node, known: dict[int, int]) -> float:
    """Number of values below ``node``; a node that is reached again counts again, one that holds itself never ends."""
    if id(node) in known:
        return known[id(node)]
    if isinstance(node, yaml.ScalarNode):
        return 1
    known[id(node)] = math.inf  # type: ignore[assignment]  # until it is counted: it holds itself
    parts = itertools.chain.from_iterable(node.value) if isinstance(node, yaml.MappingNode) else node.value
    known[id(node)] = 1 + sum(_count_values(part, known) for part in parts)  # type: ignore[assignment]
    return known[id(node)]


def read_csv(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, str]]:
    """Read a CSV file of ours, one mapping per row.

    Args:
        columns: the header that it must have, if that is fixed.

    Raises:
        FileNotFoundError: no such file.
        UserError: anything else that is wrong with it: a row of another length than the header, for instance.
    """
    with named(path):
        rows = list(csv.reader(io.StringIO(read_text(path), newline="")))
        header = rows[0] if rows else []
        if len(set(header)) < len(header) or header != list(columns or header):
            raise ValueError("it has other columns")
        for number, row in enumerate(rows[1:], start=2):
            if len(row) != len(header):
                raise ValueError(f"row {number} has {len(row)} cells, and the header {len(header)}")
        return [dict(zip(header, row)) for row in rows[1:]]


def read_arrays(path: Path) -> dict[str, Any]:
    """Read the arrays of an .npz file of numbers and fixed-length texts; nothing is unpickled.

    What each array declares is held against the bytes that are there before any of it is read.

    Raises:
        FileNotFoundError: no such file.
        UserError: anything else that is wrong with it, by name.
    """
    import numpy as np

    with named(path):
        if not path.is_file():
            raise FileNotFoundError(path)
        check_archive(path)
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as file:
                    version = np.lib.format.read_magic(file)
                    read = np.lib.format.read_array_header_1_0
                    read = read if version == (1, 0) else np.lib.format.read_array_header_2_0
                    shape, _, dtype = read(file)
                    if dtype.kind not in "biufUS" or math.prod(shape) * dtype.itemsize > member.file_size:
                        raise ValueError(f"{member.filename} is none of the arrays of adaptact, or is cut off")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}


def check_archive(path: Path) -> None:
    """Raise ValueError for a zip archive that is broken or packed: those of adaptact store their members as they are.

    An archive that unpacks to no more than its own size cannot take more memory than its file takes of the disk.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ValueError(f"it is cut off or no archive ({error})") from None
    if unpacked > path.stat().st_size:
        raise ValueError(f"it would unpack to {unpacked:,} bytes, more than there can be")


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read, or its content followed, into a UserError with its name.

    That there is no such file stays a FileNotFoundError.
    """
    try:
        yield
    except (UserError, FileNotFoundError):
        raise
    except Exception as error:  # zipfile, zlib, numpy and csv raise many kinds for a broken or hostile file
        if (fault := machine_error(error)) is not None:
            raise fault from None
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise UserError(f"{path} is broken: {reason}") from None


# --- writing ------------------------------------------------------------------------------------------------------


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file that is, at any moment, either the old one or the new one: temporary name, flush, rename.

    Raises:
        MachineError: a full disk, a folder without the right to write, and the like; the old file is intact.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8; halves of letters, as in a file name of another encoding, become escapes."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, plain: Any) -> None:
    write_text(path, json.dumps(finite(plain), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_yaml(path: Path, plain: Any) -> None:
    write_text(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file that takes the place of ``path`` at the end, and is removed if anything is raised.

    Temporary files that killed processes have left of the same file are removed first. A new file has the rights that
    the user's umask and the folder give, one that takes the place of another keeps those of it.

    Raises:
        MachineError: as :func:`write_bytes`.
    """
    with _as_machine_error(path):
        remove_left_over(path)
        temporary = _temporary(path)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        try:
            with contextlib.suppress(OSError):
                temporary.chmod(path.stat().st_mode & 0o7777)
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def together(folder: Path) -> Iterator[Path]:
    """Give a draft folder whose files appear in ``folder`` at the end, all of them, or none if anything is raised.

    ``folder`` is made if need be; what else it holds stays.

    Raises:
        MachineError: as :func:`write_bytes`.
    """
    with _as_machine_error(folder):
        # drafts of any name: a folder that is named by the time never comes again
        _remove(folder.resolve().parent.glob(f".*.{_HOST}.*.tmp"))
        # resolved, as a link may lead to another disk; of the same name, as pages may show it
        draft = _temporary(folder.resolve()) / folder.name
        try:
            draft.mkdir(parents=True)
            yield draft
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(draft.rglob("*")):
                target = folder / path.relative_to(draft)
                if path.is_dir():
                    target.mkdir(exist_ok=True)
                else:
                    path.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                folder.rmdir()  # only if nothing is in it: it was made for what has failed
            raise
        finally:
            shutil.rmtree(draft.parent, ignore_errors=True)


def append_line(path: Path, line: str) -> None:
    """Append a line that is on disk when this returns.

    Raises:
        MachineError: as :func:`write_bytes`; half a line is taken back.
    """
    with _as_machine_error(path), path.open("ab") as file:
        size = file.tell()
        try:
            file.write(line.encode("utf-8") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(path, size)
            raise


@contextlib.contextmanager
def _as_machine_error(path: Path) -> Iterator[None]:
    try:
        yield
    except MachineError:
        raise
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        if (fault := machine_error(error)) is not None:
            raise fault from None
        raise UserError(f"{path} cannot be written: {error.strerror or error}") from None


# --- temporary files ----------------------------------------------------------------------------------------------

_numbers = itertools.count(1)
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
LONGEST_NAME = 40  # letters of a name that a temporary one repeats: file systems allow 255 bytes


def _temporary(path: Path) -> Path:
    """A name beside ``path`` that says which process of which host made it."""
    return path.with_name(f".{path.name[:LONGEST_NAME]}.{_HOST}.{os.getpid()}.{next(_numbers)}.tmp")


def remove_left_over(path: Path) -> None:
    """Remove the temporary files and drafts that processes which have ended left beside ``path``."""
    _remove(path.parent.glob(f".{_literal(path.name[:LONGEST_NAME])}.{_HOST}.*.tmp"))


def remove_all_left_over(folder: Path) -> None:
    """Remove the temporary files and drafts that processes which have ended left anywhere below ``folder``."""
    _remove(list(folder.rglob(f".*.{_HOST}.*.tmp")))


def _literal(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _remove(found: Iterable[Path]) -> None:
    for left in found:
        parts = left.name.partition(f".{_HOST}.")[2].split(".")
        if len(parts) < 3 or not parts[0].isdecimal() or is_alive(int(parts[0])):
            continue
        with contextlib.suppress(OSError):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()


def is_alive(process: int) -> bool:
    """Check whether a process of this host is there. On Windows, where a file in use cannot be removed, it is not."""
    if os.name == "nt":  # os.kill would end it
        return process == os.getpid()
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return not is_zombie(process)


def is_zombie(process: int) -> bool:
    """Check for a process that has ended, but is still counted: some containers never ask for the ends of orphans."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no such process, or no Linux
        return False
    return stat.rpartition(")")[2].split()[:1] == ["Z"]


def finite(value: Any) -> Any:
    """``value`` with every float that is not finite replaced by None, at any depth.

    >>> finite({"a": [1.0, float("nan")]})
    {'a': [1.0, None]}
    """
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

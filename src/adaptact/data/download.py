"""Fetch a file once: over https, with a checksum and a progress bar, complete or not at all."""

from __future__ import annotations

import hashlib
import http.client
import tempfile
import urllib.request
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from adaptact import terminal
from adaptact.errors import DataError

TIMEOUT_S = 20


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(urls: list[str], digest: str, target: Path) -> Path:
    """Download ``target`` from the first of ``urls`` that answers, unless it is there already.

    Raises:
        DataError: no address answered, or none gave the file with this SHA-256.
    """
    if target.is_file() and sha256(target) == digest:
        return target
    reasons = []
    for url in urls:
        temporary = None
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
                temporary = Path(file.name)
                _copy(url, file, target.name)
            if sha256(temporary) != digest:
                raise DataError("the checksum is wrong")
            temporary.replace(target)
            return target
        except (OSError, http.client.HTTPException, DataError) as error:
            reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
    raise DataError(f"cannot download {target.name} ({'; '.join(reasons)})")


def _copy(url: str, file: object, name: str) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with (
        urllib.request.urlopen(url, timeout=TIMEOUT_S) as response,
        Progress(*columns, console=terminal.console(stderr=True)) as progress,
    ):
        size = response.headers.get("Content-Length")
        task = progress.add_task(name, total=int(size) if size else None)
        while chunk := response.read(1 << 16):
            file.write(chunk)  # type: ignore[attr-defined]
            progress.advance(task, len(chunk))

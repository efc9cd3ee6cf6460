"""Write lines to a file that is rotated by size and by age, or to a stream.

    relay.jsonl                                 what is written now
    relay.jsonl.20261129T063610.000125Z         rotated then; .gz where compressed

A line is in the file whole or not at all: what a full disk took of one is cut off again.

Touches: the file and its folder.
Raises:  OSError; what was given is then not written and may be given again.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from relay.logs.record import timestamp

_MODE: Final = 0o640
_HEAD_BYTES: Final = 4096
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(slots=True)
class Stream:
    """Standard output or error."""

    descriptor: int
    settles_seconds: float = 0.0

    def write(self, lines: Sequence[bytes], *, durable: bool) -> None:
        _ = durable  # whoever reads a stream keeps it, or not
        _write_all(self.descriptor, b"".join(lines))

    def look(self) -> None:
        """Nothing is known of a stream before it is written to."""

    def reopen(self) -> None:
        """A stream is what it was at the start."""

    def close(self) -> None:
        """It is not ours to close."""


@dataclass(slots=True)
class RotatedFile:
    path: Path
    rotate_bytes: int
    rotate_seconds: float
    keep: int
    compress: bool
    settles_seconds: float = 0.0
    _descriptor: int | None = None
    _size: int = 0
    _since: float = 0.0
    _held: list[Path] = field(default_factory=list)

    def write(self, lines: Sequence[bytes], *, durable: bool) -> None:
        """`durable`: fsynced before it returns."""
        content = b"".join(lines)
        descriptor = self._open()
        if self._size and (self._size + len(content) > self.rotate_bytes or self._is_old()):
            descriptor = self._rotate()
        try:
            _write_all(descriptor, content)
            if durable:
                os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, self._size)
            raise
        self._size += len(content)

    def look(self) -> None:
        """Nothing happens to a file by itself."""

    def reopen(self) -> None:
        """Whoever renamed it wants a new one."""
        self.close()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            found = os.open(self.path, _FLAGS, _MODE)
            about = os.fstat(found)
            if not stat.S_ISREG(about.st_mode):
                os.close(found)
                raise OSError(f"{self.path} is no file")
            self._descriptor, self._size = found, about.st_size
            self._since = _begun(self.path) if about.st_size else time.time()
        return self._descriptor

    def _is_old(self) -> bool:
        return time.time() - self._since >= self.rotate_seconds

    def _rotate(self) -> int:
        self.close()
        mark = timestamp(time.time_ns()).replace("-", "").replace(":", "")
        old = self.path.with_name(f"{self.path.name}.{mark}")
        self.path.rename(old)
        if self.compress:
            _compress(old)
        for one in rotated(self.path)[: -self.keep or None]:
            one.unlink(missing_ok=True)
        return self._open()


def rotated(path: Path) -> list[Path]:
    """What was rotated away from this path, oldest first."""
    prefix = f"{path.name}."
    found = [
        one
        for one in path.parent.iterdir()
        if one.name.startswith(prefix) and _is_mark(one.name[len(prefix) :])
    ]
    return sorted(found, key=lambda one: one.name.removesuffix(".gz"))


def _is_mark(end: str) -> bool:
    try:
        datetime.strptime(end.removesuffix(".gz"), "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _compress(path: Path) -> None:
    """A name that ends in .gz holds all of it; a crash leaves the plain file."""
    half = path.with_name(f".{path.name}.gz")
    try:
        with path.open("rb") as plain, half.open("wb") as file, gzip.open(file, "wb") as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
        half.rename(path.with_name(f"{path.name}.gz"))
    except OSError:
        half.unlink(missing_ok=True)  # a full disk: it stays as it is
        return
    path.unlink()


def _begun(path: Path) -> float:
    """When the file's first line was written: a restart does not make it young."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES).split(b"\n", 1)[0]
    try:
        said = json.loads(head)["timestamp"]
    except (ValueError, TypeError, KeyError):
        said = head.split(b" ", 1)[0].decode("ascii", "replace")
    try:
        return datetime.fromisoformat(str(said).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return time.time()


def _write_all(descriptor: int, content: bytes) -> None:
    waiting = memoryview(content)
    while waiting:
        waiting = waiting[os.write(descriptor, waiting) :]

"""The payload store: small envelopes beside their row, larger ones in files named by their digest.

A file is written under a temporary name, fsynced, renamed, and its folder fsynced, all before the
admission that refers to it commits. If the process dies before that, the file is an orphan that
nothing refers to and the sender repeats.

Touches: DATA/payloads. Trusts: nothing of the content.
Raises:  EnvelopeError over the limit; ReserveError when the disk has no room for it, and then nothing of
         it is left behind; JournalError when the disk fails; LostPayloadError for what it has lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from relay.errors import EnvelopeError, JournalError, LostPayloadError
from relay.journal.faults import write_fault
from relay.model import Digest, Payload

INLINE_BYTES = 256 * 1024
"""Up to here a payload stands in the database: measured faster than a file of its own."""
CHUNK_BYTES = 256 * 1024


class PayloadFiles:
    """Payloads on their way in and out."""

    def __init__(
        self,
        folder: Path,
        random: Callable[[int], bytes] = os.urandom,
        *,
        room: Callable[[int], None] = lambda _: None,
        fault: Callable[[BaseException], None] | None = None,
    ) -> None:
        """`room` is asked before so many bytes go to a file, and may raise; `fault` is told of a disk
        that fails otherwise than by being full."""
        self._folder = folder
        self._random = random
        self.room = room
        self.fault = fault
        self._coming = folder / "coming"
        self._coming.mkdir(parents=True, exist_ok=True)
        self._held: Counter[Digest] = Counter()
        self._leaving: dict[Digest, object] = {}
        self._arriving: set[Path] = set()

    def forget_unfinished(self, before: float | None = None) -> int:
        """Uploads that broke off and were last written before this instant: those of a process that
        died, or that could not be removed. How many there were; never one that is still coming."""
        left = [path for path in self._coming.iterdir() if path not in self._arriving]
        removed = 0
        for path in left:
            with suppress(FileNotFoundError):
                if before is None or path.stat().st_mtime <= before:
                    path.unlink()
                    removed += 1
        return removed

    def folders(self) -> list[Path]:
        """Where files stand under their digests."""
        return sorted(path for path in self._folder.iterdir() if len(path.name) == 2)

    def begin(self, limit_bytes: int) -> PayloadUpload:
        return PayloadUpload(self, limit_bytes)

    def coming(self) -> Path:
        """A name for a file that is not whole yet."""
        path = self._coming / self._random(16).hex()
        self._arriving.add(path)
        return path

    def came(self, path: Path) -> None:
        """It has its own name now, or is gone."""
        self._arriving.discard(path)

    def hold(self, digest: Digest) -> None:
        """Somebody is about to store or refer to the file of this digest."""
        self._held[digest] += 1
        self._leaving.pop(digest, None)

    def let_go(self, digest: Digest) -> None:
        """Whoever held it stored nothing after all."""
        self._held[digest] -= 1
        if self._held[digest] <= 0:
            del self._held[digest]

    async def release(
        self, payload: Payload, referred: Callable[[Digest], Awaitable[bool]]
    ) -> None:
        """The holder is done with it: a file that no message refers to is removed.

        A message comes to refer to it only while it is held.
        """
        if payload.path is None:
            return
        self._held[payload.digest] -= 1
        if self._held[payload.digest] <= 0:
            del self._held[payload.digest]
            await self.drop(payload.digest, referred)

    async def drop(self, digest: Digest, referred: Callable[[Digest], Awaitable[bool]]) -> bool:
        """Remove a file unless somebody holds it or a message refers to it. Whether it was removed.

        The answer of `referred` holds only if nobody came to hold it while it was asked: whoever did
        asks again when it is done.
        """
        if self._held[digest] > 0:
            return False
        mine = self._leaving[digest] = object()
        try:
            if await referred(digest) or self._leaving.get(digest) is not mine:
                return False
            removed = self._take_away(digest)
        finally:
            if self._leaving.get(digest) is mine:
                del self._leaving[digest]
        if removed is not None:
            await asyncio.to_thread(removed.unlink, missing_ok=True)
        return removed is not None

    def _take_away(self, digest: Digest) -> Path | None:
        """Out of its name at once; the bytes of a large file take the disk longer than the loop has."""
        aside = self._coming / self._random(16).hex()
        try:
            return self.path(digest).replace(aside)
        except FileNotFoundError:
            return None

    def path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    async def check(self, payload: Payload, *, thorough: bool) -> None:
        """That the file is there, at its full size or, if `thorough`, to the byte."""
        if payload.path is None:
            return
        if fault := await asyncio.to_thread(_fault, payload, payload.path, thorough=thorough):
            raise LostPayloadError(
                f"the disk of this node has lost the document: payload {payload.digest} {fault}"
            )

    async def read(self, payload: Payload, start_bytes: int = 0) -> AsyncIterator[bytes]:
        """The exact bytes from there on, in chunks; files are read in a thread."""
        if payload.content is not None:
            for start in range(start_bytes, len(payload.content), CHUNK_BYTES) or (0,):
                yield payload.content[start : start + CHUNK_BYTES]
            return
        assert payload.path is not None  # noqa: S101  one of the two, by construction
        try:
            file = await _opened(payload.path)
        except OSError as error:
            raise JournalError(
                f"payload {payload.digest} cannot be read: {error.strerror}"
            ) from error
        with file:
            file.seek(payload.start + start_bytes)
            left = max(payload.size_bytes - start_bytes, 0)
            while chunk := await asyncio.to_thread(file.read, min(left, CHUNK_BYTES)):
                left -= len(chunk)
                yield chunk


def _fault(payload: Payload, path: Path, *, thorough: bool) -> str:
    """What is wrong with a file; empty when nothing is."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size - payload.start
            if found < payload.size_bytes:
                return f"has {max(found, 0)} of {payload.size_bytes} bytes"
            if thorough and _hashed(file, payload) != payload.digest:
                return "is damaged"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return ""


def _hashed(file: BinaryIO, payload: Payload) -> str:
    running, left = hashlib.sha256(), payload.size_bytes
    file.seek(payload.start)
    while chunk := file.read(min(left, CHUNK_BYTES)):
        left -= len(chunk)
        running.update(chunk)
    return running.hexdigest()


async def _opened(path: Path) -> BinaryIO:
    """Opened in a thread; closed again where whoever asked was cancelled meanwhile."""
    opening = asyncio.ensure_future(asyncio.to_thread(path.open, "rb"))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_closed)
        raise


def _closed(opening: asyncio.Task[Any]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


class PayloadUpload:
    """One payload on its way in; see delivery.ports.Upload."""

    def __init__(self, files: PayloadFiles, limit_bytes: int) -> None:
        self._files = files
        self._coming: Path
        self._limit_bytes = limit_bytes
        self._hash = hashlib.sha256()
        self._size = 0
        self._parts: list[bytes] = []
        self._file: BinaryIO | None = None
        self._done = False

    def write(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limit_bytes:
            raise EnvelopeError(
                f"envelope over {self._size} bytes", limit=f"{self._limit_bytes} bytes"
            )
        self._hash.update(chunk)
        if self._file is None and self._size <= INLINE_BYTES:
            self._parts.append(chunk)
            return
        try:
            self._files.room(len(chunk))
            _write_all(self._spill(), chunk)
        except OSError as error:
            raise write_fault("the payload", error, self._files.fault) from error

    def _spill(self) -> BinaryIO:
        if self._file is None:
            self._coming = self._files.coming()
            self._file = self._coming.open("xb", buffering=0)
            for part in self._parts:
                _write_all(self._file, part)
            self._parts.clear()
        return self._file

    async def finish(self) -> Payload:
        digest = Digest(self._hash.hexdigest())
        if self._file is None:
            self._done = True
            return Payload(digest, self._size, b"".join(self._parts), None)
        self._files.hold(digest)
        final = self._files.path(digest)
        settling = asyncio.ensure_future(asyncio.to_thread(self._settle, self._file, final))
        try:
            await asyncio.shield(settling)
        except asyncio.CancelledError:
            # A thread cannot be called back: what it stores is given up once it has done so.
            await asyncio.wait({settling})
            if settling.exception() is None:
                self._done = True
                self._files.let_go(digest)
            raise
        except OSError as error:
            self._files.let_go(digest)
            raise write_fault("the payload", error, self._files.fault) from error
        self._done = True
        return Payload(digest, self._size, None, final)

    def _settle(self, file: BinaryIO, final: Path) -> None:
        """Fsync the bytes, then the name: after this a crash cannot lose them."""
        os.fsync(file.fileno())
        if not final.parent.exists():
            final.parent.mkdir(exist_ok=True)
            fsync_folder(final.parent.parent)
        self._coming.replace(final)
        self._files.came(self._coming)
        fsync_folder(final.parent)
        file.close()

    def abort(self) -> None:
        if self._done:
            return
        self._done = True
        self._parts.clear()
        if self._file is not None:
            self._file.close()
            self._coming.unlink(missing_ok=True)
            self._files.came(self._coming)


def _write_all(file: BinaryIO, content: bytes) -> None:
    """All of it: a disk that is nearly full takes a part of the last write without a word."""
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

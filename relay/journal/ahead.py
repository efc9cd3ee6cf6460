"""Envelopes that go ahead of their transfer, or come piece by piece: partial files, one folder for each owner.

An owner is a neighbour, by its node id, or a caller of the native face (transport/native/uploads.py). An
upload belongs to who sent it and is never matched with another's: a digest alone
gives nobody anything. What is here is not accepted yet, so nothing is fsynced and a crash may cut
it; its owner asks for the offset and goes on from there. One that lost its connection
may come back before the old one is known to be dead: each writes at its own offset, so that the two
lay the same bytes over each other and never one behind the other.

What is half here must not keep everything else out: at a bound, an upload that goes on pushes out those of
the same owner that nobody is bringing, the longest untouched first, and a new one those that were left
alone for a while. They start anew. Or many that were cut together would leave no room for any to end.

Touches: DATA/ahead. Trusts: that the caller authenticated the owner.
Raises:  OverloadError over the quota or when the disk has no room, JournalError when it fails. What came
         before stays: the upload goes on there once there is room.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from relay.errors import OverloadError, PeerError
from relay.journal.faults import write_fault
from relay.model import Digest

CHUNK_BYTES = 1 << 18
MOST_UPLOADS = 256
"""Files an owner may have here at once, whatever their size."""
LEFT_ALONE = timedelta(minutes=15)
"""After which an upload that nobody is bringing gives way to a new one."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


class AheadFiles:
    def __init__(
        self,
        folder: Path,
        quota_bytes: int,
        wall: Callable[[], float] = time.time,
        *,
        room: Callable[[int], None] = lambda _: None,
        fault: Callable[[BaseException], None] | None = None,
    ) -> None:
        """`wall` gives seconds since 1970, as file times have them. `room` and `fault` as PayloadFiles."""
        self._room = room
        self._fault = fault
        self._folder = folder
        self._quota_bytes = quota_bytes
        self._wall = wall
        self._used: dict[str, int] = {}
        self._writing: Counter[str] = Counter()
        self._open: Counter[Path] = Counter()

    def offset(self, owner: str, digest: str) -> int:
        """How many bytes of it are here; 0 when none."""
        path = self._path(owner, digest)
        return path.stat().st_size if path.exists() else 0

    async def append(
        self, owner: str, digest: str, stream: AsyncIterator[bytes], limit_bytes: int
    ) -> int:
        """Add what the stream brings, up to its end or break; the new offset."""
        path = self._path(owner, digest)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self._writing[owner]:
                self._used[owner] = _sum(path.parent)
            size = self.offset(owner, digest)
            goes_on = size > 0
            if not path.exists():
                await self._admit(owner, path)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise write_fault("the upload", error, self._fault) from error
        self._writing[owner] += 1
        self._open[path] += 1
        try:
            async for chunk in stream:
                if size + len(chunk) > limit_bytes:
                    raise PeerError(f"upload over {limit_bytes} bytes")
                await self._count(owner, path, len(chunk), goes_on=goes_on)
                self._room(len(chunk))
                await self._write(handle, chunk, size)
                size += len(chunk)
        finally:
            self._writing[owner] -= 1
            self._open[path] -= 1
            if not self._open[path]:
                del self._open[path]
            _stamp(handle, self._wall())
            os.close(handle)
        return size

    async def _write(self, handle: int, chunk: bytes, offset: int) -> None:
        writing = asyncio.ensure_future(asyncio.to_thread(_write_at, handle, chunk, offset))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # The handle stays open under the thread: closed, its number could be the journal's a moment later.
            await asyncio.wait({writing})
            raise
        except OSError as error:
            raise write_fault("the upload", error, self._fault) from error

    async def expire(self, age: timedelta) -> int:
        """Remove uploads that grew no more for so long: no transfer named them, and their owner may
        start them anew. How many there were; never one that is being written."""
        before = self._wall() - age.total_seconds()
        removed = 0
        for path in await asyncio.to_thread(_unchanged_since, self._folder, before):
            if path in self._open:
                continue
            await self._drop(path)
            removed += 1
        return removed

    async def _drop(self, path: Path) -> None:
        owner = path.parent.name
        freed = await asyncio.to_thread(_removed, path)
        self._used[owner] = self._used.get(owner, 0) - freed

    async def _admit(self, owner: str, path: Path) -> None:
        """One file more."""

        def fits() -> bool:
            return sum(1 for _ in path.parent.iterdir()) < MOST_UPLOADS

        await self._push_out(path, fits, goes_on=False)
        if not fits():
            raise OverloadError(f"{MOST_UPLOADS} uploads wait for their transfers", 60)

    async def _count(self, owner: str, path: Path, size_bytes: int, *, goes_on: bool) -> None:
        """So many bytes more."""

        def fits() -> bool:
            return self._used[owner] + size_bytes <= self._quota_bytes

        await self._push_out(path, fits, goes_on=goes_on)
        if not fits():
            raise OverloadError(f"uploads ahead over {self._quota_bytes} bytes", 60)
        self._used[owner] += size_bytes

    async def _push_out(self, path: Path, fits: Callable[[], bool], *, goes_on: bool) -> None:
        """Others of this owner, until it fits or none may go."""
        if fits():
            return
        before = self._wall() - (0.0 if goes_on else LEFT_ALONE.total_seconds())
        for other in await asyncio.to_thread(_unchanged_since, path.parent, before, "*"):
            if other != path and other not in self._open and not fits():
                await self._drop(other)

    async def read(self, owner: str, digest: Digest) -> AsyncIterator[bytes]:
        """The bytes of an upload, as it stands."""
        path = self._path(owner, digest)
        if not path.exists():
            return
        with path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk

    def forget(self, owner: str, digest: str) -> None:
        self._used[owner] = self._used.get(owner, 0) - self.offset(owner, digest)
        self._path(owner, digest).unlink(missing_ok=True)

    def _path(self, owner: str, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise PeerError("a payload is named by 64 lower-case hex digits")
        return self._folder / owner / digest


def _sum(folder: Path) -> int:
    """What an owner's uploads take up."""
    return sum(file.stat().st_size for file in folder.iterdir())


def _unchanged_since(folder: Path, before: float, files: str = "*/*") -> list[Path]:
    """The longest unchanged first."""
    found = folder.glob(files) if folder.exists() else ()
    old = []
    for path in found:
        with suppress(FileNotFoundError):  # its transfer came meanwhile
            if (at := path.stat().st_mtime) <= before:
                old.append((at, path))
    return [path for _, path in sorted(old)]


def _removed(path: Path) -> int:
    """The bytes that are free by it: none where somebody else removed it."""
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    return size


def _stamp(handle: int, at: float) -> None:
    """When it last grew, by the node's own time: the system's clock may have been set meanwhile."""
    with suppress(OSError):
        os.utime(handle, (at, at))


def _write_at(handle: int, content: bytes, offset: int) -> None:
    """All of it: a disk that is nearly full may take less at a time."""
    rest = memoryview(content)
    while rest:
        written = os.pwrite(handle, rest, offset)
        rest, offset = rest[written:], offset + written

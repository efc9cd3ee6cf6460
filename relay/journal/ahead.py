"""Envelopes that go ahead of their transfer: partial files, one folder for each neighbour.

An upload belongs to the neighbour that sent it and is never matched with another's: a digest alone
gives nobody anything. What is here is not accepted yet, so nothing is fsynced and a crash may cut
it; the neighbour asks for the offset and goes on from there.

Touches: DATA/ahead. Trusts: that the caller authenticated the neighbour.
Raises:  OverloadError over the quota, JournalError when the disk refuses.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

from relay.errors import JournalError, OverloadError, PeerError
from relay.model import Digest, NodeId

CHUNK_BYTES = 1 << 18
_DIGEST = re.compile(r"[0-9a-f]{64}")


class AheadFiles:
    def __init__(self, folder: Path, quota_bytes: int) -> None:
        self._folder = folder
        self._quota_bytes = quota_bytes

    def offset(self, neighbour: NodeId, digest: str) -> int:
        """How many bytes of it are here; 0 when none."""
        path = self._path(neighbour, digest)
        return path.stat().st_size if path.exists() else 0

    async def append(
        self, neighbour: NodeId, digest: str, stream: AsyncIterator[bytes], limit_bytes: int
    ) -> int:
        """Add what the stream brings, up to its end or break; the new offset."""
        path = self._path(neighbour, digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        room = self._quota_bytes - self._used(path.parent)
        size = self.offset(neighbour, digest)
        try:
            with path.open("ab", buffering=0) as file:
                async for chunk in stream:
                    room -= len(chunk)
                    size += len(chunk)
                    if size > limit_bytes:
                        raise PeerError(f"upload over {limit_bytes} bytes")
                    if room < 0:
                        raise OverloadError(f"uploads ahead over {self._quota_bytes} bytes", 60)
                    await asyncio.to_thread(file.write, chunk)
        except OSError as error:
            raise JournalError(f"the upload cannot be written: {error.strerror}") from error
        return size

    async def read(self, neighbour: NodeId, digest: Digest) -> AsyncIterator[bytes]:
        """The bytes of an upload, as it stands."""
        path = self._path(neighbour, digest)
        if not path.exists():
            return
        with path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk

    def forget(self, neighbour: NodeId, digest: str) -> None:
        self._path(neighbour, digest).unlink(missing_ok=True)

    def _used(self, folder: Path) -> int:
        return sum(file.stat().st_size for file in folder.iterdir())

    def _path(self, neighbour: NodeId, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise PeerError("a payload is named by 64 lower-case hex digits")
        return self._folder / neighbour / digest

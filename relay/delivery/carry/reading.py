"""Take a carry file apart as it comes, entry by entry, each where its manifest says.

Touches: the stream of bytes it is given; holds one chunk and one small entry.
Trusts:  nothing.
Raises:  WireError when the file is not framed as it must be, from there on it cannot be read;
         DamagedError when an entry is whole but not what it should be: the next one can be read.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from relay.delivery.aside import LONG_DOCUMENT_BYTES, aside
from relay.errors import DamagedError, WireError
from relay.model import Digest, digest_of
from relay.wire.archive import HEAD_BYTES, WIDE_BYTES, Archive, Head, needs_wide, read_head
from relay.wire.values import shown

SLICE_BYTES = 1 << 18


@dataclass(slots=True)
class CarryReader:
    """One file on its way in; its entries are asked for in the order in which they must come."""

    chunks: AsyncIterator[bytes]
    _archive: Archive = field(default_factory=Archive)
    _held: memoryview = field(default_factory=lambda: memoryview(b""))

    async def small(
        self, name: str, limit_bytes: int, *, size: int | None = None, digest: Digest | None = None
    ) -> bytes:
        """The content of the next entry, of this size and digest where they are known."""
        head = await self._head(name)
        if head.size_bytes > limit_bytes or (size is not None and size != head.size_bytes):
            limit = limit_bytes if size is None else size
            raise WireError(f"{shown(name)} is of {head.size_bytes} bytes, limit {limit}")
        content = await self._exactly(head.size_bytes, name)
        long = len(content) > LONG_DOCUMENT_BYTES
        if not await aside(long, _is_whole, content, head, digest):
            raise DamagedError(f"{name} is damaged")
        return content

    async def large(self, name: str, size_bytes: int) -> LargeEntry:
        """The next entry, to be read as a stream to its end."""
        head = await self._head(name)
        if head.size_bytes != size_bytes:
            raise WireError(f"{shown(name)} is of {head.size_bytes} bytes, not {size_bytes}")
        return LargeEntry(self, name, head)

    async def end(self) -> None:
        """Behind the last entry: what the entries before say of it, and nothing else."""
        expected = await aside(self._archive.position > LONG_DOCUMENT_BYTES, self._archive.ending)
        if await self._exactly(len(expected), "the end") != expected or await self.some(1):
            raise WireError("the end of the file is not that of its entries")

    async def some(self, most_bytes: int) -> bytes:
        """Up to so many bytes; none at the end of the file."""
        while not self._held:
            chunk = await anext(self.chunks, None)
            if chunk is None:
                return b""
            self._held = memoryview(chunk)
        taken, self._held = self._held[:most_bytes], self._held[most_bytes:]
        return bytes(taken)

    async def _head(self, name: str) -> Head:
        fixed = await self._exactly(HEAD_BYTES, name)
        rest = len(name) + (WIDE_BYTES if needs_wide(fixed) else 0)
        head = read_head(fixed + await self._exactly(rest, name), name)
        self._archive.head(name, head)
        return head

    async def _exactly(self, size_bytes: int, name: str) -> bytes:
        parts: list[bytes] = []
        missing = size_bytes
        while missing:
            part = await self.some(missing)
            if not part:
                raise WireError(f"the file ends inside {shown(name)}")
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)


@dataclass(slots=True)
class LargeEntry:
    """An entry that is read as it comes. `drain` must follow, whatever happened."""

    _reader: CarryReader
    _name: str
    _head: Head
    _read: int = 0
    _crc: int = 0
    _hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    async def chunks(self) -> AsyncIterator[bytes]:
        while missing := self._head.size_bytes - self._read:
            chunk = await self._reader.some(min(missing, SLICE_BYTES))
            if not chunk:
                raise WireError(f"the file ends inside {shown(self._name)}")
            self._read += len(chunk)
            self._crc = zlib.crc32(chunk, self._crc)
            self._hash.update(chunk)
            yield chunk

    async def drain(self, digest: Digest) -> None:
        """What is left of it; DamagedError where all of it is not of this digest."""
        async for _ in self.chunks():
            pass
        if self._crc != self._head.crc or self._hash.hexdigest() != digest:
            raise DamagedError(f"{self._name} is damaged")


def _is_whole(content: bytes, head: Head, digest: Digest | None) -> bool:
    return zlib.crc32(content) == head.crc and digest in (None, digest_of(content))

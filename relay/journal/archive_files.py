"""Archive files on the disk: written under another name, fsynced, renamed, their folder fsynced.

If the process dies before the rename, what it wrote is a `.part` that the next round removes. Between the
rename and the journal's record the file is unknown but announced: it is removed, if all that it holds is still in
the journal. Any other file that is unknown was recorded once, in a journal that is no more: it is set aside under a
name that says so, for it may be the only copy of what it holds.

Touches: DATA/archive, or the folder of the settings.
Raises:  ReserveError, OSError.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

import structlog

from relay.delivery.evidence.archive_ports import Found, Put
from relay.errors import WireError
from relay.journal.payloads import fsync_folder
from relay.lines import Line
from relay.model import Digest, NodeId
from relay.wire import archived, bundle
from relay.wire.archive import Archive, Head
from relay.wire.archived import ArchiveIndex
from relay.wire.packed import Bounds, content_of, read_packed

CHUNK_BYTES = 256 * 1024
PART, ASIDE = ".part", ".unrecorded"
_BOUNDS = Bounds(archived.FILE_LIMIT_BYTES, archived.FILES_LIMIT, bundle.check_name)
log = structlog.get_logger("relay.archive")


@dataclass(frozen=True, slots=True)
class ArchiveFolder:
    """delivery.evidence.archive_ports.ArchiveDisk."""

    folder: Path
    node: NodeId
    room: Callable[[int], None] = lambda _: None
    """Asked before so many bytes are written; may raise ReserveError."""

    async def begin(self, name: str) -> ArchiveWriting:
        return await asyncio.to_thread(self._begin, name)

    def _begin(self, name: str) -> ArchiveWriting:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / (name + PART)
        return ArchiveWriting(self.folder / name, part, part.open("wb"), self.room)

    async def tidy(
        self,
        newest: int,
        announced: Digest | None,
        whole: Callable[[ArchiveIndex], Awaitable[bool]],
    ) -> None:
        """What a process that died left behind its last record, or a round that was broken off.
        `whole`: whether all that a file holds is in the journal."""
        for path in await asyncio.to_thread(self._unrecorded, newest):
            known = announced is not None and announced == await asyncio.to_thread(
                digest_of_file, path
            )
            index = await asyncio.to_thread(index_of, path) if known else None
            if index is not None and await whole(index):
                await asyncio.to_thread(path.unlink)
                continue
            log.warning(Line.ARCHIVE_FILE_SET_ASIDE, file=path.name, hint="docs/archive.md")
            await asyncio.to_thread(_set_aside, path)

    def _unrecorded(self, newest: int) -> list[Path]:
        if not self.folder.is_dir():
            return []
        ours = [*self.folder.glob(f"{self.node}-archive-*")]
        for part in ours:
            if part.suffix == PART:
                part.unlink()
        numbers = [(archived.number_of(path.name), path) for path in ours]
        return [path for number, path in numbers if number is not None and number > newest]


class ArchiveWriting:
    """archive_ports.OpenArchive. Disk work is done in threads."""

    def __init__(
        self, target: Path, part: Path, file: BinaryIO, room: Callable[[int], None]
    ) -> None:
        self._target, self._part, self._file, self._room = target, part, file, room
        self._archive = Archive()

    @property
    def position(self) -> int:
        return self._archive.position

    async def put(self, name: str, size_bytes: int, chunks: AsyncIterator[bytes]) -> Put:
        """The head goes in last, when the checksum is known."""
        self._room(size_bytes)
        blank = len(Archive().head(name, Head(size_bytes, 0)))
        start = self._archive.position + blank
        crc, hashed, done = 0, hashlib.sha256(), 0
        await asyncio.to_thread(self._file.write, bytes(blank))
        async for chunk in chunks:
            crc = await asyncio.to_thread(self._pour, chunk, crc, hashed)
            done += len(chunk)
        if done != size_bytes:
            raise WireError(f"{name} came as {done} bytes, not {size_bytes}")
        head = self._archive.head(name, Head(size_bytes, crc))
        await asyncio.to_thread(self._patch, start - blank, head)
        return Put(start, Digest(hashed.hexdigest()))

    def _pour(self, chunk: bytes, crc: int, hashed: hashlib._Hash) -> int:
        hashed.update(chunk)
        self._file.write(chunk)
        return zlib.crc32(chunk, crc)

    def _patch(self, place: int, head: bytes) -> None:
        self._file.seek(place)
        self._file.write(head)
        self._file.seek(0, os.SEEK_END)

    async def close(self) -> tuple[Digest, int]:
        return await asyncio.to_thread(self._close)

    def _close(self) -> tuple[Digest, int]:
        self._file.write(self._archive.ending())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return digest_of_file(self._part), self._part.stat().st_size

    async def name(self) -> None:
        await asyncio.to_thread(self._name)

    def _name(self) -> None:
        self._part.rename(self._target)
        fsync_folder(self._target.parent)

    async def drop(self) -> None:
        def dropped() -> None:
            with suppress(OSError):
                self._file.close()
            self._part.unlink(missing_ok=True)

        await asyncio.to_thread(dropped)


def digest_of_file(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


def index_of(path: Path) -> ArchiveIndex | None:
    """What an archive file says of itself; None: it is none that can be read."""
    try:
        with path.open("rb") as file:
            entries = {one.name: one for one in read_packed(file, _BOUNDS)}
            content = content_of(file, entries[archived.INDEX], archived.INDEX_LIMIT_BYTES)
            return archived.read_index(content)
    except (WireError, KeyError):
        return None


def is_whole(found: Found) -> bool:
    """Whether the bytes there are those that were put there."""
    hashed = hashlib.sha256()
    for chunk in _slice(found):
        hashed.update(chunk)
    return hashed.hexdigest() == found.digest


async def read(found: Found) -> AsyncIterator[bytes]:
    chunks = _slice(found)
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk


def _slice(found: Found) -> Iterator[bytes]:
    with found.path.open("rb") as file:
        file.seek(found.start)
        left = found.size_bytes
        while left and (chunk := file.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk


def _set_aside(path: Path) -> None:
    """Under the first such name that is free: each restore may leave one of the same name."""
    aside = path.with_name(path.name + ASIDE)
    for number in count(2):
        if not aside.exists():
            break
        aside = path.with_name(f"{path.name}{ASIDE}-{number}")
    path.rename(aside)

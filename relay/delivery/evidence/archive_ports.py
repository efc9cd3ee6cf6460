"""The archive as delivery sees it: what waits to leave, the files on the disk, what they hold, what is held.

Touches: nothing; values and Protocols only. archiving.py writes, archived.py finds again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from relay.delivery.ports import Caller
from relay.delivery.records import MessageRow
from relay.model import AgencyCode, Digest, MessageId, NodeId


@dataclass(frozen=True, slots=True)
class ArchivePolicy:
    """How large files get, and how often what became due is written even if it fills none."""

    file_bytes: int
    messages: int
    every: timedelta


@dataclass(frozen=True, slots=True)
class Due:
    """A message that nobody needs here any more, still whole."""

    row: MessageRow
    origin: NodeId
    message_id: MessageId
    digest: Digest
    receipts: int
    """How many there are of it, at least: what comes while it is archived makes it due once more."""
    before: Found | None = None
    """Its evidence in the archive, made before receipts came."""
    is_here: bool = True
    """Whether the journal has its payload, or only the archive."""


@dataclass(frozen=True, slots=True)
class Left:
    """Where in its archive file the evidence of a message lies, and who may have it again."""

    due: Due
    start: int
    size_bytes: int
    digest: Digest
    readers: frozenset[AgencyCode]
    envelope_bytes: int


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """An archive file; `digest` is of all its bytes."""

    number: int
    name: str
    digest: Digest
    previous: Digest | None
    size_bytes: int
    messages: int
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """A message's evidence in an archive file."""

    path: Path
    start: int
    size_bytes: int
    digest: Digest
    readers: frozenset[AgencyCode]
    origin: NodeId
    envelope: Digest
    envelope_bytes: int
    outdated: bool
    """The journal has receipts that are not in it."""


class HoldKind(StrEnum):
    AGENCY = "agency"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Hold:
    kind: HoldKind
    name: str
    by: str
    why: str
    held_at: datetime


@dataclass(frozen=True, slots=True)
class Put:
    """An entry of the file being written: where its content begins, and what it is."""

    start: int
    digest: Digest


class OpenArchive(Protocol):
    """A file that is being written, under a name that nothing looks for."""

    @property
    def position(self) -> int:
        """Bytes so far."""
        ...

    async def put(self, name: str, size_bytes: int, chunks: AsyncIterator[bytes]) -> Put:
        """One more entry. Raises ReserveError, OSError."""
        ...

    async def close(self) -> tuple[Digest, int]:
        """Everything behind the last entry; then it is on the disk, whole. Its digest and size."""
        ...

    async def name(self) -> None:
        """Durably, the one by which it is looked for."""
        ...

    async def drop(self) -> None:
        """As if it had never been begun; nothing once it has its name."""
        ...


class ArchiveDisk(Protocol):
    async def begin(self, name: str) -> OpenArchive: ...


class ArchiveBook(Protocol):
    """The journal's side."""

    async def newest(self) -> WrittenFile | None: ...

    async def due(self, after: MessageRow, at: datetime) -> tuple[list[Due], MessageRow]:
        """Of the next messages behind `after` those that are due, and the last that was looked at; that
        is `after` itself when there is none behind it."""
        ...

    async def announce(self, digest: Digest) -> None:
        """A file of this digest is about to get its name. If it has it and no record follows, the process
        died between the two, and nobody was told of the file."""
        ...

    async def record(self, file: WrittenFile, left: Sequence[Left]) -> None:
        """With its audit entry; only from then on may anything leave the journal."""
        ...


class ArchiveDoor(Protocol):
    """What the native face asks."""

    async def files(self, after: int, limit: int) -> list[WrittenFile]: ...

    async def holds(self, after: tuple[str, str], limit: int) -> list[Hold]: ...

    async def hold(self, caller: Caller, kind: HoldKind, name: str, why: str) -> None:
        """Safe to repeat; the first word stands. Raises NotFoundError for a message or agency nobody knows."""
        ...

    async def release(self, caller: Caller, kind: HoldKind, name: str, why: str) -> None:
        """Raises NotFoundError where nothing is held by that name."""
        ...

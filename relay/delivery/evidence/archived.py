"""Evidence from wherever it is: the journal, or the archive file it left for; and what must not leave.

Touches: the journal, reading but for an audit entry; archive files, reading.
Raises:  NotFoundError, AccessError, GoneError, TakenBackError, JournalError (also for an archive file that is
         not what was written).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from relay.delivery.clock import Clock
from relay.delivery.evidence.archive_ports import Found, Hold, HoldKind, WrittenFile
from relay.delivery.evidence.exporting import EvidenceDesk
from relay.delivery.evidence.ports import EvidenceFile
from relay.delivery.known import KnownAgencies
from relay.delivery.ports import Caller
from relay.errors import AccessError, GoneError, JournalError, NotFoundError
from relay.model import Digest, MessageId, Payload
from relay.wire import bundle
from relay.wire.archive import Archive, Head

Note = Callable[[str, datetime, dict[str, str | int]], Awaitable[None]]


class ArchiveShelf(Protocol):
    """What is known of the archive, and its bytes."""

    async def find(self, message_id: MessageId) -> Found | None: ...
    async def files(self, after: int, limit: int) -> list[WrittenFile]: ...
    async def holds(self, after: tuple[str, str], limit: int) -> list[Hold]: ...
    async def hold(
        self, by: Caller, kind: HoldKind, names: Sequence[str], why: str, at: datetime
    ) -> None: ...
    async def release(
        self, by: Caller, kind: HoldKind, names: Sequence[str], why: str, at: datetime
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class EverywhereDesk:
    """evidence.ports.EvidenceDoor: what the journal has no more is looked for in the archive. Where the journal
    has receipts that are not in there, or who asks may not have all that is, the file is made anew around
    the document that the archive has."""

    live: EvidenceDesk
    shelf: ArchiveShelf
    is_whole: Callable[[Found], bool]
    read: Callable[[Found], AsyncIterator[bytes]]
    note: Note
    clock: Clock

    async def export(self, caller: Caller, message_id: MessageId, why: str) -> EvidenceFile:
        try:
            return await self.live.export(caller, message_id, why)
        except (NotFoundError, GoneError) as error:
            found = await self.shelf.find(message_id)
            if found is None:
                raise
            # where it is gone and known, who asks may have it; what was archived is more than some may
            known = isinstance(error, GoneError)
            if known and (found.outdated or not _may_have(caller, found)):
                return await self._anew(caller, message_id, why, found)
        _require_reader(caller, message_id, found)
        await require_whole(self.is_whole, found)
        at = self.clock.now()
        await self._note(caller, message_id, why, found, at)
        return EvidenceFile(message_id, at, (), found.size_bytes, found.digest, found)

    async def _anew(
        self, caller: Caller, message_id: MessageId, why: str, found: Found
    ) -> EvidenceFile:
        await require_whole(self.is_whole, found)
        desk = replace(self.live, payload=payload_in(found))
        return await desk.export(caller, message_id, why)

    def write(self, file: EvidenceFile) -> AsyncIterator[bytes]:
        return self.live.write(file) if file.left is None else self.read(file.left)

    async def _note(
        self, by: Caller, message_id: MessageId, why: str, found: Found, at: datetime
    ) -> None:
        fields: dict[str, str | int] = {
            "message": message_id,
            "origin": found.origin,
            "digest": found.digest,
            "size": found.size_bytes,
            "by": by.holder,
            "why": why,
        }
        await self.note("evidence-exported", at, fields)


async def require_whole(is_whole: Callable[[Found], bool], found: Found) -> None:
    """Read once before a byte is given."""
    try:
        whole = await asyncio.to_thread(is_whole, found)
    except OSError as error:
        said = f"archive file {found.path.name} cannot be read: {error.strerror}"
        raise JournalError(said) from None
    if not whole:
        raise JournalError(f"archive file {found.path.name} is damaged: relay archive verify")


def payload_in(found: Found) -> Payload:
    """The document, where it lies: every evidence file begins with its type and the document (W14.1)."""
    before = Archive()
    before.entry(bundle.MIMETYPE, bundle.MIMETYPE_CONTENT)
    before.head(bundle.ENVELOPE, Head(found.envelope_bytes, 0))
    start = found.start + before.position - found.envelope_bytes
    return Payload(found.envelope, found.envelope_bytes, None, found.path, start)


@dataclass(frozen=True, slots=True)
class LeftDocuments:
    """ports.Left."""

    shelf: ArchiveShelf
    is_whole: Callable[[Found], bool]

    async def __call__(self, message_id: MessageId, digest: Digest) -> Payload | None:
        found = await self.shelf.find(message_id)
        if found is None or found.envelope != digest:
            return None
        await require_whole(self.is_whole, found)
        return payload_in(found)

    async def if_whole(self, message_id: MessageId, digest: Digest) -> Payload | None:
        """For who asks now: one damaged file of the archive must not keep all evidence from him. What goes
        to the archive waits until the file is there again."""
        try:
            return await self(message_id, digest)
        except JournalError:
            return None


@dataclass(frozen=True, slots=True)
class ArchiveDesk:
    """archive_ports.ArchiveDoor."""

    shelf: ArchiveShelf
    clock: Clock
    known: KnownAgencies

    async def files(self, after: int, limit: int) -> list[WrittenFile]:
        return await self.shelf.files(after, limit)

    async def holds(self, after: tuple[str, str], limit: int) -> list[Hold]:
        return await self.shelf.holds(after, limit)

    async def hold(self, caller: Caller, kind: HoldKind, name: str, why: str) -> None:
        if kind is HoldKind.AGENCY:
            await self.known.require(name)
        await self.shelf.hold(caller, kind, self._names(kind, name), why, self.clock.now())

    async def release(self, caller: Caller, kind: HoldKind, name: str, why: str) -> None:
        await self.shelf.release(caller, kind, self._names(kind, name), why, self.clock.now())

    def _names(self, kind: HoldKind, name: str) -> list[str]:
        return sorted(self.known.forms([name])) if kind is HoldKind.AGENCY else [name]


def _may_have(caller: Caller, found: Found) -> bool:
    return caller.operator or not found.readers.isdisjoint(caller.agencies)


def _require_reader(caller: Caller, message_id: MessageId, found: Found) -> None:
    if _may_have(caller, found):
        return
    if caller.auditor:
        raise AccessError(
            "evidence holds the document: it is for its sender, and for who fetched it"
        )
    raise NotFoundError(f"no message {message_id} of yours is known here")

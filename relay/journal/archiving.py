"""The archive's side of the journal: what is due, which file holds what, and what is held by law.

A message is due by the rule that lets its payload leave (retaining.py), so that the archive takes exactly
what retention is about to let go; with the archive on, retention waits for the record made here.

Touches: archive_files, archived, holds.
Raises:  NotFoundError, ConflictError, JournalError.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from relay.audit.entries import AuditEvent, Entry, entry
from relay.delivery.evidence.archive_ports import (
    Due,
    Found,
    Hold,
    HoldKind,
    Left,
    WrittenFile,
)
from relay.delivery.ports import Caller
from relay.delivery.records import MessageRow
from relay.errors import ConflictError, NotFoundError
from relay.journal import retaining
from relay.journal.retention import Part, RetentionPolicy
from relay.journal.rows import instant, ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import AgencyCode, Digest, MessageId, NodeId
from relay.wire.archived import ArchiveIndex

SQL = load("archive")
PAGE = 200
_IN_THREAD = 1 << 30


@dataclass(frozen=True, slots=True)
class ArchiveTable:
    """delivery.evidence.archive_ports.ArchiveBook, and what the doors read."""

    journal: SqliteJournal
    node: NodeId
    folder: Path
    policy: RetentionPolicy

    async def newest(self) -> WrittenFile | None:
        rows = await self.journal.rows(SQL["newest"])
        return _file(rows[0]) if rows else None

    async def due(self, after: MessageRow, at: datetime) -> tuple[list[Due], MessageRow]:
        page = await self.journal.rows(SQL["candidates"], (after, PAGE))
        if not page:
            return [], after
        rows = [row for row, can_go in page if can_go]
        ages = replace(self.policy, archiving=False).ages(Part.PAYLOAD, at)
        keeping = await self.journal.rows(retaining.SQL["keeping"], retaining.whose(rows, ages))
        due = sorted({*rows} - {row for (row,) in keeping})
        found = await self.journal.rows(SQL["due"], (json.dumps(due),))
        return [await self._due(row) for row in found], MessageRow(page[-1][0])

    async def _due(self, row: Sequence[Any]) -> Due:
        number, origin, message_id, digest, receipts, is_here, again = row
        before = await self._find(message_id, origin) if again else None
        return Due(
            MessageRow(number), origin, message_id, digest, receipts, before, is_here=bool(is_here)
        )

    async def announce(self, digest: Digest) -> None:
        await self.journal.perform(lambda tx: tx.run(SQL["announce"], digest))

    async def announced(self) -> Digest | None:
        rows = await self.journal.rows(SQL["announced"])
        return Digest(rows[0][0]) if rows else None

    async def record(self, file: WrittenFile, left: Sequence[Left]) -> None:
        await self.journal.perform(lambda tx: _record(tx, self.node, file, left), _IN_THREAD)

    async def is_whole(self, index: ArchiveIndex) -> bool:
        """Whether all that this file holds still has its payload here, or in a file that is recorded."""
        pairs = json.dumps([(one.origin, one.message_id) for one in index.messages])
        rows = await self.journal.rows(SQL["still_here"], (pairs,))
        return int(rows[0][0]) == len(index.messages)

    async def find(self, message_id: MessageId) -> Found | None:
        return await self._find(message_id, "")

    async def _find(self, message_id: MessageId, origin: str) -> Found | None:
        rows = await self.journal.rows(SQL["find"], (message_id, self.node, origin))
        return _found(self.folder, rows[0]) if rows else None

    async def files(self, after: int, limit: int) -> list[WrittenFile]:
        return [_file(row) for row in await self.journal.rows(SQL["files"], (after, limit))]

    async def holds(self, after: tuple[str, str], limit: int) -> list[Hold]:
        rows = await self.journal.rows(SQL["holds"], (*after, limit))
        return [Hold(HoldKind(r[0]), r[1], r[2], r[3], instant(r[4])) for r in rows]

    async def hold(
        self, by: Caller, kind: HoldKind, names: Sequence[str], why: str, at: datetime
    ) -> None:
        several = [Hold(kind, name, by.holder, why, at) for name in names]
        await self.journal.perform(lambda tx: _hold(tx, self.node, several))

    async def release(
        self, by: Caller, kind: HoldKind, names: Sequence[str], why: str, at: datetime
    ) -> None:
        several = [Hold(kind, name, by.holder, why, at) for name in names]
        await self.journal.perform(lambda tx: _release(tx, self.node, several))


def _record(tx: Transaction, node: NodeId, file: WrittenFile, left: Sequence[Left]) -> None:
    """The chain has one end: what was written behind another file than the last is not taken."""
    newest = tx.run(SQL["newest"]).fetchone()
    number, last = (newest[0], newest[2]) if newest else (0, "")
    if (file.number, file.previous or "") != (number + 1, last):
        raise ConflictError(f"archive file {file.number} does not follow on the last, {number}")
    tx.run(
        SQL["add_file"],
        file.number,
        file.name,
        file.digest,
        file.previous or "",
        file.size_bytes,
        file.messages,
        ms(file.written_at),
    )
    tx.connection.executemany(SQL["add_message"], [_row(file.number, one) for one in left])
    tx.run(SQL["announced_no_more"])
    tx.record(
        entry(
            AuditEvent.ARCHIVE_WRITTEN,
            file.written_at,
            node,
            number=file.number,
            digest=file.digest,
            previous=file.previous or "",
            size=file.size_bytes,
            count=file.messages,
        )
    )


def _found(folder: Path, row: Sequence[Any]) -> Found:
    name, start, size, digest, readers, origin, envelope, envelope_bytes, outdated = row
    codes = frozenset(AgencyCode(code) for code in json.loads(readers))
    return Found(
        folder / name,
        start,
        size,
        Digest(digest),
        codes,
        NodeId(origin),
        Digest(envelope),
        envelope_bytes,
        outdated=bool(outdated),
    )


def _row(number: int, left: Left) -> tuple[object, ...]:
    due, readers = left.due, json.dumps(sorted(left.readers))
    place = (number, left.start, left.size_bytes)
    whose = (due.message_id, due.origin, due.row)
    return (*whose, *place, left.digest, readers, due.digest, left.envelope_bytes, due.receipts)


def _hold(tx: Transaction, node: NodeId, several: Sequence[Hold]) -> None:
    """One agency's codes, or one message."""
    one = several[0]
    if one.kind is HoldKind.MESSAGE and not tx.run(SQL["known_message"], one.name).fetchone()[0]:
        raise NotFoundError(f"no message {one.name} is known here")
    if placed := [hold for hold in several if _place(tx, hold)]:
        tx.record(_entry(AuditEvent.HOLD_PLACED, node, placed))


def _place(tx: Transaction, hold: Hold) -> bool:
    placed = tx.run(SQL["hold"], hold.kind, hold.name, hold.by, hold.why, ms(hold.held_at))
    return placed.rowcount > 0


def _release(tx: Transaction, node: NodeId, several: Sequence[Hold]) -> None:
    released = [hold for hold in several if tx.run(SQL["release"], hold.kind, hold.name).rowcount]
    if not released:
        raise NotFoundError(f"{several[0].kind} {several[0].name} is not held")
    tx.record(_entry(AuditEvent.HOLD_RELEASED, node, released))


def _entry(event: AuditEvent, node: NodeId, several: Sequence[Hold]) -> Entry:
    one, names = several[0], [hold.name for hold in several]
    whom: dict[str, Any] = (
        {"message": one.name} if one.kind is HoldKind.MESSAGE else {"agencies": names}
    )
    return entry(event, one.held_at, node, by=one.by, why=one.why, **whom)


def _file(row: Sequence[Any]) -> WrittenFile:
    number, name, digest, previous, size, messages, at = row
    before = Digest(previous) if previous else None
    return WrittenFile(number, name, Digest(digest), before, size, messages, instant(at))

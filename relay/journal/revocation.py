"""Revocation as the journal keeps it: statements, certificates met, revocations noted, what waits sealed.

Touches: statements, met_certificates, revoked_certificates, the log; deliveries and messages, reading.
Raises:  JournalError.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pybase64

from relay.audit.entries import AuditEvent, Entry, entry
from relay.delivery.ports import Kept
from relay.delivery.records import DeliveryRow
from relay.delivery.revocation.ports import (
    Kind,
    Met,
    Noted,
    Proven,
    RevokedCertificate,
    SealedPage,
)
from relay.journal.rows import instant, maybe_instant, ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import AgencyCode, Digest, MessageId, NodeId, digest_of

SQL = load("revocation")
MOST_MET = 10_000


@dataclass(frozen=True, slots=True)
class RevocationTable:
    """delivery.revocation.ports.RevocationJournal, and beside.BesideJournal."""

    journal: SqliteJournal
    node: NodeId

    async def store(self, proven: Proven, at: datetime) -> None:
        ends = None if proven.next_update is None else ms(proven.next_update)
        made = ms(proven.this_update)

        def operation(tx: Transaction) -> None:
            tx.run(
                SQL["store"],
                proven.digest,
                proven.kind,
                proven.about,
                proven.content,
                proven.certificate,
                proven.issuer,
                made,
                ends,
                ms(at),
            )
            tx.run(SQL["drop_older"], proven.kind, proven.about, made)

        await self.journal.perform(operation)

    async def contents(self, digests: Sequence[Digest]) -> dict[Digest, bytes]:
        found = await self.journal.rows(SQL["contents"], (json.dumps(list(digests)),))
        return {Digest(digest): content for digest, content in found}

    async def signatures(self, message_id: MessageId, limit: int) -> list[bytes]:
        found = await self.journal.rows(SQL["signatures"], (message_id, self.node, limit))
        return [row[0] for row in found if row[0] is not None]

    async def as_of(self, kind: Kind, about: str, at: datetime) -> list[Kept]:
        found = await self.journal.rows(SQL["as_of"], (kind, about, ms(at)))
        return [
            Kept(Kind(row[1]), Digest(row[0]), row[2], instant(row[3]), maybe_instant(row[4]))
            for row in found
        ]

    async def keep(self, digests: Collection[Digest]) -> None:
        def operation(tx: Transaction) -> None:
            tx.connection.executemany(SQL["keep"], [(one,) for one in digests])

        await self.journal.perform(operation, len(digests))

    async def forget(self, before: datetime) -> None:
        await self.journal.perform(lambda tx: tx.run(SQL["forget"], ms(before)))

    async def newest(self) -> list[Proven]:
        return [proven_of(row) for row in await self.journal.rows(SQL["newest"])]

    async def remember(self, met: Sequence[Met], at: datetime) -> None:
        rows = [(digest_of(one.certificate), one.certificate, one.issuer, ms(at)) for one in met]

        def operation(tx: Transaction) -> None:
            tx.connection.executemany(SQL["remember"], rows)
            tx.run(SQL["forget_oldest"], MOST_MET)

        await self.journal.perform(operation, len(rows))

    async def remembered(self) -> list[Met]:
        return [Met(*row) for row in await self.journal.rows(SQL["remembered"], (MOST_MET,))]

    async def note_revoked(self, revoked: RevokedCertificate, at: datetime) -> None:
        def operation(tx: Transaction) -> None:
            noted = tx.run(
                SQL["note_revoked"],
                revoked.certificate,
                ms(revoked.since),
                revoked.reason,
                json.dumps(revoked.agencies),
                revoked.node,
                revoked.purpose,
                revoked.serial,
                ms(at),
            )
            if noted.rowcount:
                tx.record(self._entry(AuditEvent.CERTIFICATE_REVOKED, revoked, at))

        await self.journal.perform(operation)

    async def note_restored(self, revoked: RevokedCertificate, at: datetime) -> None:
        def operation(tx: Transaction) -> None:
            if tx.run(SQL["note_restored"], revoked.certificate).rowcount:
                tx.record(self._entry(AuditEvent.CERTIFICATE_RESTORED, revoked, at))

        await self.journal.perform(operation)

    def _entry(self, event: AuditEvent, revoked: RevokedCertificate, at: datetime) -> Entry:
        return entry(
            event,
            at,
            self.node,
            certificate=revoked.certificate,
            type=revoked.purpose,
            reason=revoked.reason.lower(),
            agencies=list(revoked.agencies),
            nodes=[] if revoked.node is None else [revoked.node],
        )

    async def noted(self) -> list[Noted]:
        return [noted_of(row) for row in await self.journal.rows(SQL["noted"])]

    async def sealed_by(
        self, certificate: Digest, noted_at: datetime, after: tuple[int, int], limit: int
    ) -> SealedPage:
        named = pybase64.b64encode(bytes.fromhex(certificate)).decode()
        found = await self.journal.rows(SQL["sealed_by"], (*after, limit, named, ms(noted_at)))
        rows = tuple(DeliveryRow(row) for _, row, matches in found if matches)
        last = (found[-1][0], found[-1][1]) if len(found) == limit else None
        return SealedPage(rows, last)


def proven_of(row: Sequence[Any]) -> Proven:
    """A row of `newest`."""
    digest, kind, about, content, certificate, issuer, made, ends = row
    return Proven(
        Digest(digest),
        Kind(kind),
        about,
        content,
        certificate,
        issuer,
        instant(made),
        maybe_instant(ends),
    )


def noted_of(row: Sequence[Any]) -> Noted:
    """A row of `noted`."""
    certificate, since, reason, agencies, node, purpose, serial, noted_at = row
    revoked = RevokedCertificate(
        Digest(certificate),
        instant(since),
        reason,
        tuple(AgencyCode(code) for code in json.loads(agencies)),
        None if node is None else NodeId(node),
        purpose,
        serial,
    )
    return Noted(revoked, instant(noted_at))

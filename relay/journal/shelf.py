"""What waits for a neighbour, read in pages for a carry file, and what one of those changes.

An exported transfer may arrive by hand, so it is in doubt like one that was sent without an answer:
only the same neighbour may get it again, to the letter.

Touches: deliveries, transfers, receipts, returns; writes through the journal's one writer.
Raises:  JournalError.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from relay.delivery.records import DeliveryRow, OpenTransfer, Ready
from relay.journal import carrying, views
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import Digest, Lane, NodeId, Signed, TransferId

SQL = load("shelf")
EXPORTED = "exported to a carry file"
"""The `last_error` of a transfer whose last attempt was a carry file."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """delivery.carry.ports.Shelf."""

    journal: SqliteJournal
    node: NodeId

    async def waiting(
        self, neighbour: NodeId, lane: Lane, after: DeliveryRow, limit: int
    ) -> list[Ready]:
        """Up to `limit` deliveries with a row above `after`, oldest first, those of an arrival together."""
        rows = await self.journal.rows(SQL["waiting"], (neighbour, int(lane), after, limit))
        return views.ready_groups(rows)

    async def unanswered(
        self, neighbour: NodeId, lane: Lane, *, exported: bool, after: str, limit: int
    ) -> list[OpenTransfer]:
        values = (neighbour, int(lane), EXPORTED, int(exported), after, limit)
        return [views.open_transfer(r) for r in await self.journal.rows(SQL["unanswered"], values)]

    async def frozen(
        self, neighbour: NodeId, transfer_id: TransferId
    ) -> tuple[Signed, bytes] | None:
        """Header and seal of a transfer that went to this neighbour, answered by now or not."""
        rows = await self.journal.rows(SQL["frozen"], (transfer_id, neighbour))
        return (Signed(rows[0][0], rows[0][1]), rows[0][2]) if rows else None

    async def exported(self, transfers: Sequence[TransferId], at: datetime) -> None:
        """Each had an attempt from which no answer is to be expected soon; due at once by any link."""
        await self.journal.perform(
            lambda tx: _exported(tx, self.node, transfers, at), len(transfers)
        )

    async def returns(self, neighbour: NodeId, limit: int) -> list[tuple[Digest, int]]:
        """Digests and sizes in bytes of the receipts that wait for it, oldest first."""
        rows = await self.journal.rows(SQL["returns"], (neighbour, limit))
        return [(Digest(digest), size) for digest, size in rows]

    async def receipts(self, digests: Sequence[Digest]) -> list[Signed]:
        """In the order given; those that are stored, which are kept for good."""
        rows = await self.journal.rows(SQL["receipts"], (json.dumps(digests),))
        return [Signed(document, signature) for document, signature in rows]

    async def known(self, neighbour: NodeId, transfers: Sequence[TransferId]) -> bool:
        """Whether all of these transfers of the neighbour's were answered before."""
        rows = await self.journal.rows(SQL["known"], (neighbour, json.dumps(transfers)))
        return int(rows[0][0]) == len(transfers)

    async def handed_over(self, neighbour: NodeId, receipts: Sequence[Digest]) -> None:
        """The neighbour says in its signed manifest that it has these; safe to repeat."""
        await self.journal.perform(
            lambda tx: tx.connection.executemany(
                SQL["handed_over"], [(neighbour, digest) for digest in receipts]
            ),
            len(receipts),
        )


def _exported(tx: Transaction, node: NodeId, transfers: Sequence[TransferId], at: datetime) -> None:
    for one in transfers:
        carrying.resend(tx, one, at)
        carrying.postpone(tx, node, one, in_doubt=True, error=EXPORTED, not_before=at, at=at)

"""What this journal remembers of the exchange with a neighbour that lost its own memory of it.

Each page is one transaction: what the neighbour answered is opened again, receipts about its messages
are queued again, and the transfers of its own messages are named. Safe to repeat: a transfer that is
answered as before, or a receipt that is known, changes nothing.

Touches: receipts, arrivals, transfers, returns. Trusts: the neighbour's authentication.
Raises:  JournalError.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from relay.audit.entries import AuditEvent, entry
from relay.delivery.recovery.ports import Newest, OwnReceipts, Reminder, Sent
from relay.journal import retaining
from relay.journal.rows import ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.writer import Transaction
from relay.model import Digest, NodeId, Seal, SealKind, Signed, TransferId

SQL = load("remind")
PAGE = 1000
"""Receipts that one page looks at."""
RECEIPTS_PAGE = 200
"""As many receipts as one container holds (docs/wire-format.md W5.10)."""
_LAST = (1 << 63) - 1
_LONG = 1 << 20
"""Work for the writer's thread, not for the event loop."""


@dataclass(frozen=True, slots=True)
class ReminderTable:
    """delivery.recovery.ports.ReminderJournal."""

    journal: SqliteJournal
    node: NodeId

    async def newest(self, neighbour: NodeId) -> Newest:
        receipt = await self.journal.rows(SQL["newest_receipt"], (neighbour,))
        transfer = await self.journal.rows(SQL["newest_transfer"], (neighbour,))
        return Newest(_signed(receipt), _signed(transfer))

    async def own_receipts(
        self, neighbour: NodeId, since: datetime, cursor: int | None
    ) -> OwnReceipts:
        high = cursor or _LAST
        ((low, count, newest),) = await self.journal.rows(SQL["window"], (high, RECEIPTS_PAGE))
        if not count:
            return OwnReceipts((), None)
        values = _values(neighbour, since, low, high)
        rows = await self.journal.rows(SQL["own_receipts"], values)
        more = count == RECEIPTS_PAGE and newest >= ms(since)
        return OwnReceipts(tuple(Signed(*row) for row in rows), low if more else None)

    async def remind(
        self, neighbour: NodeId, since: datetime, cursor: int | None, at: datetime
    ) -> Reminder:
        page = await self.journal.perform(
            lambda tx: remind(tx, self.node, neighbour, since, cursor, at), _LONG
        )
        return cast("Reminder", page)

    async def sent(self, neighbour: NodeId, transfer_id: TransferId) -> Sent | None:
        rows = await self.journal.rows(SQL["as_it_came"], (neighbour, transfer_id))
        if not rows:
            return None
        header, signature, kind, seal, digest = rows[0]
        return Sent(Signed(header, signature), Seal(SealKind(kind), seal), Digest(digest))


def remind(
    tx: Transaction,
    node: NodeId,
    neighbour: NodeId,
    since: datetime,
    cursor: int | None,
    at: datetime,
) -> Reminder:
    """One page, the newest first; `cursor` is where the one before ended."""
    high = cursor or _LAST
    low, count, newest = tx.run(SQL["window"], high, PAGE).fetchone()
    if not count:
        return Reminder(0, 0, 0, (), None)
    values = {**_values(neighbour, since, low, high), "at": ms(at)}
    run = tx.connection.execute
    reopened = run(SQL["reopen"], values).fetchall()
    retaining.need_again(tx, [row for row, _ in reopened])
    tx.connection.executemany(SQL["reopened"], [(one, ms(at)) for _, one in reopened])
    transfers = len(reopened)
    gone = run(SQL["gone"], values).fetchone()[0]
    receipts = run(SQL["return_again"], values).rowcount
    run(SQL["attach_again"], {**values, "here": node})
    sent = tuple(TransferId(row[0]) for row in run(SQL["sent"], values))
    if transfers or receipts or sent:
        tx.record(
            entry(
                AuditEvent.NEIGHBOUR_REMINDED,
                at,
                node,
                neighbour=neighbour,
                transfers=transfers,
                receipts=receipts,
                documents=len(sent),
            )
        )
    more = count == PAGE and newest >= ms(since)
    return Reminder(transfers, receipts, gone, sent, low if more else None)


def _values(neighbour: NodeId, since: datetime, low: int, high: int) -> dict[str, object]:
    return {"neighbour": neighbour, "since": ms(since), "low": low, "high": high}


def _signed(rows: list[Any]) -> Signed | None:
    return Signed(*rows[0]) if rows else None

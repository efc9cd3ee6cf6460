"""The books of documents' business: verdicts to prove, obligations to show and tell, arrivals to tell.

Touches: verdicts, obligations, arrived, arrived_for, and through carrying.py what a receipt moves.
Raises:  JournalError.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from relay.audit.entries import AuditEvent, entry
from relay.delivery.arrived import Arrival
from relay.delivery.obligations import Overdue
from relay.delivery.ports import ObligationQuery, ObligationView
from relay.delivery.records import DeliveryRow, MessageRow
from relay.delivery.verdicts import Verdict
from relay.journal import carrying
from relay.journal.rows import instant, ms
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.journal.views import obligation_view
from relay.journal.writer import Transaction
from relay.model import (
    AgencyCode,
    BusinessState,
    DeliveryId,
    Digest,
    MessageId,
    NodeId,
    ObligationKind,
    ObligationState,
    Reason,
    Receipt,
    Signed,
    TransferId,
)

SQL = load("business")
Row = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """delivery.verdicts.VerdictBook."""

    journal: SqliteJournal
    node: NodeId

    async def unproven(self, limit: int) -> list[Verdict]:
        return [_verdict(row) for row in await self.journal.rows(SQL["unproven"], (limit,))]

    async def prove(self, verdict: Verdict, signed: Signed, receipt: Receipt) -> set[NodeId]:
        back = await self.journal.perform(lambda tx: prove(tx, self.node, verdict, signed, receipt))
        return cast("set[NodeId]", back)


def prove(
    tx: Transaction, node: NodeId, verdict: Verdict, signed: Signed, receipt: Receipt
) -> set[NodeId]:
    """The receipt of a verdict, once."""
    if tx.run(SQL["proven"], verdict.row, verdict.reason).rowcount == 0:
        return set()
    return carrying.apply_receipt(tx, node, verdict.message_row, signed, receipt, receipt.at)


def _verdict(row: Row) -> Verdict:
    return Verdict(
        row=DeliveryRow(row[0]),
        reason=Reason(row[1]),
        message_row=MessageRow(row[2]),
        message_id=MessageId(row[3]),
        origin=NodeId(row[4]),
        digest=Digest(row[5]),
        size_bytes=row[6],
        recipient=AgencyCode(row[7]),
        served_here=row[8] is None,
        previous=Digest(row[9]),
        transfer_id=None if row[10] is None else TransferId(row[10]),
        sent_by=None if row[11] is None else NodeId(row[11]),
    )


@dataclass(frozen=True, slots=True)
class ObligationTable:
    """delivery.obligations.ObligationBook."""

    journal: SqliteJournal
    node: NodeId

    async def page(
        self, agencies: frozenset[AgencyCode] | None, query: ObligationQuery, now: datetime
    ) -> list[ObligationView]:
        values: dict[str, object] = {
            "after": query.after,
            "agencies": None if agencies is None else json.dumps(sorted(agencies)),
            "agency": query.agency,
            "state": query.state,
            "overdue": ms(now) if query.overdue else None,
            "limit": query.limit,
        }
        return [obligation_view(row) for row in await self.journal.rows(SQL["list"], values)]

    async def overdue(self, now: datetime, limit: int) -> list[Overdue]:
        return [_overdue(row) for row in await self.journal.rows(SQL["overdue"], (ms(now), limit))]

    async def told(self, overdue: Overdue, at: datetime) -> bool:
        return bool(await self.journal.perform(lambda tx: tell(tx, self.node, overdue, at)))


def tell(tx: Transaction, node: NodeId, overdue: Overdue, at: datetime) -> bool:
    """The entry that says so, once."""
    if tx.run(SQL["told"], overdue.row).rowcount == 0:
        return False
    tx.record(
        entry(
            AuditEvent.OBLIGATION_OVERDUE,
            at,
            node,
            message=overdue.cause,
            document=overdue.document,
            sender=overdue.sender,
            recipient=overdue.recipient,
            type=overdue.kind.value,
            state=overdue.state.value,
        )
    )
    return True


def _overdue(row: Row) -> Overdue:
    return Overdue(
        row=row[0],
        kind=ObligationKind(row[1]),
        cause=MessageId(row[2]),
        sender=AgencyCode(row[3]),
        recipient=AgencyCode(row[4]),
        state=ObligationState(row[5]),
        due_at=instant(row[6]),
        document=None if row[7] is None else MessageId(row[7]),
    )


@dataclass(frozen=True, slots=True)
class Arrivals:
    """delivery.arrived.ArrivalBook."""

    journal: SqliteJournal

    async def speak_for(self, agencies: frozenset[AgencyCode]) -> None:
        def keep(tx: Transaction) -> None:
            tx.run("DELETE FROM arrived_for")
            tx.connection.executemany(
                "INSERT INTO arrived_for VALUES (?)", [(a,) for a in agencies]
            )

        await self.journal.perform(keep)

    async def waiting(self, limit: int) -> list[Arrival]:
        found = await self.journal.rows(SQL["arrivals_to_tell"], (limit,))
        return [_arrival(row) for row in found]

    async def told(self, row: DeliveryRow) -> None:
        await self.journal.perform(lambda tx: tx.run(SQL["arrival_told"], row))


def _arrival(row: Row) -> Arrival:
    return Arrival(
        row=DeliveryRow(row[0]),
        delivery_id=DeliveryId(row[1]),
        recipient=AgencyCode(row[2]),
        addressed_as=row[3],
        sender=row[4],
        notation=row[5],
        promulgation_date=row[6],
        document_id=row[7],
        business=BusinessState(row[8]),
    )

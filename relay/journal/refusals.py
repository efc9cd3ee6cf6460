"""Which refusals the senders here have not been told of by a status.

The table fills itself (migration 0009), in the transaction that ends a delivery.

Touches: refusals. Raises: JournalError.
"""

from __future__ import annotations

from relay.delivery.records import DeliveryRow
from relay.delivery.refusals import Refusal
from relay.journal.sql import load
from relay.journal.store import SqliteJournal
from relay.model import DeliveryId, DeliveryState, NodeId, Reason

SQL = load("refusals")


class Refusals:
    """delivery.refusals.RefusalBook on the journal."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal

    async def waiting(self, limit: int) -> list[Refusal]:
        return [_refusal(row) for row in await self._journal.rows(SQL["waiting"], (limit,))]

    async def told(self, row: DeliveryRow) -> None:
        await self._journal.perform(lambda tx: tx.run(SQL["told"], row))

    async def forget_all(self) -> None:
        await self._journal.perform(lambda tx: tx.run("DELETE FROM refusals"))


def _refusal(row: tuple[object, ...]) -> Refusal:
    (delivery_row, delivery_id, state, addressed_as, reason, detail, node, *document) = row
    sender, notation, date, document_id = map(str, document)
    return Refusal(
        row=DeliveryRow(int(str(delivery_row))),
        delivery_id=DeliveryId(str(delivery_id)),
        state=DeliveryState(str(state)),
        recipient=str(addressed_as),
        reason=None if reason is None else Reason(str(reason)),
        detail=str(detail),
        node=None if node is None else NodeId(str(node)),
        sender=sender,
        notation=notation,
        promulgation_date=date,
        document_id=document_id,
    )

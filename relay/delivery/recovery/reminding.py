"""A neighbour was restored from a backup: remind it of what was exchanged with it since.

What it lost comes back to it in the ordinary way: transfers it once answered are repeated to the letter,
receipts about its messages are handed back again. Only its own messages have to be fetched by itself,
as the transfers with which it once sent them, signed by it. A neighbour learns nothing here that did
not pass between the two before.

Touches: the journal; tells the dispatcher what waits again. Trusts: the neighbour's authentication.
Raises:  NotFoundError, JournalError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from relay.delivery.clock import Clock
from relay.delivery.records import Journal
from relay.delivery.recovery.ports import Newest, OwnReceipts, Reminder, ReminderJournal, Sent
from relay.errors import LostPayloadError, NotFoundError
from relay.lines import Line
from relay.model import NodeId, Payload, TransferId

log = structlog.get_logger("relay.recovery")
_GONE = "no such transfer of yours, or its envelope is no longer here"


@dataclass(frozen=True, slots=True)
class RemindingDesk:
    journal: Journal
    reminders: ReminderJournal
    clock: Clock
    repeat: Callable[[NodeId], None]

    async def newest(self, neighbour: NodeId) -> Newest:
        """So that it can tell whether it was rolled back."""
        return await self.reminders.newest(neighbour)

    async def own_receipts(
        self, neighbour: NodeId, since: datetime, cursor: int | None
    ) -> OwnReceipts:
        """What its recipients acknowledged, in its own words; reading only."""
        return await self.reminders.own_receipts(neighbour, since, cursor)

    async def remind(self, neighbour: NodeId, since: datetime, cursor: int | None) -> Reminder:
        """One page, durable. Safe to repeat."""
        page = await self.reminders.remind(neighbour, since, cursor, self.clock.now())
        log.info(
            Line.NEIGHBOUR_REMINDED,
            neighbour=neighbour,
            transfers=page.transfers,
            receipts=page.receipts,
            documents=len(page.sent),
        )
        if page.transfers or page.receipts:
            self.repeat(neighbour)
        return page

    async def sent(self, neighbour: NodeId, transfer_id: TransferId) -> tuple[Sent, Payload]:
        """A transfer that came from it, as it came. One that this disk has lost is no longer here: the
        neighbour would ask for it for ever, and accept nothing until it has it."""
        found = await self.reminders.sent(neighbour, transfer_id)
        if found is None:
            raise NotFoundError(_GONE)
        payload = await self.journal.payload(found.digest)
        try:
            await self.journal.check_payload(payload, thorough=True)
        except LostPayloadError as error:
            log.error(Line.PAYLOAD_DAMAGED, digest=found.digest, size_bytes=payload.size_bytes)
            raise NotFoundError(_GONE) from error
        return found, payload

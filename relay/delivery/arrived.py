"""Say status 01 for recipients whose systems cannot: only for agencies the node is set to do so for.

Once such a recipient's system acknowledged a document `done`, and said nothing of it by a status of its
own, the node makes a status 01 in the recipient's name, whose first words say that the relay speaks. As
with refusals.py it goes through the intake, and its idempotency key keeps it single.

Touches: the intake, the book of arrivals. Trusts: the journal's own words. Raises: JournalError.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import structlog

from relay.delivery.clock import Clock
from relay.delivery.ports import Caller, Intake, PayloadStore, Submission
from relay.delivery.records import DeliveryRow
from relay.envelope.documents import Staff, StatusMessage
from relay.envelope.reader import read
from relay.envelope.writer import write_status
from relay.errors import ConflictError, OverloadError, PeerError
from relay.model import AgencyCode, BusinessState, DeliveryId, NodeId, Party, ResponseFor

ARRIVED = "01"
LOOK_SECONDS = 5.0
AT_ONCE = 50
WORDS = (
    "[Trục liên thông tự động thông báo, không phải của đơn vị nhận] Văn bản đã đến hệ thống của đơn vị "
    "nhận / the relay says: the recipient's system has taken the document over"
)
log = structlog.get_logger("relay.arrived")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document that an agency's system acknowledged; texts as the document has them."""

    row: DeliveryRow
    delivery_id: DeliveryId
    recipient: AgencyCode
    addressed_as: str
    sender: str
    notation: str
    promulgation_date: str
    document_id: str
    business: BusinessState


class ArrivalBook(Protocol):
    async def speak_for(self, agencies: frozenset[AgencyCode]) -> None:
        """From now on only these agencies' acknowledgements are waiting to be told of."""
        ...

    async def waiting(self, limit: int) -> list[Arrival]: ...
    async def told(self, row: DeliveryRow) -> None: ...


@dataclass(frozen=True, slots=True)
class ArrivalDesk:
    node: NodeId
    agencies: frozenset[AgencyCode]
    """Served here, and told for by the node."""
    book: ArrivalBook
    intake: Intake
    store: PayloadStore
    clock: Clock

    async def run(self) -> None:
        """Until cancelled."""
        await self.book.speak_for(self.agencies)
        if not self.agencies:
            await asyncio.Event().wait()
        while True:
            if await self.sweep() < AT_ONCE:
                await asyncio.sleep(LOOK_SECONDS)

    async def sweep(self) -> int:
        """Tell what waits to be told; how many were looked at; 0 while nothing is taken in."""
        waiting = await self.book.waiting(AT_ONCE)
        for arrival in waiting:
            if arrival.business is BusinessState.NONE and arrival.recipient in self.agencies:
                try:
                    await self._tell(arrival)
                except OverloadError as error:
                    log.info("arrivals-wait", error=str(error))
                    return 0
            await self.book.told(arrival.row)
        return len(waiting)

    async def _tell(self, arrival: Arrival) -> None:
        caller = Caller(f"node:{self.node}", frozenset({arrival.recipient}))
        try:
            content = write_status(self._status(arrival))
            upload = self.store.begin(len(content))
            upload.write(content)
            payload = await upload.finish()
            key = f"arrived:{arrival.delivery_id}"
            await self.intake.submit(
                Submission(caller, read(content), payload, idempotency_key=key)
            )
        except ConflictError:
            return  # told before; only the note of it was lost
        except PeerError as error:
            log.warning("arrival-not-told", delivery=arrival.delivery_id, error=str(error))

    def _status(self, arrival: Arrival) -> StatusMessage:
        return StatusMessage(
            sender=Party(arrival.recipient, f"Trục Relay, node {self.node}"),
            response_for=ResponseFor(
                organ_id=arrival.sender,
                code=arrival.notation,
                promulgation_date=arrival.promulgation_date,
                document_id=arrival.document_id,
            ),
            status_code=ARRIVED,
            description=WORDS,
            at=self.clock.now(),
            staff=Staff(department="Trục Relay", staff=f"node {self.node} (tự động)"),
        )

"""Tell senders by a status 02 that a document was refused: only where the node is set to do so.

A document system that knows nothing of receipts learns of a refusal only from a status message. Nobody
at the recipient wrote it, so it is made and sealed at the sender's own node, in the name of the agency
set for that, and says in its first words that the relay speaks. It goes through the intake like any
other message; its idempotency key keeps it single if the process dies between the two commits.

Touches: the intake, the book of refusals. Trusts: the journal's own words. Raises: JournalError.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import structlog

from relay.delivery.records import DeliveryRow
from relay.delivery.saying import AT_ONCE, LOOK_SECONDS, Saying, Speaker
from relay.errors import OverloadError
from relay.lines import Line
from relay.model import AgencyCode, DeliveryId, DeliveryState, NodeId, Reason, ResponseFor

REFUSED = "02"
log = structlog.get_logger("relay.refusals")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A delivery of a document handed in here that ended badly; texts as the document has them."""

    row: DeliveryRow
    delivery_id: DeliveryId
    state: DeliveryState
    recipient: str
    reason: Reason | None
    detail: str
    node: NodeId | None
    """Who refused it or gave up."""
    sender: str
    notation: str
    promulgation_date: str
    document_id: str


class RefusalBook(Protocol):
    async def waiting(self, limit: int) -> list[Refusal]:
        """The oldest of which the sender was not told."""
        ...

    async def told(self, row: DeliveryRow) -> None: ...
    async def forget_all(self) -> None: ...


@dataclass(frozen=True, slots=True)
class RefusalDesk:
    agency: AgencyCode | None
    """The agency served here in whose name the node tells; None tells nobody."""
    book: RefusalBook
    speaker: Speaker

    async def run(self) -> None:
        """Look until cancelled. What ended while nothing was to be told is never told later."""
        while self.agency is None:
            await self.book.forget_all()
            await asyncio.sleep(3600)
        while True:
            if await self.sweep(self.agency) < AT_ONCE:
                await asyncio.sleep(LOOK_SECONDS)

    async def sweep(self, agency: AgencyCode) -> int:
        """Tell what waits to be told; how many were looked at; 0 while nothing is taken in."""
        waiting = await self.book.waiting(AT_ONCE)
        for refusal in waiting:
            if refusal.state in (DeliveryState.REFUSED, DeliveryState.EXPIRED):
                try:
                    await self.speaker.say(self._saying(agency, refusal))
                except OverloadError as error:
                    log.info(Line.REFUSALS_WAIT, error=str(error))
                    return 0
            await self.book.told(refusal.row)
        return len(waiting)

    def _saying(self, agency: AgencyCode, refusal: Refusal) -> Saying:
        about = ResponseFor(
            organ_id=refusal.sender,
            code=refusal.notation,
            promulgation_date=refusal.promulgation_date,
            document_id=refusal.document_id,
        )
        node, detail = (
            refusal.node or self.speaker.node,
            f": {refusal.detail}" if refusal.detail else "",
        )
        return Saying(
            agency,
            about,
            REFUSED,
            f"Văn bản không đến được {refusal.recipient}",
            f"not delivered, {refusal.reason or 'refused'} at node {node}{detail}",
            f"refusal:{refusal.delivery_id}",
        )

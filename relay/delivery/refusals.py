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

from relay.delivery.clock import Clock
from relay.delivery.ports import Caller, Intake, PayloadStore, Submission
from relay.delivery.records import DeliveryRow
from relay.envelope.documents import Staff, StatusMessage
from relay.envelope.reader import read
from relay.envelope.writer import write_status
from relay.errors import ConflictError, OverloadError, PeerError
from relay.model import AgencyCode, DeliveryId, DeliveryState, NodeId, Party, Reason, ResponseFor

REFUSED = "02"
LOOK_SECONDS = 5.0
AT_ONCE = 50
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
    node: NodeId
    speaker: AgencyCode | None
    """The agency served here in whose name the node tells; None tells nobody."""
    book: RefusalBook
    intake: Intake
    store: PayloadStore
    clock: Clock

    async def run(self) -> None:
        """Look until cancelled. What ended while nothing was to be told is never told later."""
        while self.speaker is None:
            await self.book.forget_all()
            await asyncio.sleep(3600)
        while True:
            if await self.sweep(self.speaker) < AT_ONCE:
                await asyncio.sleep(LOOK_SECONDS)

    async def sweep(self, speaker: AgencyCode) -> int:
        """Tell what waits to be told; how many were looked at; 0 while nothing is taken in."""
        waiting = await self.book.waiting(AT_ONCE)
        for refusal in waiting:
            if refusal.state in (DeliveryState.REFUSED, DeliveryState.EXPIRED):
                try:
                    await self._tell(speaker, refusal)
                except OverloadError as error:
                    log.info("refusals-wait", error=str(error))
                    return 0
            await self.book.told(refusal.row)
        return len(waiting)

    async def _tell(self, speaker: AgencyCode, refusal: Refusal) -> None:
        caller = Caller(f"node:{self.node}", frozenset({speaker}))
        try:
            content = write_status(self._status(speaker, refusal))
            upload = self.store.begin(len(content))
            upload.write(content)
            payload = await upload.finish()
            key = f"refusal:{refusal.delivery_id}"
            await self.intake.submit(
                Submission(caller, read(content), payload, idempotency_key=key)
            )
        except ConflictError:
            return  # told before; only the note of it was lost
        except PeerError as error:
            log.warning("refusal-not-told", delivery=refusal.delivery_id, error=str(error))

    def _status(self, speaker: AgencyCode, refusal: Refusal) -> StatusMessage:
        return StatusMessage(
            sender=Party(speaker, f"Trục Relay, node {self.node}"),
            response_for=ResponseFor(
                organ_id=refusal.sender,
                code=refusal.notation,
                promulgation_date=refusal.promulgation_date,
                document_id=refusal.document_id,
            ),
            status_code=REFUSED,
            description=self._words(refusal),
            at=self.clock.now(),
            staff=Staff(department="Trục Relay", staff=f"node {self.node} (tự động)"),
        )

    def _words(self, refusal: Refusal) -> str:
        reason = refusal.reason or "refused"
        detail = f": {refusal.detail}" if refusal.detail else ""
        return (
            f"[Trục liên thông tự động thông báo, không phải của đơn vị nhận] Văn bản không đến được "
            f"{refusal.recipient} / the relay says: not delivered, {reason} at node "
            f"{refusal.node or self.node}{detail}"
        )

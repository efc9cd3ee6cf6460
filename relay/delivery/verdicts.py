"""Prove what was decided about take-backs: a signed receipt for each, on its way back to the origin.

The decision stands in the journal with the transaction that made it (journal/obliging.py); the key may be
slow and the process may die, so the receipt is signed afterwards, and a start finds what is unproven.

Touches: the journal's book of verdicts, the notary. Trusts: the journal's own words. Raises: JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from relay.delivery.clock import Clock
from relay.delivery.records import DeliveryRow, MessageRow, Notary
from relay.model import (
    AgencyCode,
    Digest,
    Event,
    Evidence,
    MessageId,
    NodeId,
    Reason,
    Receipt,
    Signed,
    TransferId,
)

LOOK_SECONDS = 2.0
"""A document that meets a take-back kept for it wakes nobody."""
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Verdict:
    """A delivery that was taken back here, or a take-back that came too late here."""

    row: DeliveryRow
    reason: Reason
    message_row: MessageRow
    message_id: MessageId
    origin: NodeId
    digest: Digest
    size_bytes: int
    recipient: AgencyCode
    served_here: bool
    previous: Digest
    """This node's own receipt for it."""
    transfer_id: TransferId | None
    sent_by: NodeId | None


class VerdictBook(Protocol):
    async def unproven(self, limit: int) -> list[Verdict]: ...
    async def prove(self, verdict: Verdict, signed: Signed, receipt: Receipt) -> set[NodeId]:
        """Once; the neighbours the receipt travels back to."""
        ...


@dataclass(slots=True)
class VerdictDesk:
    node: NodeId
    book: VerdictBook
    notary: Notary
    clock: Clock
    receipts_wait: Callable[[Iterable[NodeId]], None]
    _called: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self._called.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._called.clear()
            if await self.sweep() == AT_ONCE:
                continue
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._called.wait()
            except TimeoutError:
                pass

    async def sweep(self) -> int:
        """Prove what is unproven; how many there were."""
        found = await self.book.unproven(AT_ONCE)
        for verdict in found:
            receipt = self._receipt(verdict)
            signed = await self.notary.issue_receipt(receipt, receipt.at, patient=True)
            self.receipts_wait(await self.book.prove(verdict, signed, receipt))
        return len(found)

    def _receipt(self, verdict: Verdict) -> Receipt:
        evidence = Evidence(
            _event(verdict),
            verdict.recipient,
            verdict.previous,
            verdict.reason,
            _DETAILS[verdict.reason],
        )
        return Receipt.about(
            verdict,
            issuer=self.node,
            at=self.clock.now(),
            transfer_id=verdict.transfer_id,
            sent_by=verdict.sent_by,
            evidence=(evidence,),
        )


def _event(verdict: Verdict) -> Event:
    """W10: the recipient's node did not hand it over, a node on the way did not pass it on, or the
    take-back is at the recipient's disposal for the reason given."""
    if verdict.reason is Reason.DESTRUCTION_ASKED:
        return Event.CONTENT_CONSIGNMENT
    return Event.CONTENT_HANDOVER_FAILURE if verdict.served_here else Event.RELAY_FAILURE


_DETAILS = {
    Reason.TAKEN_BACK: "taken back by its sender before the recipient had it",
    Reason.DESTRUCTION_ASKED: "the document had been fetched; its destruction is asked for",
}

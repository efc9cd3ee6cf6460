"""Deliveries whose time ran out: asked about when in doubt, then ended with a signed receipt.

A delivery that was sent without an answer may stand at the neighbour already. So before it is given
up the neighbour is asked for its answer; an answer settles it, a plain "never seen" lets it expire,
and while the neighbour cannot be asked the receipt says outcome-unknown, which any later receipt
supersedes.

Touches: the journal, the wire, the notary. Trusts: nothing of an answer until proven.
Raises:  JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from relay.delivery.answers import require_answer
from relay.delivery.clock import Clock
from relay.delivery.records import Journal, Notary, OpenTransfer, Waiting, Wire
from relay.errors import PeerError, TransportError
from relay.lifecycle import IllegalStepError
from relay.model import DeliveryState, Event, Evidence, NodeId, Reason, Receipt
from relay.routing.directory import Directory
from relay.wire.transfer import read_transfer

SWEEP_SECONDS = 5.0
AT_ONCE = 200
log = structlog.get_logger("relay.expiry")


@dataclass(frozen=True, slots=True)
class ExpiryDesk:
    node: NodeId
    directory: Directory
    journal: Journal
    notary: Notary
    wire: Wire
    clock: Clock
    receipts_wait: Callable[[Iterable[NodeId]], None]
    grace: timedelta
    """Nothing expires so soon after a start: the clock may have gone far while the node stood."""

    async def run(self) -> None:
        """Sweep until cancelled."""
        await asyncio.sleep(self.grace.total_seconds())
        while True:
            if await self.sweep() < AT_ONCE:
                await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> int:
        """End what is overdue now; how many deliveries it looked at.

        A neighbour that could not be asked once is not asked again in the same sweep: the time-outs
        of one dead neighbour must not hold up what waits for all others.
        """
        overdue = await self.journal.overdue(self.clock.now(), AT_ONCE)
        silent: set[NodeId] = set()
        for waiting in overdue:
            await self._end(waiting, silent)
        return len(overdue)

    async def _end(self, waiting: Waiting, silent: set[NodeId]) -> None:
        reason = Reason.EXPIRED
        if waiting.state is DeliveryState.IN_DOUBT and waiting.transfer is not None:
            outcome = await self._ask(waiting.transfer, silent)
            if outcome is None:
                return
            reason = outcome
        receipt = self._receipt(waiting, reason)
        signed = self.notary.sign_receipt(receipt, receipt.at)
        try:
            back = await self.journal.give_up(waiting, signed, receipt, receipt.at)
        except IllegalStepError:
            return  # settled or sent again meanwhile
        log.warning(
            "delivery-expired",
            message=waiting.message_id,
            recipient=waiting.recipient,
            reason=reason.value,
        )
        self.receipts_wait(back)

    async def _ask(self, transfer: OpenTransfer, silent: set[NodeId]) -> Reason | None:
        """None when the neighbour's answer settled it; else why it ends."""
        if transfer.neighbour in silent:
            return Reason.OUTCOME_UNKNOWN
        try:
            answer = await self.wire.ask(transfer.neighbour, transfer.transfer_id)
            if answer is None:
                return Reason.EXPIRED
            receipt = self.notary.check_receipt(answer)
            require_answer(self.directory, receipt, read_transfer(transfer.header.document))
        except TransportError:
            silent.add(transfer.neighbour)
            return Reason.OUTCOME_UNKNOWN
        except PeerError:
            return Reason.OUTCOME_UNKNOWN
        back = await self.journal.settle(transfer.transfer_id, answer, receipt, self.clock.now())
        self.receipts_wait(back)
        return None

    def _receipt(self, waiting: Waiting, reason: Reason) -> Receipt:
        evidence = Evidence(
            Event.RELAY_FAILURE, waiting.recipient, waiting.previous, reason, _DETAILS[reason]
        )
        return Receipt(
            issuer=self.node,
            origin=waiting.origin,
            message_id=waiting.message_id,
            digest=waiting.digest,
            size_bytes=waiting.size_bytes,
            transfer_id=None if waiting.transfer is None else waiting.transfer.transfer_id,
            sent_by=None,
            at=self.clock.now(),
            evidence=(evidence,),
        )


_DETAILS = {
    Reason.EXPIRED: "not taken over by the next node in time",
    Reason.OUTCOME_UNKNOWN: "sent to the next node, which did not answer in time",
}

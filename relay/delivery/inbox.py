"""The recipient's side: list, fetch, acknowledge what is served here.

A caller sees only deliveries of its own agencies; for all others there is no such delivery. The
state `fetched` is durable before the first byte leaves, and `done` leaves a ContentHandover receipt
on its way back.

Touches: the journal, the notary. Trusts: the caller's authentication.
Raises:  NotFoundError, GoneError, TakenBackError, AccessError, ConflictError, JournalError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog

from relay.delivery.clock import Clock
from relay.delivery.ports import Acknowledgement, Caller, Fetched, InboxItem, InboxQuery
from relay.delivery.records import HandoverFacts, Journal, Notary
from relay.errors import TAKEN_BACK, AccessError, ConflictError, NotFoundError, TakenBackError
from relay.lines import Line
from relay.model import (
    AgencyCode,
    DeliveryId,
    DeliveryState,
    Event,
    Evidence,
    MessageType,
    NodeId,
    Reason,
    Receipt,
    Signed,
)
from relay.wire.values import fit_detail

log = structlog.get_logger("relay.inbox")
_EVENTS = {
    Acknowledgement.DONE: Event.CONTENT_HANDOVER,
    Acknowledgement.FAIL: Event.CONTENT_HANDOVER_FAILURE,
}


@dataclass(frozen=True, slots=True)
class InboxDesk:
    """delivery.ports.Inbox."""

    node: NodeId
    journal: Journal
    notary: Notary
    clock: Clock
    receipts_wait: Callable[[Iterable[NodeId]], None]

    async def list(self, caller: Caller, query: InboxQuery) -> list[InboxItem]:
        return await self.journal.inbox(_whose(caller), query)

    async def count(self, caller: Caller, message_type: MessageType) -> int:
        return await self.journal.inbox_count(caller.agencies, message_type)

    async def find(self, caller: Caller, delivery_id: DeliveryId) -> InboxItem:
        return (await self._facts(caller, delivery_id)).item

    async def fetch(self, caller: Caller, delivery_id: DeliveryId) -> Fetched:
        """The bytes and the seal; `fetched` is durable by then. GoneError when the bytes left by policy,
        LostPayloadError when the disk has lost them: neither is a fetch."""
        facts = await self._facts(caller, delivery_id)
        _refuse_taken_back(facts)
        payload = await self.journal.payload(facts.item.digest)
        await self.journal.check_payload(payload, thorough=False)
        await self.journal.mark_fetched(delivery_id, caller, self.clock.now())
        seal = await self.journal.delivery_seal(delivery_id)
        if seal is None:
            raise NotFoundError(f"delivery {delivery_id} has no seal")
        return Fetched(facts.item, payload, seal)

    async def acknowledge(
        self,
        caller: Caller,
        delivery_id: DeliveryId,
        acknowledgement: Acknowledgement,
        reason: str = "",
        why: str = "",
    ) -> InboxItem:
        """Idempotent; once `done`, it stays done, and a `fail` after it is a ConflictError."""
        facts = await self._facts(caller, delivery_id)
        if facts.recipient not in caller.agencies and not (caller.local and why):
            raise AccessError(
                f"delivery {delivery_id} is acknowledged by its recipient; an operator may"
                " for it on the node itself, and must say why"
            )
        if facts.item.acknowledgement not in {acknowledgement, Acknowledgement.DONE}:
            _refuse_taken_back(facts)
            at = self.clock.now()
            proof = await self._proof(facts, acknowledgement, reason, at)
            back = await self.journal.acknowledge(
                delivery_id, acknowledgement, proof, caller, at, why
            )
            self.receipts_wait(back)
            if acknowledgement is Acknowledgement.FAIL:
                log.warning(Line.DELIVERY_PUT_BACK, delivery=delivery_id)
            facts = await self._facts(caller, delivery_id)
        # Judged by what stands in the end: a `done` may have come in between.
        stands = facts.item.acknowledgement
        if acknowledgement is Acknowledgement.FAIL and stands is Acknowledgement.DONE:
            raise ConflictError(f"delivery {delivery_id} is already acknowledged done")
        return facts.item

    async def _proof(
        self, facts: HandoverFacts, acknowledgement: Acknowledgement, reason: str, at: datetime
    ) -> tuple[Signed, Receipt] | None:
        event = _EVENTS.get(acknowledgement)
        if event is None:
            return None
        failed = event is Event.CONTENT_HANDOVER_FAILURE
        why = (Reason.REJECTED_BY_RECIPIENT, fit_detail(reason)) if failed else (None, "")
        evidence = tuple(
            Evidence(event, code, facts.previous, *why) for code in (facts.recipient, *facts.also)
        )
        receipt = Receipt(
            issuer=self.node,
            origin=facts.origin,
            message_id=facts.item.message_id,
            digest=facts.item.digest,
            size_bytes=facts.item.size_bytes,
            transfer_id=facts.transfer_id,
            sent_by=facts.sent_by,
            at=at,
            evidence=evidence,
        )
        signed = await self.notary.issue_receipt(receipt, at, batched=facts.batched)
        return signed, receipt

    async def _facts(self, caller: Caller, delivery_id: DeliveryId) -> HandoverFacts:
        facts = await self.journal.inbox_item(delivery_id)
        whose = _whose(caller)
        if facts is None or (whose is not None and facts.recipient not in whose):
            raise NotFoundError(f"no delivery {delivery_id} of yours is served here")
        return facts


def _whose(caller: Caller) -> frozenset[AgencyCode] | None:
    """None for an operator without agencies of its own, who sees all."""
    return None if caller.operator and not caller.agencies else caller.agencies


def _refuse_taken_back(facts: HandoverFacts) -> None:
    """Early, and without a trace; the journal looks again in the transaction that gives it out."""
    if facts.item.state is DeliveryState.TAKEN_BACK:
        raise TakenBackError(TAKEN_BACK)

"""What happened to a message, for those who may know: its agencies, operators, auditors.

Touches: the journal, reading only. Trusts: the caller's authentication. Raises: NotFoundError.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from relay.delivery.ports import Beside, Caller, DeliveryView, MessageView, SentItem, SentQuery
from relay.delivery.records import Journal
from relay.errors import NotFoundError
from relay.model import AgencyCode, BusinessState, Digest, MessageId, Seal, Signed


async def _nothing(_: MessageId) -> Beside:
    return Beside()


@dataclass(frozen=True, slots=True)
class OutboxDesk:
    """delivery.ports.Outbox."""

    journal: Journal

    async def list(self, caller: Caller, query: SentQuery) -> list[SentItem]:
        everything = caller.operator and not caller.agencies
        return await self.journal.sent(None if everything else caller.agencies, query)


@dataclass(frozen=True, slots=True)
class TrackingDesk:
    """delivery.ports.Tracking."""

    journal: Journal
    kept: Callable[[MessageId], Awaitable[Beside]] = _nothing
    """What lies beside a message's signatures."""

    async def message(self, caller: Caller, message_id: MessageId) -> MessageView:
        view = await self.journal.message(message_id)
        if view is None or not _may_see(caller, _parties(view)):
            raise NotFoundError(f"no message {message_id} of yours is known here")
        return view

    async def receipt(self, caller: Caller, digest: Digest) -> Signed:
        found = await self.journal.receipt(digest)
        if found is None:
            raise NotFoundError(f"no receipt {digest}")
        signed, agencies = found
        if not _may_see(caller, agencies):
            raise NotFoundError(f"no receipt {digest}")
        return signed

    async def seal(self, caller: Caller, message_id: MessageId) -> Seal:
        await self.message(caller, message_id)
        seal = await self.journal.message_seal(message_id)
        if seal is None:
            raise NotFoundError(f"message {message_id} is not sealed yet")
        return seal

    async def beside(self, caller: Caller, message_id: MessageId) -> Beside:
        await self.message(caller, message_id)
        return await self.kept(message_id)


def shown_to(caller: Caller, view: MessageView) -> MessageView:
    """As the caller may see it: what one recipient answered is its own and the sender's, not the others'."""
    if caller.operator or caller.auditor or view.sender in caller.agencies:
        return view
    shown = (
        one if one.recipient in caller.agencies else _without_words(one) for one in view.deliveries
    )
    return replace(view, deliveries=tuple(shown))


def _without_words(one: DeliveryView) -> DeliveryView:
    return replace(one, statuses=(), obligations=(), business=BusinessState.NONE, last_error="")


def _parties(view: MessageView) -> frozenset[AgencyCode]:
    return frozenset({view.sender, *(d.recipient for d in view.deliveries)})


def _may_see(caller: Caller, agencies: frozenset[AgencyCode]) -> bool:
    return caller.operator or caller.auditor or not agencies.isdisjoint(caller.agencies)

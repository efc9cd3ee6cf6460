"""Obligations for their readers, and the overdue ones told to the operator: each once.

Touches: the journal's book of obligations; the node's own log. Trusts: the caller's authentication.
Raises:  NotFoundError for an agency that is not known, JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from relay.delivery.clock import Clock
from relay.delivery.known import KnownAgencies
from relay.delivery.ports import Caller, ObligationQuery, ObligationView
from relay.lines import Line
from relay.model import AgencyCode, MessageId, ObligationKind, ObligationState

LOOK_SECONDS = 60.0
AT_ONCE = 100
log = structlog.get_logger("relay.obligations")


@dataclass(frozen=True, slots=True)
class Overdue:
    """An obligation of an agency served here, or to one, whose time ran out."""

    row: int
    kind: ObligationKind
    cause: MessageId
    document: MessageId | None
    sender: AgencyCode
    recipient: AgencyCode
    state: ObligationState
    due_at: datetime


class ObligationBook(Protocol):
    async def page(
        self, agencies: frozenset[AgencyCode] | None, query: ObligationQuery, now: datetime
    ) -> list[ObligationView]: ...
    async def overdue(self, now: datetime, limit: int) -> list[Overdue]: ...
    async def told(self, overdue: Overdue, at: datetime) -> bool:
        """False when it was told before."""
        ...


@dataclass(frozen=True, slots=True)
class ObligationDesk:
    """delivery.ports.Obligations."""

    book: ObligationBook
    clock: Clock
    grace: timedelta
    """Nothing is overdue so soon after a start: the clock may be wrong until a neighbour is met."""
    resolve: Callable[[str], AgencyCode] = AgencyCode
    """The directory's code for an agency."""
    known: KnownAgencies | None = None

    async def list(self, caller: Caller, query: ObligationQuery) -> list[ObligationView]:
        everything = (caller.operator or caller.auditor) and not caller.agencies
        agencies = None if everything else caller.agencies
        if query.agency is not None:
            query = replace(query, agency=self.resolve(query.agency))
        found = await self.book.page(agencies, query, self.clock.now())
        if everything and not found and query.agency is not None and self.known is not None:
            await self.known.require(query.agency)
        return found

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(self.grace.total_seconds())
        while True:
            if await self.sweep() < AT_ONCE:
                await asyncio.sleep(LOOK_SECONDS)

    async def sweep(self) -> int:
        """Tell what became overdue; how many there were."""
        now = self.clock.now()
        found = await self.book.overdue(now, AT_ONCE)
        for one in found:
            if await self.book.told(one, now):
                log.warning(
                    Line.OBLIGATION_OVERDUE,
                    kind=one.kind.value,
                    message=one.cause,
                    document=one.document,
                    sender=one.sender,
                    recipient=one.recipient,
                    state=one.state.value,
                    due=one.due_at.isoformat(),
                )
        return len(found)

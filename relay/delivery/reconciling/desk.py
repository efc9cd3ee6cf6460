"""Reconciliation with a neighbour or with an agency's system: both sides read, compared, told, noted.

With a neighbour each of its pages is held against the same range of this node's own list, so memory holds
two pages, the differences that are named, and a table of doubles lies on the disk. With a system all of the
period is held, up to a bound. A run that would take too long says so: a shorter period is compared instead.

Touches: the journal, the wire; a temporary file through the journal's doubles.
Trusts:  nothing a neighbour or a system lists.
Raises:  NotFoundError, AccessError, NotPossibleError, OverloadError, TransportError, PeerError,
         JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, TypeVar

from relay.delivery.clock import Clock
from relay.delivery.known import KnownAgencies
from relay.delivery.ports import Caller
from relay.delivery.reconciling.claims import Hearing
from relay.delivery.reconciling.ports import (
    CAPABILITY,
    Ask,
    Claimed,
    ExchangeJournal,
    Kept,
    KeptJournal,
    Period,
    Report,
)
from relay.delivery.reconciling.run import Run
from relay.delivery.reconciling.tally import Tally
from relay.errors import AccessError, NotFoundError, NotPossibleError, OverloadError
from relay.model import AgencyCode, MessageType, NodeId

MOST_KEPT: Final = 50_000
"""Deliveries of one run with a system."""
MOST_SECONDS: Final = 150.0
"""Under what a client waits for an answer."""
MOST_AT_ONCE: Final = 4
Named = TypeVar("Named", Claimed, Kept)


@dataclass(slots=True)
class ReconcilingDesk:
    """delivery.reconciling.ports.Reconciler."""

    node: NodeId
    neighbours: frozenset[NodeId]
    exchanges: ExchangeJournal
    kept: KeptJournal
    ask: Ask
    resolve: Callable[[str], AgencyCode]
    """A code in any of its forms, as the directory keeps it."""
    known: KnownAgencies
    memory: timedelta
    """How long rows are kept at the least."""
    clock: Clock
    _running: set[str] = field(default_factory=set)

    # ------------------------------------------------------------ with a neighbour

    async def with_neighbour(
        self, caller: Caller, neighbour: NodeId, period: Period, why: str
    ) -> Report:
        if neighbour not in self.neighbours:
            raise NotFoundError(f"no neighbour of {self.node} has the id {neighbour[:64]!a}")
        if period.agency is not None:
            await self.known.require(period.agency)
        with self._place(neighbour), self._in_time():
            async with asyncio.timeout(MOST_SECONDS):
                until = min(period.until, self.clock.now())
                report = await self._compare(neighbour, replace(period, until=until))
        await self.exchanges.noted(caller, report, why, neighbour=neighbour)
        return report

    async def _compare(self, neighbour: NodeId, period: Period) -> Report:
        if not await self.ask.capable(neighbour):
            said = f"{neighbour} is of a release without it (capability {CAPABILITY})"
            raise NotPossibleError(said)
        doubles = await asyncio.to_thread(self.exchanges.doubles)
        try:
            run = Run(
                self.node,
                neighbour,
                period,
                self.exchanges,
                self.ask,
                doubles,
                self.clock,
                self.memory,
                frozenset() if period.agency is None else self.known.forms([period.agency]),
            )
            return await run.report()
        finally:
            doubles.close()

    # ------------------------------------------------------------ with a system

    async def with_system(
        self,
        caller: Caller,
        agency: str,
        period: Period,
        types: Collection[MessageType],
        claims: Sequence[Claimed],
    ) -> Report:
        code = self._own(caller, agency)
        if caller.operator:
            await self.known.require(code)
        with self._place(caller.holder), self._in_time():
            async with asyncio.timeout(MOST_SECONDS):
                report = await self._hear(code, period, types, claims)
        await self.exchanges.noted(caller, report, "", neighbour=None)
        return report

    async def _hear(
        self,
        code: AgencyCode,
        period: Period,
        types: Collection[MessageType],
        claims: Sequence[Claimed],
    ) -> Report:
        now, forms = self.clock.now(), self.known.forms([code])
        asked, kept_since = replace(period, until=min(period.until, now)), now - self.memory
        kept = await self.kept.kept(forms, asked.since, asked.until, types, MOST_KEPT)
        if len(kept) > MOST_KEPT:
            raise NotPossibleError(_too_many(MOST_KEPT))
        claims = await asyncio.to_thread(self._resolved, claims)
        kept = await asyncio.to_thread(self._resolved, kept)
        hearing = Hearing(code, asked, now, kept_since, Tally(), claims)
        ids = await asyncio.to_thread(_prepared, hearing, kept)
        hearing.elsewhere = await self.kept.elsewhere(forms, ids)
        await asyncio.to_thread(_heard, hearing)
        return hearing.tally.report(code, asked, now, kept_since)

    def _resolved(self, several: Sequence[Named]) -> list[Named]:
        """With the code that the directory has now: either side may know an agency by an older form."""
        return [
            one if one.agency is None else replace(one, agency=self.resolve(one.agency))
            for one in several
        ]

    def _own(self, caller: Caller, agency: str) -> AgencyCode:
        if not agency:
            codes = {self.resolve(one) for one in caller.agencies}
            if len(codes) != 1:
                raise AccessError(f"this token speaks for {len(codes)} agencies: name one of them")
            return codes.pop()
        code = self.resolve(agency)
        if code not in {self.resolve(one) for one in caller.agencies} and not caller.operator:
            raise AccessError(f"this token does not speak for {agency[:64]}")
        return code

    # ------------------------------------------------------------ bounds

    @contextmanager
    def _place(self, who: str) -> Iterator[None]:
        """One run for each who asks or is asked, a few in all."""
        if who in self._running or len(self._running) >= MOST_AT_ONCE:
            raise OverloadError(
                f"{len(self._running)} reconciliations under way, limit {MOST_AT_ONCE}"
            )
        self._running.add(who)
        try:
            yield
        finally:
            self._running.discard(who)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            said = f"not done within {MOST_SECONDS:.0f} s: compare a shorter period"
            raise NotPossibleError(said) from None


def _prepared(hearing: Hearing, kept: Sequence[Kept]) -> list[str]:
    hearing.know(kept)
    return hearing.unknown_ids()


def _heard(hearing: Hearing) -> None:
    hearing.hear()
    hearing.finish()


def _too_many(limit: int) -> str:
    return f"more than {limit} deliveries: compare a shorter period"

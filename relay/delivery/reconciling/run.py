"""One reconciliation with a neighbour: page by page of its list, with the same range of this node's own.

Touches: the journal, the wire, a table of doubles on the disk.
Trusts:  nothing of the neighbour's list but its form; its time only to widen what counts as recent.
Raises:  NotPossibleError for too long a period; TransportError, PeerError, JournalError.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from relay.delivery.clock import Clock
from relay.delivery.reconciling.ports import (
    Ask,
    Difference,
    Doubles,
    Exchanged,
    ExchangeJournal,
    Kind,
    Period,
    Report,
    Side,
    Told,
    Twice,
    What,
    Window,
)
from relay.delivery.reconciling.sides import Comparison, Met, Terms, by_delivery
from relay.delivery.reconciling.tally import Tally
from relay.errors import NotPossibleError
from relay.model import AgencyCode, DeliveryId, NodeId, TransferId

MOST_COMPARED: Final = 1_000_000
"""Deliveries that either side lists, in one run."""
_IDS_AT_A_TIME: Final = 500


@dataclass(slots=True)
class Run:
    node: NodeId
    neighbour: NodeId
    period: Period
    exchanges: ExchangeJournal
    ask: Ask
    doubles: Doubles
    clock: Clock
    memory: timedelta
    agencies: frozenset[AgencyCode] = frozenset()
    """One in all its forms; none: everybody's."""
    _now: datetime = field(init=False)
    _kept_since: datetime = field(init=False)
    _offset: timedelta = timedelta()
    _tally: Tally = field(init=False)
    _listed: int = 0

    def __post_init__(self) -> None:
        self._now = self.clock.now()
        self._kept_since = self._now - self.memory
        self._tally = Tally(self.agencies)

    async def report(self) -> Report:
        for side in Side:
            await self._compare(side)
        twice = await asyncio.to_thread(self.doubles.found)
        self._tally.differs(map(self._doubled, twice))
        offset = round(self._offset.total_seconds())
        found = self._tally.report(self.neighbour, self.period, self._now, self._kept_since, offset)
        return replace(found, differences=await self._named(found.differences))

    async def _named(self, differences: tuple[Difference, ...]) -> tuple[Difference, ...]:
        """With the numbers by which clerks know documents."""
        known = await self.exchanges.notations([one.message_id for one in differences])
        return tuple(replace(one, document=known.get(one.message_id, "")) for one in differences)

    async def _compare(self, side: Side) -> None:
        """`side` is ours: what we sent they received."""
        after: TransferId | None = None
        comparison: Comparison | None = None
        while True:
            window = Window(self.period.since, self.period.until, after)
            told = await self.ask.listing(self.neighbour, side.other, window)
            comparison = comparison or Comparison(side, self._terms(told), self._tally)
            await self._page(comparison, told, after)
            after = told.listing.cursor
            if after is None:
                break
        comparison.finish()

    def _terms(self, told: Told) -> Terms:
        offset = told.now - self.clock.now()
        if abs(offset) > abs(self._offset):
            self._offset = offset
        self._kept_since = max(self._kept_since, told.kept_since)
        grace = timedelta(seconds=self.period.grace_seconds) + abs(self._offset)
        return Terms(self.node, self.neighbour, self._now, grace, self._kept_since)

    async def _page(self, comparison: Comparison, told: Told, after: TransferId | None) -> None:
        side, last = comparison.side, told.listing.cursor
        theirs = await self._met(side, told.listing.transfers)
        while True:
            window = Window(self.period.since, self.period.until, after, last)
            mine = await self.exchanges.listing(self.neighbour, side, window)
            comparison.pair(await self._met(side, mine.transfers), theirs)
            after = mine.cursor
            if after is None:
                break
        rest = comparison.rest(theirs)
        known: set[DeliveryId] = set()
        if side is Side.SENT:
            ids = list(rest)
            for start in range(0, len(ids), _IDS_AT_A_TIME):
                several = ids[start : start + _IDS_AT_A_TIME]
                known |= await self.exchanges.sent_to(self.neighbour, several)
        comparison.unmatched(rest.values(), frozenset(known))

    async def _met(self, side: Side, transfers: tuple[Exchanged, ...]) -> dict[DeliveryId, Met]:
        """By delivery; counted, and remembered for doubles."""
        self._listed += sum(len(one.recipients) for one in transfers)
        if self._listed > 2 * MOST_COMPARED:
            raise NotPossibleError(f"over {MOST_COMPARED} deliveries: compare a shorter period")
        await asyncio.to_thread(self.doubles.add, side, transfers)
        return await asyncio.to_thread(by_delivery, transfers, self._tally)

    def _doubled(self, twice: Twice) -> Difference:
        return Difference(
            kind=Kind.DOUBLED,
            what=What.SAME_BYTES,
            side=twice.side,
            where=self.neighbour if twice.side is Side.SENT else self.node,
            agency=twice.sender if twice.side is Side.SENT else twice.recipient,
            sender=twice.sender,
            recipient=twice.recipient,
            message_id=twice.message_id,
            delivery_id=twice.delivery_id,
            document="",
            at=twice.at,
            ours=twice.first,
        )

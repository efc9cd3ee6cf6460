"""Watch what waits here on its way from a neighbour, and say why, in the log, whose proofs travel back (W18).

Beside the way of documents: the queue is looked through every few seconds, in slices, and what did not wait
is never seen. A wait is told of first after a minute (`[log] passages_after`), then when its reason changed,
at growing pauses, and once when it is over. Who tells sooner looks oftener.

    it dies between two looks   the next one goes on; a reason that came and went meanwhile is not told

Touches: the journal.
Trusts:  its own rows.
Raises:  nothing from `run`: a journal in trouble is looked at again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from relay.delivery.clock import Clock
from relay.delivery.passing.ports import After, Kept, PassBook, Standing, Watch
from relay.errors import JournalError
from relay.model import DeliveryState, NodeId
from relay.wire.passage import MOST_WAITS, Passage, Wait, WaitReason

LOOK_EVERY_SECONDS: Final = 10.0
LOOK_LEAST_SECONDS: Final = 0.05
NO_WAIT: Final = timedelta(seconds=5)
"""What goes on within this did not wait."""
FIRST_TOLD: Final = timedelta(minutes=1)
LONGEST_PAUSE: Final = timedelta(hours=6)
SLICES: Final = 40
"""Of the queue, that one look goes through; the next goes on there."""
_LOOKS: Final = 6
"""At least so many before a wait is told of."""
_WENT_ON: Final = frozenset(
    {
        DeliveryState.RELAYED,
        DeliveryState.AVAILABLE,
        DeliveryState.FETCHED,
        DeliveryState.HANDED_OVER,
    }
)

_Fared = tuple[Standing, Watch, datetime | None]
"""With the time it left."""


@dataclass(slots=True)
class PassageWatcher:
    node: NodeId
    book: PassBook
    clock: Clock
    first_told: timedelta = FIRST_TOLD
    _after: After | None = field(default=None)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(JournalError):
                await self.look()
            every = min(LOOK_EVERY_SECONDS, self.first_told.total_seconds() / _LOOKS)
            await asyncio.sleep(max(every, LOOK_LEAST_SECONDS))

    async def look(self) -> None:
        """Once through what ended, what is held, and the next slices of what waits."""
        now = self.clock.now()
        while ended := await self.book.ended():
            await self.book.keep([_closed(one, now) for one in ended], self._told(ended, now), now)
        await self._look_at(await self.book.held(), now)
        no_wait = min(NO_WAIT, self.first_told / _LOOKS)
        for _ in range(SLICES):
            found, self._after = await self.book.waiting(self._after, now - no_wait)
            await self._look_at(found, now)
            if self._after is None:
                break

    async def _look_at(self, found: Iterable[Standing], now: datetime) -> None:
        changed = [
            one
            for one in (looked_at(one, now, self.first_told) for one in found)
            if one is not None
        ]
        due: list[_Fared] = [
            (one.standing, one.watch, None) for one in changed if one.tell and one.watch is not None
        ]
        if changed:
            await self.book.keep(changed, _passages(self.node, due, now), now)

    def _told(self, ended: Iterable[Standing], now: datetime) -> list[Passage]:
        over = [(one, *_over(one, now)) for one in ended]
        return _passages(self.node, over, now)


def reason_of(one: Standing) -> WaitReason | None:
    """Why it waits; None while it is being sent for the first time."""
    match one.state:
        case DeliveryState.HELD:
            return WaitReason.HELD
        case DeliveryState.IN_DOUBT:
            return WaitReason.ANSWER_MISSING
        case DeliveryState.QUEUED | DeliveryState.IN_FLIGHT if one.neighbour_failing:
            return WaitReason.NEIGHBOUR_UNAVAILABLE
        case DeliveryState.QUEUED | DeliveryState.IN_FLIGHT if one.tried:
            return WaitReason.NEIGHBOUR_REFUSES_NOW
        case DeliveryState.QUEUED:
            return WaitReason.LANE_WAITS
    return None


def looked_at(one: Standing, now: datetime, first_told: timedelta = FIRST_TOLD) -> Kept | None:
    """What is to be kept of it from now on; None where nothing changed (W18.1)."""
    reason = reason_of(one)
    if reason is None:
        return None
    watch = one.watch or Watch((), 0, one.arrived + first_told, untold=True)
    if not watch.waits or watch.waits[-1].reason is not reason:
        waits = _begun(watch.waits, reason, now if watch.waits else one.arrived, now)
        watch = replace(watch, waits=waits, untold=True)
    tell = watch.untold and now >= watch.next_at
    if tell:
        pause = min(LONGEST_PAUSE, first_told * 4 ** min(watch.told, 8))
        watch = replace(watch, told=watch.told + 1, next_at=now + pause, untold=False)
    return None if watch == one.watch else Kept(one, watch, tell)


def _begun(
    waits: tuple[Wait, ...], reason: WaitReason, since: datetime, now: datetime
) -> tuple[Wait, ...]:
    """With one more, the one before it over; of too many, those after the first go first."""
    ended = [*waits[:-1], replace(waits[-1], until=max(now, waits[-1].since))] if waits else []
    if len(ended) >= MOST_WAITS:
        del ended[1 : len(ended) - MOST_WAITS + 2]
    return (*ended, Wait(reason, since, None))


def _closed(one: Standing, now: datetime) -> Kept:
    return Kept(one, None, tell=False)


def _over(one: Standing, now: datetime) -> tuple[Watch, datetime | None]:
    """How it all went, and when it left, at the latest; no time where it ended here."""
    assert one.watch is not None  # noqa: S101  it is asked for of what was watched
    last = one.watch.waits[-1]
    until = max(last.since, min(one.changed, now))
    watch = replace(one.watch, waits=(*one.watch.waits[:-1], replace(last, until=until)))
    return watch, until if one.state in _WENT_ON else None


def _passages(node: NodeId, found: Iterable[_Fared], now: datetime) -> list[Passage]:
    """One for all that came together and waited alike."""
    alike: dict[object, list[_Fared]] = {}
    for one in found:
        standing, watch, departed = one
        key = (standing.receipt, watch.waits, standing.attempts, departed)
        alike.setdefault(key, []).append(one)
    return list(_grouped(node, alike.values(), now))


def _grouped(
    node: NodeId,
    groups: Iterable[list[_Fared]],
    now: datetime,
) -> Iterator[Passage]:
    for group in groups:
        first, watch, departed = group[0]
        yield Passage(
            now,
            node,
            first.message,
            first.origin,
            first.receipt,
            first.came_from,
            tuple(sorted(one.recipient for one, _, _ in group)),
            first.arrived,
            first.seal,
            first.findings,
            watch.waits,
            first.attempts,
            departed,
        )

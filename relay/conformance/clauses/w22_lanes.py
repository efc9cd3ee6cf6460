"""W22.1: what waits for one neighbour goes by lane, and within a lane by its age."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import median

from relay.conformance.business import settled
from relay.conformance.listener import saying
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require
from relay.model import Digest, Lane, Priority, digest_of

book = Book(Part.NEIGHBOUR, Part.AXIS)
BACKLOG = 32
OVERTAKING = 4
"""Of the backlog, what may go before an express document: what is under way, and one in eight."""
APART = 16
"""Places in the order of acceptance: what is under way at once may come in any order."""
OF_EACH = 8
LANES = {0: Lane.NORMAL, 1: Lane.URGENT, 2: Lane.URGENT, 3: Lane.EXPRESS, 4: Lane.EXPRESS}
"""As the clause has them."""


async def _order(
    stand: Stand, *waiting: bytes, at_once: bool = True, last: Sequence[bytes] = ()
) -> list[Digest]:
    """In which these came that waited for the kit until all were handed in, in this order unless `at_once`, and
    `last` behind them; without what was frozen into transfers before."""
    first = stand.letter_out()
    since = len(stand.listener.arrived)
    with stand.listener.answering(saying(503)):
        await stand.dms.send(first)
        await stand.listener.transfer_of(digest_of(first), count=4)
        if at_once:
            await asyncio.gather(*(stand.dms.send(one) for one in waiting))
        for one in last if at_once else (*waiting, *last):
            await stand.dms.send(one)
        frozen = {one.header.digest for one in stand.listener.arrived}
    await settled(stand, first, *waiting, *last)
    came = [one.header.digest for one in stand.listener.arrived[since:]]
    return [one for one in dict.fromkeys(came) if one not in frozen]


@book.asserts(
    "W22.1",
    "express-first",
    "An express document overtakes the normal ones that wait for the same neighbour",
)
async def express_first(stand: Stand) -> None:
    backlog = [stand.letter_out() for _ in range(BACKLOG)]
    express = stand.letter_out(priority=Priority.EXPRESS)
    order = await _order(stand, *backlog, last=[express])
    mine = digest_of(express)
    overtaking = order.index(mine) if mine in order else 0
    require(
        overtaking <= OVERTAKING,
        f"{overtaking} of {BACKLOG} normal documents went before the express one",
    )


@book.asserts(
    "W22.1",
    "each-lane",
    "Priorities 3 and 4 go before 1 and 2, and those before 0",
)
async def each_lane(stand: Stand) -> None:
    """Handed in the other way round."""
    letters = [
        (stand.letter_out(priority=priority), priority)
        for priority in sorted(Priority)
        for _ in range(OF_EACH)
    ]
    order = await _order(stand, *(letter for letter, _ in letters), at_once=False)
    places: dict[Lane, list[int]] = {lane: [] for lane in Lane}
    for letter, priority in letters:
        if digest_of(letter) in order:
            places[LANES[priority]].append(order.index(digest_of(letter)))
    middle = {lane: median(found) for lane, found in places.items() if found}
    ranked = sorted(middle, key=middle.__getitem__)
    require(ranked == sorted(middle, reverse=True), f"on the whole they came as {ranked}")


@book.asserts("W22.1", "first-come", "Within a lane what was accepted first goes first")
async def first_come(stand: Stand) -> None:
    backlog = [stand.letter_out() for _ in range(BACKLOG)]
    order = await _order(stand, *backlog, at_once=False)
    places = [order.index(digest_of(one)) for one in backlog if digest_of(one) in order]
    late = [
        place
        for place, came in enumerate(places)
        if any(came > other for other in places[place + APART :])
    ]
    require(not late, f"{len(late)} of {len(places)} came behind what was accepted {APART} later")

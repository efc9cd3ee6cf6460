"""Documents that wait for the kit until it takes several in one request (W4.13), and what comes of them then.

Touches: what the stand's parts touch.
Raises:  InconclusiveError where what waited does not come; NotClaimedError where each comes alone.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence

from aiohttp import web

from relay.conformance.business import settled
from relay.conformance.listener import Answering, Listener, saying
from relay.conformance.requested import Arrived
from relay.conformance.stand import Stand
from relay.conformance.verdicts import NotClaimedError
from relay.model import TransferId

BACKLOG = 32
"""Documents: of a backlog several go together, however few a node sends at first to a neighbour that is back."""
TRIALS = 3


async def _backlog(stand: Stand, listener: Listener, then: Answering) -> list[Arrived]:
    """What comes of documents that waited for the kit until all were handed in, and it answers as `then` does."""
    made = [stand.letter_out(listener.agency) for _ in range(BACKLOG)]
    with listener.answering(saying(503)):
        await asyncio.gather(*(stand.dms.send(one) for one in made))
        since = len(listener.arrived)
    with listener.answering(then):
        await settled(stand, *made, listener=listener)
    return listener.arrived[since:]


async def of_backlogs(
    stand: Stand, listener: Listener, then: Answering, wanted: Callable[[Arrived], bool]
) -> list[Arrived]:
    """What came, something wanted among it; else all that came in several trials."""
    came: list[Arrived] = []
    for _ in range(TRIALS):
        came += await _backlog(stand, listener, then)
        if any(map(wanted, came)):
            break
    return came


def honestly(listener: Listener) -> Answering:
    async def honestly(arrived: Arrived) -> web.StreamResponse:
        return listener.honestly(arrived)

    return honestly


def is_of_several(arrived: Arrived) -> bool:
    return arrived.together > 1


def require_several(came: Sequence[Arrived]) -> None:
    if not any(map(is_of_several, came)):
        raise NotClaimedError("it sent no two transfers in one request, which it may")


def by_transfer(came: Sequence[Arrived]) -> dict[TransferId, list[Arrived]]:
    found: dict[TransferId, list[Arrived]] = defaultdict(list)
    for one in came:
        found[one.header.transfer_id].append(one)
    return found

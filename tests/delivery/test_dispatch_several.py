"""Several transfers in one request: what is answered settles, what is not goes again by itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from relay.delivery.ports import Accepted
from relay.errors import PeerError, TransportError, UnansweredError
from relay.model import Lane, NodeId, digest_of

UP = NodeId("tinh")


async def _submitted(world: Any, count: int) -> list[Accepted]:
    return [await world.submit("H01") for _ in range(count)]


def _wide(world: Any, together: int = 16) -> None:
    """A neighbour that takes several, over a link that has proven itself."""
    world.wire.a_request = together
    world.dispatcher.channels[UP].window = 32


async def _all_reach(world: Any, accepted: list[Accepted], state: str) -> None:
    for one in accepted:
        await world.reach(one.message_id, state)


async def test_what_one_of_its_deliveries_kept_back_goes_while_others_are_under_way(
    world: Any,
) -> None:
    """One of two is held before the freeze: the other is found again at once, not when all is quiet."""
    torn = await world.submit("H01", "H01.9")
    world.wire.gate.clear()
    channel = world.dispatcher.channels[UP]
    _wide(world)
    others = [await world.submit("H01") for _ in range(3)]
    found = await world.journal.ready(UP, Lane.NORMAL, 10)
    channel.lanes.refill(Lane.NORMAL, found, 256)
    await world.journal.perform(
        lambda tx: tx.run(
            "UPDATE deliveries SET state = 'held' WHERE recipient = 'H01' AND message_row ="
            " (SELECT message_row FROM messages WHERE message_id = ?)",
            torn.message_id,
        )
    )
    async with world.run():
        await world.until(lambda: world.wire.carried)
        channel.signal.set()  # a look while the request is under way
        await asyncio.sleep(0.1)
        world.wire.gate.set()
        for other in others:
            await world.reach(other.message_id, "relayed")
        await world.reach(torn.message_id, "held", "relayed")


async def test_what_waits_goes_together(world: Any) -> None:
    """A quarter of the window in a request, each transfer frozen and settled for itself."""
    accepted = await _submitted(world, 20)
    _wide(world)
    async with world.run():
        await _all_reach(world, accepted, "relayed")

    assert max(world.wire.requests) == 8
    assert len(world.wire.carried) == 20
    assert len({header.transfer_id for header in world.wire.carried}) == 20


async def test_a_link_that_has_not_proven_itself_gets_one_at_a_time(world: Any) -> None:
    """The window begins small: a cut would put all of a request in doubt."""
    accepted = await _submitted(world, 3)
    world.wire.a_request = 16
    async with world.run():
        await _all_reach(world, accepted, "relayed")

    assert world.wire.requests == []


async def test_what_is_left_unanswered_goes_again_by_itself(world: Any) -> None:
    """To the letter; those that were answered are settled and not sent again."""
    accepted = await _submitted(world, 8)
    _wide(world)
    world.wire.left_out = lambda header: header.message_id == accepted[5].message_id
    async with world.run():
        await _all_reach(world, accepted, "relayed")

    counts = {one.message_id: 0 for one in accepted}
    for header in world.wire.carried:
        counts[header.message_id] += 1
    assert world.wire.requests == [8]
    assert list(counts.values()) == [1] * 8
    assert world.dispatcher.channels[UP].failures == 0


async def test_what_is_left_unanswered_is_in_doubt_meanwhile(world: Any) -> None:
    """The neighbour may have taken it in all the same."""
    accepted = await _submitted(world, 4)
    _wide(world)
    world.wire.left_out = lambda header: header.message_id == accepted[2].message_id
    world.wire.failing = lambda _n, header: (
        UnansweredError("cut")
        if header.message_id in {accepted[2].message_id, accepted[3].message_id}
        else None
    )
    async with world.run():
        await _all_reach(world, accepted[:2], "relayed")
        await _all_reach(world, accepted[2:], "in-doubt")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (TransportError("nobody there"), "queued"),
        (UnansweredError("cut"), "in-doubt"),
        (PeerError("HTTP 422"), "queued"),
    ],
)
async def test_a_request_that_fails_is_a_failed_attempt_of_each(
    world: Any, error: Exception, state: str
) -> None:
    """They come again one by one, and one failure of the request is one of the neighbour's."""
    accepted = await _submitted(world, 6)
    _wide(world)
    world.wire.failing = lambda *_: error
    async with world.run():
        await world.until(lambda: world.wire.requests)
        await _all_reach(world, accepted, state)
        world.wire.failing = lambda *_: None
        await _all_reach(world, accepted, "relayed")

    assert world.wire.requests[0] == 6
    assert len(set(world.wire.documents)) == 6


async def test_an_answer_that_proves_nothing_settles_only_the_others(world: Any) -> None:
    """The neighbour may have taken it: it is in doubt until an answer holds."""
    accepted = await _submitted(world, 5)
    _wide(world)
    world.wire.spoil = lambda receipt: (
        replace(receipt, digest=digest_of(b"other"))
        if receipt.message_id == accepted[1].message_id
        else receipt
    )
    async with world.run():
        await _all_reach(world, [accepted[0], *accepted[2:]], "relayed")
        await world.reach(accepted[1].message_id, "in-doubt")


async def test_what_ended_meanwhile_is_left_out_and_the_others_go(world: Any) -> None:
    """A delivery that waits no longer takes nothing of its company with it."""
    for lane in Lane:
        world.dispatcher.channels[UP].lanes.reading(lane)  # so that it is held in memory already
    accepted = await _submitted(world, 4)
    _wide(world)
    await world.journal.perform(
        lambda tx: tx.run(
            "UPDATE deliveries SET state = 'cancelled' WHERE message_row ="
            " (SELECT message_row FROM messages WHERE message_id = ?)",
            accepted[1].message_id,
        )
    )
    async with world.run():
        await _all_reach(world, [accepted[0], *accepted[2:]], "relayed")

    assert accepted[1].message_id not in {header.message_id for header in world.wire.carried}

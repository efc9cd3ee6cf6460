"""A node whose clock is wrong: what it froze, and what comes of it once the clock is right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from relay.audit.entries import parse
from relay.errors import TransportError, UnansweredError
from relay.model import NodeId, TransferHeader

UP = NodeId("tinh")
HOUR, TOLERANCE = timedelta(hours=1), timedelta(minutes=5)


def _skewed(_: NodeId, header: TransferHeader) -> Exception | None:
    """As a neighbour whose clock is right."""
    if header.created_at > datetime.now(UTC) + TOLERANCE:
        return TransportError("HTTP 503 from the neighbour: clock-skew: 3600 s ahead, limit 300 s")
    return None


async def _events(world: Any) -> list[str]:
    return [parse(e.leaf)["event"] for e in await world.journal.entries(0, 10_000)]


async def test_what_a_clock_ahead_froze_goes_anew_once_the_clock_is_right(world: Any) -> None:
    """Each attempt was refused before anything was taken, so nobody has it: another transfer, dated as
    it is now, and no hour of waiting."""
    world.late, world.wire.failing = HOUR, _skewed
    async with world.run():
        accepted = await world.submit("H01")
        await world.until(lambda: len(world.wire.carried) > 1)
        assert len({h.transfer_id for h in world.wire.carried}) == 1

        world.late = timedelta()
        await world.reach(accepted.message_id, "relayed")

    first, last = world.wire.carried[0], world.wire.carried[-1]
    assert (last.transfer_id != first.transfer_id, last.message_id) == (True, first.message_id)
    assert abs(last.created_at - datetime.now(UTC)) < TOLERANCE
    assert world.wire.asked == []
    assert (await _events(world)).count("transfer-freed") == 1


async def test_it_survives_a_restart_with_the_right_clock(world: Any) -> None:
    """The journal has the frozen header; what another process froze is judged alike."""
    world.late, world.wire.failing = 24 * HOUR, _skewed
    async with world.run():
        accepted = await world.submit("H01")
        await world.until(lambda: world.wire.carried)
    world.late = timedelta()
    await world.journal.recover(world.clock.now())
    world.build()

    async with world.run():
        await world.reach(accepted.message_id, "relayed")


async def test_one_that_may_have_been_taken_is_asked_about_first(world: Any) -> None:
    """Only the neighbour's word that it never saw it sets it free."""
    world.late = HOUR
    world.wire.failing = lambda *_: UnansweredError("cut")
    async with world.run():
        accepted = await world.submit("H01")
        await world.reach(accepted.message_id, "in-doubt")
        world.wire.asking = TransportError("nobody there")
        world.late = timedelta()
        await world.until(lambda: world.wire.asked)
        assert {h.transfer_id for h in world.wire.carried} == {world.wire.carried[0].transfer_id}

        world.wire.asking, world.wire.failing = None, _skewed
        await world.reach(accepted.message_id, "relayed")

    assert len({h.transfer_id for h in world.wire.carried}) == 2


async def test_one_that_was_taken_is_settled_by_its_answer(world: Any) -> None:
    """The neighbour's clock was ahead, too, when it took it: there is no second transfer."""
    world.late = HOUR
    world.wire.failing = lambda *_: UnansweredError("the answer is lost")
    async with world.run():
        accepted = await world.submit("H01")
        await world.reach(accepted.message_id, "in-doubt")
        world.wire.answer(UP, world.wire.carried[0])
        world.wire.failing = _skewed
        world.late = timedelta()
        await world.reach(accepted.message_id, "relayed")

    assert len({h.transfer_id for h in world.wire.carried}) == 1


async def test_a_neighbour_that_is_behind_itself_is_only_waited_for(world: Any) -> None:
    """Our clock is right and the header with it: nothing is frozen anew each time it is put off."""
    left = 4

    def behind(*_: object) -> Exception | None:
        nonlocal left
        left -= 1
        return TransportError("clock-skew: 3600 s ahead") if left > 0 else None

    world.wire.failing = behind
    async with world.run():
        accepted = await world.submit("H01")
        await world.reach(accepted.message_id, "relayed")

    assert len({h.transfer_id for h in world.wire.carried}) == 1

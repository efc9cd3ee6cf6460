"""Senders told of a refusal by a status, where the node is set to do so."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.delivery.ports import InboxQuery
from relay.delivery.refusals import RefusalDesk
from relay.envelope.reader import read
from relay.errors import TransportError, UnansweredError
from relay.journal.refusals import Refusals
from relay.model import AgencyCode, MessageType, NodeId, Priority

SENDER = frozenset({AgencyCode("H01.15")})
SPEAKER = AgencyCode("H01.18")
UP = NodeId("tinh")


@pytest.fixture
def desk(world: Any) -> RefusalDesk:
    return _desk(world)


def _desk(world: Any) -> RefusalDesk:
    return RefusalDesk(
        NodeId("xa"),
        SPEAKER,
        Refusals(world.journal),
        world.intake,
        world.journal,
        world.clock,
    )


async def _statuses(world: Any) -> list[Any]:
    listed = await world.journal.inbox(SENDER, InboxQuery(message_type=MessageType.STATUS))
    return [read((await world.journal.payload(item.digest)).content) for item in listed]


async def test_a_refused_recipient_is_told_of_by_a_status(world: Any, desk: RefusalDesk) -> None:
    """In the sender's own list, about its document, in the node's words, once."""
    content = world.document(["H01", "H99.9"], Priority.NORMAL, "H01.15")
    await world.submit("H01", "H99.9", content=content)

    assert await desk.sweep(SPEAKER) == 1
    assert await desk.sweep(SPEAKER) == 0

    (status,) = await _statuses(world)
    assert status.sender.organ_id == SPEAKER
    assert status.status.status_code == "02"
    assert "không phải của đơn vị nhận" in status.status.description
    assert "H99.9" in status.status.description
    assert status.response_for[0].document_id == read(content).document_id


async def test_told_once_though_the_process_died_before_it_noted_so(
    world: Any, desk: RefusalDesk
) -> None:
    """The intake knows the status again by its idempotency key, though its time differs."""

    class Forgetful(Refusals):
        async def told(self, row: Any) -> None:
            pass

    await world.submit("H01", "H99.9")
    await replace(desk, book=Forgetful(world.journal)).sweep(SPEAKER)
    world.late = timedelta(minutes=1)

    await desk.sweep(SPEAKER)

    assert len(await _statuses(world)) == 1


async def test_an_unknown_outcome_is_not_told_until_it_is_certain(world: Any) -> None:
    """The recipient may have it: a "refused" could be false."""
    world.policy = replace(world.policy, normal_expiry=timedelta(minutes=3))
    world.build()
    world.wire.failing = lambda *_: UnansweredError("cut")
    accepted = await world.submit("H01")
    async with world.run():
        await world.reach(accepted.message_id, "in-doubt")
    world.wire.asking = TransportError("down")
    world.late = timedelta(minutes=4)
    await world.expiry.sweep()
    desk = _desk(world)
    assert await desk.sweep(SPEAKER) == 0

    world.wire.asking = None
    await world.expiry.ask_again(UP)

    assert await desk.sweep(SPEAKER) == 1
    assert len(await _statuses(world)) == 1


async def test_a_status_that_is_refused_is_not_answered_by_another(
    world: Any, desk: RefusalDesk
) -> None:
    """Only documents are told of, or two nodes could talk for ever."""
    await world.submit("H01", "H99.9")
    await desk.sweep(SPEAKER)

    assert await desk.sweep(SPEAKER) == 0


async def test_what_ended_while_nobody_was_to_be_told_is_not_told_later(world: Any) -> None:
    await world.submit("H01", "H99.9")

    await Refusals(world.journal).forget_all()

    assert await _desk(world).sweep(SPEAKER) == 0

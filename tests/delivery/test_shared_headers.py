"""The headers of one request under one signature (W13.9): to whom takes them, and anew where they are refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.audit.entries import parse
from relay.delivery.neighbours.channel import SINGLY_SECONDS, UNSHARED_LIMIT, Channel
from relay.delivery.ports import Accepted
from relay.errors import TransportError, UnansweredError
from relay.model import NodeId, Signed, TransferId
from relay.signing.proof_shape import is_batch_proof

UP = NodeId("tinh")


async def _submitted(world: Any, count: int) -> list[Accepted]:
    return [await world.submit("H01") for _ in range(count)]


def _wide(world: Any, *, shared: bool = True) -> None:
    world.wire.a_request, world.wire.shared = 16, shared
    world.dispatcher.channels[UP].window = 32


async def _all_reach(world: Any, accepted: list[Accepted], state: str) -> None:
    for one in accepted:
        await world.reach(one.message_id, state)


def _shared(world: Any) -> list[bool]:
    return [is_batch_proof(one) for one in world.wire.signatures]


async def _freed(world: Any) -> list[str]:
    """Why transfers were closed without an answer."""
    rows = await world.journal.perform(
        lambda tx: tx.run("SELECT leaf FROM entries ORDER BY entry_index").fetchall()
    )
    entries = [parse(leaf) for (leaf,) in rows]
    return [str(one["reason"]) for one in entries if one["event"] == "transfer-freed"]


async def test_headers_of_a_request_share_a_signature_where_the_neighbour_takes_that(
    world: Any,
) -> None:
    accepted = await _submitted(world, 8)
    _wide(world)
    async with world.run():
        await _all_reach(world, accepted, "relayed")
    assert world.wire.requests == [8]
    assert _shared(world) == [True] * 8
    assert len({one.partition(b"<Batch xmlns")[2] for one in world.wire.signatures}) == 1
    check = world.keys["tinh"].transfer_checker()
    for header, signature, document in zip(
        world.wire.carried, world.wire.signatures, world.wire.documents, strict=True
    ):
        assert check(Signed(document, signature), NodeId("xa"), world.clock.now()) == header


async def test_a_neighbour_that_said_nothing_gets_single_signatures(world: Any) -> None:
    accepted = await _submitted(world, 8)
    _wide(world, shared=False)
    async with world.run():
        await _all_reach(world, accepted, "relayed")
    assert _shared(world) == [False] * 8


async def test_one_alone_is_signed_by_itself(world: Any) -> None:
    _wide(world)
    async with world.run():
        for _ in range(3):
            await world.reach((await world.submit("H01")).message_id, "relayed")
    assert _shared(world) == [False] * 3


async def test_what_is_repeated_is_repeated_to_the_letter_proof_and_all(world: Any) -> None:
    """By itself, whatever the neighbour says by then (W4.3)."""
    accepted = await _submitted(world, 4)
    _wide(world)
    cut = [UnansweredError("cut")] * 4
    world.wire.failing = lambda *_: cut.pop() if cut else None
    async with world.run():
        await world.until(lambda: world.wire.requests)
        world.wire.shared = False
        await _all_reach(world, accepted, "relayed")
    sent = list(zip(world.wire.documents, world.wire.signatures, strict=True))
    assert len(set(sent)) == 4
    assert _shared(world) == [True] * len(sent)
    assert await _freed(world) == []


async def test_a_neighbour_that_refuses_them_gets_all_anew_each_signed_by_itself(
    world: Any,
) -> None:
    """An earlier release took its place: nothing of a refused request was taken, so nothing doubles."""
    accepted = await _submitted(world, 6)
    _wide(world)
    world.wire.refuses_shared = True
    async with world.run():
        await _all_reach(world, accepted, "relayed")
        later = await _submitted(world, 6)
        await _all_reach(world, later, "relayed")
    assert await _freed(world) == ["shared-signature"] * 6
    single = [
        header.message_id
        for header, shared in zip(world.wire.carried, _shared(world), strict=True)
        if not shared
    ]
    assert sorted(single) == sorted(one.message_id for one in [*accepted, *later])
    assert world.dispatcher.channels[UP].unshared == set()


@pytest.mark.parametrize(
    ("since", "shared"), [(SINGLY_SECONDS - 60, False), (SINGLY_SECONDS, True)]
)
async def test_after_an_hour_they_are_tried_again(world: Any, since: float, shared: bool) -> None:
    """The neighbour may have been given its newer release back."""
    accepted = await _submitted(world, 8)
    _wide(world)
    channel = world.dispatcher.channels[UP]
    channel.refused_shared(TransferId("none"), world.clock.monotonic() - since)
    async with world.run():
        await _all_reach(world, accepted, "relayed")
    assert _shared(world) == [shared] * 8


async def test_one_in_doubt_is_asked_about_before_it_goes_anew(world: Any) -> None:
    """The answer to the first attempt was lost, and the neighbour refuses to hear it again: what it says
    when asked decides (W4.12)."""
    accepted = await _submitted(world, 4)
    _wide(world)
    lost = {accepted[1].message_id}
    world.wire.failing = lambda _n, header: (
        UnansweredError("cut") if header.message_id in lost else None
    )
    async with world.run():
        await world.reach(accepted[1].message_id, "in-doubt")
        taken = next(
            header for header in world.wire.carried if header.message_id == accepted[1].message_id
        )
        world.wire.answer(UP, taken)  # it was taken in, after all
        world.wire.failing = lambda *_: TransportError("restarting")
        world.wire.refuses_shared = True
        world.wire.failing = lambda *_: None
        await _all_reach(world, accepted, "relayed")
    assert taken.transfer_id in world.wire.asked
    again = [one for one in world.wire.carried if one.message_id == accepted[1].message_id]
    assert {one.transfer_id for one in again} == {taken.transfer_id}, "it never went anew"


async def test_one_that_came_into_doubt_after_it_was_read_is_not_freed(world: Any) -> None:
    """An attempt may have ended without an answer meanwhile: nobody asked about that one."""
    (accepted,) = await _submitted(world, 1)
    world.wire.failing = lambda *_: UnansweredError("cut")
    async with world.run():
        await world.reach(accepted.message_id, "in-doubt")
    channel, far = world.dispatcher.channels[UP], world.clock.now() + timedelta(days=1)
    (found,) = await world.journal.open_transfers(UP, far, far, 10)
    channel.unshared.add(found.transfer_id)
    await world.dispatcher.attempts.repeat(channel, replace(found, in_doubt=False))
    assert await _freed(world) == []
    assert await world.states(accepted.message_id) == {"in-doubt"}


def test_what_is_remembered_of_refused_headers_is_bounded() -> None:
    """What is forgotten is refused once more, no worse."""
    channel = Channel(UP, 32)
    for number in range(UNSHARED_LIMIT + 10):
        channel.refused_shared(TransferId(str(number)), 0.0)
    assert len(channel.unshared) == 10

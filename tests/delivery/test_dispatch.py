"""Carrying: frozen once, repeated to the letter, settled by a proven answer and by nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.delivery import dispatch as dispatch_module
from relay.delivery.neighbours import lanes as lanes_module
from relay.delivery.neighbours.retry import RetryPolicy
from relay.errors import PeerError, TransportError, UnansweredError, UnprovenError
from relay.model import (
    AgencyCode,
    DeliveryState,
    Event,
    Evidence,
    NodeId,
    Priority,
    Receipt,
    digest_of,
)

UP = NodeId("tinh")


def _times(count: int, error: Callable[[], Exception]) -> Callable[..., Exception | None]:
    """Fail so many times, then answer."""
    left = count

    def failing(*_: object) -> Exception | None:
        nonlocal left
        left -= 1
        return error() if left >= 0 else None

    return failing


async def test_recipients_with_the_same_way_share_a_transfer(world: Any) -> None:
    """One transfer to the neighbour for two of its agencies, another where the way parts."""
    async with world.run():
        accepted = await world.submit("H01", "H01.9", "H01.16")
        await world.reach(accepted.message_id, "relayed")

    assert sorted((h.sent_to, h.recipients) for h in world.wire.carried) == [
        ("thon", ("H01.16",)),
        ("tinh", ("H01", "H01.9")),
    ]


async def test_a_refused_connection_is_tried_again_to_the_letter(world: Any) -> None:
    """The same transfer id, header and signature, until it is answered."""
    world.wire.failing = _times(3, lambda: TransportError("nobody there"))
    async with world.run():
        accepted = await world.submit("H01")
        await world.reach(accepted.message_id, "relayed")

    assert len(world.wire.documents) == 4
    assert len(set(world.wire.documents)) == 1


async def test_what_was_not_taken_waits_and_is_not_in_doubt(world: Any) -> None:
    """A refused connection leaves the delivery queued: it may still be expired without asking."""
    world.policy = RetryPolicy(timedelta(minutes=1))
    world.build()
    world.wire.failing = lambda *_: TransportError("nobody there")
    async with world.run():
        accepted = await world.submit("H01")
        await world.until(lambda: world.wire.carried)
        await world.reach(accepted.message_id, "queued")


async def test_an_attempt_without_an_answer_is_in_doubt_until_it_has_one(world: Any) -> None:
    """A later refused connection does not take the doubt away; the answer does."""
    errors = iter([UnansweredError("cut"), *(TransportError("down") for _ in range(200))])
    world.wire.failing = lambda *_: next(errors)
    async with world.run():
        accepted = await world.submit("H01")
        await world.reach(accepted.message_id, "in-doubt")
        await world.until(lambda: len(world.wire.carried) > 3)
        assert await world.states(accepted.message_id) == {"in-doubt"}
        world.wire.failing = lambda *_: None
        await world.reach(accepted.message_id, "relayed")

    assert len(set(world.wire.documents)) == 1


async def test_a_transfer_the_neighbour_refuses_waits_alone(world: Any) -> None:
    """A 4xx for one transfer is nothing against the neighbour: the others go on at full speed."""
    refused = await world.submit("H01")
    world.wire.failing = lambda _n, header: (
        PeerError("HTTP 422") if header.message_id == refused.message_id else None
    )
    async with world.run():
        others = [await world.submit("H01") for _ in range(20)]
        for other in others:
            await world.reach(other.message_id, "relayed")
        await world.reach(refused.message_id, "queued")
        assert world.dispatcher.channels[UP].failures == 0


async def test_a_transfer_the_neighbour_chokes_on_does_not_stop_the_others(world: Any) -> None:
    """One document that breaks the connection each time is tried for ever, beside the others."""
    poison = await world.submit("H01")
    world.wire.failing = lambda _n, header: (
        UnansweredError("cut") if header.message_id == poison.message_id else None
    )
    async with world.run():
        await world.reach(poison.message_id, "in-doubt")
        others = [await world.submit("H01") for _ in range(10)]
        for other in others:
            await world.reach(other.message_id, "relayed")
        assert await world.states(poison.message_id) == {"in-doubt"}


async def _put_off(world: Any, count: int) -> set[str]:
    """So many that were frozen, sent, and not taken without evidence; the node ends then."""
    world.wire.failing = lambda *_: PeerError("HTTP 409: not now")
    accepted = [await world.submit("H01") for _ in range(count)]
    async with world.run():
        for one in accepted:
            await world.until(
                lambda one=one: one.message_id in {h.message_id for h in world.wire.carried}
            )
    world.wire.carried.clear()
    world.build()
    return {one.message_id for one in accepted}


async def test_an_express_document_overtakes_what_was_frozen_before_it(world: Any) -> None:
    """Normals that were put off, or went out by hand, are repeated after it: a window of them at most."""
    old = await _put_off(world, 40)
    express = await world.submit("H01", priority=Priority.EXPRESS)
    await asyncio.sleep(0.1)  # their back-off ends: all are due
    world.wire.failing = lambda *_: None
    async with world.run():
        await world.reach(express.message_id, "relayed")
    order = [header.message_id for header in world.wire.carried]
    assert order.index(express.message_id) <= 4
    assert set(order) <= old | {express.message_id}


async def test_what_is_put_off_for_ever_stops_nothing_new_of_its_lane(world: Any) -> None:
    """However many are due at each look: what is new takes turns with them."""
    world.policy = RetryPolicy(timedelta(), timedelta())
    world.build()
    old = await _put_off(world, 40)
    world.wire.failing = lambda _n, header: (
        PeerError("HTTP 409: not now") if header.message_id in old else None
    )
    channel = world.dispatcher.channels[UP]
    channel.window = channel.most_at_once = 1
    async with world.run():
        others = [await world.submit("H01") for _ in range(5)]
        for other in others:
            await world.reach(other.message_id, "relayed")
        again = len(world.wire.carried)
        await world.until(lambda: len(world.wire.carried) > again + 40)  # and they with it


async def test_a_dead_neighbour_slows_no_other(world: Any) -> None:
    """What waits for one is no matter to the next."""
    world.wire.failing = lambda neighbour, _h: UnansweredError("dead") if neighbour == UP else None
    async with world.run():
        dead = [await world.submit("H01") for _ in range(5)]
        alive = [await world.submit("H01.16") for _ in range(20)]
        for one in alive:
            await world.reach(one.message_id, "relayed")
        states = [await world.states(one.message_id) for one in dead]
    assert {"relayed"} not in states


def _drop_one(receipt: Receipt) -> Receipt:
    return replace(receipt, evidence=receipt.evidence[:1])


def _other_bytes(receipt: Receipt) -> Receipt:
    return replace(receipt, digest=digest_of(b"other"))


def _other_size(receipt: Receipt) -> Receipt:
    return replace(receipt, size_bytes=receipt.size_bytes + 1)


def _other_issuer(receipt: Receipt) -> Receipt:
    return replace(receipt, issuer=NodeId("thon"))


def _other_sender(receipt: Receipt) -> Receipt:
    return replace(receipt, sent_by=NodeId("thon"))


def _other_recipients(receipt: Receipt) -> Receipt:
    return replace(
        receipt,
        evidence=tuple(replace(e, recipient=AgencyCode("H63")) for e in receipt.evidence[:1]),
    )


def _no_verdict(receipt: Receipt) -> Receipt:
    return replace(
        receipt,
        evidence=tuple(replace(e, event=Event.SUBMISSION_ACCEPTANCE) for e in receipt.evidence),
    )


@pytest.mark.parametrize(
    "spoil",
    [
        _drop_one,
        _other_bytes,
        _other_size,
        _other_issuer,
        _other_sender,
        _other_recipients,
        _no_verdict,
    ],
)
async def test_an_answer_about_something_else_settles_nothing(
    world: Any, spoil: Callable[[Receipt], Receipt]
) -> None:
    """Well signed, but not the word on these bytes and all these recipients: no delivery is lost by
    it, and the true answer still counts."""
    world.wire.spoil = spoil
    async with world.run():
        accepted = await world.submit("H01", "H01.9")
        await world.until(lambda: len(world.wire.carried) > 1)
        assert not await world.states(accepted.message_id) & {"relayed", "refused"}
        world.wire.spoil = lambda receipt: receipt
        await world.reach(accepted.message_id, "relayed")


async def test_an_answer_that_proves_nothing_leaves_its_deliveries_in_doubt(world: Any) -> None:
    """Whoever answers may have taken them: they are neither free to go another way nor, when their
    time runs out, said never to have arrived."""
    world.wire.spoil = _other_issuer
    async with world.run():
        accepted = await world.submit("H01")
        await world.reach(accepted.message_id, "in-doubt")
    world.wire.asking = UnprovenError("the answer proves nothing")
    world.late = timedelta(days=30)
    await world.expiry.sweep()

    (item,) = (await world.sent(accepted.message_id)).values()
    assert (item.state, item.reason) == (DeliveryState.EXPIRED, "outcome-unknown")


async def test_a_refusal_ends_its_recipient_only(world: Any) -> None:
    """Each recipient has its own verdict in the one answer."""

    def refuse_one(receipt: Receipt) -> Receipt:
        from relay.model import Reason

        first, second = receipt.evidence
        refused = Evidence(
            Event.RELAY_REJECTION,
            second.recipient,
            second.previous,
            Reason.CLOSED_RECIPIENT,
            "closed",
        )
        return replace(receipt, evidence=(first, refused))

    world.wire.spoil = refuse_one
    async with world.run():
        accepted = await world.submit("H01", "H01.9")
        await world.reach(accepted.message_id, "relayed", "refused")

    item = (await world.sent(accepted.message_id))["H01.9"]
    assert (item.state, item.reason, item.detail, item.failed_at_node) == (
        DeliveryState.REFUSED,
        "closed-recipient",
        "closed",
        "tinh",
    )


async def test_express_takes_the_next_free_place(world: Any) -> None:
    """With the only place taken and five waiting, what comes last and is express goes next."""
    channel = world.dispatcher.channels[UP]
    channel.window = channel.most_at_once = 1
    world.wire.gate.clear()
    async with world.run():
        first = await world.submit("H01")
        await world.until(lambda: world.wire.carried)
        normal = [await world.submit("H01") for _ in range(5)]
        express = await world.submit("H01", priority=Priority.EXPRESS)
        urgent = await world.submit("H01", priority=Priority.URGENT)
        world.wire.gate.set()
        await world.reach(normal[-1].message_id, "relayed")

    order = [h.message_id for h in world.wire.carried]
    assert order == [m.message_id for m in (first, express, urgent, *normal)]


async def test_no_more_are_under_way_than_the_window(world: Any) -> None:
    """However many wait."""
    channel = world.dispatcher.channels[UP]
    channel.window = channel.most_at_once = 3
    async with world.run():
        many = [await world.submit("H01") for _ in range(30)]
        await world.reach(many[-1].message_id, "relayed")

    assert world.wire.most_under_way <= 3


async def test_two_nodes_that_refuse_each_other_rest_in_between(world: Any) -> None:
    """Each attempt is a word to the other side, which answers it with an attempt of its own: that must not
    go round at the speed of the network, when both disks are full."""
    world.policy = RetryPolicy(timedelta(hours=1), timedelta(hours=1))
    world.build()
    attempts = 0

    def refusing(*_: object) -> Exception:
        nonlocal attempts
        attempts += 1
        loop = asyncio.get_running_loop()
        loop.call_later(0.01, world.dispatcher.contact, UP)  # its own attempt at us
        loop.call_later(0.03, world.dispatcher.contact, UP)
        return TransportError("HTTP 503 from the neighbour: the disk's reserve is reached")

    world.wire.failing = refusing
    async with world.run():
        await world.submit("H01")
        await asyncio.sleep(2.5)

    assert 2 <= attempts <= 5


async def test_contact_ends_the_wait_for_a_neighbour(world: Any) -> None:
    """It was thought dead for an hour; the moment it speaks, what waits is sent."""
    world.policy = RetryPolicy(timedelta(hours=1), timedelta(hours=1))
    world.build()
    world.wire.failing = _times(1, lambda: TransportError("down"))
    async with world.run():
        accepted = await world.submit("H01")
        await world.until(lambda: world.dispatcher.channels[UP].blocked_until)
        await world.reach(accepted.message_id, "queued")
        world.dispatcher.contact(UP)
        await world.reach(accepted.message_id, "relayed")


async def test_a_backlog_larger_than_memory_is_delivered(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window in memory is filled again from the journal until nothing waits."""
    monkeypatch.setattr(lanes_module, "HELD_READY", 4)
    monkeypatch.setattr(dispatch_module, "REFILL", 3)
    many = [await world.submit("H01", "H01.9") for _ in range(40)]
    async with world.run():
        for one in many:
            await world.reach(one.message_id, "relayed")

    assert sorted(h.message_id for h in world.wire.carried for _ in h.recipients) == sorted(
        m.message_id for m in many for _ in range(2)
    )


async def test_a_message_is_not_split_where_a_look_at_the_journal_ends(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its recipients behind one neighbour share a transfer, or a large envelope would cross the link again."""
    monkeypatch.setattr(dispatch_module, "REFILL", 2)
    await world.submit("H01")
    shared = await world.submit("H01", "H01.9")
    await world.submit("H01.9")
    world.build()  # as after a restart: all of it waits in the journal
    async with world.run():
        await world.reach(shared.message_id, "relayed")
        await world.until(lambda: len(world.wire.carried) == 3)

    assert [h.recipients for h in world.wire.carried if h.message_id == shared.message_id] == [
        ("H01", "H01.9")
    ]


async def test_after_a_restart_what_waits_and_what_was_under_way_goes_on(world: Any) -> None:
    """Queued ones are sent, frozen ones repeated to the letter."""
    world.wire.gate.clear()
    async with world.run():
        frozen = await world.submit("H01")
        await world.until(lambda: world.wire.carried)
    waiting = await world.submit("H01")
    world.wire.gate.set()
    world.build()
    await world.journal.recover(world.clock.now())
    assert await world.states(frozen.message_id) == {"in-doubt"}

    async with world.run():
        await world.reach(frozen.message_id, "relayed")
        await world.reach(waiting.message_id, "relayed")

    repeated = [
        d
        for d, h in zip(world.wire.documents, world.wire.carried, strict=True)
        if h.message_id == frozen.message_id
    ]
    assert len(repeated) == 2
    assert len(set(repeated)) == 1


async def test_a_wait_outlives_a_restart_but_is_never_longer_than_the_cap(world: Any) -> None:
    """What is stored is an instant; a clock that jumped back must not make it an age."""
    world.policy = RetryPolicy(timedelta(milliseconds=300), timedelta(milliseconds=600))
    world.build()
    world.wire.failing = lambda *_: TransportError("down")
    async with world.run():
        accepted = await world.submit("H01")
        await world.until(lambda: world.dispatcher.channels[UP].blocked_until)
        await world.reach(accepted.message_id, "queued")
    world.late = -timedelta(minutes=3)
    world.build()
    async with world.run():
        channel = world.dispatcher.channels[UP]
        await world.until(lambda: channel.failures)
        assert channel.window == 2  # half of the first
        assert channel.blocked_until - world.clock.monotonic() <= 0.6
        world.wire.failing = lambda *_: None
        await world.reach(accepted.message_id, "relayed")


async def test_a_fault_of_ours_ends_the_dispatcher(world: Any) -> None:
    """It is not swallowed while a delivery stays in flight for ever: the node ends and recovers."""
    world.wire.failing = lambda *_: ZeroDivisionError("a bug")
    running = asyncio.create_task(world.dispatcher.run())
    await world.submit("H01")

    with pytest.raises(ExceptionGroup) as ended:
        async with asyncio.timeout(10):
            await running
    assert ended.group_contains(ZeroDivisionError)


async def test_what_expired_in_the_queue_does_not_hold_its_message_back(world: Any) -> None:
    """One recipient of the group ended while it waited in memory; the others are sent."""
    accepted = await world.submit("H01", "H01.9")
    receipt = Receipt(
        issuer=UP,
        origin=NodeId("xa"),
        message_id=accepted.message_id,
        digest=(await world.journal.message(accepted.message_id)).digest,
        size_bytes=(await world.journal.message(accepted.message_id)).size_bytes,
        transfer_id=None,
        sent_by=None,
        at=world.clock.now(),
        evidence=(Evidence(Event.RELAY_ACCEPTANCE, AgencyCode("H01")),),
    )
    signed = world.keys["tinh"].sign_receipt(receipt, receipt.at)
    await world.journal.record_receipts(UP, [(signed, receipt)], receipt.at)

    async with world.run():
        await world.reach(accepted.message_id, "relayed")

    assert [h.recipients for h in world.wire.carried] == [("H01.9",)]

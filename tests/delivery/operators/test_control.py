"""Operators act on what waits: nothing is doubled by it, and nothing is done without who and why."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.audit.words import replaced
from relay.delivery.operators.control import ControlDesk
from relay.delivery.operators.orders import Action, Done
from relay.delivery.ports import Caller, InboxQuery
from relay.errors import (
    AccessError,
    NotFoundError,
    NotPossibleError,
    PeerError,
    TransportError,
    UnansweredError,
)
from relay.journal.operating import OperatingTable
from relay.model import AgencyCode, DeliveryId, Event, NodeId, Priority, Reason
from relay.routing.next_hop import Here, NoRoute, Place

HERE, UP, THON, BAN = NodeId("xa"), NodeId("tinh"), NodeId("thon"), NodeId("ban")
PLACE = Place(HERE, UP, frozenset({UP, THON, BAN}))
OPERATOR = Caller("local:vanhanh", frozenset(), operator=True)
WHY = "kiểm tra lại nơi nhận"


class Operator:
    """An operator at node `xa`."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.place = PLACE

    @property
    def desk(self) -> ControlDesk:
        world = self.world
        return ControlDesk(
            self.place,
            world.keys["directory"],
            world.journal,
            OperatingTable(world.journal, HERE),
            world.keys["xa"],
            world.wire,
            world.clock,
            world.dispatcher,
            world.sealing.wake,
        )

    async def does(self, action: Action, accepted: Any, **more: Any) -> Done:
        name = accepted if isinstance(accepted, str) else accepted.message_id
        return await self.desk.act(OPERATOR, action, name, WHY, **more)

    async def does_for(self, action: Action, neighbour: NodeId | None) -> Done:
        return await self.desk.act_on_neighbour(OPERATOR, action, neighbour, WHY)

    async def entries(self, *events: str) -> list[dict[str, Any]]:
        found = [
            replaced(json.loads(one.leaf), one.words)
            for one in await self.world.journal.entries(0, 1000)
        ]
        return [one for one in found if one["event"] in events]


@pytest.fixture
def operator(world: Any) -> Operator:
    return Operator(world)


async def _delivery(world: Any, accepted: Any, recipient: str = "H01") -> DeliveryId:
    return DeliveryId((await world.sent(accepted.message_id))[recipient].delivery_id)


async def _stuck(world: Any, error: Exception, *recipients: str, state: str) -> Any:
    """A message whose transfer to `tinh` is frozen, and failed once with `error`."""
    quick = world.policy
    world.policy = replace(quick, first=timedelta(hours=1), cap=timedelta(hours=1))
    world.build()
    world.wire.failing = lambda neighbour, _: error if neighbour == UP else None
    accepted = await world.submit(*recipients)
    channel = world.dispatcher.channels[UP]
    async with world.run():
        await world.until(lambda: channel.blocked_until and not channel.under_way)
        await world.reach(accepted.message_id, state)
    world.wire.failing, world.policy = lambda *_: None, quick
    await world.journal.perform(lambda tx: tx.run("DELETE FROM neighbours"))
    world.build()
    return accepted


async def _in_doubt(world: Any, *recipients: str) -> Any:
    return await _stuck(world, UnansweredError("cut"), *(recipients or ("H01",)), state="in-doubt")


async def _refused(world: Any, *recipients: str) -> Any:
    return await _stuck(world, TransportError("down"), *(recipients or ("H01",)), state="queued")


async def _settles(world: Any, accepted: Any, *states: str) -> None:
    async with world.run():
        await world.reach(accepted.message_id, *states)


async def _transfers(world: Any) -> list[tuple[str, int]]:
    return [tuple(row) for row in await world.journal.rows("SELECT neighbour, open FROM transfers")]


# ---------------------------------------------------------------- hold and release


async def test_what_is_held_is_not_sent_until_released(world: Any, operator: Operator) -> None:
    """What was accepted beside it goes; after the release it goes, too, without another signal."""
    held = await world.submit("H01")
    await operator.does(Action.HOLD, held)
    async with world.run():
        beside = await world.submit("H01")
        await world.reach(beside.message_id, "relayed")
        assert await world.states(held.message_id) == {"held"}

        await operator.does(Action.RELEASE, held)
        await world.reach(held.message_id, "relayed")


async def test_a_held_delivery_outlives_its_expiry_and_a_restart(
    world: Any, operator: Operator
) -> None:
    """Held is a state of the journal; expired it is only once it was released."""
    world.policy = replace(world.policy, normal_expiry=timedelta(minutes=3))
    world.build()
    held = await world.submit("H01")
    await operator.does(Action.HOLD, held)
    world.late = timedelta(days=1)
    world.build()
    await world.journal.recover(world.clock.now())

    assert await world.expiry.sweep() == 0
    assert await world.states(held.message_id) == {"held"}

    await operator.does(Action.RELEASE, held)
    await world.expiry.sweep()
    assert await world.states(held.message_id) == {"expired"}


async def test_one_of_several_recipients_is_held_and_the_others_go(
    world: Any, operator: Operator
) -> None:
    """By the delivery's own id; the queue in memory, which still has it, does not send it."""
    accepted = await world.submit("H01", "H01.9")
    await operator.does(Action.HOLD, await _delivery(world, accepted, "H01.9"))

    async with world.run():
        await world.reach(accepted.message_id, "relayed", "held")

    assert [header.recipients for header in world.wire.carried] == [("H01",)]


async def test_a_frozen_transfer_rests_while_one_of_its_deliveries_is_held(
    world: Any, operator: Operator
) -> None:
    """It is repeated to the letter once the last of them is released."""
    accepted = await _refused(world, "H01", "H01.9")
    names = [await _delivery(world, accepted, code) for code in ("H01", "H01.9")]
    for name in names:
        await operator.does(Action.HOLD, name)
    sent = len(world.wire.documents)
    await operator.does(Action.RELEASE, names[0])
    async with world.run():
        beside = await world.submit("H01")
        await world.reach(beside.message_id, "relayed")
        assert await world.states(accepted.message_id) == {"queued", "held"}
        assert len(world.wire.documents) == sent + 1

        await operator.does(Action.RELEASE, names[1])
        await world.reach(accepted.message_id, "relayed")

    assert world.wire.documents[-1] == world.wire.documents[0]


async def test_a_restart_does_not_wake_a_frozen_transfer_that_is_held(
    world: Any, operator: Operator
) -> None:
    accepted = await _refused(world)
    await operator.does(Action.HOLD, accepted)
    world.build()
    await world.journal.recover(world.clock.now())
    sent = len(world.wire.carried)

    async with world.run():
        beside = await world.submit("H01")
        await world.reach(beside.message_id, "relayed")

    assert len(world.wire.carried) == sent + 1
    assert await world.states(accepted.message_id) == {"held"}


async def test_a_transfer_that_was_about_to_be_repeated_is_stopped_by_the_hold(
    world: Any, operator: Operator
) -> None:
    """Read as due before the hold, refused by the journal after it."""
    accepted = await _refused(world)
    due = await world.journal.open_transfers(UP, world.clock.now(), world.clock.now(), 10)
    await operator.does(Action.HOLD, accepted)
    sent = len(world.wire.carried)

    await world.dispatcher.attempts.repeat(world.dispatcher.channels[UP], due[0])

    assert len(world.wire.carried) == sent
    assert await world.states(accepted.message_id) == {"held"}


async def test_holding_what_is_in_doubt_asks_first(world: Any, operator: Operator) -> None:
    """Never seen there: held. Silence: it stays in doubt, and the operator is told why."""
    accepted = await _in_doubt(world)
    world.wire.asking = TransportError("down")
    with pytest.raises(NotPossibleError, match="ask first"):
        await operator.does(Action.HOLD, accepted)
    assert await world.states(accepted.message_id) == {"in-doubt"}

    world.wire.asking = None
    await operator.does(Action.HOLD, accepted)
    assert await world.states(accepted.message_id) == {"held"}

    await operator.does(Action.RELEASE, accepted)
    await _settles(world, accepted, "relayed")


async def test_what_waits_for_its_seal_is_held_without_stopping_the_seal(
    world: Any, operator: Operator
) -> None:
    """Released before it is sealed it waits for the seal again, then for the neighbour."""
    world.slow_key = True
    world.build()
    accepted = await world.submit("H01")
    assert await world.states(accepted.message_id) == {"sealing"}
    await operator.does(Action.HOLD, accepted)
    assert not await world.journal.unsealed(10)

    await operator.does(Action.RELEASE, accepted)

    assert await world.states(accepted.message_id) == {"sealing"}
    sealing = asyncio.create_task(world.sealing.run())
    await _settles(world, accepted, "relayed")
    sealing.cancel()


async def test_a_receipt_for_a_held_delivery_lets_the_rest_of_its_transfer_go(
    world: Any, operator: Operator
) -> None:
    """A verified receipt settles even what is held; its siblings must not rest for ever."""
    accepted = await _refused(world, "H01", "H01.9")
    await operator.does(Action.HOLD, await _delivery(world, accepted, "H01.9"))
    header = replace(world.wire.carried[0], recipients=("H01.9",))
    signed = world.wire.answer(UP, header)
    world.wire.answers.clear()
    receipt = world.keys["xa"].check_receipt(signed, world.clock.now())
    await world.journal.record_receipts(UP, [(signed, receipt)], receipt.at)

    await _settles(world, accepted, "relayed")


async def test_what_expired_beside_a_held_one_is_not_sent_with_it(
    world: Any, operator: Operator
) -> None:
    """Its frozen transfer names both; so the one that is released goes in another."""
    accepted = await _refused(world, "H01", "H01.9")
    await operator.does(Action.HOLD, await _delivery(world, accepted, "H01.9"))
    world.late = timedelta(days=30)
    await world.expiry.sweep()
    world.late = timedelta()
    assert await world.states(accepted.message_id) == {"expired", "held"}

    await operator.does(Action.RELEASE, accepted)

    await _settles(world, accepted, "expired", "relayed")
    assert world.wire.carried[-1].recipients == ("H01.9",)


# ---------------------------------------------------------------- requeue


async def test_requeue_frees_what_was_never_seen_and_sends_it_anew(
    world: Any, operator: Operator
) -> None:
    """In a new transfer, since the old one is closed and never sent again."""
    accepted = await _in_doubt(world)
    first = world.wire.carried[0].transfer_id

    done = await operator.does(Action.REQUEUE, accepted)

    assert (done.acted, world.wire.asked) == (1, [first])
    await _settles(world, accepted, "relayed")
    assert world.wire.carried[-1].transfer_id != first
    assert await _transfers(world) == [(UP, 0), (UP, 0)]


async def test_requeue_is_settled_by_the_answer_that_was_lost(
    world: Any, operator: Operator
) -> None:
    """The neighbour has it: relayed, and nothing is sent again."""
    accepted = await _in_doubt(world)
    world.wire.answer(UP, world.wire.carried[0])

    done = await operator.does(Action.REQUEUE, accepted)

    assert (done.acted, done.settled) == (0, 1)
    assert await world.states(accepted.message_id) == {"relayed"}


async def test_silence_holds_up_only_what_is_in_doubt(world: Any, operator: Operator) -> None:
    """A neighbour that refused each attempt before taking anything need not be heard."""
    doubtful, certain = await _in_doubt(world), await _refused(world, "H01.9")
    world.wire.asking = TransportError("down")

    with pytest.raises(NotPossibleError, match="may have it"):
        await operator.does(Action.REQUEUE, doubtful)
    assert (await operator.does(Action.REQUEUE, certain)).acted == 1

    assert await world.states(doubtful.message_id) == {"in-doubt"}


async def test_a_false_answer_frees_nothing(world: Any, operator: Operator) -> None:
    """A receipt for something else proves neither yes nor no."""
    accepted = await _in_doubt(world)
    world.wire.asking = PeerError("nonsense")

    with pytest.raises(NotPossibleError, match="may have it"):
        await operator.does(Action.REQUEUE, accepted)


async def test_requeue_goes_by_the_links_there_are_now(world: Any, operator: Operator) -> None:
    """The direct link is gone from the configuration: up it goes."""
    accepted = await world.submit("H01.17")
    operator.place = replace(PLACE, neighbours=frozenset({UP, THON}))

    await operator.does(Action.REQUEUE, accepted)

    await _settles(world, accepted, "relayed")
    assert [header.sent_to for header in world.wire.carried] == [UP]


async def test_what_is_served_here_by_now_becomes_available_by_requeue(
    world: Any, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With this node's own receipt, as if it had come to its recipient's node."""
    accepted = await world.submit("H01.17")
    monkeypatch.setattr("relay.delivery.operators.intervening.next_hop", lambda *_: Here())

    await operator.does(Action.REQUEUE, accepted)

    items = await world.journal.inbox(None, InboxQuery())
    assert [item.message_id for item in items] == [accepted.message_id]
    view = await world.journal.message(accepted.message_id)
    assert view.deliveries[0].next_hop is None
    assert Event.CONTENT_CONSIGNMENT in {r.event for r in view.deliveries[0].receipts}


async def test_what_has_no_way_any_more_is_left_where_it_is(
    world: Any, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the operator is told; cancelling it is another decision."""
    accepted = await world.submit("H01.17")
    nowhere = NoRoute(Reason.UNKNOWN_RECIPIENT, "no agency H01.17 in the directory")
    monkeypatch.setattr("relay.delivery.operators.intervening.next_hop", lambda *_: nowhere)

    with pytest.raises(NotPossibleError, match=r"no agency H01\.17"):
        await operator.does(Action.REQUEUE, accepted)

    assert await world.states(accepted.message_id) == {"queued"}


async def test_requeue_ends_the_back_off(world: Any, operator: Operator) -> None:
    """A dead neighbour gets its attempt now, not when its wait is over."""
    world.policy = replace(world.policy, first=timedelta(hours=1), cap=timedelta(hours=1))
    world.build()
    world.wire.failing = lambda *_: TransportError("down")
    accepted = await world.submit("H01")
    async with world.run():
        await world.until(lambda: world.dispatcher.channels[UP].blocked_until)
        world.wire.failing = lambda *_: None
        await world.reach(accepted.message_id, "queued")
        await operator.does(Action.REQUEUE, accepted)
        await world.reach(accepted.message_id, "relayed")


async def test_parked_receipts_wait_again_after_requeue(world: Any, operator: Operator) -> None:
    """For the neighbour that refused them once."""
    accepted = await world.submit("H01")
    digest = accepted.receipt
    for neighbour in (UP, BAN):
        await world.journal.perform(
            lambda tx, to=neighbour: tx.run(
                "INSERT INTO returns (neighbour, receipt, parked) VALUES (?, ?, 1)", to, digest
            )
        )

    done = await operator.does_for(Action.REQUEUE, UP)
    assert done.receipts == 1
    assert len(await world.journal.returns(UP, 10)) == 1
    assert not await world.journal.returns(BAN, 10)

    assert (await operator.does(Action.REQUEUE, accepted)).receipts == 1
    assert len(await world.journal.returns(BAN, 10)) == 1


# ---------------------------------------------------------------- cancel


async def test_cancel_ends_it_with_this_nodes_signed_receipt(
    world: Any, operator: Operator
) -> None:
    """The sender's list says who and that it was cancelled; any node can verify the receipt."""
    accepted = await world.submit("H01", "H01.9")

    assert (await operator.does(Action.CANCEL, accepted)).acted == 2

    item = (await world.sent(accepted.message_id))["H01"]
    assert (item.state, item.reason, item.failed_at_node) == ("cancelled", "cancelled", "xa")
    view = await world.journal.message(accepted.message_id)
    last = view.deliveries[0].receipts[-1]
    assert (last.event, last.reason, last.previous) == (
        Event.RELAY_FAILURE,
        Reason.CANCELLED,
        accepted.receipt,
    )
    signed, _ = await world.journal.receipt(last.digest)
    assert len(world.keys["tinh"].check_receipt(signed, world.clock.now()).evidence) == 2


async def test_what_was_cancelled_is_never_sent(world: Any, operator: Operator) -> None:
    """Neither from the queue in memory nor as a transfer that was frozen before; nor held."""
    frozen = await _refused(world)
    held = await world.submit("H01")
    await operator.does(Action.HOLD, held)
    queued = await world.submit("H01")
    sent = len(world.wire.carried)
    for one in (frozen, held, queued):
        await operator.does(Action.CANCEL, one)

    async with world.run():
        beside = await world.submit("H01")
        await world.reach(beside.message_id, "relayed")

    assert [h.message_id for h in world.wire.carried[sent:]] == [beside.message_id]
    for one in (frozen, held, queued):
        assert await world.states(one.message_id) == {"cancelled"}


async def test_the_others_of_a_cancelled_ones_transfer_go_on(
    world: Any, operator: Operator
) -> None:
    """Freed with it, and sent in a transfer of their own."""
    accepted = await _in_doubt(world, "H01", "H01.9")

    await operator.does(Action.CANCEL, await _delivery(world, accepted, "H01.9"))

    async with world.run():
        await world.reach(accepted.message_id, "relayed", "cancelled")
    assert world.wire.carried[-1].recipients == ("H01",)


async def test_cancelling_what_nobody_tells_of_needs_to_be_said_twice(
    world: Any, operator: Operator
) -> None:
    """Unanswered, it ends as outcome-unknown, which a later receipt supersedes."""
    accepted = await _in_doubt(world)
    world.wire.asking = TransportError("down")
    with pytest.raises(NotPossibleError, match="--unanswered"):
        await operator.does(Action.CANCEL, accepted)

    await operator.does(Action.CANCEL, accepted, unanswered=True)

    item = (await world.sent(accepted.message_id))["H01"]
    assert (item.state, item.reason) == ("expired", "outcome-unknown")
    assert await _transfers(world) == [(UP, -1)]
    assert (await operator.entries("delivery-cancelled"))[0]["state"] == "expired"
    signed = world.wire.answer(UP, world.wire.carried[0])
    receipt = world.keys["xa"].check_receipt(signed, world.clock.now())
    await world.journal.record_receipts(UP, [(signed, receipt)], receipt.at)
    assert await world.states(accepted.message_id) == {"relayed"}


async def test_unanswered_does_not_stop_the_asking(world: Any, operator: Operator) -> None:
    """What the neighbour says counts for more than the operator's impatience."""
    accepted = await _in_doubt(world)
    world.wire.answer(UP, world.wire.carried[0])

    done = await operator.does(Action.CANCEL, accepted, unanswered=True)

    assert done.settled == 1
    assert await world.states(accepted.message_id) == {"relayed"}


async def test_the_same_again_after_cancel_is_a_new_message(world: Any, operator: Operator) -> None:
    """As after any end without the recipient."""
    content = world.document(["H01"], Priority.NORMAL, "H01.15")
    first = await world.submit("H01", content=content)
    await operator.does(Action.CANCEL, first)

    second = await world.submit("H01", content=content)

    assert second.message_id != first.message_id
    assert (await world.journal.message(second.message_id)).linked_to == first.message_id


# ---------------------------------------------------------------- redirect


async def test_redirect_takes_another_neighbour(world: Any, operator: Operator) -> None:
    """The old channel, which has it in memory, does not send it; the new one does, once."""
    accepted = await world.submit("H01.17")

    await operator.does(Action.REDIRECT, accepted, to=UP)

    await _settles(world, accepted, "relayed")
    assert [header.sent_to for header in world.wire.carried] == [UP]


async def test_a_held_delivery_is_redirected_and_stays_held(world: Any, operator: Operator) -> None:
    """It goes the new way once released."""
    accepted = await world.submit("H01.17")
    await operator.does(Action.HOLD, accepted)
    await operator.does(Action.REDIRECT, accepted, to=UP)
    assert await world.states(accepted.message_id) == {"held"}

    await operator.does(Action.RELEASE, accepted)

    await _settles(world, accepted, "relayed")
    assert world.wire.carried[-1].sent_to == UP


async def test_redirecting_what_is_in_doubt_asks_first(world: Any, operator: Operator) -> None:
    """Two neighbours must never both have it because one was only slow to answer."""
    world.wire.failing = lambda neighbour, _: UnansweredError("cut") if neighbour == BAN else None
    accepted = await world.submit("H01.17")
    async with world.run():
        await world.reach(accepted.message_id, "in-doubt")
    world.build()
    world.wire.asking = TransportError("down")
    with pytest.raises(NotPossibleError, match="may have it"):
        await operator.does(Action.REDIRECT, accepted, to=UP)

    world.wire.asking = None
    await operator.does(Action.REDIRECT, accepted, to=UP)

    await _settles(world, accepted, "relayed")
    assert world.wire.carried[-1].sent_to == UP


@pytest.mark.parametrize(
    ("to", "recipient", "words"),
    [
        (UP, "H01", "next hop already"),
        (BAN, "H01", "does not lie behind ban"),
        (THON, "H01.17", "does not lie behind thon"),
    ],
)
async def test_a_way_that_leads_nowhere_is_refused(
    world: Any, operator: Operator, to: NodeId, recipient: str, words: str
) -> None:
    """Whose receipts could not come back may not be taken."""
    accepted = await world.submit(recipient)
    with pytest.raises(NotPossibleError, match=words):
        await operator.does(Action.REDIRECT, accepted, to=to)


async def test_nothing_goes_back_where_it_came_from(world: Any, operator: Operator) -> None:
    accepted = await world.submit("H01.17")
    await world.journal.perform(
        lambda tx: tx.run("UPDATE arrivals SET neighbour = 'tinh', transfer_id = 'x'")
    )
    with pytest.raises(NotPossibleError, match="came from tinh"):
        await operator.does(Action.REDIRECT, accepted, to=UP)


async def test_only_a_configured_neighbour_can_be_redirected_to(
    world: Any, operator: Operator
) -> None:
    accepted = await world.submit("H01.17")
    with pytest.raises(NotFoundError, match="no neighbour"):
        await operator.does(Action.REDIRECT, accepted, to=NodeId("nowhere"))


# ---------------------------------------------------------------- flush


async def test_flush_ends_every_wait_for_a_neighbour(world: Any, operator: Operator) -> None:
    """Its back-off, and that of a transfer it refused by itself; one attempt at once."""
    world.policy = replace(world.policy, first=timedelta(hours=1), cap=timedelta(hours=1))
    world.build()
    world.wire.failing = lambda *_: PeerError("HTTP 400")
    refused = await world.submit("H01")
    async with world.run():
        await world.reach(refused.message_id, "queued")
        await world.until(lambda: world.dispatcher.channels[UP].under_way == 0)
        world.wire.failing = lambda *_: TransportError("down")
        down = await world.submit("H01")
        await world.until(lambda: world.dispatcher.channels[UP].blocked_until)
        await world.until(lambda: world.dispatcher.channels[UP].under_way == 0)
        world.wire.failing = lambda *_: None

        await operator.does_for(Action.FLUSH, UP)

        await world.reach(refused.message_id, "relayed")
        await world.reach(down.message_id, "relayed")


async def test_flush_without_a_name_is_for_all_neighbours(world: Any, operator: Operator) -> None:
    """One entry for each of them."""
    done = await operator.does_for(Action.FLUSH, None)

    assert done.acted == 3
    entries = await operator.entries("queue-flushed")
    assert [one["neighbour"] for one in entries] == ["ban", "thon", "tinh"]


async def test_a_flushed_wait_does_not_come_back_with_a_restart(
    world: Any, operator: Operator
) -> None:
    world.policy = replace(world.policy, first=timedelta(hours=1), cap=timedelta(hours=1))
    accepted = await _refused(world)
    await operator.does_for(Action.FLUSH, UP)
    world.build()

    await _settles(world, accepted, "relayed")


# ---------------------------------------------------------------- by neighbour


async def test_a_neighbours_whole_queue_is_held_and_released(
    world: Any, operator: Operator
) -> None:
    """Every lane, frozen or not, and nobody else's; what is in doubt is left and said so."""
    doubtful, refused = await _in_doubt(world), await _refused(world, "H01.9")
    lanes = [await world.submit("H01", priority=Priority(one)) for one in range(5)]
    other = await world.submit("H01.17")

    done = await operator.does_for(Action.HOLD, UP)

    assert (done.acted, done.left, done.more) == (6, 1, False)
    assert await world.states(doubtful.message_id) == {"in-doubt"}
    for one in (refused, *lanes):
        assert await world.states(one.message_id) == {"held"}
    assert await world.states(other.message_id) == {"queued"}

    assert (await operator.does_for(Action.RELEASE, UP)).acted == 6
    async with world.run():
        for one in (doubtful, refused, *lanes, other):
            await world.reach(one.message_id, "relayed")


async def test_a_long_queue_is_held_in_steps(
    world: Any, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded transactions, and a bounded number of them for one request."""
    monkeypatch.setattr("relay.delivery.operators.control.PAGE", 4)
    monkeypatch.setattr("relay.delivery.operators.control.MOST_AT_ONCE", 10)
    many = [await world.submit("H01") for _ in range(25)]
    steps = []
    while (done := await operator.does_for(Action.HOLD, UP)).more:
        steps.append(done.acted)

    assert steps == [12, 12]
    assert done.acted == 1
    for one in many:
        assert await world.states(one.message_id) == {"held"}
    entries = await operator.entries("delivery-held")
    assert max(len(one["deliveries"]) for one in entries) == 4
    assert sum(len(one["deliveries"]) for one in entries) == 25


async def test_a_neighbour_is_emptied_when_its_link_is_gone(world: Any, operator: Operator) -> None:
    """Requeue by neighbour: frozen and in doubt asked about, everything else takes the other way."""
    waiting = [await world.submit("H01.17") for _ in range(3)]
    operator.place = replace(PLACE, neighbours=frozenset({UP, THON}))

    done = await operator.does_for(Action.REQUEUE, BAN)

    assert done.acted == 3
    async with world.run():
        for one in waiting:
            await world.reach(one.message_id, "relayed")
    assert {header.sent_to for header in world.wire.carried} == {UP}


async def test_a_silent_neighbour_is_asked_once_for_all(world: Any, operator: Operator) -> None:
    """The time-outs of a dead one must not add up."""
    for _ in range(3):
        await _in_doubt(world)
    world.wire.asked.clear()
    world.wire.asking = TransportError("down")

    done = await operator.does_for(Action.REQUEUE, UP)

    assert (done.acted, done.left, len(world.wire.asked)) == (0, 3, 1)


async def test_an_unknown_neighbour_is_an_error(world: Any, operator: Operator) -> None:
    for action in (Action.HOLD, Action.RELEASE, Action.REQUEUE, Action.FLUSH):
        with pytest.raises(NotFoundError, match="neighbour"):
            await operator.does_for(action, NodeId("nowhere"))


# ---------------------------------------------------------------- races


@pytest.mark.parametrize(
    "action", [Action.HOLD, Action.REQUEUE, Action.CANCEL, Action.REDIRECT], ids=str
)
async def test_what_is_being_sent_is_not_acted_on(
    world: Any, operator: Operator, action: Action
) -> None:
    """A clear refusal, and the attempt goes on undisturbed."""
    world.wire.gate.clear()
    accepted = await world.submit("H01.17")
    async with world.run():
        await world.reach(accepted.message_id, "in-flight")
        to = UP if action is Action.REDIRECT else None
        with pytest.raises(NotPossibleError, match="being sent now"):
            await operator.does(action, accepted, to=to)
        world.wire.gate.set()
        await world.reach(accepted.message_id, "relayed")


async def test_while_a_doubtful_transfer_is_repeated_nobody_is_asked(
    world: Any, operator: Operator
) -> None:
    """ "Never seen" would mean nothing of what is just arriving there."""
    accepted = await _in_doubt(world)
    world.wire.gate.clear()
    async with world.run():
        await world.until(lambda: world.wire.under_way)
        assert await world.states(accepted.message_id) == {"in-doubt"}
        with pytest.raises(NotPossibleError, match="being sent now"):
            await operator.does(Action.CANCEL, accepted)
        assert not world.wire.asked
        world.wire.gate.set()
        await world.reach(accepted.message_id, "relayed")


async def test_while_the_neighbour_is_asked_nothing_is_sent(
    world: Any, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dispatcher waits for the end of the question, then goes on by what came of it."""
    accepted = await _in_doubt(world)
    sent = len(world.wire.carried)
    asked, told = asyncio.Event(), asyncio.Event()

    async def slowly(*_: Any) -> None:
        asked.set()
        await told.wait()

    monkeypatch.setattr(type(world.wire), "ask", slowly)
    async with world.run():
        acting = asyncio.create_task(operator.does(Action.CANCEL, accepted))
        await asked.wait()
        beside = await world.submit("H01")
        await world.reach(beside.message_id, "relayed")
        assert len(world.wire.carried) == sent + 1
        told.set()
        await acting
        after = await world.submit("H01")
        await world.reach(after.message_id, "relayed")

    assert await world.states(accepted.message_id) == {"cancelled"}
    assert len(world.wire.carried) == sent + 2


async def test_an_answer_that_comes_during_the_action_wins(
    world: Any, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt on another way settles it between the question and the cancelling."""
    accepted = await _in_doubt(world)
    signed = world.wire.answer(UP, world.wire.carried[0])
    receipt = world.keys["xa"].check_receipt(signed, world.clock.now())

    async def settled_meanwhile(*_: Any) -> None:
        await world.journal.record_receipts(UP, [(signed, receipt)], receipt.at)

    monkeypatch.setattr(type(world.wire), "ask", settled_meanwhile)
    with pytest.raises(NotPossibleError, match="meanwhile"):
        await operator.does(Action.CANCEL, accepted)

    assert await world.states(accepted.message_id) == {"relayed"}


async def test_acting_on_a_running_node_loses_and_doubles_nothing(
    world: Any, operator: Operator
) -> None:
    """Whatever operators do to it meanwhile, each delivery is taken over once."""
    world.wire.failing = _badly(world)
    accepted = [await world.submit("H01.17", "H01") for _ in range(12)]
    actions: list[Callable[[Any], Any]] = [
        lambda one: operator.does(Action.HOLD, one),
        lambda one: operator.does(Action.REQUEUE, one),
        lambda one: operator.does(Action.REDIRECT, one, to=UP),
        lambda one: operator.does(Action.RELEASE, one),
    ]
    async with world.run():
        for turn in range(5):
            for number, one in enumerate(accepted):
                with contextlib.suppress(NotPossibleError):
                    await actions[(turn + number) % 4](one)
        for neighbour in (UP, BAN):
            await operator.does_for(Action.RELEASE, neighbour)
            await operator.does_for(Action.FLUSH, neighbour)
        for one in accepted:
            await world.until(lambda one=one: _ended(world, one))
    taken: dict[tuple[str, str], set[str]] = {}
    for header in world.wire.carried:
        if header.transfer_id in world.wire.answers:
            for code in header.recipients:
                taken.setdefault((header.message_id, code), set()).add(header.transfer_id)
    assert all(len(transfers) == 1 for transfers in taken.values())


def _badly(world: Any) -> Callable[..., Exception | None]:
    """Every third attempt fails: not taken, cut before it was taken, cut after."""
    count = 0

    def failing(neighbour: NodeId, header: Any) -> Exception | None:
        nonlocal count
        count += 1
        if count % 9 == 0:
            world.wire.answer(neighbour, header)
        faults = {0: UnansweredError("answer lost"), 3: TransportError("down")}
        return faults.get(count % 9, UnansweredError("cut")) if count % 3 == 0 else None

    return failing


async def _ended(world: Any, accepted: Any) -> bool:
    return bool(await world.states(accepted.message_id) == {"relayed"})


# ---------------------------------------------------------------- who and why


async def test_each_action_is_an_entry_with_who_and_why(world: Any, operator: Operator) -> None:
    """By the delivery's id, in the order in which it was done."""
    accepted = await world.submit("H01.17")
    name = await _delivery(world, accepted, "H01.17")
    for action, more in (
        (Action.HOLD, {}),
        (Action.RELEASE, {}),
        (Action.REDIRECT, {"to": UP}),
        (Action.REQUEUE, {}),
        (Action.CANCEL, {}),
    ):
        await operator.does(action, name, **more)

    events = [f"delivery-{word}" for word in ("held", "released", "redirected", "requeued")]
    found = await operator.entries(*events, "delivery-cancelled")
    assert [one["event"] for one in found] == [*events, "delivery-cancelled"]
    for one in found:
        assert (one["by"], one["why"], one["deliveries"], one["message"]) == (
            "local:vanhanh",
            WHY,
            [name],
            accepted.message_id,
        )
    assert found[2]["neighbour"] == UP


async def test_a_refused_action_leaves_no_entry(world: Any, operator: Operator) -> None:
    """Nothing was changed, so nothing is told."""
    accepted = await world.submit("H01")
    await operator.does(Action.CANCEL, accepted)
    before = await world.journal.log_size()

    for action in (Action.HOLD, Action.RELEASE, Action.REQUEUE, Action.CANCEL, Action.FLUSH):
        with pytest.raises(NotPossibleError, match="it is cancelled"):
            await operator.does(action, accepted)

    assert await world.journal.log_size() == before


async def test_only_an_operator_may_act(world: Any, operator: Operator) -> None:
    """Whatever the face let through."""
    accepted = await world.submit("H01")
    agency = Caller("token:1:vanthu", frozenset({AgencyCode("H01.15")}))
    with pytest.raises(AccessError):
        await operator.desk.act(agency, Action.CANCEL, accepted.message_id, WHY)
    with pytest.raises(AccessError):
        await operator.desk.act_on_neighbour(agency, Action.HOLD, UP, WHY)
    assert await world.states(accepted.message_id) == {"queued"}


async def test_an_unknown_id_is_an_error(operator: Operator) -> None:
    with pytest.raises(NotFoundError, match="is known here"):
        await operator.does(Action.HOLD, "0190b6d8-0000-7000-8000-000000000000")


async def test_what_is_served_here_is_nobodys_to_act_on(world: Any, operator: Operator) -> None:
    """It only waits for its seal."""
    world.slow_key = True
    world.build()
    accepted = await world.submit("H01.18")
    with pytest.raises(NotPossibleError, match="served here"):
        await operator.does(Action.CANCEL, accepted)

"""The end of waiting: never silence, and never a claim that nobody can know."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from relay.delivery import expiry
from relay.errors import TransportError, UnansweredError
from relay.model import Event, NodeId, Priority, Reason, TransferHeader
from tests.evidence.stranger import Told, exported, judged

UP = NodeId("tinh")
LATE = timedelta(minutes=4)


async def _last(world: Any, accepted: Any) -> Any:
    view = await world.journal.message(accepted.message_id)
    return next(r for r in view.deliveries[0].receipts if r.event is Event.RELAY_FAILURE)


async def _in_doubt(world: Any, *recipients: str) -> Any:
    world.build()
    world.wire.failing = lambda *_: UnansweredError("cut")
    accepted = await world.submit(*recipients)
    async with world.run():
        await world.reach(accepted.message_id, "in-doubt")
    return accepted


async def test_what_is_in_time_is_left_alone(hasty: Any) -> None:
    accepted = await hasty.submit("H01")

    assert await hasty.expiry.sweep() == 0
    assert await hasty.states(accepted.message_id) == {"queued"}


async def test_nothing_expires_by_a_clock_that_is_doubted(
    hasty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is overdue by it waits until the clock agrees with somebody's again."""
    monkeypatch.setattr(expiry, "SWEEP_SECONDS", 0.02)
    accepted = await hasty.submit("H01")
    hasty.late = LATE
    looked = 0

    def doubted() -> bool:
        nonlocal looked
        looked += 1
        return looked < 5

    running = asyncio.create_task(replace(hasty.expiry, doubted=doubted).run())
    await hasty.until(lambda: looked > 3)
    assert await hasty.states(accepted.message_id) == {"queued"}

    await hasty.reach(accepted.message_id, "expired")
    running.cancel()


async def test_what_was_never_sent_expires_with_a_signed_receipt(hasty: Any) -> None:
    """The sender's list says who gave up and why; the receipt follows the submission's."""
    accepted = await hasty.submit("H01")
    hasty.late = LATE

    await hasty.expiry.sweep()

    item = (await hasty.sent(accepted.message_id))["H01"]
    assert (item.state, item.reason, item.failed_at_node) == ("expired", "expired", "xa")
    receipt = await _last(hasty, accepted)
    assert (receipt.reason, receipt.issuer, receipt.previous) == (
        Reason.EXPIRED,
        "xa",
        accepted.receipt,
    )
    signed, _ = await hasty.journal.receipt(receipt.digest)
    assert (
        hasty.keys["tinh"].check_receipt(signed, hasty.clock.now()).evidence[0].reason
        is Reason.EXPIRED
    )


async def test_what_expired_is_never_sent(hasty: Any) -> None:
    """Neither from the queue nor as a transfer that was frozen before."""
    hasty.wire.failing = lambda *_: TransportError("down")
    frozen = await hasty.submit("H01")
    async with hasty.run():
        await hasty.until(lambda: hasty.wire.carried)
        await hasty.reach(frozen.message_id, "queued")
    await hasty.journal.recover(hasty.clock.now())  # it may have been on its way again
    queued = await hasty.submit("H01")
    hasty.late = LATE
    await hasty.expiry.sweep()
    sent = len(hasty.wire.carried)
    hasty.wire.failing = lambda *_: None
    hasty.build()

    async with hasty.run():
        beside = await hasty.submit("H01")
        await hasty.reach(beside.message_id, "relayed")

    assert [h.message_id for h in hasty.wire.carried[sent:]] == [beside.message_id]
    assert await hasty.states(frozen.message_id) | await hasty.states(queued.message_id) == {
        "expired"
    }


async def test_doubt_is_settled_by_asking(hasty: Any) -> None:
    """The neighbour took it, only its answer was lost: it is relayed, not expired."""
    accepted = await _in_doubt(hasty, "H01", "H01.9")
    hasty.wire.answer(UP, hasty.wire.carried[0])
    hasty.late = LATE

    await hasty.expiry.sweep()

    assert await hasty.states(accepted.message_id) == {"relayed"}


async def test_a_neighbour_that_never_saw_it_lets_it_expire(hasty: Any) -> None:
    """Asked, and told no: then it is certain."""
    accepted = await _in_doubt(hasty, "H01")
    hasty.late = LATE

    await hasty.expiry.sweep()

    assert (await _last(hasty, accepted)).reason is Reason.EXPIRED
    assert hasty.wire.asked


async def test_while_it_cannot_be_asked_the_outcome_is_unknown(hasty: Any) -> None:
    """And a receipt that comes later says what really happened."""
    accepted = await _in_doubt(hasty, "H01")
    hasty.wire.asking = TransportError("down")
    hasty.late = LATE
    await hasty.expiry.sweep()
    assert (await _last(hasty, accepted)).reason is Reason.OUTCOME_UNKNOWN
    assert await hasty.states(accepted.message_id) == {"expired"}

    header: TransferHeader = hasty.wire.carried[0]
    signed = hasty.wire.answer(UP, header)
    receipt = hasty.keys["xa"].check_receipt(signed, hasty.clock.now())
    await hasty.journal.record_receipts(UP, [(signed, receipt)], receipt.at)

    item = (await hasty.sent(accepted.message_id))["H01"]
    assert (item.state, item.reason, item.detail) == ("relayed", None, "")


async def test_evidence_tells_of_a_doubt_and_of_what_superseded_it(hasty: Any) -> None:
    """While nobody knows, the file says so, as a hop without evidence; once the neighbour's receipt is there
    that counts, and that there was doubt is not forgotten."""
    accepted = await _in_doubt(hasty, "H01")
    hasty.wire.asking = TransportError("down")
    hasty.late = LATE
    await hasty.expiry.sweep()
    doubted = await _evidence(hasty, accepted)
    signed = hasty.wire.answer(UP, hasty.wire.carried[0])
    receipt = hasty.keys["xa"].check_receipt(signed, hasty.clock.now())
    await hasty.journal.record_receipts(UP, [(signed, receipt)], receipt.at)
    certain = await _evidence(hasty, accepted)

    (hops,) = doubted.of("hops")
    assert (doubted.refused, hops.outcome) == ([], "unknown")
    assert "H01: RelayFailure (outcome-unknown)" in hops.said
    assert hops.notes == ("H01: no evidence of what came after RelayFailure at xa",)
    (hops,) = certain.of("hops")
    assert certain.refused == []
    assert "outcome-unknown" in certain.said("receipt")
    assert "H01: RelayAcceptance, which supersedes the outcome-unknown of xa" in hops.said
    assert hops.notes == ("H01: no evidence of what came after RelayAcceptance at tinh",)


async def _evidence(world: Any, accepted: Any) -> Told:
    content = await exported(world.journal, world.keys["xa"], accepted.message_id)
    return judged(content, world.keys["pki"] / "root" / "root.pem")


async def test_a_false_answer_leaves_the_outcome_unknown(hasty: Any) -> None:
    """A receipt for something else proves neither yes nor no."""
    accepted = await _in_doubt(hasty, "H01")
    other = await _in_doubt(hasty, "H01")
    first, second = (
        next(h for h in hasty.wire.carried if h.message_id == m.message_id)
        for m in (accepted, other)
    )
    hasty.wire.answers[first.transfer_id] = hasty.wire.answer(UP, second)
    hasty.late = LATE

    await hasty.expiry.sweep()

    assert (await _last(hasty, accepted)).reason is Reason.OUTCOME_UNKNOWN
    assert await hasty.states(other.message_id) == {"relayed"}


async def test_a_silent_neighbour_is_not_asked_again_by_a_sweep_that_goes_on(
    hasty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are overdue there, it costs the others one time-out; until it shows life."""
    monkeypatch.setattr(expiry, "AT_ONCE", 2)
    for _ in range(5):
        await _in_doubt(hasty, "H01")
    hasty.build()
    hasty.wire.asking = TransportError("down")
    hasty.late = LATE

    assert [await hasty.expiry.sweep() for _ in range(2)] == [2, 2]
    assert len(hasty.wire.asked) == 1
    hasty.expiry.met(UP)
    assert await hasty.expiry.sweep() == 1
    assert len(hasty.wire.asked) == 2


async def test_a_silent_neighbour_is_asked_once_a_sweep(hasty: Any) -> None:
    """The time-outs of one must not hold up the expiry of all."""
    hasty.wire.failing = lambda *_: UnansweredError("cut")
    hasty.dispatcher.channels[UP].window = 8
    hasty.wire.gate.clear()
    many = [await hasty.submit("H01") for _ in range(6)]
    async with hasty.run():
        await hasty.until(lambda: hasty.wire.under_way == 6)
        hasty.wire.gate.set()
        for one in many:
            await hasty.reach(one.message_id, "in-doubt")
    hasty.wire.asking = TransportError("down")
    hasty.late = LATE

    assert await hasty.expiry.sweep() == 6

    assert len(hasty.wire.asked) == 1
    for one in many:
        assert (await _last(hasty, one)).reason is Reason.OUTCOME_UNKNOWN


async def test_the_same_again_after_expiry_is_a_new_message(hasty: Any) -> None:
    """Linked to the first, with a deadline of its own."""
    content = hasty.document(["H01"], Priority.NORMAL, "H01.15")
    first = await hasty.submit("H01", content=content)
    hasty.late = LATE
    await hasty.expiry.sweep()

    second = await hasty.submit("H01", content=content)

    assert second.message_id != first.message_id
    assert not second.repeated
    view = await hasty.journal.message(second.message_id)
    assert view.linked_to == first.message_id
    assert (await hasty.submit("H01", content=content)).message_id == second.message_id


async def test_nothing_expires_right_after_a_start(hasty: Any) -> None:
    """A clock that went far while the node stood must not end what had no attempt since."""
    accepted = await hasty.submit("H01")
    hasty.late = LATE
    patient = replace(hasty.expiry, grace=timedelta(seconds=0.2))

    running = asyncio.create_task(patient.run())
    await asyncio.sleep(0.1)
    assert await hasty.states(accepted.message_id) == {"queued"}
    await hasty.reach(accepted.message_id, "expired")
    running.cancel()


async def _ended_unknown(world: Any) -> Any:
    accepted = await _in_doubt(world, "H01")
    world.wire.asking = TransportError("down")
    world.late = LATE
    await world.expiry.sweep()
    assert (await _last(world, accepted)).reason is Reason.OUTCOME_UNKNOWN
    world.wire.asked.clear()
    return accepted


async def _until_asked(world: Any) -> None:
    running = asyncio.create_task(world.expiry.run())
    await world.until(lambda: world.wire.asked)
    world.expiry.met(UP)
    await asyncio.sleep(0.05)
    running.cancel()


async def test_an_unknown_outcome_is_asked_about_when_the_neighbour_shows_life(hasty: Any) -> None:
    """It had taken it all along: the sender's list says so, though nobody sent a receipt."""
    accepted = await _ended_unknown(hasty)
    hasty.wire.asking = None
    hasty.wire.answer(UP, hasty.wire.carried[0])
    hasty.dispatcher.contact(UP)

    await _until_asked(hasty)

    item = (await hasty.sent(accepted.message_id))["H01"]
    assert (item.state, item.reason) == ("relayed", None)
    assert len(hasty.wire.asked) == 1


async def test_an_unknown_outcome_becomes_certain_when_the_neighbour_never_saw_it(
    hasty: Any,
) -> None:
    """Then a second receipt of this node says so, and nothing is asked any more."""
    accepted = await _ended_unknown(hasty)
    hasty.wire.asking = None
    hasty.dispatcher.contact(UP)

    await _until_asked(hasty)

    item = (await hasty.sent(accepted.message_id))["H01"]
    assert (item.state, item.reason) == ("expired", "expired")
    assert await hasty.journal.unknown_outcomes(UP, 10) == []


async def test_after_a_restart_the_question_is_still_open(hasty: Any) -> None:
    """Whom to ask is in the journal, not in memory."""
    accepted = await _ended_unknown(hasty)
    hasty.build()
    hasty.wire.asking = None
    hasty.wire.answer(UP, hasty.wire.carried[0])

    running = asyncio.create_task(hasty.expiry.run())
    await asyncio.sleep(0.05)
    assert hasty.wire.asked == []
    hasty.dispatcher.contact(UP)
    await hasty.reach(accepted.message_id, "relayed")
    running.cancel()


async def test_a_neighbour_that_cannot_be_asked_is_not_asked_at_each_of_its_words(
    hasty: Any,
) -> None:
    """It may speak to us while we cannot reach it."""
    await _ended_unknown(hasty)
    running = asyncio.create_task(hasty.expiry.run())
    for _ in range(20):
        hasty.dispatcher.contact(UP)
        await asyncio.sleep(0.01)
    running.cancel()

    assert len(hasty.wire.asked) == 1


async def test_a_neighbour_that_spoke_before_it_could_be_asked_is_asked_once_more(
    hasty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a node does that starts: it speaks once, does not listen yet, and says nothing more."""
    monkeypatch.setattr(expiry, "ASK_SOON_SECONDS", 0.5)
    monkeypatch.setattr(expiry, "SWEEP_SECONDS", 0.05)
    accepted = await _ended_unknown(hasty)
    running = asyncio.create_task(hasty.expiry.run())
    hasty.dispatcher.contact(UP)
    await hasty.until(lambda: hasty.wire.asked)
    hasty.wire.asking = None

    async def certain() -> bool:
        return bool((await hasty.sent(accepted.message_id))["H01"].reason == "expired")

    await hasty.until(certain)
    running.cancel()
    assert len(hasty.wire.asked) == 2


async def test_a_neighbour_that_stays_silent_is_asked_once_more_and_then_left_alone(
    hasty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice for one sign of life."""
    monkeypatch.setattr(expiry, "ASK_SOON_SECONDS", 0.05)
    monkeypatch.setattr(expiry, "SWEEP_SECONDS", 0.05)
    await _ended_unknown(hasty)
    running = asyncio.create_task(hasty.expiry.run())
    hasty.dispatcher.contact(UP)

    await hasty.until(lambda: len(hasty.wire.asked) == 2)
    await asyncio.sleep(0.3)

    running.cancel()
    assert len(hasty.wire.asked) == 2


async def test_a_word_in_a_time_of_silence_is_not_forgotten(
    hasty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is too early to ask again when it is said, and it may have been the last for long."""
    monkeypatch.setattr(expiry, "ASK_SOON_SECONDS", 0.02)
    monkeypatch.setattr(expiry, "ASK_AGAIN_SECONDS", 1.0)
    monkeypatch.setattr(expiry, "SWEEP_SECONDS", 0.02)
    accepted = await _ended_unknown(hasty)
    running = asyncio.create_task(hasty.expiry.run())
    hasty.dispatcher.contact(UP)
    await hasty.until(lambda: len(hasty.wire.asked) >= 2)
    hasty.wire.asking = None

    hasty.dispatcher.contact(UP)

    async def certain() -> bool:
        return bool((await hasty.sent(accepted.message_id))["H01"].reason == "expired")

    await hasty.until(certain)
    running.cancel()


async def test_a_cancel_that_nobody_answered_becomes_certain_later(hasty: Any) -> None:
    """Ended by an operator before its time: then it was cancelled, not expired."""
    accepted = await _ended_unknown(hasty)
    hasty.late = -LATE
    hasty.wire.asking = None

    await hasty.expiry.ask_again(UP)

    item = (await hasty.sent(accepted.message_id))["H01"]
    assert (item.state, item.reason) == ("cancelled", "cancelled")

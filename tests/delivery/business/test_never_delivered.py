"""Take-backs of documents that ended on their way, and of several documents of one name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from relay import lifecycle
from relay.journal import carrying
from relay.model import (
    AgencyCode,
    DeliveryState,
    Event,
    Evidence,
    MessageType,
    ObligationState,
    Reason,
    Receipt,
)

SENDER, RECIPIENT, BEYOND = "H01.16", "H01", "H01.17"


async def _refused(row: Any) -> tuple[str, Any]:
    """A document for an agency that the last node has no link to."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name, to=(BEYOND,)))).message_id
    return name, document


def _take_back(row: Any, name: str) -> bytes:
    return bytes(row.status("13", name, sender=SENDER, to=BEYOND))


async def _stands(post: Any, document: Any) -> list[tuple[str, str | None]]:
    return [(o.state.value, o.reason) for o in await post.asked(document)]


async def test_a_take_back_of_what_was_refused_is_settled_at_once(row: Any) -> None:
    """With the refusal's reason; nobody has the document, so the 13 itself goes nowhere and is done."""
    name, document = await _refused(row)
    await row.settle_down()
    assert await row.thon.state(document, BEYOND) == "refused"
    asks = (await row.thon.submit(SENDER, _take_back(row, name))).message_id
    await row.settle_down()

    assert await _stands(row.thon, document) == [("not-delivered", Reason.UNREACHABLE)]
    assert await row.thon.state(asks, BEYOND) == "taken-back"
    assert await row.tinh.state(asks, BEYOND) is None
    (one,) = await row.thon.every()
    assert not one.overdue(one.due_at + timedelta(days=1))


async def test_a_refusal_that_comes_after_the_take_back_settles_it_too(row: Any) -> None:
    """Whichever comes first, the end is the same."""
    name, document = await _refused(row)
    await row.carry(row.thon, row.xa, document)
    assert await row.freeze(row.xa, row.tinh, document)
    asks = (await row.thon.submit(SENDER, _take_back(row, name))).message_id
    await row.carry(row.thon, row.xa, asks)
    assert await _stands(row.thon, document) == [("requested", None)]
    await row.arrive(row.xa, row.tinh, document)
    await row.settle_down()

    for post in (row.thon, row.xa):
        assert await _stands(post, document) == [("not-delivered", Reason.UNREACHABLE)]


async def test_a_document_that_arrived_after_all_is_asked_for_again(row: Any) -> None:
    """An expiry that a later receipt supersedes ends nothing."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.carry(row.thon, row.xa, document)
    await row.carry(row.xa, row.tinh, document)
    await _gives_up(row.thon, document)
    await row.thon.submit(SENDER, row.take_back(name))
    assert await _stands(row.thon, document) == [("not-delivered", Reason.EXPIRED)]
    await row.hand_back(row.xa, row.thon)

    assert await row.thon.state(document) == "available"
    assert await _stands(row.thon, document) == [("requested", None)]


async def _gives_up(post: Any, document: Any) -> None:
    """As its expiry sweep would, believing that nobody took it."""
    view = await post.journal.message(document)
    evidence = Evidence(Event.RELAY_FAILURE, AgencyCode(RECIPIENT), None, Reason.EXPIRED, "late")
    at = post.clock.now()
    receipt = Receipt(
        post.node, view.origin, document, view.digest, view.size_bytes, None, None, at, (evidence,)
    )
    signed = post.notary.sign_receipt(receipt, at)

    def give_up(tx: Any) -> None:
        (row,) = tx.run(
            "SELECT message_row FROM messages WHERE message_id = ?", document
        ).fetchone()
        carrying.apply_receipt(tx, post.node, row, signed, receipt, at)

    await post.journal.perform(give_up)


async def test_one_document_taken_back_does_not_silence_the_request_for_another(row: Any) -> None:
    """Two of one name: one was fetched, so its destruction is asked for, the other is taken back."""
    name = row.name()
    first = (await row.thon.submit(SENDER, row.letter(name))).message_id
    second = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.settle_down()
    assert await row.tinh.fetch(first)
    asks = (await row.thon.submit(SENDER, row.take_back(name))).message_id
    await row.settle_down()

    for post in row.posts:
        assert await _stands(post, first) == [("destruction-asked", None)]
        assert await _stands(post, second) == [("taken-back", None)]
    assert await row.tinh.state(asks) == "available"
    kinds = [item.message_type for item in await row.tinh.listed()]
    assert kinds == [MessageType.DOCUMENT, MessageType.STATUS]


@pytest.mark.parametrize("state", DeliveryState)
def test_only_a_certain_end_is_one(state: DeliveryState) -> None:
    """Of what ended with an unknown outcome the recipient may have a copy: that stays requested."""
    certain = state in lifecycle.NEGATIVE
    assert lifecycle.never_arrived(state, Reason.POLICY) is certain
    assert not lifecycle.never_arrived(state, Reason.OUTCOME_UNKNOWN)
    after = lifecycle.obliged(ObligationState.TAKEN_BACK, None, never_arrived=certain)
    assert (after is ObligationState.NOT_DELIVERED) is certain

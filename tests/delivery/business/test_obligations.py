"""Revoke, update, replace: obligations about an earlier document, their answers and their deadlines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog

from relay.delivery.obligations import ObligationDesk
from relay.delivery.ports import Caller, ObligationQuery
from relay.envelope.writer import Business, ReceiverChange, Replacement
from relay.model import AgencyCode, ObligationState

SENDER, RECIPIENT, OTHER = "H01.16", "H01", "H01.9"


async def _kinds(post: Any, document: Any) -> list[tuple[str, str, str]]:
    return sorted((o.recipient, o.kind.value, o.state.value) for o in await post.asked(document))


async def _sent(row: Any, **more: Any) -> tuple[str, Any]:
    name = row.name()
    to = more.pop("to", (RECIPIENT, OTHER))
    document = (await row.thon.submit(SENDER, row.letter(name, to=to))).message_id
    await row.settle_down()
    return name, document


async def test_a_revocation_asks_each_recipient(row: Any) -> None:
    """It is delivered as any document, and stands as an obligation of each until that one answers."""
    name, document = await _sent(row)
    revoke = Business(1, document_id=name, reason="sai số liệu")
    await row.thon.submit(SENDER, row.letter(business=revoke, to=(RECIPIENT, OTHER)))
    await row.settle_down()
    await row.tinh.submit(RECIPIENT, row.status("15", name))
    await row.settle_down()

    for post in row.posts:
        assert await _kinds(post, document) == [
            (RECIPIENT, "revoke", "agreed"),
            (OTHER, "revoke", "requested"),
        ]


async def test_an_update_asks_who_stays_and_lets_who_was_removed_destroy_it(row: Any) -> None:
    """Who was added has nothing to update."""
    name, document = await _sent(row)
    update = Business(
        2,
        document_id=name,
        updates_document=True,
        updates_receivers=True,
        receivers=(ReceiverChange(OTHER, False), ReceiverChange("H01.15", True)),
    )
    await row.thon.submit(SENDER, row.letter(business=update, to=(RECIPIENT, "H01.15")))
    await row.settle_down()

    for post in row.posts[::2]:
        assert await _kinds(post, document) == [
            (RECIPIENT, "update", "requested"),
            (OTHER, "destroy", "requested"),
        ]


async def test_a_replacement_asks_the_agencies_it_names_for_each_document(row: Any) -> None:
    """Two documents replaced by one, each at agencies of its own."""
    first, one = await _sent(row)
    second, two = await _sent(row)
    business = Business(
        3, replacements=(Replacement(first, (RECIPIENT,)), Replacement(second, (OTHER,)))
    )
    await row.thon.submit(SENDER, row.letter(business=business, to=(RECIPIENT, OTHER)))
    await row.settle_down()

    for post in row.posts:
        assert await _kinds(post, one) == [(RECIPIENT, "replace", "requested")]
        assert await _kinds(post, two) == [(OTHER, "replace", "requested")]


async def test_an_answer_to_the_new_document_is_of_that_request_only(row: Any) -> None:
    """15 about the update itself agrees to the update, not to a revocation of the same document."""
    name, document = await _sent(row, to=(RECIPIENT,))
    await row.thon.submit(SENDER, row.letter(business=Business(1, document_id=name)))
    newer = row.name()
    await row.thon.submit(SENDER, row.letter(newer, business=Business(2, document_id=name)))
    await row.settle_down()
    await row.tinh.submit(RECIPIENT, row.status("15", newer))
    await row.settle_down()

    for post in row.posts:
        assert await _kinds(post, document) == [
            (RECIPIENT, "revoke", "requested"),
            (RECIPIENT, "update", "agreed"),
        ]


async def test_an_update_that_overtakes_its_document_is_joined_with_it(row: Any) -> None:
    """Kept without a document, shown without one, and joined in the transaction that brings it."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    update = row.letter(business=Business(2, document_id=name))
    cause = (await row.thon.submit(SENDER, update)).message_id
    await row.carry(row.thon, row.xa, cause)
    (early,) = await row.xa.every()
    assert (early.document, early.state.value) == (None, "requested")

    await row.settle_down()

    for post in row.posts:
        assert await _kinds(post, document) == [(RECIPIENT, "update", "requested")]


async def test_obligations_are_seen_by_who_asks_and_who_is_asked(row: Any) -> None:
    """By agency, state and cursor; nobody else's."""
    name, _ = await _sent(row, to=(RECIPIENT,))
    await row.thon.submit(SENDER, row.take_back(name))
    await row.settle_down()
    for agency, seen in ((SENDER, 1), (RECIPIENT, 1), (OTHER, 0)):
        caller = Caller("token:x", frozenset({AgencyCode(agency)}))
        found = await row.tinh.obligations.list(caller, ObligationQuery())
        assert len(found) == seen
    (one,) = await row.tinh.every()
    caller = Caller("operator", frozenset(), operator=True)
    for query in (
        ObligationQuery(after=one.cursor),
        ObligationQuery(state=ObligationState.AGREED),
        ObligationQuery(agency=AgencyCode(OTHER)),
        ObligationQuery(overdue=True),
    ):
        assert await row.tinh.obligations.list(caller, query) == []


async def test_an_overdue_obligation_is_told_once(row: Any) -> None:
    """A line and an entry at both ends, none on the way, and none when it was answered in time."""
    name, _ = await _sent(row, to=(RECIPIENT,))
    assert await row.tinh.fetch(_)
    answered, other = await _sent(row, to=(RECIPIENT,))
    assert await row.tinh.fetch(other)
    for each in (name, answered):
        await row.thon.submit(SENDER, row.take_back(each))
    await row.settle_down()
    await row.tinh.submit(RECIPIENT, row.status("16", answered))
    await row.settle_down()
    late = replace(row.tinh.clock, wall=lambda: row.thon.clock.now() + timedelta(days=4))

    for post in row.posts:
        desk = ObligationDesk(post.obligations.book, late, timedelta())
        with structlog.testing.capture_logs() as lines:
            await desk.sweep()
            await desk.sweep()
        expected = 0 if post is row.xa else 1
        assert [line["event"] for line in lines] == ["obligation-overdue"] * expected
        entries = [e for e in await post.events() if e["event"] == "obligation-overdue"]
        assert len(entries) == expected


async def test_the_log_has_codes_and_ids_only(row: Any) -> None:
    """Neither what a 13 gives as its reason nor the id an author chose."""
    name, _ = await _sent(row, to=(RECIPIENT,))
    await row.thon.submit(SENDER, row.take_back(name))
    await row.settle_down()

    for post in row.posts:
        text = str(await post.events())
        assert "obligation-asked" in text
        assert "lý do" not in text
        assert name not in text

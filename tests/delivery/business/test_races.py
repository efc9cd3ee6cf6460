"""The race of a take-back: every interleaving of the hops, the fetch and the 13 over real nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from relay.delivery.ports import Acknowledgement, Caller, SentQuery
from relay.delivery.tracking import OutboxDesk
from relay.errors import TakenBackError
from relay.model import AgencyCode, DeliveryState, Event, MessageType, Reason
from relay.transport.axis.answers import sent_row

SENDER, RECIPIENT = "H01.16", "H01"
THREE = (
    *("D freezes thon-xa", "D arrives thon-xa", "D freezes xa-tinh", "D arrives xa-tinh"),
    *("13 sent", "13 goes thon-xa", "13 goes xa-tinh"),
    "fetch",
)
TWO = (
    *("D freezes xa-tinh", "D arrives xa-tinh"),
    *("13 sent", "13 freezes xa-tinh", "13 arrives xa-tinh"),
    "fetch",
)
"""Frozen, a message may be further on already; the other one may overtake it then."""


def interleavings(steps: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Those in which each message goes its way in order, however the two overtake each other."""
    ways = [[s for s in steps if s[0] == first] for first in ("D", "1", "f")]
    yield from _merged(*ways)


def _merged(*ways: list[str]) -> Iterator[tuple[str, ...]]:
    if not any(ways):
        yield ()
    for number, way in enumerate(ways):
        if way:
            for rest in _merged(*ways[:number], way[1:], *ways[number + 1 :]):
                yield (way[0], *rest)


def test_there_are_as_many_interleavings_as_there_should_be() -> None:
    """8!/(4! 3!) and 6!/(2! 3!), none twice."""
    for steps, count in ((THREE, 280), (TWO, 60)):
        assert len(set(interleavings(steps))) == len(list(interleavings(steps))) == count


async def _play(row: Any, order: Sequence[str], origin: Any) -> tuple[Any, Any, bool]:
    """The document is handed in, then the steps; what each of both messages is, and whether it was given
    out."""
    name = row.name()
    sender = SENDER if origin is row.thon else "H01.15"
    document = await origin.submit(sender, _from(row.letter(name), sender))
    take_back: Any = None
    got = False
    for step in order:
        if step == "13 sent":
            take_back = await origin.submit(sender, _from(row.take_back(name), sender))
        elif step == "fetch":
            got = await row.tinh.fetch(document.message_id)
        else:
            which, does, way = step.split()
            source, target = (getattr(row, post) for post in way.split("-"))
            do = {"freezes": row.freeze, "arrives": row.arrive, "goes": row.carry}[does]
            await do(source, target, (document if which == "D" else take_back).message_id)
    await row.settle_down()
    return document.message_id, take_back.message_id, got


def _from(content: bytes, sender: str) -> bytes:
    return content.replace(
        f"<edXML:OrganId>{SENDER}<".encode(), f"<edXML:OrganId>{sender}<".encode()
    )


async def _agree(posts: Sequence[Any], document: Any, expected: str) -> None:
    for post in posts:
        (one,) = await post.asked(document)
        assert (one.state, one.answer) == (expected, None), post.node


@pytest.mark.parametrize("steps", [THREE, TWO], ids=["three", "two"])
async def test_every_interleaving_ends_alike_at_all_nodes(row: Any, steps: Sequence[str]) -> None:
    """Given out, and destruction is asked; not given out, and it is taken back, never to be given out: one
    of both, at every node the same, with a signed receipt at the origin."""
    origin, posts = (row.thon, row.posts) if steps is THREE else (row.xa, row.posts[1:])
    outcomes = set()
    for order in interleavings(steps):
        document, take_back, got = await _play(row, order, origin)
        outcomes.add(got)
        here = [post for post in posts if await post.state(document) is not None]
        offered = [item.message_id for item in await row.tinh.listed()]
        receipts = [
            (r.event, r.reason)
            for message in (document, take_back)
            for d in (await origin.journal.message(message)).deliveries
            for r in d.receipts
        ]
        asked = [(p.node, o.state) for p in posts for o in await p.every() if o.cause == take_back]
        assert {state for _, state in asked} == {"destruction-asked" if got else "taken-back"}, (
            order
        )
        if got:
            await _agree(posts, document, "destruction-asked")
            assert await row.tinh.state(document) == "fetched", order
            assert take_back in offered, order
            assert (Event.CONTENT_CONSIGNMENT, Reason.DESTRUCTION_ASKED) in receipts, order
        else:
            await _agree(here, document, "taken-back")
            assert {await post.state(document) for post in here} == {"taken-back"}, order
            assert document not in offered, order
            assert take_back not in offered, order
            assert not await row.tinh.fetch(document), order
            events = {event for event, reason in receipts if reason is Reason.TAKEN_BACK}
            assert events in ({Event.CONTENT_HANDOVER_FAILURE}, {Event.RELAY_FAILURE}), order
    assert outcomes == {True, False}


async def test_on_the_way_it_stands_as_requested_until_the_receipt_comes(row: Any) -> None:
    """Whoever cannot know yet does not guess."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.carry(row.thon, row.xa, document)
    await row.carry(row.xa, row.tinh, document)
    take_back = (await row.thon.submit(SENDER, row.take_back(name))).message_id
    await row.carry(row.thon, row.xa, take_back)
    await _agree([row.thon, row.xa], document, "requested")

    await row.carry(row.xa, row.tinh, take_back)
    await _agree([row.tinh], document, "taken-back")
    await _agree([row.thon, row.xa], document, "requested")

    await row.tinh.verdicts.sweep()
    await row.hand_back(row.tinh, row.xa)
    await _agree([row.xa, row.tinh], document, "taken-back")
    await _agree([row.thon], document, "requested")

    await row.hand_back(row.xa, row.thon)
    await _agree(row.posts, document, "taken-back")


async def test_a_document_that_may_be_further_on_is_not_decided_on_the_way(row: Any) -> None:
    """Frozen into a transfer, the next node may have it: the 13 travels on."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    assert await row.freeze(row.thon, row.xa, document)

    take_back = (await row.thon.submit(SENDER, row.take_back(name))).message_id

    assert await row.thon.state(document) == "in-flight"
    assert await row.thon.state(take_back) == "queued"
    await _agree([row.thon], document, "requested")


async def test_what_waits_at_its_origin_is_taken_back_there(row: Any) -> None:
    """Neither the document nor the 13 is sent to anybody; both end with the origin's signed receipt."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    take_back = (await row.thon.submit(SENDER, row.take_back(name))).message_id
    await row.settle_down()

    assert await row.xa.state(document) is None
    assert await row.xa.state(take_back) is None
    view = await row.thon.journal.message(document)
    assert view.deliveries[0].receipts[-1].reason is Reason.TAKEN_BACK


async def test_getting_what_was_taken_back_is_answered_clearly(row: Any) -> None:
    """Not with "no such document": the recipient's system had it in its list a moment ago."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.settle_down()
    (item,) = await row.tinh.listed()
    await row.thon.submit(SENDER, row.take_back(name))
    await row.settle_down()
    caller = Caller("system:dms", frozenset({AgencyCode(RECIPIENT)}))

    with pytest.raises(TakenBackError, match="took it back"):
        await row.tinh.inbox.fetch(caller, item.delivery_id)
    assert await row.tinh.state(document) == "taken-back"


async def test_a_take_back_in_the_middle_of_a_fetch_wins_until_fetched_is_committed(
    row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetch found the document and read its bytes; then the 13 came; then nothing is given out."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.settle_down()
    (item,) = await row.tinh.listed()
    read_payload = row.tinh.journal.payload

    async def meanwhile(digest: Any) -> Any:
        payload = await read_payload(digest)
        monkeypatch.undo()
        await row.thon.submit(SENDER, row.take_back(name))
        await row.settle_down()
        return payload

    monkeypatch.setattr(row.tinh.journal, "payload", meanwhile)
    caller = Caller("system:dms", frozenset({AgencyCode(RECIPIENT)}))
    with pytest.raises(TakenBackError):
        await row.tinh.inbox.fetch(caller, item.delivery_id)
    await _agree(row.posts, document, "taken-back")


async def test_a_13_kept_for_a_document_does_not_take_a_later_one_of_its_name(row: Any) -> None:
    """Who corrects a document sends it anew under the same id: the old 13 means what was before it."""
    name = row.name()
    await row.thon.submit(SENDER, row.letter(name))
    await row.settle_down()
    await row.thon.submit(SENDER, row.take_back(name))
    await row.settle_down()
    again = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.settle_down()

    assert await row.tinh.state(again) == "available"
    assert await row.tinh.fetch(again)


async def test_nobody_takes_back_what_another_sent(row: Any) -> None:
    """The id of a document is no secret and proves nothing."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.settle_down()
    forged = _from(row.take_back(name), "H01.15")
    await row.xa.submit("H01.15", forged)
    await row.settle_down()

    assert await row.tinh.state(document) == "available"
    assert await row.tinh.asked(document) == []


async def test_a_recipient_takes_back_nothing_that_it_was_sent(row: Any) -> None:
    """A 13 that it sends to the document's sender is carried, and asks nothing of that document."""
    name = row.name()
    document = (await row.thon.submit(SENDER, row.letter(name))).message_id
    await row.settle_down()
    await row.tinh.submit(RECIPIENT, row.status("13", name))
    await row.settle_down()

    for post in row.posts:
        assert await post.state(document) == "available"
        assert await post.asked(document) == []


async def test_a_decision_survives_a_crash_before_its_receipt(rows: Any, tmp_path: Any) -> None:
    """The 13 is committed, nothing is signed yet, the process dies: after the start the receipt is made,
    and meanwhile nobody gets the document."""
    folder = tmp_path / "kept"
    async with rows.open(folder) as row:
        name = row.name()
        document = (await row.thon.submit(SENDER, row.letter(name))).message_id
        await row.settle_down()
        take_back = (await row.thon.submit(SENDER, row.take_back(name))).message_id
        await row.carry(row.thon, row.xa, take_back)
        await row.carry(row.xa, row.tinh, take_back)
    async with rows.open(folder) as row:
        assert not await row.tinh.fetch(document)
        await _agree([row.thon, row.xa], document, "requested")
        await row.settle_down()
        await _agree(row.posts, document, "taken-back")
        issued = [
            e
            for e in await row.tinh.events()
            if e["event"] == "receipt-issued" and e.get("reason") == "taken-back"
        ]
        assert len(issued) == 2  # of the document and of the 13, each once
        assert await row.tinh.verdicts.sweep() == 0


async def test_a_fail_keeps_its_words_when_the_document_is_taken_back(row: Any) -> None:
    """The receipt that says taken back is no word of the recipient's system. The sender's list then says
    only that it was taken back."""
    name = row.name()
    document = (await row.xa.submit("H01.15", _from(row.letter(name), "H01.15"))).message_id
    await row.carry(row.xa, row.tinh, document)
    dms = Caller("system:dms", frozenset({AgencyCode(RECIPIENT)}))
    (item,) = await row.tinh.listed()
    await row.tinh.inbox.acknowledge(dms, item.delivery_id, Acknowledgement.FAIL, "lỗi giải nén")
    await row.settle_down()
    await row.xa.submit("H01.15", _from(row.take_back(name), "H01.15"))
    await row.settle_down()
    sender = Caller("system:dms", frozenset({AgencyCode("H01.15")}))
    outbox = OutboxDesk(row.xa.journal)
    (sent,) = await outbox.list(sender, SentQuery(MessageType.DOCUMENT))
    assert sent.state is DeliveryState.TAKEN_BACK
    assert (sent.acknowledgement, sent.detail) == (Acknowledgement.FAIL, "lỗi giải nén")
    assert sent_row(sent)["sendStatusDesc"] == "da lay lai / taken back"

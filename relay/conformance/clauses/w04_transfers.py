"""W4: transfers, as the kit sends them to a judged node and as the node sends them."""

from __future__ import annotations

import secrets
from datetime import timedelta

from relay.conformance.instants import now
from relay.conformance.link import Weather
from relay.conformance.listener import lost
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require, require_equal
from relay.model import Digest, Event, NodeId, Reason, TraceStep

book = Book()


@book.asserts(
    "W4.5", "same-bytes", "A repeated transfer gets the same answer, to the byte", Part.NEIGHBOUR
)
async def same_bytes(stand: Stand) -> None:
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    first = await stand.peer.send(prepared)
    stand.peer.receipt(first)
    second = await stand.peer.send(prepared)
    require_equal(second.status, first.status, "the status of the repeat")
    require(second.body == first.body, "the second answer has other bytes than the first")


@book.asserts("W4.5", "another-header", "The same id with another header is 409", Part.NEIGHBOUR)
async def another_header(stand: Stand) -> None:
    envelope = stand.letter_in()
    prepared = stand.peer.transfer(envelope, [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(prepared))
    changed = stand.peer.transfer(
        envelope, [stand.subject.agency], transfer_id=prepared.header.transfer_id
    )
    require_equal((await stand.peer.send(changed)).status, 409, "the status")


@book.asserts(
    "W4.6",
    "once",
    "A message that comes again in another transfer is there once",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def once(stand: Stand) -> None:
    envelope = stand.letter_in()
    first = stand.peer.transfer(envelope, [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(first))
    again = stand.peer.transfer(
        envelope, [stand.subject.agency], message_id=first.header.message_id
    )
    receipt = stand.peer.receipt(await stand.peer.send(again))
    require(
        receipt.evidence[0].event is Event.RELAY_ACCEPTANCE,
        f"the repeat is answered {receipt.evidence[0].event}",
    )
    require_equal(len(await stand.dms.until_copies(envelope)), 1, "the copies at the recipient's")


@book.asserts(
    "W4.6", "conflict", "Other bytes under the same message id are refused", Part.NEIGHBOUR
)
async def conflict(stand: Stand) -> None:
    first = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(first))
    other = stand.peer.transfer(
        stand.letter_in(), [stand.subject.agency], message_id=first.header.message_id
    )
    receipt = stand.peer.receipt(await stand.peer.send(other))
    require_equal(
        [(one.event, one.reason) for one in receipt.evidence],
        [(Event.RELAY_REJECTION, Reason.CONFLICT)],
        "the evidence",
    )


@book.asserts(
    "W4.7",
    "to-the-byte",
    "The envelope that is fetched has the bytes that were sent",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def to_the_byte(stand: Stand) -> None:
    envelope = stand.letter_in(size_bytes=200_000)
    stand.peer.receipt(await stand.peer.send(stand.peer.transfer(envelope, [stand.subject.agency])))
    require_equal(len(await stand.dms.until_copies(envelope)), 1, "the copies with these bytes")


@book.asserts("W4.8", "loop", "A trace that names the receiver is refused", Part.NEIGHBOUR)
async def loop(stand: Stand) -> None:
    envelope = stand.letter_in()
    header = stand.peer.header(envelope, [stand.subject.agency])
    step = TraceStep(NodeId(stand.subject.id), now(), Digest(secrets.token_hex(32)))
    prepared = stand.peer.transfer(
        envelope, [stand.subject.agency], trace=(header.trace[0], step, header.trace[0])
    )
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(receipt.evidence[0].reason, Reason.LOOP, "the reason")


@book.asserts("W4.8", "expired", "A transfer past its expiry is refused", Part.NEIGHBOUR)
async def expired(stand: Stand) -> None:
    at = now()
    prepared = stand.peer.transfer(
        stand.letter_in(),
        [stand.subject.agency],
        created_at=at - timedelta(days=2),
        expires_at=at - timedelta(days=1),
    )
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(receipt.evidence[0].reason, Reason.EXPIRED, "the reason")


@book.asserts(
    "W4.3",
    "to-the-letter",
    "A transfer without an answer is repeated to the letter",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def to_the_letter(stand: Stand) -> None:
    envelope = stand.letter_out()
    with stand.listener.answering(lost):
        await stand.dms.send(envelope)
        digest = stand.peer.header(envelope, [stand.peer.agency]).digest
        first = await stand.listener.transfer_of(digest)
    second = await stand.listener.transfer_of(digest, count=2)
    require(second.signed == first.signed, "header or signature of the repeat differ")
    require(second.envelope == envelope, "the envelope of the repeat differs")


@book.asserts(
    "W4.6",
    "lost-answers",
    "A document whose answers are lost on the way arrives, and once",
    Part.LINK,
)
async def lost_answers(stand: Stand) -> None:
    envelope = stand.letter_over(size_bytes=60_000)
    stand.link.become(Weather.NO_ANSWERS, cut_bytes=30_000)
    stand.link.over_bytes = 0
    await stand.dms.send(envelope)
    arrived = await stand.other_dms.until_copies(envelope, seconds=4.0)
    stand.link.become(Weather.CLEAR)
    if not arrived:
        arrived = await stand.other_dms.until_copies(envelope)
    require_equal(len(arrived), 1, "the copies at the recipient's")

"""W4: transfers, as the kit sends them to a judged node and as the node sends them."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

from relay.conformance.controls import takes_transfers
from relay.conformance.instants import now
from relay.conformance.link import Weather
from relay.conformance.listener import lost
from relay.conformance.peer import MULTIPART_TYPE, PART_NAMES, Prepared, multipart
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require, require_equal
from relay.model import Digest, Event, NodeId, Reason, SealKind, Signed, TraceStep, digest_of
from relay.signing.seal import make_seal

book = Book(control=takes_transfers)
RETRY_SECONDS = 30.0
VALUE = b"<ds:SignatureValue>"


async def _reason(stand: Stand, prepared: Prepared) -> Reason | None:
    """Of the only evidence of the only receipt."""
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal([one.event for one in receipt.evidence], [Event.RELAY_REJECTION], "the evidence")
    return receipt.evidence[0].reason


def _steps(stand: Stand, count: int) -> tuple[TraceStep, ...]:
    """A trace of so many steps that begins and ends at the kit's node."""
    here = TraceStep(stand.peer.node, now(), Digest(secrets.token_hex(32)))
    others = [
        TraceStep(NodeId(f"nut-{number}"), now(), Digest(secrets.token_hex(32)))
        for number in range(count - 2)
    ]
    return (here, *others, here)


@book.asserts(
    "W4.1", "order", "Parts in another order are refused, without evidence", Part.NEIGHBOUR
)
async def order(stand: Stand) -> None:
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    parts = list(zip(PART_NAMES, prepared.contents(), strict=True))
    parts[0], parts[2] = parts[2], parts[0]
    answer = await stand.peer.post(
        "/axis/v1/transfers", multipart(parts), {"Content-Type": MULTIPART_TYPE}
    )
    require(400 <= answer.status < 500, f"answered {answer.status}")


@book.asserts("W4.1", "long-signature", "A signature over 64 KiB is refused", Part.NEIGHBOUR)
async def long_signature(stand: Stand) -> None:
    """White space within base64, as any signature may have it (W3.3): nothing else is wrong with it."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    signature = prepared.signed.signature.replace(VALUE, VALUE + b"\n" * (64 << 10), 1)
    answer = await stand.peer.send(
        replace(prepared, signed=Signed(prepared.signed.document, signature))
    )
    require(400 <= answer.status < 500, f"answered {answer.status}")


@book.asserts("W4.1", "long-header", "A header over 1 MiB is refused", Part.NEIGHBOUR)
async def long_header(stand: Stand) -> None:
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    document = prepared.signed.document + b" " * (1 << 20)
    answer = await stand.peer.send(
        replace(prepared, signed=Signed(document, prepared.signed.signature))
    )
    require(400 <= answer.status < 500, f"answered {answer.status}")


@book.asserts("W4.2", "not-for-it", "A transfer for another node is refused", Part.NEIGHBOUR)
async def not_for_it(stand: Stand) -> None:
    prepared = stand.peer.transfer(
        stand.letter_in(), [stand.subject.agency], sent_to=NodeId(stand.other.id)
    )
    answer = await stand.peer.send(prepared)
    require(400 <= answer.status < 500, f"answered {answer.status}")


@book.asserts(
    "W4.4",
    "durable",
    "What was answered is there after a crash, and so is the answer",
    Part.NEIGHBOUR,
    Part.AXIS,
    Part.CRASH,
)
async def durable(stand: Stand) -> None:
    envelope = stand.letter_in()
    prepared = stand.peer.transfer(envelope, [stand.subject.agency])
    first = await stand.peer.send(prepared)
    await stand.crash()
    stand.peer.receipt(first)
    again = await stand.peer.get(f"/axis/v1/transfers/{prepared.header.transfer_id}")
    require_equal(again.status, 200, "the status of W4.10 after the crash")
    require(again.body == first.body, "the answer has other bytes after the crash")
    require_equal(len(await stand.dms.until_copies(envelope)), 1, "the copies after the crash")


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


@book.asserts(
    "W4.7", "cut", "Fewer bytes than the header says are a broken connection: 503", Part.NEIGHBOUR
)
async def cut(stand: Stand) -> None:
    envelope = stand.letter_in()
    prepared = stand.peer.transfer(envelope, [stand.subject.agency])
    answer = await stand.peer.send(replace(prepared, envelope=envelope[:-10]))
    require_equal(answer.status, 503, "the status")
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(receipt.evidence[0].event, Event.RELAY_ACCEPTANCE, "the evidence afterwards")


@book.asserts(
    "W4.7", "other-bytes", "An envelope that is not the header's is refused, signed", Part.NEIGHBOUR
)
async def other_bytes(stand: Stand) -> None:
    envelope = stand.letter_in()
    prepared = stand.peer.transfer(envelope, [stand.subject.agency])
    spoilt = envelope.replace(b">KT<", b">KX<", 1)
    require_equal(
        await _reason(stand, replace(prepared, envelope=spoilt)), Reason.BAD_TRANSFER, "the reason"
    )


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


@book.asserts("W4.8", "sixteen", "A trace of 16 steps may end here", Part.NEIGHBOUR)
async def sixteen(stand: Stand) -> None:
    prepared = stand.peer.transfer(
        stand.letter_in(), [stand.subject.agency], trace=_steps(stand, 16)
    )
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(receipt.evidence[0].event, Event.RELAY_ACCEPTANCE, "the evidence")


@book.asserts("W4.8", "too-many-hops", "A trace of 17 steps is refused", Part.NEIGHBOUR)
async def too_many_hops(stand: Stand) -> None:
    prepared = stand.peer.transfer(
        stand.letter_in(), [stand.subject.agency], trace=_steps(stand, 17)
    )
    require_equal(await _reason(stand, prepared), Reason.TOO_MANY_HOPS, "the reason")


@book.asserts(
    "W4.8", "no-further", "At the 16th step what lies further on is refused", Part.NEIGHBOUR
)
async def no_further(stand: Stand) -> None:
    prepared = stand.peer.transfer(
        stand.letter_in(to=[stand.other.agency]), [stand.other.agency], trace=_steps(stand, 16)
    )
    require_equal(await _reason(stand, prepared), Reason.TOO_MANY_HOPS, "the reason")


@book.asserts(
    "W4.8", "back", "A way that leads back to the sender is refused as unreachable", Part.NEIGHBOUR
)
async def back(stand: Stand) -> None:
    prepared = stand.peer.transfer(stand.letter_in(to=[stand.peer.agency]), [stand.peer.agency])
    require_equal(await _reason(stand, prepared), Reason.UNREACHABLE, "the reason")


@book.asserts(
    "W4.9",
    "future",
    "A transfer of the future is not taken yet: 503, and no evidence",
    Part.NEIGHBOUR,
)
async def future(stand: Stand) -> None:
    later = now() + timedelta(hours=2)
    prepared = stand.peer.transfer(
        stand.letter_in(),
        [stand.subject.agency],
        created_at=later,
        expires_at=later + timedelta(days=1),
    )
    require_equal((await stand.peer.send(prepared)).status, 503, "the status")


@book.asserts(
    "W4.9", "tolerated", "A clock two minutes ahead is within the tolerance", Part.NEIGHBOUR
)
async def tolerated(stand: Stand) -> None:
    prepared = stand.peer.transfer(
        stand.letter_in(), [stand.subject.agency], created_at=now() + timedelta(minutes=2)
    )
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(receipt.evidence[0].event, Event.RELAY_ACCEPTANCE, "the evidence")


@book.asserts(
    "W4.11",
    "origin",
    "An origin that does not lie behind the neighbour is refused",
    Part.NEIGHBOUR,
)
async def origin(stand: Stand) -> None:
    """As it came to a node of another branch, and well sealed there: it is sent on as if it had come from there."""
    elsewhere, agency = stand.other_kit, stand.other_kit_agency
    envelope = stand.letter_from(agency, [stand.subject.agency])
    header = stand.peer.header(envelope, [stand.subject.agency], sender=agency, origin=elsewhere)
    step = replace(header.trace[0], node=elsewhere)
    prepared = stand.peer.prepared(replace(header, trace=(step, *header.trace)), envelope)
    signer = stand.authority.of(elsewhere).signer()
    seal = make_seal(header.digest, SealKind.NODE, signer, now())
    reason = await _reason(stand, replace(prepared, seal=seal.signature))
    require_equal(reason, Reason.BAD_TRANSFER, "the reason")


@book.asserts(
    "W4.11", "from", "An envelope whose From is not the header's is refused", Part.NEIGHBOUR
)
async def another_from(stand: Stand) -> None:
    envelope = stand.letter_from(f"{stand.peer.agency}.01", [stand.subject.agency])
    prepared = stand.peer.transfer(envelope, [stand.subject.agency])
    require_equal(await _reason(stand, prepared), Reason.BAD_TRANSFER, "the reason")


@book.asserts(
    "W4.12",
    "no-other",
    "What is in doubt goes in no other transfer",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def no_other(stand: Stand) -> None:
    envelope = stand.letter_out()
    digest = digest_of(envelope)
    with stand.listener.answering(lost):
        await stand.dms.send(envelope)
        await stand.listener.transfer_of(digest, count=3)
    await stand.listener.transfer_of(digest, count=4)
    ids = {one.header.transfer_id for one in stand.listener.arrived if one.header.digest == digest}
    require_equal(len(ids), 1, "the number of transfers with the envelope")


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
    await stand.other_dms.until_copies(envelope, seconds=4.0)
    stand.link.become(Weather.CLEAR)
    await stand.link.used_again(RETRY_SECONDS)
    require_equal(len(await stand.other_dms.until_copies(envelope)), 1, "the copies")

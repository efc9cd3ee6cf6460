"""W8.5 to W8.7: the judged node is restored from a backup, and the kit has what it lost."""

from __future__ import annotations

from collections.abc import Callable

from relay.conformance.peer import Answer
from relay.conformance.requested import Arrived
from relay.conformance.restored import Seen, seen
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.model import Event

CAPABILITY = "recovery"
book = Book(Part.NEIGHBOUR, Part.AXIS, Part.RESTORE, capability=CAPABILITY)


def _status(answer: Answer | None) -> int:
    return 0 if answer is None else answer.status


@book.asserts("W8.5", "as-it-was", "What was sent is a message again, under its old id")
async def as_it_was(stand: Stand) -> None:
    """Handed in again it is a repeat: nothing goes out under another id."""
    found = await seen(stand)
    others = found.ids[found.honest.header.digest] - {found.honest.header.message_id}
    require(not others, f"the document went out as another message: {others}")


def _not_proven(name: str, said: str, which: Callable[[Seen], Arrived]) -> None:
    @book.asserts("W8.5", name, f"What is given back {said} is not admitted")
    async def not_admitted(stand: Stand) -> None:
        """Handed in again it is another message, which goes out."""
        found = await seen(stand)
        header = which(found).header
        others = found.ids[header.digest] - {header.message_id}
        require(bool(others), "the document is taken for one that was admitted")


_not_proven("other-envelope", "with another envelope", lambda found: found.other_envelope)
_not_proven("other-signer", "under another signature", lambda found: found.other_signer)


@book.asserts(
    "W8.5", "other-origin", "What is given back of another origin is not admitted", Part.SECOND
)
async def other_origin(stand: Stand) -> None:
    """Sent again by its origin it is no repeat: it goes on."""
    relayed = (await seen(stand)).of_another
    if relayed is None:
        raise InconclusiveError("it was not sent")
    require(relayed.comes_again, "the document is taken for one that was admitted")


@book.asserts("W8.6", "no-submissions", "A node that recovers takes no submissions")
async def no_submissions(stand: Stand) -> None:
    require(bool((await seen(stand)).submission), "a document that was handed in was taken")


@book.asserts("W8.6", "transfers", "A node that recovers takes transfers")
async def transfers(stand: Stand) -> None:
    answer = (await seen(stand)).transfer
    require_equal(_status(answer), 200, "the status of the transfer")


@book.asserts("W8.6", "receipts", "A node that recovers takes receipts")
async def receipts(stand: Stand) -> None:
    answer = (await seen(stand)).receipt
    require_equal(_status(answer), 204, "the status of the receipt")


@book.asserts(
    "W8.6",
    "receipt-kept",
    "A receipt about a message that is not back yet is kept for it",
    Part.NATIVE,
)
async def receipt_kept(stand: Stand) -> None:
    found = await seen(stand)
    answer = await stand.dms.native("GET", f"/v1/messages/{found.honest.header.message_id}")
    require_equal(answer.status, 200, "the status of the message")
    kept = Event.CONTENT_HANDOVER.encode() in answer.body
    require(kept, "the message does not know the receipt")


@book.asserts("W8.6", "late", "What a restore may have lost is not refused as expired")
async def late(stand: Stand) -> None:
    answer = (await seen(stand)).late
    if answer is None:
        raise InconclusiveError("it was not sent")
    event = stand.peer.receipt(answer).evidence[0].event
    require_equal(event, Event.RELAY_ACCEPTANCE, "the evidence")


@book.asserts("W8.7", "meanwhile", "A node that recovers says of no transfer 404")
async def meanwhile(stand: Stand) -> None:
    found = await seen(stand)
    require_equal(_status(found.asked_meanwhile), 503, "the status of one that it had")
    require_equal(_status(found.asked_unsent), 503, "the status of one that it never had")


@book.asserts("W8.7", "afterwards", "Nor afterwards of one that it may have lost")
async def afterwards(stand: Stand) -> None:
    require_equal(_status((await seen(stand)).asked_afterwards), 503, "the status")


@book.asserts("W8.7", "repeated", "The transfer itself, repeated, is taken")
async def repeated(stand: Stand) -> None:
    answer = (await seen(stand)).repeated
    if answer is None:
        raise InconclusiveError("it was not sent")
    event = stand.peer.receipt(answer).evidence[0].event
    require_equal(event, Event.RELAY_ACCEPTANCE, "the evidence")

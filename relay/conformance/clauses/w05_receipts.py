"""W5: answers, and receipts travelling back."""

from __future__ import annotations

from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require, require_equal
from relay.model import Event, Reason

book = Book()


@book.asserts(
    "W5.3",
    "accepted",
    "A served recipient is accepted, and the document consigned",
    Part.NEIGHBOUR,
)
async def accepted(stand: Stand) -> None:
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(
        [one.event for one in receipt.evidence],
        [Event.RELAY_ACCEPTANCE, Event.CONTENT_CONSIGNMENT],
        "the evidence",
    )
    require_equal(receipt.digest, prepared.header.digest, "the receipt's PayloadDigest")
    require_equal(receipt.message_id, prepared.header.message_id, "the receipt's MessageId")
    require_equal(receipt.transfer_id, prepared.header.transfer_id, "the receipt's TransferId")


@book.asserts(
    "W5.3", "unknown-recipient", "An unknown recipient is refused, with the reason", Part.NEIGHBOUR
)
async def unknown_recipient(stand: Stand) -> None:
    nobody = f"{stand.subject.agency}.404"
    prepared = stand.peer.transfer(stand.letter_in(to=[nobody]), [nobody])
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(
        [(one.event, one.reason) for one in receipt.evidence],
        [(Event.RELAY_REJECTION, Reason.UNKNOWN_RECIPIENT)],
        "the evidence",
    )


@book.asserts("W5.4", "previous", "Evidence names the receipt of the hop before", Part.NEIGHBOUR)
async def previous(stand: Stand) -> None:
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    expected = prepared.header.trace[-1].receipt
    require(
        all(one.previous == expected for one in receipt.evidence),
        "an evidence's Previous is not the last step of the trace",
    )

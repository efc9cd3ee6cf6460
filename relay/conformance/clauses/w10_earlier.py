"""W10.9: documents that revoke, update or replace an earlier one."""

from __future__ import annotations

from relay.conformance import papers
from relay.conformance.business import (
    SOON,
    came_out,
    come_in,
    evidence_of,
    named,
    returned,
    say_in,
)
from relay.conformance.instants import now
from relay.conformance.listener import saying
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, FailedError, Part, require_equal
from relay.envelope.reader import read
from relay.model import Event, digest_of

book = Book(Part.NEIGHBOUR, Part.AXIS)
OPERATIONS = {1: "revokes", 2: "updates", 3: "replaces"}


def _about(sender: str, recipient: str, operation: int, earlier: bytes) -> bytes:
    business = papers.earlier(operation, read(earlier).document_id, recipient)
    return papers.letter(sender, [recipient], now(), business=business)


def _inwards(stand: Stand, operation: int, earlier: bytes) -> bytes:
    return _about(stand.peer.agency, stand.subject.agency, operation, earlier)


def _outwards(stand: Stand, operation: int, earlier: bytes) -> bytes:
    return _about(stand.subject.agency, stand.peer.agency, operation, earlier)


@book.asserts(
    "W10.9",
    "carried-in",
    "What revokes, updates or replaces a document reaches its recipient as any document",
)
async def carried_in(stand: Stand) -> None:
    """Of documents that nobody knows here."""
    for operation, does in OPERATIONS.items():
        prepared = await come_in(stand, _inwards(stand, operation, stand.letter_in()))
        if not await stand.dms.until_copies(prepared.envelope, SOON):
            raise FailedError(f"what {does} a document is not at its recipient's disposal")


@book.asserts(
    "W10.9",
    "carried-out",
    "What revokes, updates or replaces a document is carried to other nodes as any document",
)
async def carried_out(stand: Stand) -> None:
    for operation, does in OPERATIONS.items():
        envelope = _outwards(stand, operation, stand.letter_out())
        await stand.dms.send(envelope)
        await came_out(stand, envelope, f"what {does} a document")


@book.asserts(
    "W10.9",
    "earlier-stays",
    "The earlier document stays at its recipient's disposal, and nothing is said of its delivery",
)
async def earlier_stays(stand: Stand) -> None:
    """What would be said of it comes before what is said of a document that is taken back afterwards."""
    spoken_of = []
    for operation, does in OPERATIONS.items():
        earlier = await come_in(stand)
        await come_in(stand, _inwards(stand, operation, earlier.envelope))
        found = await stand.dms.until_copies(earlier.envelope, SOON)
        require_equal(len(found), 1, f"the copies of a document that another {does}")
        spoken_of.append(earlier.header.message_id)
    last = await come_in(stand)
    await say_in(stand, "13", named(last.envelope, stand.subject.agency))
    await evidence_of(stand, last.header.message_id, Event.CONTENT_HANDOVER_FAILURE)
    said = [item for message_id in spoken_of for item in returned(stand, message_id)]
    require_equal(said, [], "the evidence about the earlier documents")


@book.asserts(
    "W10.9",
    "earlier-travels-on",
    "The earlier document travels on where it waits beside what revokes, updates or replaces it",
)
async def earlier_travels_on(stand: Stand) -> None:
    """Something is refused first, so that the others wait behind it."""
    first = stand.letter_out()
    sent = []
    with stand.listener.answering(saying(503)):
        await stand.dms.send(first)
        await stand.listener.transfer_of(digest_of(first))
        for operation, does in OPERATIONS.items():
            earlier = stand.letter_out()
            await stand.dms.send(earlier)
            await stand.dms.send(_outwards(stand, operation, earlier))
            sent.append((earlier, does))
    await stand.peer.node_document()  # it is there again
    for earlier, does in sent:
        await came_out(stand, earlier, f"a document that another {does}")

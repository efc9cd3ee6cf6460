"""W10: statuses, which travel as any message, and what a node says in its own words."""

from __future__ import annotations

from relay.conformance.absence import transfer_awaited
from relay.conformance.business import (
    SOON,
    came_out,
    come_in,
    go_out,
    named,
    say_in,
    say_out,
)
from relay.conformance.listener import lost
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    NotClaimedError,
    Part,
    require,
)
from relay.delivery.ports import Acknowledgement
from relay.envelope.reader import read
from relay.model import MessageType, digest_of

book = Book()
OWN_WORDS = "[Trục liên thông tự động thông báo, không phải của đơn vị nhận]"


async def _given_out(stand: Stand, status: bytes, what: str) -> None:
    if not await stand.dms.until_copies(status, SOON, MessageType.STATUS):
        raise FailedError(f"{what} is not at its recipient's disposal")


@book.asserts(
    "W10.1",
    "carried-in",
    "A status reaches the agency that it speaks to",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def carried_in(stand: Stand) -> None:
    arrived = await go_out(stand)
    said = await say_in(stand, "03", named(arrived.envelope, stand.subject.agency))
    await _given_out(stand, said.envelope, "the status")


@book.asserts(
    "W10.1",
    "carried-out",
    "A status is carried to the sender of its document, to the byte",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def carried_out(stand: Stand) -> None:
    prepared = await come_in(stand)
    said = await say_out(stand, "03", named(prepared.envelope, stand.peer.agency))
    await came_out(stand, said, "the status")


@book.asserts(
    "W10.1",
    "unmatched",
    "A status about a document that is not known here is carried all the same",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def unmatched(stand: Stand) -> None:
    about = named(stand.letter_out(), stand.subject.agency)
    said = await say_in(stand, "03", about)
    await _given_out(stand, said.envelope, "a status that came before its document")


@book.asserts(
    "W10.1",
    "any-order",
    "Statuses that come in another order than they were said are all carried",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def any_order(stand: Stand) -> None:
    arrived = await go_out(stand)
    about = named(arrived.envelope, stand.subject.agency)
    said = [await say_in(stand, code, about) for code in ("06", "05", "03", "01")]
    for one, code in zip(said, ("06", "05", "03", "01"), strict=True):
        await _given_out(stand, one.envelope, f"the {code}")


@book.asserts(
    "W10.1",
    "not-the-transport",
    "A status about a document ends nothing of its transport",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def not_the_transport(stand: Stand) -> None:
    """A document in doubt, of which its recipient says 02, is repeated until it has its answer."""
    envelope = stand.letter_out()
    with stand.listener.answering(lost):
        await stand.dms.send(envelope)
        await stand.listener.transfer_of(digest_of(envelope))
        await say_in(stand, "02", named(envelope, stand.subject.agency))
        count = _times(stand, envelope)
    again = "a repeat of the document that there is a status about"
    await transfer_awaited(stand, digest_of(envelope), SOON, again, count + 1)


def _times(stand: Stand, envelope: bytes) -> int:
    digest = digest_of(envelope)
    return sum(1 for one in stand.listener.arrived if one.header.digest == digest)


@book.asserts(
    "W10.1",
    "own-words",
    "A status that the node makes itself says so in its first words",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def own_words(stand: Stand) -> None:
    """The kit's system acknowledges a document, and says nothing of it itself."""
    prepared = await come_in(stand)
    copies = await stand.dms.until_copies(prepared.envelope)
    if not copies:
        raise InconclusiveError("the document is not at its recipient's disposal")
    await stand.dms.client.update_status(copies[0], Acknowledgement.DONE)
    about = read(prepared.envelope).document_id

    def found() -> str | None:
        arrived = [one for one in stand.listener.arrived if _about(one.envelope) == about]
        return _description(arrived[0].envelope) if arrived else None

    try:
        words: str = await stand.listener.until(found, SOON, "a status")
    except InconclusiveError:
        raise NotClaimedError("it makes no status 01 by itself") from None
    require(words.startswith(OWN_WORDS), f"the status begins with {words[:80]!r}")


def _about(envelope: bytes) -> str:
    found = read(envelope)
    spoken = found.response_for if found.status is not None else ()
    return spoken[0].document_id if spoken else ""


def _description(envelope: bytes) -> str:
    status = read(envelope).status
    return "" if status is None else status.description


# ------------------------------------------------------------ answers to a 13, and their way


@book.asserts(
    "W10.8",
    "carried",
    "The answers 15 and 16 are carried to who asked",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def answers_carried(stand: Stand) -> None:
    prepared = await come_in(stand)
    about = named(prepared.envelope, stand.peer.agency)
    for code in ("16", "15"):
        await came_out(stand, await say_out(stand, code, about), f"the {code}")


@book.asserts(
    "W10.8",
    "asked-again",
    "A 13 is carried also after a 16 declined the one before",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def asked_again(stand: Stand) -> None:
    arrived = await go_out(stand)
    to_kit = named(arrived.envelope, stand.peer.agency)
    await came_out(stand, await say_out(stand, "13", to_kit), "the 13")
    await say_in(stand, "16", named(arrived.envelope, stand.subject.agency))
    await came_out(stand, await say_out(stand, "13", to_kit), "the second 13")

"""W10: take-backs, where they meet their document, and the evidence that they leave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from relay.conformance import papers
from relay.conformance.absence import transfer_awaited
from relay.conformance.business import (
    SOON,
    came_out,
    come_in,
    evidence_of,
    go_out,
    later,
    named,
    obligation,
    require_obligation,
    returned,
    say_in,
    say_out,
)
from relay.conformance.controls import takes_receipts
from relay.conformance.instants import now
from relay.conformance.listener import lost
from relay.conformance.peer import Prepared
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.envelope.reader import read
from relay.model import (
    Event,
    MessageType,
    Reason,
    ResponseFor,
    Signed,
    digest_of,
)
from relay.signing.xades import DocumentName, build
from relay.transport.axis.client import AxisFailure
from relay.wire.receipt import write_receipt

book = Book()
OUTCOMES = (Event.CONTENT_HANDOVER_FAILURE, Event.RELAY_FAILURE)
Naming = Callable[[Prepared, str], ResponseFor]


async def _taken_back(stand: Stand, prepared: Prepared) -> None:
    """FAIL unless there is evidence that the recipient never had it."""
    item = await evidence_of(stand, prepared.header.message_id, *OUTCOMES)
    require_equal(item.reason, Reason.TAKEN_BACK, f"the reason of {item.event}")


async def _fetched(stand: Stand) -> Prepared:
    prepared = await come_in(stand)
    if not await stand.dms.until_copies(prepared.envelope):
        raise InconclusiveError("the document is not at its recipient's disposal")
    return prepared


# ------------------------------------------------------------ W10.2: which documents a 13 means


def _by_document_id(prepared: Prepared, to: str) -> ResponseFor:
    return ResponseFor(to, document_id=read(prepared.envelope).document_id)


def _by_message_id(prepared: Prepared, to: str) -> ResponseFor:
    return ResponseFor(to, document_id=prepared.header.message_id)


def _by_number(prepared: Prepared, to: str) -> ResponseFor:
    return replace(named(prepared.envelope, to), document_id="")


def _means(naming: Naming) -> Callable[[Stand], Awaitable[None]]:
    async def means(stand: Stand) -> None:
        prepared = await come_in(stand)
        await say_in(stand, "13", naming(prepared, stand.subject.agency))
        await _taken_back(stand, prepared)

    return means


for _name, _words, _naming in (
    ("by-document-id", "its DocumentId", _by_document_id),
    ("by-message-id", "its message id", _by_message_id),
    ("by-number", "its number and date", _by_number),
):
    book.asserts(
        "W10.2",
        _name,
        f"A 13 that names a document by {_words} takes it back",
        Part.NEIGHBOUR,
        Part.AXIS,
    )(_means(_naming))


@book.asserts(
    "W10.2",
    "before-its-document",
    "A 13 that comes before its document takes it back as it comes",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def before_its_document(stand: Stand) -> None:
    envelope = stand.letter_in()
    prepared = stand.peer.transfer(envelope, [stand.subject.agency])
    await say_in(stand, "13", named(envelope, stand.subject.agency))
    stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(await stand.dms.copies(envelope), [], "what is listed of the document")
    await _taken_back(stand, prepared)


@book.asserts(
    "W10.2",
    "minted-later",
    "A 13 does not speak of what was sent after it under the same name",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def minted_later(stand: Stand) -> None:
    envelope = stand.letter_in()
    await say_in(stand, "13", named(envelope, stand.subject.agency))
    prepared = await come_in(stand, envelope)
    require_equal(len(await stand.dms.until_copies(envelope, SOON)), 1, "the copies")
    require_equal(returned(stand, prepared.header.message_id), [], "the evidence that came back")


@book.asserts(
    "W10.2",
    "of-another",
    "A 13 does not speak of another sender's document",
    Part.NEIGHBOUR,
    Part.AXIS,
    Part.LINK,
)
async def of_another(stand: Stand) -> None:
    envelope = papers.letter(stand.other.agency, [stand.subject.agency], now())
    before = set(await stand.dms.listed())
    await stand.other_dms.send(envelope)
    await _one_more(stand, before)
    await say_in(stand, "13", named(envelope, stand.subject.agency))
    require_equal(len(await stand.dms.copies(envelope)), 1, "the copies")


async def _one_more(stand: Stand, before: set[str]) -> None:
    """Until something new is listed; nothing is fetched."""

    async def more() -> bool:
        return bool(set(await stand.dms.listed()) - before)

    for _ in range(100):
        if await more():
            return
    raise InconclusiveError("the other's document did not come")


# ------------------------------------------------------------ W10.3: not fetched yet


@book.asserts(
    "W10.3",
    "not-listed",
    "What was taken back is listed no more, and its 13 is not offered",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def not_listed(stand: Stand) -> None:
    before = set(await stand.dms.listed())
    prepared = await come_in(stand)
    require(bool(set(await stand.dms.listed()) - before), "it was not listed before, either")
    said = await say_in(stand, "13", named(prepared.envelope, stand.subject.agency))
    require_equal(await stand.dms.copies(prepared.envelope), [], "what is listed of the document")
    statuses = await stand.dms.copies(said.envelope, MessageType.STATUS)
    require_equal(statuses, [], "what is listed of the 13")


@book.asserts(
    "W10.3",
    "not-given-out",
    "What was taken back is not given out to who knew its id",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def not_given_out(stand: Stand) -> None:
    before = set(await stand.dms.listed())
    prepared = await come_in(stand)
    known = set(await stand.dms.listed()) - before
    require_equal(len(known), 1, "the number of documents that were listed anew")
    await say_in(stand, "13", named(prepared.envelope, stand.subject.agency))
    try:
        found = await stand.dms.client.get(known.pop())
    except AxisFailure:
        return
    raise FailedError(f"the document is given out: {len(found)} bytes")


@book.asserts(
    "W10.3",
    "evidence",
    "Document and 13 both have a ContentHandoverFailure with reason taken-back",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def evidence(stand: Stand) -> None:
    prepared = await come_in(stand)
    said = await say_in(stand, "13", named(prepared.envelope, stand.subject.agency))
    for one, what in ((prepared, "the document"), (said, "the 13")):
        item = await evidence_of(stand, one.header.message_id, *OUTCOMES)
        require_equal(
            (item.event, item.reason),
            (Event.CONTENT_HANDOVER_FAILURE, Reason.TAKEN_BACK),
            f"the evidence about {what}",
        )


@book.asserts(
    "W10.3",
    "fetched-is-durable",
    "What was fetched counts as fetched after a crash",
    Part.NEIGHBOUR,
    Part.AXIS,
    Part.CRASH,
)
async def fetched_is_durable(stand: Stand) -> None:
    prepared = await _fetched(stand)
    await stand.crash()
    said = await say_in(stand, "13", named(prepared.envelope, stand.subject.agency))
    item = await evidence_of(stand, said.header.message_id, Event.CONTENT_CONSIGNMENT, *OUTCOMES)
    require_equal(item.reason, Reason.DESTRUCTION_ASKED, f"the reason of {item.event}")


# ------------------------------------------------------------ W10.4: fetched before


@book.asserts(
    "W10.4",
    "destruction-asked",
    "Where the document had been fetched, the 13 is offered, and destruction asked for",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def destruction_asked(stand: Stand) -> None:
    prepared = await _fetched(stand)
    said = await say_in(stand, "13", named(prepared.envelope, stand.subject.agency))
    listed = await stand.dms.until_copies(said.envelope, SOON, MessageType.STATUS)
    require_equal(len(listed), 1, "the copies of the 13")
    item = await evidence_of(stand, said.header.message_id, Event.CONTENT_CONSIGNMENT, *OUTCOMES)
    require_equal(
        (item.event, item.reason),
        (Event.CONTENT_CONSIGNMENT, Reason.DESTRUCTION_ASKED),
        "the evidence about the 13",
    )
    require_equal(returned(stand, prepared.header.message_id), [], "the evidence of the document")


@book.asserts(
    "W10.4",
    "no-other-reason",
    "A consignment with any other reason is refused",
    Part.NEIGHBOUR,
    Part.AXIS,
    control=takes_receipts,
)
async def no_other_reason(stand: Stand) -> None:
    plain = write_receipt(later(stand, await go_out(stand), Event.CONTENT_CONSIGNMENT))
    document = plain.replace(b"</Evidence>", b"<Reason>policy</Reason></Evidence>")
    signature = build(DocumentName.RECEIPT, digest_of(document), "node", stand.peer.signer, now())
    answer = await stand.peer.hand_back(Signed(document, signature))
    require_equal(answer.status, 422, "the status")


# ------------------------------------------------------------ W10.5: on the way


@book.asserts(
    "W10.5",
    "travels-on",
    "A 13 about a document that went on goes after it",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def travels_on(stand: Stand) -> None:
    arrived = await go_out(stand)
    said = await say_out(stand, "13", named(arrived.envelope, stand.peer.agency))
    await came_out(stand, said, "the 13")


@book.asserts(
    "W10.5",
    "in-doubt",
    "A document that may have been taken over is not taken back on its way: both travel on",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def in_doubt(stand: Stand) -> None:
    envelope = stand.letter_out()
    with stand.listener.answering(lost):
        await stand.dms.send(envelope)
        await stand.listener.transfer_of(digest_of(envelope))
        said = await say_out(stand, "13", named(envelope, stand.peer.agency))
        count = len([one for one in stand.listener.arrived if one.envelope == envelope])
    await came_out(stand, said, "the 13")
    again = "a repeat of the document that there is a 13 about"
    await transfer_awaited(stand, digest_of(envelope), SOON, again, count + 1)


# ------------------------------------------------------------ W10.6, W10.8: how it is told


async def _asked_out(stand: Stand) -> tuple[str, ResponseFor, Callable[[Event], Awaitable[None]]]:
    """A 13 about a document at the kit's node: its DocumentId, how the kit's agency names it, and how the
    kit's node gives evidence about it."""
    arrived = await go_out(stand)
    await say_out(stand, "13", named(arrived.envelope, stand.peer.agency))

    async def says(event: Event) -> None:
        failed = event is Event.CONTENT_HANDOVER_FAILURE
        reason = Reason.TAKEN_BACK if failed else None
        signed = stand.peer.sign(later(stand, arrived, event, reason))
        require_equal((await stand.peer.hand_back(signed)).status, 204, f"the status for {event}")

    about = named(arrived.envelope, stand.subject.agency)
    return about.document_id, about, says


NATIVE = (Part.NEIGHBOUR, Part.AXIS, Part.NATIVE)


@book.asserts(
    "W10.6", "requested", "A take-back is `requested` until there is evidence of its end", *NATIVE
)
async def requested(stand: Stand) -> None:
    document_id, _, says = await _asked_out(stand)
    await require_obligation(stand, document_id, "requested")
    await says(Event.CONTENT_HANDOVER_FAILURE)
    await require_obligation(stand, document_id, "taken-back")


@book.asserts(
    "W10.6",
    "handed-over-stays",
    "A document that was handed over is not taken back by a receipt that says so",
    *NATIVE,
)
async def handed_over_stays(stand: Stand) -> None:
    document_id, _, says = await _asked_out(stand)
    await says(Event.CONTENT_HANDOVER)
    await says(Event.CONTENT_HANDOVER_FAILURE)
    require_equal(await obligation(stand, document_id, "requested"), "requested", "its state")


@book.asserts("W10.8", "answered", "A 15 agrees, and a 16 declines, what was asked for", *NATIVE)
async def answered(stand: Stand) -> None:
    for code, state in (("16", "declined"), ("15", "agreed")):
        document_id, about, _ = await _asked_out(stand)
        await say_in(stand, code, about)
        await require_obligation(stand, document_id, state)


@book.asserts(
    "W10.8",
    "evidence-first",
    "Proof that the recipient never had the document stands above any answer",
    *NATIVE,
)
async def evidence_first(stand: Stand) -> None:
    document_id, about, says = await _asked_out(stand)
    await says(Event.CONTENT_HANDOVER_FAILURE)
    await say_in(stand, "16", about)
    require_equal(await obligation(stand, document_id, "declined"), "taken-back", "its state")

"""W5: answers, and receipts travelling back."""

from __future__ import annotations

from dataclasses import replace

from relay.conformance.absence import awaited
from relay.conformance.business import SOON, evidence_of, later
from relay.conformance.controls import takes_receipts, takes_transfers
from relay.conformance.instants import now
from relay.conformance.peer import RECEIPTS_TYPE
from relay.conformance.requested import Arrived
from relay.conformance.stand import Stand
from relay.conformance.telling import taken_over
from relay.conformance.verdicts import (
    Book,
    FailedError,
    Part,
    require,
    require_equal,
)
from relay.delivery.ports import Acknowledgement
from relay.model import (
    AgencyCode,
    Event,
    Evidence,
    MessageId,
    Reason,
    Receipt,
    Signed,
    digest_of,
)
from relay.signing.evidence import sign_receipt
from relay.signing.xades import DocumentName, build
from relay.wire.receipt import read_receipt, write_receipt

book = Book(control=takes_transfers)


@book.asserts(
    "W5.1", "container", "The answer is one receipt in its container, by its type", Part.NEIGHBOUR
)
async def container(stand: Stand) -> None:
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    answer = await stand.peer.send(prepared)
    require_equal(answer.kind, RECEIPTS_TYPE, "the Content-Type")
    require_equal(len(stand.peer.receipts(answer)), 1, "the number of receipts")


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
    require_equal(receipt.size_bytes, prepared.header.size_bytes, "the receipt's PayloadSize")
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


@book.asserts(
    "W5.3",
    "each",
    "Each recipient of a transfer has an evidence of its own",
    Part.NEIGHBOUR,
)
async def each(stand: Stand) -> None:
    nobody = f"{stand.subject.agency}.404"
    to = [stand.subject.agency, nobody]
    prepared = stand.peer.transfer(stand.letter_in(to=to), to)
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    found = {(one.recipient, one.event) for one in receipt.evidence}
    expected = {
        (AgencyCode(stand.subject.agency), Event.RELAY_ACCEPTANCE),
        (AgencyCode(stand.subject.agency), Event.CONTENT_CONSIGNMENT),
        (AgencyCode(nobody), Event.RELAY_REJECTION),
    }
    require_equal(found, expected, "the evidence")


@book.asserts(
    "W5.3",
    "bad-envelope",
    "What is no edXML is refused as a bad envelope, signed",
    Part.NEIGHBOUR,
)
async def bad_envelope(stand: Stand) -> None:
    prepared = stand.peer.transfer(b"<edXML>no envelope</edXML>", [stand.subject.agency])
    receipt = stand.peer.receipt(await stand.peer.send(prepared))
    require_equal(
        [(one.event, one.reason) for one in receipt.evidence],
        [(Event.RELAY_REJECTION, Reason.BAD_ENVELOPE)],
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


async def _at_its_recipients(stand: Stand) -> tuple[MessageId, str]:
    """A document of the kit's that its recipient can fetch, and the DocId it has there."""
    envelope = stand.letter_in()
    prepared = stand.peer.transfer(envelope, [stand.subject.agency])
    stand.peer.receipt(await stand.peer.send(prepared))
    copies = await stand.dms.until_copies(envelope)
    if not copies:
        raise FailedError("the document is not at its recipient's disposal")
    return prepared.header.message_id, copies[0]


@book.asserts(
    "W5.7",
    "handover",
    "The recipient's `done` travels back as ContentHandover",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def handover(stand: Stand) -> None:
    message, doc_id = await _at_its_recipients(stand)
    await stand.dms.client.update_status(doc_id, Acknowledgement.DONE)
    await evidence_of(stand, message, Event.CONTENT_HANDOVER)


@book.asserts(
    "W5.7",
    "handover-failure",
    "The recipient's `fail` travels back as ContentHandoverFailure",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def handover_failure(stand: Stand) -> None:
    message, doc_id = await _at_its_recipients(stand)
    await stand.dms.client.update_status(doc_id, Acknowledgement.FAIL)
    await evidence_of(stand, message, Event.CONTENT_HANDOVER_FAILURE)


@book.asserts(
    "W5.8",
    "comes-again",
    "A receipt that was not taken is handed back again",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def comes_again(stand: Stand) -> None:
    message, doc_id = await _at_its_recipients(stand)
    with stand.listener.refusing_receipts() as refused:
        await stand.dms.client.update_status(doc_id, Acknowledgement.DONE)
        await stand.listener.until(lambda: refused, SOON, "a receipt travelling back")
    await evidence_of(stand, message, Event.CONTENT_HANDOVER)


@book.asserts(
    "W5.8",
    "handed-on",
    "A receipt of a node further on is handed to where the message came from, as it was signed",
    Part.NEIGHBOUR,
    Part.SECOND,
)
async def handed_on(stand: Stand) -> None:
    """From the kit's second neighbour, about a document of the first."""
    arrived = (await taken_over(stand)).arrived
    said = stand.second_listener.receipt(arrived, Event.CONTENT_HANDOVER)
    signed = stand.second.sign(replace(said, transfer_id=None, sent_by=None))
    require_equal((await stand.second.hand_back(signed)).status, 204, "the status")
    here = stand.listener
    await awaited(
        stand, lambda: signed in here.receipts, SOON, "the receipt of the node further on"
    )


# ------------------------------------------------------------ receipts that the kit hands back


async def _delivered(stand: Stand) -> Arrived:
    """A document that the node sent to the kit, answered."""
    envelope = stand.letter_out()
    await stand.dms.send(envelope)
    return await stand.listener.transfer_of(digest_of(envelope))


def _later(stand: Stand, arrived: Arrived, **changes: object) -> Receipt:
    """A ContentHandover by the kit's node for its agency, but for what is to be otherwise."""
    return replace(later(stand, arrived, Event.CONTENT_HANDOVER), **changes)  # type: ignore[arg-type]


@book.asserts(
    "W5.8",
    "idempotent",
    "A receipt handed back twice is taken both times",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def idempotent(stand: Stand) -> None:
    signed = stand.peer.sign(_later(stand, await _delivered(stand)))
    require_equal((await stand.peer.hand_back(signed)).status, 204, "the status")
    require_equal((await stand.peer.hand_back(signed)).status, 204, "the status of the repeat")


@book.asserts(
    "W5.8",
    "none-of-a-batch",
    "If one of several receipts does not verify, none is taken",
    Part.NEIGHBOUR,
    Part.AXIS,
    control=takes_receipts,
)
async def none_of_a_batch(stand: Stand) -> None:
    arrived = await _delivered(stand)
    good = stand.peer.sign(_later(stand, arrived))
    other = stand.peer.sign(_later(stand, arrived, at=now()))
    spoilt = Signed(
        other.document.replace(b"ContentHandover<", b"ContentHandoverFailure<"), other.signature
    )
    require_equal((await stand.peer.hand_back(good, spoilt)).status, 422, "the status")
    await _not_kept(stand, good, "the receipt that holds")


async def _not_kept(stand: Stand, signed: Signed, what: str) -> None:
    """As far as the node's native face shows what it has of a message."""
    if Part.NATIVE not in stand.subject.parts:
        return
    message = read_receipt(signed.document).message_id
    answer = await stand.dms.native("GET", f"/v1/messages/{message}/evidence")
    kept = answer.status == 200 and signed.document in answer.body
    require(not kept, f"{what} stands in the message's evidence")


@book.asserts(
    "W5.8",
    "no-receipt-of-a-receipt",
    "A receipt causes no receipt",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def no_receipt_of_a_receipt(stand: Stand) -> None:
    arrived = await _delivered(stand)
    before = len(stand.listener.receipts)
    require_equal(
        (await stand.peer.hand_back(stand.peer.sign(_later(stand, arrived)))).status,
        204,
        "the status",
    )
    await _comes_back(stand)
    with_it = [
        one
        for one in map(stand.peer.proven, stand.listener.receipts[before:])
        if one.message_id == arrived.header.message_id
    ]
    require_equal(with_it, [], "the receipts that came for it")


@book.asserts(
    "W5.9",
    "wrong-side",
    "A receipt whose issuer lies elsewhere is refused",
    Part.NEIGHBOUR,
    Part.AXIS,
    control=takes_receipts,
)
async def wrong_side(stand: Stand) -> None:
    other = stand.other_kit
    arrived = await _delivered(stand)
    receipt = _later(stand, arrived, issuer=other)
    signed = sign_receipt(receipt, stand.authority.of(other).signer(), now())
    answer = await stand.peer.hand_back(signed)
    require_equal(answer.status, 422, "the status")


@book.asserts(
    "W5.11",
    "detail",
    "A Detail on what is no failure is refused, unless it is a remote's word",
    Part.NEIGHBOUR,
    Part.AXIS,
    control=takes_receipts,
)
async def detail(stand: Stand) -> None:
    plain = write_receipt(_later(stand, await _delivered(stand)))
    document = plain.replace(b"</Evidence>", b"<Detail>all is well</Detail></Evidence>")
    signature = build(DocumentName.RECEIPT, digest_of(document), "node", stand.peer.signer, now())
    answer = await stand.peer.hand_back(Signed(document, signature))
    require_equal(answer.status, 422, "the status")


async def _comes_back(stand: Stand) -> None:
    """A receipt that the node owes the kit: what was to come before it has come."""
    message, doc_id = await _at_its_recipients(stand)
    await stand.dms.client.update_status(doc_id, Acknowledgement.DONE)
    await evidence_of(stand, message, Event.CONTENT_HANDOVER)


@book.asserts(
    "W5.9",
    "not-its-delivery",
    "A receipt about a recipient that did not go this way is noted, not kept",
    Part.NEIGHBOUR,
    Part.AXIS,
)
async def not_its_delivery(stand: Stand) -> None:
    arrived = await _delivered(stand)
    evidence = Evidence(
        Event.RELAY_REJECTION,
        AgencyCode(stand.subject.agency),
        arrived.header.trace[-1].receipt,
        Reason.POLICY,
        "",
    )
    signed = stand.peer.sign(_later(stand, arrived, evidence=(evidence,)))
    require_equal((await stand.peer.hand_back(signed)).status, 204, "the status")
    await _not_kept(stand, signed, "the receipt")


@book.asserts(
    "W5.10",
    "two-hundred",
    "A container of more than 200 receipts is refused",
    Part.NEIGHBOUR,
    Part.AXIS,
    control=takes_receipts,
)
async def two_hundred(stand: Stand) -> None:
    arrived = await _delivered(stand)
    signed = [
        stand.peer.sign(_later(stand, arrived, at=now().replace(microsecond=number * 1000)))
        for number in range(201)
    ]
    answer = await stand.peer.hand_back(*signed)
    require(400 <= answer.status < 500, f"answered {answer.status}")

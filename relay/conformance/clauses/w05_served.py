"""W5.9: who may say that a recipient has a document."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from relay.conformance.business import later
from relay.conformance.certificates import sign_of
from relay.conformance.certified import own_issuer
from relay.conformance.instants import now
from relay.conformance.listener import Answering, container
from relay.conformance.requested import Arrived
from relay.conformance.stand import Stand
from relay.conformance.tree import (
    CAPABILITY,
    agency,
    below,
    branch,
    entry,
    handed_in,
    kit_agency,
    sub_node,
)
from relay.conformance.verdicts import Book, Part, require_equal
from relay.model import Event, NodeId, Signed, digest_of
from relay.signing.xades import DocumentName, build
from relay.wire.receipt import write_receipt

book = Book(Part.NEIGHBOUR, Part.AXIS, capability=CAPABILITY)


@book.asserts(
    "W5.9",
    "by-who-serves",
    "That a recipient has a document is taken of the node that serves it alone",
)
async def by_who_serves(stand: Stand) -> None:
    """Of an agency that a node below the kit's serves, whose document went through the kit's node."""
    sub, code = sub_node(stand), below(stand, "09")
    under = branch(stand, kit_agency(stand), agency(code, sub), nodes=[entry(sub, stand.peer.node)])
    await handed_in(stand, under)
    envelope = stand.letter_out(code)
    with stand.listener.answering(_taken_over(stand)):
        await stand.dms.send(envelope)
        arrived = await stand.listener.transfer_of(digest_of(envelope))
    for event in (Event.CONTENT_CONSIGNMENT, Event.CONTENT_HANDOVER):
        said = later(stand, arrived, event, to=code)
        answer = await stand.peer.hand_back(stand.peer.sign(said))
        require_equal(answer.status, 422, f"the status of {event} by the node before")
    said = replace(later(stand, arrived, Event.CONTENT_HANDOVER, to=code), issuer=NodeId(sub))
    document, signer = write_receipt(said), own_issuer(stand).make(sign_of(sub)).signer()
    signature = build(DocumentName.RECEIPT, digest_of(document), "node", signer, now())
    answer = await stand.peer.hand_back(Signed(document, signature))
    require_equal(answer.status, 204, "the status of the handover by the node that serves it")


def _taken_over(stand: Stand) -> Answering:
    """As a node does that sends it on."""

    async def answers(arrived: Arrived) -> web.StreamResponse:
        given = stand.listener.given
        made = stand.listener.answer(arrived, Event.RELAY_ACCEPTANCE)
        return container(given.setdefault(arrived.header.transfer_id, made))

    return answers

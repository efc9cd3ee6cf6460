"""W13: the answers of a node that signs several of them at once."""

from __future__ import annotations

import asyncio

from relay.conformance.business import come_in, evidence_of, go_out
from relay.conformance.peer import Prepared
from relay.conformance.stand import Stand
from relay.conformance.telling import taken_over
from relay.conformance.verdicts import (
    Book,
    InconclusiveError,
    NotClaimedError,
    Part,
    require,
    require_equal,
)
from relay.delivery.ports import Acknowledgement
from relay.model import Event, Signed
from relay.signing.proof_shape import is_batch_proof, read_proof
from relay.wire.container import read_receipts

book = Book()
CAPABILITY = "batched-receipts"
PARTS = (Part.NEIGHBOUR, Part.AXIS)
ASKED = {"Relay-Batched-Receipts": "1"}
LIMIT_BYTES = 32 << 20
TOGETHER = 16


async def _answered(stand: Stand, **headers: str) -> tuple[list[Prepared], list[Signed]]:
    """A request of eight transfers, and its answers."""
    if (await stand.peer.node_document()).get("transfers_a_request", 1) < 8:
        raise NotClaimedError("it takes fewer than eight transfers a request")
    made = [stand.peer.transfer(stand.letter_in(), [stand.subject.agency]) for _ in range(8)]
    answer = await stand.peer.send_several(made, **headers)
    stand.peer.receipts(answer)  # each holds
    return made, list(read_receipts(answer.body, LIMIT_BYTES))


async def _batched(stand: Stand) -> tuple[list[Prepared], list[Signed]]:
    """At least two of the answers have a batch."""
    made, signed = await _answered(stand, **ASKED)
    if not any(is_batch_proof(one.signature) for one in signed):
        raise NotClaimedError("it signed each receipt by itself, which it may")
    return made, signed


@book.asserts(
    "W13.3",
    "tree",
    "The proofs of a node's receipts lead to the root that it signed",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def tree(stand: Stand) -> None:
    """`_answered` proves each; here, that their places are different ones."""
    _, signed = await _batched(stand)
    places = [read_proof(one.signature) for one in signed if is_batch_proof(one.signature)]
    told_apart = {(ending, index) for index, _, ending in places}
    require_equal(len(told_apart), len(places), "the number of places in the trees")


@book.asserts(
    "W13.5",
    "same-proof",
    "A repeated transfer gets the proof that it got before",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def same_proof(stand: Stand) -> None:
    made, signed = await _batched(stand)
    for one, before in zip(made, signed, strict=True):
        answer = await stand.peer.send(one)
        require_equal(answer.status, 200, "the status of the repeat")
        again = list(read_receipts(answer.body, LIMIT_BYTES))
        require(again == [before], "the repeat's answer differs")


@book.asserts(
    "W13.6",
    "not-asked",
    "Whoever does not ask for batches gets receipts that are signed by themselves",
    Part.NEIGHBOUR,
    capability=CAPABILITY,
)
async def not_asked(stand: Stand) -> None:
    _, signed = await _answered(stand)
    found = [one for one in signed if is_batch_proof(one.signature)]
    require_equal(len(found), 0, "the number of receipts of a batch")


@book.asserts(
    "W13.6",
    "asks",
    "Only a node that understands batches asks for them",
    *PARTS,
)
async def asks(stand: Stand) -> None:
    arrived = await go_out(stand)
    asked = arrived.headers.get("Relay-Batched-Receipts")
    require(asked in {None, "1"}, f"Relay-Batched-Receipts is {asked!r}")
    require(
        asked is None or CAPABILITY in stand.capabilities,
        f"it asks for batches without the capability {CAPABILITY}",
    )


@book.asserts(
    "W13.6",
    "not-asked-later",
    "Nor do later receipts about what came without the header share a signature",
    *PARTS,
    capability=CAPABILITY,
)
async def not_asked_later(stand: Stand) -> None:
    """Handovers of several documents, acknowledged at once."""
    several = [await come_in(stand) for _ in range(TOGETHER)]
    listed = [await stand.dms.until_copies(one.envelope) for one in several]
    if not all(listed):
        raise InconclusiveError("not all of the documents are at their recipient's disposal")
    done = Acknowledgement.DONE
    await asyncio.gather(*(stand.dms.client.update_status(one[0], done) for one in listed))
    for one in several:
        await evidence_of(stand, one.header.message_id, Event.CONTENT_HANDOVER)
    about = {one.header.message_id for one in several}
    came = [one for one in stand.listener.receipts if stand.peer.proven(one).message_id in about]
    found = [one for one in came if is_batch_proof(one.signature)]
    require_equal(len(found), 0, "the number of receipts of a batch")


@book.asserts(
    "W13.6",
    "asks-not-for-others",
    "What came without the header is sent on without it",
    Part.SECOND,
)
async def asks_not_for_others(stand: Stand) -> None:
    """Its receipts travel back to a neighbour that demanded single signatures."""
    arrived = (await taken_over(stand)).arrived
    asked = arrived.headers.get("Relay-Batched-Receipts")
    require(asked is None, f"Relay-Batched-Receipts is {asked!r}")

"""W20: proofs that follow receipts."""

from __future__ import annotations

from relay.conformance.absence import awaited
from relay.conformance.listener import PROOFS_PATH
from relay.conformance.proofs import TYPE, answers_of, handed, leaf_of
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.delivery.ports import Acknowledgement
from relay.wire.attached import MOST_PROOFS, write_proofs

book = Book(Part.NEIGHBOUR, capability="receipt-proofs")
SOON = 25.0


async def _proof_here(stand: Stand, receipt: str) -> bytes:
    """The proof of that receipt, once it came to the kit."""

    def found() -> list[bytes]:
        return [one for one in stand.listener.proofs if receipt in leaf_of(one).values()]

    proofs: list[bytes] = await awaited(stand, found, SOON, "the proof of the receipt")
    return proofs[0]


async def _proven(stand: Stand) -> bytes:
    """The proof of the node's answer to a transfer of the kit's."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    found = stand.peer.receipts(await stand.peer.send(prepared))
    return await _proof_here(stand, found[0][0].digest)


@book.asserts("W20.1", "follows", "The proof of an answer follows it to who asked")
async def follows(stand: Stand) -> None:
    leaf = leaf_of(await _proven(stand))
    require_equal(leaf.get("node"), stand.subject.id, "the node in the entry")


@book.asserts("W20.3", "another-form", "Proofs in another form are refused (422)")
async def another_form(stand: Stand) -> None:
    proof = await _proven(stand)
    spaced = write_proofs([proof]).replace(b"><Proof>", b"> <Proof>", 1)
    many = write_proofs([proof] * MOST_PROOFS).replace(
        b"</Proofs>", write_proofs([proof]).partition(b">")[2]
    )
    for body in (b"nothing", spaced, many):
        answer = await stand.peer.post(PROOFS_PATH, body, {"Content-Type": TYPE})
        require_equal(answer.status, 422, "the status")


@book.asserts("W20.3", "in-order", "Each proof has an answer, in their order")
async def in_order(stand: Stand) -> None:
    proof = await _proven(stand)
    require_equal(len(answers_of(await handed(stand.peer, proof, b"x", proof))), 3, "the answers")


@book.asserts("W20.4", "own", "A node keeps no proof of a receipt of its own")
async def own(stand: Stand) -> None:
    answers = answers_of(await handed(stand.peer, await _proven(stand)))
    require(answers != ["kept"], "it kept what it had made itself")


@book.asserts("W20.4", "nonsense", "What proves nothing is refused, by itself")
async def nonsense(stand: Stand) -> None:
    answers = answers_of(await handed(stand.peer, b"nothing at all\n"))
    require(len(answers) == 1, f"one proof has {len(answers)} answers")
    refused = answers[0] in {"refused", "unknown-receipt"}
    require(refused, f"a text that is no proof is answered {answers[0]!r:.100}")


@book.asserts(
    "W20.6",
    "handed-on",
    "A proof of another node's receipt is handed on towards the origin",
    Part.LINK,
)
async def handed_on(stand: Stand) -> None:
    """The kit sends through the node to the other one, whose receipts come back, and then their proofs."""
    envelope = stand.letter_in(to=[stand.other.agency])
    prepared = stand.peer.transfer(envelope, [stand.other.agency])
    stand.peer.receipt(await stand.peer.send(prepared))
    copies = await stand.other_dms.until_copies(envelope)
    if not copies:
        raise InconclusiveError("the document did not arrive at the other node")
    await stand.other_dms.client.update_status(copies[0], Acknowledgement.DONE)

    def found() -> list[bytes]:
        return [
            one
            for one in stand.listener.proofs
            if leaf_of(one).get("node") == stand.other.id
            and prepared.header.message_id in leaf_of(one).values()
        ]

    await awaited(stand, found, SOON, "the other node's proof")

"""W20: proofs that follow receipts."""

from __future__ import annotations

import base64
import json
from typing import Any

from relay.conformance.peer import Answer, json_object
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    InconclusiveError,
    Part,
    require,
    require_equal,
)
from relay.delivery.ports import Acknowledgement
from relay.wire.attached import MOST_PROOFS, write_proofs

book = Book(Part.NEIGHBOUR, capability="receipt-proofs")
TYPE = "application/vnd.truc-relay.proofs+xml"
PATH = "/axis/v1/proofs"
SOON = 25.0


async def _proof_here(stand: Stand, receipt: str) -> bytes:
    """The proof of that receipt, once it came to the kit."""

    def found() -> list[bytes]:
        return [one for one in stand.listener.proofs if receipt in _leaf(one).values()]

    try:
        proofs: list[bytes] = await stand.listener.until(found, SOON, "the proof")
    except InconclusiveError:
        raise FailedError(f"no proof of the receipt came within {SOON:g} s") from None
    return proofs[0]


def _leaf(proof: bytes) -> dict[str, Any]:
    """The entry a tlog-proof is about, as `extra` has it; empty where it has none."""
    for line in proof.split(b"\n"):
        if line.startswith(b"extra "):
            extra = json.loads(base64.b64decode(line[6:]))
            leaf: dict[str, Any] = json.loads(base64.b64decode(extra["leaf"]))
            return leaf
    return {}


async def _handed(stand: Stand, *proofs: bytes) -> Answer:
    return await stand.peer.post(PATH, write_proofs(proofs), {"Content-Type": TYPE})


def _answers(answer: Answer) -> list[str]:
    require_equal(answer.status, 200, "the status")
    found = json_object(answer).get("proofs")
    try:
        return [one["answer"] for one in found or ()]
    except (TypeError, KeyError):
        raise FailedError(f"`proofs` is no list of answers: {found!r:.200}") from None


async def _proven(stand: Stand) -> bytes:
    """The proof of the node's answer to a transfer of the kit's."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    found = stand.peer.receipts(await stand.peer.send(prepared))
    return await _proof_here(stand, found[0][0].digest)


@book.asserts("W20.1", "follows", "The proof of an answer follows it to who asked")
async def follows(stand: Stand) -> None:
    leaf = _leaf(await _proven(stand))
    require_equal(leaf.get("node"), stand.subject.id, "the node in the entry")


@book.asserts("W20.3", "another-form", "Proofs in another form are refused (422)")
async def another_form(stand: Stand) -> None:
    proof = await _proven(stand)
    spaced = write_proofs([proof]).replace(b"><Proof>", b"> <Proof>", 1)
    many = write_proofs([proof] * MOST_PROOFS).replace(
        b"</Proofs>", write_proofs([proof]).partition(b">")[2]
    )
    for body in (b"nothing", spaced, many):
        answer = await stand.peer.post(PATH, body, {"Content-Type": TYPE})
        require_equal(answer.status, 422, "the status")


@book.asserts("W20.3", "in-order", "Each proof has an answer, in their order")
async def in_order(stand: Stand) -> None:
    proof = await _proven(stand)
    require_equal(len(_answers(await _handed(stand, proof, b"x", proof))), 3, "the answers")


@book.asserts("W20.4", "own", "A node keeps no proof of a receipt of its own")
async def own(stand: Stand) -> None:
    answers = _answers(await _handed(stand, await _proven(stand)))
    require(answers != ["kept"], "it kept what it had made itself")


@book.asserts("W20.4", "nonsense", "What proves nothing is refused, by itself")
async def nonsense(stand: Stand) -> None:
    answers = _answers(await _handed(stand, b"nothing at all\n"))
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
            if _leaf(one).get("node") == stand.other.id
            and prepared.header.message_id in _leaf(one).values()
        ]

    try:
        await stand.listener.until(found, SOON, "the other node's proof")
    except InconclusiveError:
        raise FailedError(f"no proof of the other node came within {SOON:g} s") from None

"""W20: proofs that follow receipts."""

from __future__ import annotations

import asyncio
from base64 import b64encode

from aiohttp import web

from relay.conformance.business import came_out, come_in, evidence_of
from relay.conformance.exchanges import Exchange
from relay.conformance.instants import now
from relay.conformance.listener import PROOFS_PATH
from relay.conformance.proofs import TYPE, answers_of, handed, leaf_of
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    FailedError,
    Part,
    require,
    require_equal,
)
from relay.conformance.witness import ADD_PATH
from relay.delivery.ports import Acknowledgement
from relay.errors import AuditError, SignatureError
from relay.model import Event, NodeId, Signed
from relay.signing.attached import AttachedJudge, open_proof
from relay.wire.attached import MOST_PROOFS, write_proofs

book = Book(Part.NEIGHBOUR, capability="receipt-proofs")
SOON = 60.0
"""Seconds: others refuse proofs meanwhile, and the node waits then."""
AGAIN = 40.0
"""Seconds, in which a node that takes `refused` for `unknown-receipt` sends it again."""


async def _followed(stand: Stand) -> tuple[Signed, bytes]:
    """The node's answer to a transfer of the kit's, and the proof that came of it. INCONCLUSIVE where none comes:
    to hand over its own a node SHOULD (W20.1)."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    receipt = stand.peer.receipts(await stand.peer.send(prepared))[0][0]

    def found() -> list[bytes]:
        return [one for one in stand.listener.proofs if receipt.digest in leaf_of(one).values()]

    proofs: list[bytes] = await stand.listener.until(found, SOON, "the proof of its answer")
    return receipt, proofs[0]


async def _proven(stand: Stand) -> bytes:
    return (await _followed(stand))[1]


@book.asserts(
    "W20.1", "follows", "The proof that follows an answer is of the node's own log, and holds"
)
async def follows(stand: Stand) -> None:
    receipt, proof = await _followed(stand)
    judge, node = AttachedJudge(stand.trust, None), NodeId(stand.subject.id)
    try:
        judge.prove(open_proof(proof), receipt, node, now())
    except (AuditError, SignatureError) as error:
        raise FailedError(f"it does not hold: {error}") from error


@book.asserts(
    "W20.1",
    "not-waiting",
    "Documents, answers and receipts go though nobody takes or cosigns a proof of them",
    Part.AXIS,
)
async def not_waiting(stand: Stand) -> None:
    async def neither(request: web.Request, _: bytes) -> web.StreamResponse | None:
        return web.Response(status=503) if request.path in {PROOFS_PATH, ADD_PATH} else None

    before, stand.listener.others = stand.listener.others, neither
    try:
        prepared = await come_in(stand)
        copies = await stand.dms.until_copies(prepared.envelope)
        if not copies:
            raise FailedError("a document that came in is not at its recipient's disposal")
        await stand.dms.client.update_status(copies[0], Acknowledgement.DONE)
        await evidence_of(stand, prepared.header.message_id, Event.CONTENT_HANDOVER)
        envelope = stand.letter_out()
        await stand.dms.send(envelope)
        await came_out(stand, envelope, "a document")
    finally:
        stand.listener.others = before


async def refused_once(stand: Stand) -> tuple[int, list[Exchange]]:
    """How often a proof came that was refused, in a time in which what was put off comes again; and the calls."""
    prepared = stand.peer.transfer(stand.letter_in(), [stand.subject.agency])
    about = stand.peer.receipts(await stand.peer.send(prepared))[0][0].digest

    def refused(proof: bytes) -> str | None:
        return "refused" if about in leaf_of(proof).values() else None

    def came() -> list[bytes]:
        return [one for one in stand.listener.proofs if refused(one)]

    with stand.listener.saying_of_proofs(refused):
        await stand.listener.until(came, SOON, "the proof of its answer")
        await asyncio.sleep(AGAIN)
        proofs = {b64encode(one) for one in came()}
        calls = stand.listener.proof_calls
        return len(came()), [one for one in calls if any(proof in one.request for proof in proofs)]


@book.asserts(
    "W20.3", "refused-once", "A proof that was refused is not sent again", begins=refused_once
)
async def not_again(stand: Stand) -> None:
    count, stand.exchanges.held = await stand.come_of(refused_once)
    require_equal(count, 1, "how often it came")


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

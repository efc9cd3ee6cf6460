"""W12.4: what cannot be judged yet, as a node puts it off and as it sends again what was put off."""

from __future__ import annotations

from relay.conformance.absence import transfer_awaited
from relay.conformance.clauses.w12_revocation import about, believes, sealed_by
from relay.conformance.judging import STATEMENTS, accepted, refused, told_of
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, NotClaimedError, Part
from relay.model import Event, digest_of

book = Book(Part.NEIGHBOUR, capability=STATEMENTS, control=believes)
SOON = 10.0
AGAIN = 60.0
"""Seconds: the first waits of a node, however long they are."""


@book.asserts(
    "W12.4",
    "not-judged-yet",
    "What cannot be judged yet gets no evidence, and is taken once it can",
)
async def not_judged_yet(stand: Stand) -> None:
    by, issued = about(stand)
    prepared = sealed_by(stand, issued)
    answer = await stand.peer.send(prepared)
    if answer.status == 200:
        event = stand.peer.receipt(answer).evidence[0].event
        if event is Event.RELAY_ACCEPTANCE:
            raise NotClaimedError("it takes what it cannot judge yet")
    refused(answer, "")
    await told_of(stand, issued, by)
    accepted(stand.peer, await stand.peer.send(prepared))


@book.asserts(
    "W12.4",
    "sent-again",
    "What the next node cannot judge yet is sent to it again",
    Part.AXIS,
)
async def sent_again(stand: Stand) -> None:
    """It is refused without evidence (422) until it has come once, and then taken."""
    envelope = stand.letter_out()
    digest = digest_of(envelope)
    with stand.listener.declining(digest) as attempts:
        await stand.dms.send(envelope)
        await stand.listener.until(lambda: attempts, SOON, "the document")
    await transfer_awaited(stand, digest, AGAIN, "what was put off")

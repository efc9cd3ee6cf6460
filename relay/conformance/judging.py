"""What several chapters ask of an answer, and what they tell a node first.

Touches: what the stand's parts touch.
Raises:  FailedError where the answer is another.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from relay.conformance.certificates import Issuing, Made, crl, root
from relay.conformance.peer import (
    Answer,
    Peer,
    UnreachableError,
    asked,
    json_object,
    session_of,
)
from relay.conformance.stand import Stand
from relay.conformance.verdicts import require, require_equal
from relay.model import Event, Reason
from relay.wire.statements import Stapled, write_statements

STATEMENTS_TYPE = "application/vnd.truc-relay.statements+xml"
STATEMENTS = "statements"


def refused(answer: Answer, word: str, status: int = 422) -> None:
    """Without evidence; the problem document says the word."""
    require_equal(answer.status, status, "the status")
    require(word.encode() in answer.body, f"the problem document does not say {word}")


def rejected(peer: Peer, answer: Answer, reason: Reason, word: str = "") -> None:
    """With evidence, whose detail begins with the word."""
    receipt = peer.receipt(answer)
    found = [(one.event, one.reason) for one in receipt.evidence]
    require_equal(found, [(Event.RELAY_REJECTION, reason)], "the evidence")
    detail = receipt.evidence[0].detail
    require(detail.startswith(word), f"the detail is {detail!r}, which does not begin with {word}")


def accepted(peer: Peer, answer: Answer) -> None:
    receipt = peer.receipt(answer)
    found = [(one.event, one.reason, one.detail) for one in receipt.evidence]
    require(found[0][0] is Event.RELAY_ACCEPTANCE, f"the evidence is {found}")


async def tell(stand: Stand, *statements: Stapled) -> Answer:
    """W12.1."""
    return await stand.peer.post(
        "/axis/v1/statements", write_statements(statements), {"Content-Type": STATEMENTS_TYPE}
    )


async def told_of(stand: Stand, issued: Made, by: Issuing, *revoked: Made) -> None:
    """What the issuer and the kit's root revoked: nothing, but for `revoked`. Nodes that take no statements
    are told nothing."""
    if STATEMENTS not in stand.capabilities:
        return
    about = [crl(by.issuer, *revoked), crl(root(stand.authority).issuer)]
    answer = await tell(stand, *(Stapled(issued.ders, one) for one in about))
    require_equal(answer.status, 204, "the status of the statements")


async def connected_with(stand: Stand, issued: Made) -> Answer | None:
    """The answer to a connection with this certificate; None where there is none, which is a refusal."""
    with tempfile.TemporaryDirectory(prefix="relay-occasion-") as folder:
        mine = issued.to_connect(Path(folder), stand.peer.node, stand.authority.root)
        async with session_of(stand.subject, mine) as session:
            try:
                return await asked(
                    session,
                    stand.exchanges,
                    f"{stand.peer.node} with another certificate",
                    "GET",
                    f"{stand.subject.nodes}/axis/v1/node",
                    None,
                    {},
                )
            except UnreachableError as error:
                await refused_so(stand, error)
                return None


async def refused_so(stand: Stand, error: UnreachableError) -> None:
    """That there was no answer is a refusal: of a node that lets the kit in, and had said nothing yet."""
    require(not error.status, f"let in, and answered {error.status}")
    json_object(await stand.peer.get("/axis/v1/node"))

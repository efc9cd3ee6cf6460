"""What becomes of a transfer, a seal or a connection by a certificate made for the occasion.

Touches: what the stand's parts touch.
Raises:  FailedError where it is something else.
"""

from __future__ import annotations

from relay.conformance.certificates import (
    Issuing,
    Made,
    issuing,
)
from relay.conformance.judging import (
    accepted,
    connected_with,
    refused,
    rejected,
    told_of,
)
from relay.conformance.peer import Prepared
from relay.conformance.resigned import headed, sealed
from relay.conformance.stand import Stand
from relay.conformance.verdicts import require
from relay.model import Reason, SealKind
from relay.signing.keys import Signer


def a_transfer(stand: Stand) -> Prepared:
    return stand.peer.transfer(stand.letter_in(), [stand.subject.agency])


async def header_refused(stand: Stand, signer: Signer, word: str) -> None:
    refused(await stand.peer.send(headed(a_transfer(stand), signer)), word)


async def seal_refused(stand: Stand, kind: SealKind, signer: Signer, word: str) -> None:
    answer = await stand.peer.send(sealed(a_transfer(stand), kind, signer))
    rejected(stand.peer, answer, Reason.BAD_SEAL, word)


async def seal_accepted(stand: Stand, kind: SealKind, issued: Made, by: Issuing) -> None:
    """Where the node asks for it, it is told first that nobody revoked the certificate."""
    await told_of(stand, issued, by)
    accepted(stand.peer, await stand.peer.send(sealed(a_transfer(stand), kind, issued.signer())))


def own_issuer(stand: Stand) -> Issuing:
    """An issuer of the judged node's branch, in which the kit lies."""
    return issuing(stand.authority, [stand.subject.id])


async def connection_refused(stand: Stand, issued: Made, word: str) -> None:
    """In the handshake, or by 403 or 422 with the word."""
    answer = await connected_with(stand, issued)
    if answer is None:
        return
    require(answer.status in {403, 422}, f"answered {answer.status} over that connection")
    require(word.encode() in answer.body, f"the problem document does not say {word}")

"""W3.8: a time that is still to come, when the signer's certificate will be valid."""

from __future__ import annotations

from relay.conformance.certificates import DAY, sign_of, to_come
from relay.conformance.certified import a_transfer, own_issuer
from relay.conformance.controls import takes_directories, takes_transfers
from relay.conformance.instants import now
from relay.conformance.judging import refused, rejected
from relay.conformance.resigned import handover, headed, sealed
from relay.conformance.stand import Stand
from relay.conformance.tree import CAPABILITY, branch, hand_in, kit_agency, signed
from relay.conformance.verdicts import Book, Part, require
from relay.model import Reason, SealKind
from relay.signing.keys import Signer
from relay.wire.branch import write_branch

book = Book(Part.NEIGHBOUR, control=takes_transfers)
WHEN = DAY * 3 / 4
"""From now on; by then the certificate is valid (`to_come`)."""
WORD = "not-yet-valid-certificate"


def _early(stand: Stand) -> Signer:
    return own_issuer(stand).make(sign_of(stand.peer.node), to_come()).signer()


@book.asserts("W3.8", "early-header", "A header of a time to come is judged as of now as well")
async def early_header(stand: Stand) -> None:
    prepared = headed(a_transfer(stand), _early(stand), now() + WHEN)
    refused(await stand.peer.send(prepared), WORD)


@book.asserts("W3.8", "early-seal", "A seal of a time to come is judged as of now as well")
async def early_seal(stand: Stand) -> None:
    prepared = sealed(a_transfer(stand), SealKind.NODE, _early(stand), now() + WHEN)
    rejected(stand.peer, await stand.peer.send(prepared), Reason.BAD_SEAL, WORD)


@book.asserts("W3.8", "early-receipt", "A receipt of a time to come is judged as of now as well")
async def early_receipt(stand: Stand) -> None:
    answer = await stand.peer.hand_back(handover(stand, _early(stand), at=now() + WHEN))
    require(answer.status in {422, 503}, f"answered {answer.status}")


@book.asserts(
    "W3.8",
    "early-directory",
    "A directory of a time to come is judged as of now as well",
    capability=CAPABILITY,
    control=takes_directories,
)
async def early_directory(stand: Stand) -> None:
    written = write_branch(branch(stand, kit_agency(stand)))
    answer = await hand_in(stand.peer, signed(written, _early(stand), now() + WHEN))
    require(answer.status in {422, 503}, f"answered {answer.status}")

"""W7.9: what a carry file takes along says by what it is judged."""

from __future__ import annotations

import secrets

from relay.conformance.by_hand import entries, hand_in, opened, packed
from relay.conformance.certificates import (
    Issuing,
    Made,
    agency_of,
    crl,
    issuing,
    root,
    sign_of,
)
from relay.conformance.controls import takes_files
from relay.conformance.peer import Answer, Prepared
from relay.conformance.resigned import sealed
from relay.conformance.stand import Stand
from relay.conformance.verdicts import (
    Book,
    NotClaimedError,
    Part,
    require,
    require_equal,
)
from relay.model import Event, Reason, SealKind
from relay.signing.pki_profiles import Profile
from relay.wire.statements import Stapled, write_statements

book = Book(
    Part.NEIGHBOUR, Part.AXIS, Part.OPERATOR, capability="carried-statements", control=takes_files
)


def _prepared(stand: Stand) -> Prepared:
    return stand.peer.transfer(stand.letter_in(), [stand.subject.agency])


def _events(stand: Stand, answer: Answer) -> list[Event]:
    """Of the evidence that came back; none where nothing is to be brought back."""
    if answer.status == 204:
        return []
    found = opened(stand, answer).receipts(stand)
    return [one.event for _, receipt in found for one in receipt.evidence]


def _about(stand: Stand, profile: Profile) -> tuple[Issuing, Made]:
    """A certificate that nobody knows yet, and whose it is to revoke it."""
    by = issuing(stand.authority, [stand.subject.id])
    return by, by.make(profile)


def _statements(stand: Stand, issued: Made, by: Issuing, *revoked: Made) -> bytes:
    """All that is to be said of it."""
    said = (crl(by.issuer, *revoked), crl(root(stand.authority).issuer))
    return write_statements([Stapled(issued.ders, one) for one in said])


def _sealed(stand: Stand, issued: Made) -> Prepared:
    return sealed(_prepared(stand), SealKind.AGENCY, issued.signer())


async def _is_refused_as_revoked(stand: Stand, prepared: Prepared, *statements: bytes) -> None:
    file = packed(entries(stand, [prepared], statements=statements))
    receipts = opened(stand, await hand_in(stand, file)).receipts(stand)
    found = [(one.event, one.reason) for _, receipt in receipts for one in receipt.evidence]
    expected = [(Event.RELAY_REJECTION, Reason.REVOKED_CERTIFICATE)]
    require_equal(found, expected, "the evidence that came back")


@book.asserts("W7.9", "counts", "A revocation in a file counts for the transfers in it")
async def counts(stand: Stand) -> None:
    by, issued = _about(stand, agency_of(stand.peer.agency))
    said = _statements(stand, issued, by, issued)
    await _is_refused_as_revoked(stand, _sealed(stand, issued), said)


@book.asserts(
    "W7.9",
    "vouches",
    "What cannot be judged without statements is taken with those in its file",
)
async def vouches(stand: Stand) -> None:
    by, issued = _about(stand, agency_of(stand.peer.agency))
    prepared = _sealed(stand, issued)
    if _events(stand, await hand_in(stand, packed(entries(stand, [prepared])))):
        raise NotClaimedError("it takes what it cannot judge yet")
    said = _statements(stand, issued, by)
    answer = await hand_in(stand, packed(entries(stand, [prepared], statements=[said])))
    events = _events(stand, answer)
    require(Event.RELAY_ACCEPTANCE in events, f"the evidence that came back is {events}")


@book.asserts(
    "W7.9",
    "not-the-rest",
    "Statements that prove nothing stand in the way of nothing behind them",
)
async def not_the_rest(stand: Stand) -> None:
    """A container that is none, and one of bytes that are no statement."""
    by, issued = _about(stand, agency_of(stand.peer.agency))
    junk = write_statements([Stapled(issued.ders, secrets.token_bytes(200))])
    said = _statements(stand, issued, by, issued)
    await _is_refused_as_revoked(stand, _sealed(stand, issued), b"none", junk, said)


@book.asserts(
    "W7.9",
    "signer",
    "A file is refused whose signer is revoked by what came in it",
)
async def signer(stand: Stand) -> None:
    by, issued = _about(stand, sign_of(stand.peer.node))
    said = _statements(stand, issued, by, issued)
    found = entries(stand, [_prepared(stand)], statements=[said], signer=issued.signer())
    answer = await hand_in(stand, packed(found))
    require(400 <= answer.status < 500, f"answered {answer.status}")


@book.asserts(
    "W7.9",
    "for-earlier-releases",
    "The answer to a file without statements holds none",
)
async def for_earlier_releases(stand: Stand) -> None:
    """Whoever wrote it may know of none."""
    answer = await hand_in(stand, packed(entries(stand, [_prepared(stand)])))
    require(not opened(stand, answer).manifest.statements, "it holds statements")

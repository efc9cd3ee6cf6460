"""W14, as a reader of files has it: whether a signer was revoked when it signed."""

from __future__ import annotations

from datetime import timedelta

from relay.conformance.certificates import Made, crl, ocsp_response, sign_of
from relay.conformance.drafts import Draft
from relay.conformance.office import NEXT, ORIGIN, Office
from relay.conformance.reading import EVIDENCE, Make
from relay.conformance.stand import Stand
from relay.conformance.verdicts import Book, Part, require_equal


async def _honest_holds(stand: Stand) -> None:
    (await EVIDENCE.said(stand, none_revoked)).must_hold()


book = Book(Part.VERIFY, control=_honest_holds)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REVOKED = "revoked-certificate"


async def _holds(stand: Stand, make: Make, revocation: str | None = None) -> None:
    said = (await EVIDENCE.said(stand, make)).must_hold()
    if revocation is not None:
        require_equal(said.found("revocation", str), revocation, "what is said of revocation")


async def _refused(stand: Stand, make: Make, *words: str) -> None:
    (await EVIDENCE.said(stand, make)).must_be_refused(*words)


# ------------------------------------------------------------ W14.8: revocation


def _with_crls(draft: Draft, *revoked: Made, after: timedelta = DAY) -> bytes:
    """With a CRL of each authority, of so long after the seal."""
    branch, root = draft.office.branch.issuer, draft.office.root.issuer
    at = draft.at + after
    draft.crls = [crl(branch, *revoked, at=at), crl(root, at=at)]
    return draft.file()


@EVIDENCE.file
def none_revoked(office: Office) -> bytes:
    return _with_crls(Draft(office))


@EVIDENCE.file
def seal_revoked(office: Office) -> bytes:
    by = office.make(sign_of(ORIGIN))
    return _with_crls(Draft(office, sealed_by=by), by, after=-HOUR)


@EVIDENCE.file
def receipt_revoked(office: Office) -> bytes:
    by = office.make(sign_of(NEXT))
    return _with_crls(Draft(office, received_by=by), by, after=-HOUR)


@EVIDENCE.file
def exporter_revoked(office: Office) -> bytes:
    by = office.make(sign_of(ORIGIN))
    return _with_crls(Draft(office, exported_by=by), by, after=-HOUR)


def _with_response(office: Office, *, revoked: bool) -> bytes:
    """Of the sealing certificate, from before the seal."""
    by = office.make(sign_of(ORIGIN))
    draft = Draft(office, sealed_by=by)
    at = draft.at - HOUR / 2
    draft.responses = [ocsp_response(office.branch.issuer, by, at, revoked=revoked)]
    return draft.file()


@EVIDENCE.file
def revoked_by_ocsp(office: Office) -> bytes:
    return _with_response(office, revoked=True)


@EVIDENCE.file
def good_by_ocsp(office: Office) -> bytes:
    """Nothing is there of the other signers, nor of the authority."""
    return _with_response(office, revoked=False)


@EVIDENCE.file
def revoked_later(office: Office) -> bytes:
    by = office.make(sign_of(ORIGIN))
    return _with_crls(Draft(office, sealed_by=by, exported_by=by), by)


@EVIDENCE.file
def no_statements(office: Office) -> bytes:
    return Draft(office).file()


@EVIDENCE.file
def outdated_statements(office: Office) -> bytes:
    """Out of force before anything was signed."""
    return _with_crls(Draft(office), after=-DAY)


@EVIDENCE.file
def false_statement(office: Office) -> bytes:
    """Somebody else's CRL in the issuer's name."""
    by = office.make(sign_of(ORIGIN))
    draft = Draft(office, sealed_by=by)
    branch = office.branch.issuer
    mallory = type(branch)(branch.certificate, office.root.issuer.key)
    draft.crls = [crl(mallory, by, at=draft.at - HOUR)]
    return draft.file()


@book.asserts("W14.8", "not-revoked", "What CRLs say of none of its signers holds, and is told")
async def not_revoked(stand: Stand) -> None:
    await _holds(stand, none_revoked, "not-revoked")


@book.asserts("W14.8", "seal", "A seal by a certificate that was revoked by then is refused")
async def seal(stand: Stand) -> None:
    await _refused(stand, seal_revoked, REVOKED)


@book.asserts("W14.8", "receipt", "A receipt by a certificate that was revoked by then is refused")
async def receipt(stand: Stand) -> None:
    await _refused(stand, receipt_revoked, REVOKED)


@book.asserts("W14.8", "exporter", "An export by a certificate that was revoked by then is refused")
async def exporter(stand: Stand) -> None:
    await _refused(stand, exporter_revoked, REVOKED)


@book.asserts("W14.8", "ocsp", "What an OCSP response says of its signer counts as a CRL does")
async def by_ocsp(stand: Stand) -> None:
    await _refused(stand, revoked_by_ocsp, REVOKED)


@book.asserts("W14.8", "some", "What is said of one signer is not said of the others")
async def some(stand: Stand) -> None:
    await _holds(stand, good_by_ocsp, "unknown")


@book.asserts("W14.8", "later", "What was signed before its certificate was revoked stands")
async def later(stand: Stand) -> None:
    await _holds(stand, revoked_later)


@book.asserts("W14.8", "silent", "Without statements it is unknown whether a signer was revoked")
async def silent(stand: Stand) -> None:
    await _holds(stand, no_statements, "unknown")


@book.asserts("W14.8", "outdated", "A statement that was out of force by then says nothing of then")
async def outdated(stand: Stand) -> None:
    await _holds(stand, outdated_statements, "unknown")


@book.asserts("W14.8", "false-statement", "A CRL that its issuer did not sign revokes nothing")
async def a_false_statement(stand: Stand) -> None:
    await _holds(stand, false_statement, "unknown")

"""W14, as a reader of files has it: timestamps, of the seal.

Every file is signed by its exporter as it is: what is wrong is wrong with what others signed in it.
"""

from __future__ import annotations

from datetime import timedelta

from asn1crypto import cms, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from relay.conformance.certificates import Made, sign_of, stamping
from relay.conformance.drafts import Draft
from relay.conformance.office import ORIGIN, Office
from relay.conformance.reading import EVIDENCE, Make
from relay.conformance.stand import Stand
from relay.conformance.tokens import with_bad_signature
from relay.conformance.verdicts import Book, Part
from relay.model import digest_of
from relay.signing.pki_profiles import Span


async def _honest_holds(stand: Stand) -> None:
    (await EVIDENCE.said(stand, stamped)).must_hold()


book = Book(Part.VERIFY, control=_honest_holds)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STAMPING, MAIL = ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION
NOT_FOR_IT = ("wrong-purpose", "bad-certificate")


async def _holds(stand: Stand, make: Make) -> None:
    (await EVIDENCE.said(stand, make)).must_hold()


async def _refused(stand: Stand, make: Make, *words: str) -> None:
    (await EVIDENCE.said(stand, make)).must_be_refused(*words)


# ------------------------------------------------------------ W14.10: tokens


def _stamped(draft: Draft, *tokens: bytes) -> bytes:
    draft.tokens = list(tokens)
    return draft.file()


def _stamped_by(office: Office, by: Made, after: timedelta = HOUR) -> bytes:
    draft = Draft(office)
    return _stamped(draft, draft.stamped(draft.at + after, by=by))


def _authority(office: Office, *uses: x509.ObjectIdentifier, critical: bool = True) -> Made:
    """With these uses, whatever a timestamp authority's are."""
    usage = x509.ExtendedKeyUsage(uses)
    return office.branch.make(
        stamping(stamps=False),
        office.span,
        change=lambda builder: builder.add_extension(usage, critical=critical),
    )


@EVIDENCE.file
def stamped(office: Office) -> bytes:
    return _stamped_by(office, office.authority)


@EVIDENCE.file
def stamped_elsewhere(office: Office) -> bytes:
    """A token of other bytes."""
    draft = Draft(office)
    return _stamped(draft, draft.stamped(draft.at + HOUR, digest_of(b"something else")))


@EVIDENCE.file
def another_certificate(office: Office) -> bytes:
    """Of the same key, in the place of the one that the token commits to: the signature holds by it."""
    draft, authority = Draft(office), office.authority
    token = tsp.ContentInfo.load(draft.stamped(draft.at + HOUR))
    other = asn1_x509.Certificate.load(office.certified_again(authority).ders[0])
    held, signer = token["content"]["certificates"], token["content"]["signer_infos"][0]
    place = next(n for n, one in enumerate(held) if one.chosen.dump() == authority.ders[0])
    held[place] = other
    named = {"issuer": other.issuer, "serial_number": other.serial_number}
    signer["sid"] = cms.SignerIdentifier({"issuer_and_serial_number": named})
    return _stamped(draft, token.dump(force=True))


@EVIDENCE.file
def no_authority(office: Office) -> bytes:
    """A certificate that is for no timestamps."""
    return _stamped_by(office, office.next)


@EVIDENCE.file
def uncritical_authority(office: Office) -> bytes:
    return _stamped_by(office, _authority(office, STAMPING, critical=False))


@EVIDENCE.file
def authority_for_more(office: Office) -> bytes:
    return _stamped_by(office, _authority(office, STAMPING, MAIL))


@EVIDENCE.file
def another_root(office: Office) -> bytes:
    return _stamped_by(office, Office(office.at).authority)


@EVIDENCE.file
def ended_authority(office: Office) -> bytes:
    """Its certificate ended before it stamped."""
    span = Span(office.span.start, office.at.replace(microsecond=0))
    return _stamped_by(office, office.make(stamping(), span))


@EVIDENCE.file
def spoilt_token(office: Office) -> bytes:
    draft = Draft(office)
    token = tsp.ContentInfo.load(draft.stamped(draft.at + HOUR))
    return _stamped(draft, with_bad_signature(token).dump())


@EVIDENCE.file
def inexact_token(office: Office) -> bytes:
    draft = Draft(office)
    at = draft.at + HOUR
    return _stamped(draft, office.stamp(draft.imprint, at, exact_to_seconds=61))


@EVIDENCE.file
def one_bad_of_two(office: Office) -> bytes:
    """A token that holds beside one of other bytes."""
    draft = Draft(office)
    at = draft.at + HOUR
    return _stamped(draft, draft.stamped(at), draft.stamped(at, digest_of(b"something else")))


@book.asserts("W14.10", "stamped", "A seal with a timestamp that holds is taken")
async def a_stamped(stand: Stand) -> None:
    await _holds(stand, stamped)


@book.asserts("W14.10", "imprint", "A token of other bytes is refused")
async def imprint(stand: Stand) -> None:
    await _refused(stand, stamped_elsewhere, "wrong-imprint")


@book.asserts(
    "W14.10", "certificate", "A token that commits to another certificate than it holds is refused"
)
async def certificate(stand: Stand) -> None:
    await _refused(stand, another_certificate, "wrong-certificate")


@book.asserts("W14.10", "purpose", "A token by a certificate for something else is refused")
async def purpose(stand: Stand) -> None:
    await _refused(stand, no_authority, *NOT_FOR_IT)


@book.asserts("W14.10", "critical", "The certificate's purpose must be critical")
async def critical(stand: Stand) -> None:
    await _refused(stand, uncritical_authority, *NOT_FOR_IT)


@book.asserts("W14.10", "alone", "A certificate for timestamps and something else is refused")
async def alone(stand: Stand) -> None:
    await _refused(stand, authority_for_more, *NOT_FOR_IT)


@book.asserts("W14.10", "untrusted", "A token by an authority below another root is refused")
async def untrusted(stand: Stand) -> None:
    await _refused(stand, another_root, "untrusted")


@book.asserts("W14.10", "ended", "A token of after its authority's certificate is refused")
async def ended(stand: Stand) -> None:
    await _refused(stand, ended_authority, "wrong-time")


@book.asserts("W14.10", "signature", "A token whose signature does not hold is refused")
async def signature(stand: Stand) -> None:
    await _refused(stand, spoilt_token, "bad-signature")


@book.asserts("W14.10", "exact", "A token that is exact to more than a minute is refused")
async def exact(stand: Stand) -> None:
    await _refused(stand, inexact_token, "wrong-time")


@book.asserts("W14.10", "each", "Each of several tokens must hold")
async def each(stand: Stand) -> None:
    await _refused(stand, one_bad_of_two, "wrong-imprint")


# ------------------------------------------------------------ W14.11: of a seal


@EVIDENCE.file
def stamped_whole(office: Office) -> bytes:
    """A token of the whole seal, instead of its SignatureValue."""
    draft = Draft(office)
    return _stamped(draft, draft.stamped(draft.at + HOUR, digest_of(draft.seal)))


@EVIDENCE.file
def stamped_before(office: Office) -> bytes:
    """The seal was stamped before it says that it was made."""
    return _stamped_by(office, office.authority, -HOUR)


def _ending_seal(office: Office) -> Draft:
    """By a certificate that ended half a day after."""
    ends = office.at.replace(microsecond=0) + DAY / 2
    return Draft(office, sealed_by=office.make(sign_of(ORIGIN), Span(office.span.start, ends)))


@EVIDENCE.file
def stamped_too_late(office: Office) -> bytes:
    draft = _ending_seal(office)
    return _stamped(draft, draft.stamped(draft.at + DAY))


@EVIDENCE.file
def stamped_in_time(office: Office) -> bytes:
    draft = _ending_seal(office)
    return _stamped(draft, draft.stamped(draft.at + HOUR))


@EVIDENCE.file
def ended_since(office: Office) -> bytes:
    return _ending_seal(office).file()


@book.asserts("W14.11", "element", "A token must be of the seal's SignatureValue element")
async def element(stand: Stand) -> None:
    await _refused(stand, stamped_whole, "wrong-imprint")


@book.asserts("W14.11", "before", "A token of before the seal's SigningTime is refused")
async def before(stand: Stand) -> None:
    await _refused(stand, stamped_before, "wrong-time")


@book.asserts(
    "W14.11", "as-stamped", "With a token, the seal's certificate is judged as of the token's time"
)
async def as_stamped(stand: Stand) -> None:
    await _holds(stand, stamped_in_time)
    await _refused(stand, stamped_too_late, "expired-certificate")


@book.asserts(
    "W14.11", "as-claimed", "Without one, as of the time that the signer claims, and not as of now"
)
async def as_claimed(stand: Stand) -> None:
    await _holds(stand, ended_since)

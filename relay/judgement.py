"""What is found about signatures made by others: in attached PDFs, and in the document's own Signature.

Touches: nothing. Raises: ValueError from `read_judgement` for bytes that are no judgement.

The verdicts are ETSI EN 319 102-1's: VALID its TOTAL-PASSED, INVALID its TOTAL-FAILED, UNKNOWN its
INDETERMINATE. A part without any signature has no verdict, only flaws.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from relay.model import Digest

ENVELOPE = -1
"""The position of the document's own XML; attachments count from 0."""


class Verdict(StrEnum):
    """Listed from the best to the worst."""

    VALID = "VALID"
    UNKNOWN = "UNKNOWN"
    INVALID = "INVALID"


class Form(StrEnum):
    PADES = "pades"
    XML = "xml-dsig"


class SignerKind(StrEnum):
    ORGANISATION = "organisation"
    PERSON = "person"
    UNKNOWN = "unknown"


class Cover(StrEnum):
    """How much of a file its signature speaks for."""

    WHOLE_FILE = "whole-file"
    REVISION = "revision"
    """All there was when it was made; something was added afterwards."""
    PART = "part"


class Flaw(StrEnum):
    """Stable words for what speaks against a signature or a file, or is odd about it."""

    # Why nothing was judged.
    NOT_INSTALLED = "not-installed"
    """The node lacks the libraries (the extra `pades`)."""
    TOO_LARGE = "too-large"
    TOO_MANY = "too-many"
    """More attachments or signatures than are looked at; the rest was not judged."""
    TIMED_OUT = "timed-out"
    CRASHED = "crashed"
    """The worker died over it, twice."""
    GONE = "gone"
    """The bytes had left by retention before their turn came, or cannot be read."""
    UNREADABLE = "unreadable"
    """A PDF, a ZIP or a Signature that cannot be parsed."""
    ENCRYPTED = "encrypted"
    UNSUPPORTED = "unsupported"
    """A kind of signature that the libraries do not judge."""

    # Integrity: INVALID, but for the second, whose content is what was signed.
    CHANGED = "changed-after-signing"
    """The bytes it covers are others, or what was added later is not an allowed update."""
    RESERIALISED = "broken-by-reserialising"
    """An enveloped XML signature whose digest does not fit, in a document that an axis wrote anew."""
    BAD_SIGNATURE = "bad-signature"
    PART_ONLY = "partial-byte-range"
    """It does not cover the whole of the file as it was when signed."""
    WRAPPED = "wrapped"
    """It signs an element other than the document it stands in."""
    KEYED_HASH = "hmac"
    """Made with a shared secret: whoever can check it could have made it."""
    EXTERNAL_REFERENCE = "external-reference"
    """It signs something outside; nothing is fetched."""
    TRANSFORM = "transform"
    """A transform that computes (XPath, XSLT, base64); nothing of that is run."""
    DOCTYPE = "doctype"
    DUMMY = "dummy"
    """The vendors' fill-in Signature element: no signature at all."""

    # The certificate.
    NO_CERTIFICATE = "no-certificate"
    UNTRUSTED = "untrusted"
    """No path to an anchor."""
    BAD_PATH = "bad-path"
    """A path that breaks its rules: basic constraints, names, policies, algorithms."""
    SELF_SIGNED = "self-signed"
    EXPIRED = "expired-certificate"
    NOT_YET_VALID = "not-yet-valid-certificate"
    REVOKED = "revoked-certificate"
    REVOCATION_UNKNOWN = "revocation-unknown"
    """No CRL or OCSP answer for that time is at hand: never VALID."""
    WRONG_USAGE = "wrong-usage"
    """A certificate that is not for signing documents."""

    # Algorithms.
    SHA1 = "sha1"
    WEAK_ALGORITHM = "weak-algorithm"
    """MD5, or a key that is too short."""

    # Time; only remarks, but for the last.
    LOCAL_TIME = "local-time-as-utc"
    """Vietnam's local time written as UTC: seven hours were taken off."""
    NO_TIMESTAMP = "no-timestamp"
    BAD_TIMESTAMP = "bad-timestamp"
    """Its timestamp does not hold or comes from an unknown authority; it was left aside."""
    FROM_THE_FUTURE = "signed-in-the-future"

    # Remarks.
    LATER_UPDATE = "later-update"
    """Something allowed was added after it was made: another signature, a form field."""

    # The file.
    RUINED = "ruined-binary"
    """Decoded as text on its way: runs of EF BF BD stand where bytes were."""
    PDF_IS_ZIP = "pdf-is-zip"
    """Named or declared a PDF, it is a ZIP that holds more than the one file."""
    MISLABELLED = "content-differs"
    WRAPPED_IN_ZIP = "wrapped-in-zip"
    """The usual ZIP around one file; what was judged is the file."""
    BOMB = "opens-to-too-much"
    BAD_BASE64 = "bad-base64"
    UNSIGNED = "unsigned"
    NO_PERSON = "missing-signature-of-person"
    NO_ORGANISATION = "missing-signature-of-organisation"


_INVALID = frozenset(
    {
        Flaw.CHANGED,
        Flaw.BAD_SIGNATURE,
        Flaw.PART_ONLY,
        Flaw.WRAPPED,
        Flaw.KEYED_HASH,
        Flaw.DOCTYPE,
        Flaw.REVOKED,
        Flaw.WRONG_USAGE,
        Flaw.BAD_PATH,
    }
)
_REMARKS = frozenset({Flaw.LOCAL_TIME, Flaw.NO_TIMESTAMP, Flaw.BAD_TIMESTAMP, Flaw.LATER_UPDATE})
DAMAGE = frozenset({Flaw.RUINED, Flaw.PDF_IS_ZIP, Flaw.MISLABELLED, Flaw.BOMB, Flaw.BAD_BASE64})
"""What befell a file on its way, whoever signed it."""


def verdict_of(flaws: Iterable[Flaw]) -> Verdict:
    """What these flaws of one signature come to."""
    found = frozenset(flaws)
    if found & _INVALID:
        return Verdict.INVALID
    return Verdict.UNKNOWN if found - _REMARKS else Verdict.VALID


def worst(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    """None where there is none at all."""
    order = list(Verdict)
    found = [one for one in verdicts if one is not None]
    return max(found, key=order.index) if found else None


@dataclass(frozen=True, slots=True)
class Signer:
    """Whom a certificate names; texts as it has them."""

    kind: SignerKind
    organisation: str
    person: str
    subject: str
    issuer: str
    certificate: Digest


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature. `claimed_at` is the signer's word as written; `signed_at` what is believed: the
    timestamp's where `stamped`, else the claim, put right where it was local time."""

    form: Form
    verdict: Verdict
    flaws: tuple[Flaw, ...]
    signer: Signer | None
    algorithm: str
    claimed_at: datetime | None
    signed_at: datetime | None
    stamped: bool
    covers: Cover | None
    field: str
    """Of the PDF's form; empty for XML."""


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment, or the document's own XML (position ENVELOPE)."""

    position: int
    name: str
    kind: str
    """By its first bytes."""
    digest: Digest | None
    """Of the bytes that were judged; None where they were not all there."""
    verdict: Verdict | None
    flaws: tuple[Flaw, ...]
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of one envelope or file, as of `at`."""

    at: datetime
    verdict: Verdict | None
    """The worst of the parts'; None where nothing is signed."""
    flaws: tuple[Flaw, ...]
    """Of the whole: why it was not judged, or not all of it."""
    parts: tuple[Part, ...]

    @property
    def words(self) -> tuple[Flaw, ...]:
        """Every flaw once, in the order of Flaw."""
        found = {*self.flaws}
        for part in self.parts:
            found.update(part.flaws)
            for signature in part.signatures:
                found.update(signature.flaws)
        return tuple(flaw for flaw in Flaw if flaw in found)

    @property
    def signatures(self) -> int:
        return sum(len(part.signatures) for part in self.parts)


def unjudged(flaw: Flaw, at: datetime) -> Judgement:
    """The judgement where there was none: UNKNOWN, and why."""
    return Judgement(at, Verdict.UNKNOWN, (flaw,), ())


def write_judgement(judgement: Judgement) -> bytes:
    """As JSON, members in the order of the records."""
    return bytes(_adapter().dump_json(judgement))


def read_judgement(content: bytes | str) -> Judgement:
    """Raises ValueError (pydantic's) for anything else."""
    found = _adapter().validate_json(content)
    assert isinstance(found, Judgement)  # noqa: S101  what the adapter is of
    return found


def judgement_json(judgement: Judgement) -> dict[str, Any]:
    """Plain values, for JSON of others: instants as RFC 3339."""
    found: dict[str, Any] = _adapter().dump_python(judgement, mode="json")
    return found


@lru_cache(maxsize=1)
def _adapter() -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415  most commands never need it

    return TypeAdapter(Judgement)

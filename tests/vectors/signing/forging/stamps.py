"""Timestamps beside a seal: of other bytes, of other times, by other authorities; and answers to requests.

Two entries: `stamped` takes a seal with timestamps in its unsigned properties, as an evidence file holds it;
`answered` takes an authority's answer to the request that was sent. One root is pinned for timestamps alone.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import cms, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from relay.model import SealKind
from relay.signing.pki_tsa import TimestampResponder
from relay.signing.stamped import Unsigned, stamped_bytes, with_unsigned
from tests.vectors.signing.forging.keys import AT, certificate, derived, signer
from tests.vectors.signing.forging.originals import (
    AGENCY,
    ENVELOPE,
    ISSUING,
    NODE_SIGN,
    RSA,
    seal,
    signed,
)
from tests.vectors.signing.forging.vector import Vector, Vectors

# One line a vector, as a table is read.
# fmt: off

NOW = AT.replace(microsecond=0)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
TSA_ROOT = certificate("TSA Root", "TSA Root", ca=True, pathlen=0)
STAMPING = [ExtendedKeyUsageOID.TIME_STAMPING]
NONCE = 0x0123456789ABCDEF
SEAL = seal()
WHAT = stamped_bytes(SEAL)
"""What a timestamp on the usual seal is of."""


def _authority(label: str = "TSA", issuer: str = "TSA Root", **options: Any) -> bytes:
    given: dict[str, Any] = {"extra": x509.ExtendedKeyUsage(STAMPING), "vouching": False} | options
    return certificate(label, issuer, **given)


TSA = _authority()
Edit = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class _Authority(TimestampResponder):
    """It answers the same each time, and what it is told to."""

    edit: Edit = field(default=lambda info: None)

    def _signed(self, content: bytes, at: datetime) -> cms.ContentInfo:
        info = tsp.TSTInfo.load(content)
        info["serial_number"] = 7
        self.edit(info)
        return TimestampResponder._signed(self, info.dump(force=True), at)

    def _sign(self, content: bytes) -> bytes:
        assert isinstance(self.key, ec.EllipticCurvePrivateKey)
        return self.key.sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


def _token(
    of: bytes = WHAT,
    *,
    by: bytes = TSA,
    label: str = "TSA",
    beside: tuple[bytes, ...] = (),
    at: datetime = NOW + MINUTE,
    nonce: int | None = None,
    digest: str = "sha256",
    edit: Edit = lambda info: None,
) -> cms.ContentInfo:
    chain = tuple(asn1_x509.Certificate.load(one) for one in (by, *beside))
    imprint = tsp.MessageImprint({
        "hash_algorithm": {"algorithm": digest},
        "hashed_message": hashlib.new(digest, of).digest(),
    })
    return _Authority(chain, derived(label), lambda: at, edit).token(imprint, nonce)


def token(of: bytes = WHAT, **options: Any) -> bytes:
    return bytes(_token(of, **options).dump())


def stamped(*tokens: bytes, on: bytes = SEAL) -> bytes:
    return with_unsigned(on, Unsigned(tokens))


def answer(of: bytes = WHAT, *, nonce: int | None = NONCE, status: str = "granted", **options: Any) -> bytes:
    response = {"status": {"status": status}, "time_stamp_token": _token(of, nonce=nonce, **options)}
    return bytes(tsp.TimeStampResp(response).dump())


def good_stamps() -> Iterator[tuple[str, str, bytes]]:
    yield "node.stamped", "a seal with a timestamp", stamped(token())
    agency = seal(AGENCY, SealKind.AGENCY)
    yield "agency.stamped", "an agency's", stamped(token(stamped_bytes(agency)), on=agency)
    yield "two.stamped", "two timestamps, one by another authority", stamped(token(), token(by=_authority("TSA 2"), label="TSA 2", at=NOW + DAY))
    yield "another.stamped", "the other of them alone", stamped(token(by=_authority("TSA 2"), label="TSA 2", at=NOW + DAY))
    yield "late.stamped", "stamped ten days later", stamped(token(at=NOW + 10 * DAY))
    short = _ended(20)
    yield "in-time.stamped", "stamped before the seal's certificate ended", stamped(token(stamped_bytes(short), at=NOW + 10 * DAY), on=short)
    yield "granted.answered", "an answer to the request", answer()


def _ended(days: int) -> bytes:
    """A seal whose certificate ends so many days after."""
    der = certificate("brief", "Issuing", [NODE_SIGN], days=(-20, days))
    return signed("seal", signer(der, ISSUING, key=derived("brief")))


def stamps() -> Vectors:
    yield from _other_bytes()
    yield from _other_times()
    yield from _other_authorities()
    yield from _no_timestamps()
    yield from _other_layouts()
    yield from _answers()


def _with(fault: str, case: str, what: str, *tokens: bytes, on: bytes = SEAL, control: str = "", says: str = "") -> Vector:
    return Vector(fault, case, "stamped", what, stamped(*tokens, on=on), control=control, says=says)


def _other_bytes() -> Vectors:
    yield _with("wrong-imprint", "of-another-seal", "the timestamp of another seal of the same document", token(stamped_bytes(signed("seal", RSA))))
    yield _with("wrong-imprint", "of-the-document", "a timestamp of the document, not of the seal", token(ENVELOPE))
    yield _with("wrong-imprint", "of-the-file", "a timestamp of the whole seal, not of its value", token(SEAL))
    yield _with("wrong-imprint", "bad-beside-good", "a second timestamp is of another seal", token(), token(stamped_bytes(signed("seal", RSA))), control="two.stamped")
    yield _with("algorithm", "imprint-sha3", "a digest of the same length", token(digest="sha3_256"))
    yield _with("algorithm", "imprint-sha512", "a longer digest", token(digest="sha512"))
    yield _with("algorithm", "imprint-sha1", "a SHA-1", token(digest="sha1"))
    other = signed("seal", document=b"<edXML/>")
    yield _with("digest-mismatch", "other-document", "a seal of another document, well stamped", token(stamped_bytes(other)), on=other)


def _other_times() -> Vectors:
    yield _with("wrong-time", "before-the-seal", "from before the time that the seal claims", token(at=NOW - 10 * MINUTE), says="before it says")
    yield _with("wrong-time", "before-the-certificate", "from before its authority's certificate", token(at=NOW - 3700 * DAY))
    yield _with("wrong-time", "in-the-future", "from after its authority's certificate", token(at=NOW + 3700 * DAY), control="late.stamped")
    ended = _authority("ended", days=(-20, -1))
    yield _with("wrong-time", "authority-ended", "by an authority whose certificate had ended", token(by=ended, label="ended"))
    vague: Edit = lambda info: info.__setitem__("accuracy", {"seconds": 3600})  # noqa: E731
    yield _with("wrong-time", "vague", "exact to an hour only", token(edit=vague), says="exact to")
    short = _ended(20)
    yield _with("expired-certificate", "stamped-too-late", "stamped after the seal's certificate had ended", token(stamped_bytes(short), at=NOW + 30 * DAY), on=short, control="in-time.stamped")


def _other_authorities() -> Vectors:
    def by(fault: str, case: str, what: str, der: bytes, label: str) -> Vector:
        return _with(fault, case, what, token(by=der, label=label))

    mail = ExtendedKeyUsageOID.EMAIL_PROTECTION
    yield by("untrusted", "not-pinned", "by an authority under the root for all the others", _authority("TSA elsewhere", "Root"), "TSA elsewhere")
    yield by("untrusted", "other-root", "by an authority that nobody vouches for", _authority("TSA of Other", "Other"), "TSA of Other")
    yield by("untrusted", "only-the-name", "by an authority of the root's name and another's signature", _authority("false TSA", issuer_key=derived("mallory")), "false TSA")
    yield by("self-signed", "own-root", "by an authority that vouches for itself", _authority("TSA alone", "TSA alone"), "TSA alone")
    yield by("wrong-purpose", "no-use", "by a certificate that names no use", _authority("no use", extra=None, uris=[NODE_SIGN], vouching=True), "no use")
    yield by("bad-certificate", "use-not-critical", "timeStamping is there, and not critical", _authority("not critical", extra=None, uses=STAMPING), "not critical")
    yield by("bad-certificate", "use-and-more", "timeStamping is not alone", _authority("and more", extra=x509.ExtendedKeyUsage([*STAMPING, mail])), "and more")
    yield by("wrong-purpose", "other-use", "a critical use, and another one", _authority("mail", extra=x509.ExtendedKeyUsage([mail]), uris=[NODE_SIGN], vouching=True), "mail")
    yield by("bad-signature", "other-key", "signed with another key than the certificate's", TSA, "mallory")
    same_key = _authority("TSA again", key=derived("TSA"))
    yield _with("wrong-certificate", "other-certificate", "another certificate of the same key put in", _exchanged(same_key))


def _exchanged(der: bytes) -> bytes:
    """The token's certificate exchanged; its signer committed to the one before."""
    found = _token()
    found["content"]["certificates"][0] = asn1_x509.Certificate.load(der)
    return bytes(found.dump(force=True))


def _twice_signed() -> bytes:
    found = _token()
    signers = found["content"]["signer_infos"]
    other = _token(by=_authority("TSA 2"), label="TSA 2")["content"]["signer_infos"][0]
    signers.append(other)
    return bytes(found.dump(force=True))


def _no_timestamps() -> Vectors:
    good = token()
    flipped = good[:-1] + bytes((good[-1] ^ 1,))
    yield _with("bad-signature", "flipped", "one bit of the timestamp's signature", flipped)
    yield _with("bad-timestamp", "garbage", "an ASN.1 sequence that is no timestamp", b"\x30\x03\x02\x01\x01")
    yield _with("bad-timestamp", "two-signers", "two signers", _twice_signed())
    yield _with("bad-timestamp", "cut", "cut off", good[:-1])
    yield _with("bad-timestamp", "byte-behind", "a byte behind it", good + b"\0")
    yield _with("bad-timestamp", "answer-in-its-place", "the authority's whole answer, not the token in it", answer())
    yield _with("bad-timestamp", "many-certificates", "more certificates than are read", token(beside=tuple(_authority(f"TSA {n}") for n in range(8))))
    yield _with("too-large", "large-timestamp", "a timestamp over its limit", token(beside=tuple(_authority(f"large {n}", names=[x509.DNSName(f"{m:03}.mau.vn") for m in range(1000)]) for n in range(7))))


def _other_layouts() -> Vectors:
    good = stamped(token())

    def edited(fault: str, case: str, what: str, old: bytes, new: bytes) -> Vector:
        if old not in good:
            raise AssertionError(f"{case}: nothing to change")
        return Vector(fault, case, "stamped", what, good.replace(old, new, 1), control="node.stamped")

    yield edited("shape", "space-inside", "white space among the unsigned properties", b"<xades:SignatureTimeStamp>", b" <xades:SignatureTimeStamp>")
    yield edited("shape", "other-c14n", "another canonical form of what is stamped", b"</xades:SignedProperties><xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:SignatureTimeStamp><ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\">", b"</xades:SignedProperties><xades:UnsignedProperties><xades:UnsignedSignatureProperties><xades:SignatureTimeStamp><ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/TR/2001/REC-xml-c14n-20010315\">")
    yield edited("shape", "properties-twice", "unsigned properties twice", b"</xades:UnsignedProperties>", b"</xades:UnsignedProperties><xades:UnsignedProperties></xades:UnsignedProperties>")
    yield edited("shape", "counter-signature", "a counter-signature among them", b"</xades:UnsignedSignatureProperties>", b"<xades:CounterSignature></xades:CounterSignature></xades:UnsignedSignatureProperties>")
    yield edited("shape", "archive-timestamp", "a timestamp of another kind", b"xades:EncapsulatedTimeStamp>", b"xades:XMLTimeStamp>")
    yield Vector("shape", "text-behind", "stamped", "text behind the root", good + b"more", control="node.stamped")
    yield _with("shape", "nine", "nine timestamps", *[token()] * 9)


def _answers() -> Vectors:
    def answered(fault: str, case: str, what: str, content: bytes) -> Vector:
        return Vector(fault, case, "answered", what, content, control="granted.answered")

    yield answered("wrong-nonce", "other-request", "an answer to another request for the same bytes", answer(nonce=NONCE + 1))
    yield answered("wrong-nonce", "no-nonce", "an answer that repeats no nonce: it may be years old", answer(nonce=None))
    yield answered("wrong-imprint", "other-bytes", "the right nonce, and other bytes", answer(b"other bytes"))
    yield answered("bad-timestamp", "refused-with-token", "a refusal that holds a good token", answer(status="rejection"))
    yield answered("bad-timestamp", "waiting", "an answer that puts off", answer(status="waiting"))
    yield answered("bad-timestamp", "token-alone", "a token where an answer should be", token(nonce=NONCE))
    yield answered("untrusted", "answer-of-another", "by an authority that is not pinned", answer(by=_authority("TSA elsewhere", "Root"), label="TSA elsewhere"))

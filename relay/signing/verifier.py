"""Prove who signed a document, in eleven steps that each refuse with a word of their own.

Touches: nothing.
Trusts:  the trust store and the document's digest, which the caller computed; every byte of the
         signature is hostile.
Raises:  SignatureError.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

import pybase64

from relay.errors import SignatureError
from relay.model import Digest
from relay.signing import algorithms
from relay.signing.certificates import Chain, Leaf, Purpose, public_key, read_chain, require_purpose
from relay.signing.faults import Fault
from relay.signing.proof_shape import signature_in
from relay.signing.shape import read_parts
from relay.signing.trust import Path, TrustStore
from relay.signing.xades import DocumentName

REMEMBERED_CHARACTERS = 16 * 1024
"""Of a chain as text. A thousand of the longest that may come would be a hundred megabytes, and nobody has
proven anything when they are read."""
_CERTIFICATE = re.compile("<ds:X509Certificate>([^<]+)</ds:X509Certificate>")


@dataclass(frozen=True, slots=True)
class Proof:
    """Made only by prove(): this leaf, valid for this role, signed the document."""

    role: str
    path: Path
    signed_at: datetime
    """As the signer claims, in whole seconds; no third party vouches for it."""

    @property
    def leaf(self) -> Leaf:
        return self.path.leaf


def prove(
    signature: bytes,
    name: DocumentName,
    digest: Digest,
    trust: TrustStore,
    *,
    at: datetime | None,
    roles: Mapping[str, Purpose],
    latest: datetime | None = None,
) -> Proof:
    """Who signed the document of this digest, under this name, in one of these roles.

    Certificates are judged at `at`, or at the claimed SigningTime where it is None; where that lies
    after `latest`, then too, or one that is not valid yet would do by a claim.
    """
    # 1. The signature has the one shape: nothing else can be in it.
    parts = read_parts(signature)
    # 2. It signs a document of this kind.
    if parts.name != name.value:
        raise SignatureError(
            Fault.WRONG_DOCUMENT, f"signed as {parts.name}, needed as {name.value}"
        )
    # 3. It signs these bytes.
    if not _same(parts.document_digest, bytes.fromhex(digest)):
        raise SignatureError(Fault.DIGEST_MISMATCH, "other bytes than these were signed")
    return prove_parts(parts, name.value, trust, at=at, roles=roles, latest=latest)


class Claims(Protocol):
    """What a signature of either shape says of itself, texts as found."""

    @property
    def method(self) -> str: ...
    @property
    def properties_digest(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def certificates(self) -> str: ...
    @property
    def signed_at(self) -> str: ...
    @property
    def certificate_digest(self) -> str: ...
    @property
    def role(self) -> str: ...
    def signed_info(self) -> bytes: ...
    def signed_properties_digest(self) -> str: ...


def prove_parts(
    parts: Claims,
    what: str,
    trust: TrustStore,
    *,
    at: datetime | None,
    roles: Mapping[str, Purpose],
    latest: datetime | None = None,
) -> Proof:
    """The steps after the shape and the documents' digests, which are the caller's."""
    signed_at = _time(parts.signed_at)
    # 4. The signed properties are the ones SignedInfo speaks of.
    if _compact(parts.properties_digest) != parts.signed_properties_digest():
        raise SignatureError(Fault.PROPERTIES_MISMATCH, "the signed properties were changed")
    # 5. The certificates can be read and keep their profile.
    chain = _chain(parts.certificates)
    # 6. The first of them is the one the signer committed to.
    if not _same(parts.certificate_digest, bytes.fromhex(chain.leaf.sha256)):
        raise SignatureError(
            Fault.WRONG_CERTIFICATE, "the first certificate is not the one that was signed for"
        )
    # 7. The claimed role is one this document may be signed in, and the certificate is for it.
    purpose = _purpose(parts.role, what, roles)
    require_purpose(chain.leaf, purpose)
    # 8. Its key made the signature value.
    _check_value(parts, chain)
    # 9. A path of valid certificates leads to a root.
    claimed = signed_at if at is None else at
    path = trust.path(chain, claimed, purpose)
    if latest is not None and claimed > latest:
        path = trust.path(chain, latest, purpose)
    # 10. Nothing that is known revokes a certificate of it, as far as this node asks.
    trust.require_unrevoked(path, purpose)
    # 11. Whom the leaf speaks for is for the caller to compare with what the document says.
    return Proof(parts.role, path, signed_at)


def signer_of(signature: bytes) -> Digest:
    """SHA-256 of the certificate that a signature, or a batch's, commits to. Nothing is proven."""
    return _chain(read_parts(signature_in(signature)).certificates).leaf.sha256


def signer_named(signature: bytes) -> str:
    """The subject of that certificate. Nothing is proven."""
    return _chain(read_parts(signature_in(signature)).certificates).leaf.subject


def certificates_in(signature: bytes) -> list[bytes]:
    """The certificates that lie in a signature, or a batch's, the signer's first. Nothing is proven."""
    return certificates_among(read_parts(signature_in(signature)).certificates)


def claimed_time(signature: bytes) -> datetime:
    """When a signature, or a batch's, says it was made. Nothing is proven."""
    return _time(read_parts(signature_in(signature)).signed_at)


def _purpose(role: str, what: str, roles: Mapping[str, Purpose]) -> Purpose:
    purpose = roles.get(role)
    if purpose is None:
        raise SignatureError(Fault.WRONG_ROLE, f"{what} may not be signed as {role}")
    return purpose


def _check_value(parts: Claims, chain: Chain) -> None:
    key = algorithms.verifying_key(public_key(chain.leaf.certificate))
    algorithms.verify(key, parts.method, _decoded(parts.value), parts.signed_info())


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise SignatureError(Fault.BAD_TIME, f"SigningTime {text} is no date and time") from None


def _same(text: str, digest: bytes) -> bool:
    expected = pybase64.b64encode(digest).decode()
    return text == expected or _compact(text) == expected


def _compact(text: str) -> str:
    return "".join(text.split())


def _decoded(text: str) -> bytes:
    """Strict base64: one text for one value, white space apart."""
    compact = _compact(text)
    try:
        decoded = pybase64.b64decode(compact, validate=True)
    except ValueError:
        raise SignatureError(Fault.MALFORMED, "a value is not base64") from None
    if pybase64.b64encode(decoded).decode() != compact:
        raise SignatureError(Fault.MALFORMED, "a value is not in canonical base64")
    return decoded


def _chain(certificates: str) -> Chain:
    """Parsed once for each signer: the same text comes with each of its signatures."""
    if len(certificates) > REMEMBERED_CHARACTERS:
        return _read_chain(certificates)
    return _remembered_chain(certificates)


def _read_chain(certificates: str) -> Chain:
    return read_chain(certificates_among(certificates))


_remembered_chain = lru_cache(maxsize=1024)(_read_chain)


def certificates_among(text: str) -> list[bytes]:
    """DER, of the X509Certificate elements in a text."""
    return [_decoded(one) for one in _CERTIFICATE.findall(text)]

"""Read certificates and hold them to their profile: what each is for and whom it speaks for.

Touches: nothing.
Trusts:  nothing; a certificate read here is well formed and keeps its profile, not yet trusted.
Raises:  SignatureError (bad-certificate, weak-key, wrong-purpose).

The identity is in URIs of the subject alternative name: `urn:truc-relay:node:<id>:tls|sign|log`,
`urn:truc-relay:agency:<CODE>` (one or more), `urn:truc-relay:gateway:<node id>`; of one kind only. A
certificate without such a URI is an official's, a timestamp authority's or an OCSP responder's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from relay.errors import SignatureError
from relay.model import AgencyCode, Digest, NodeId, digest_of
from relay.signing.faults import Fault
from relay.signing.profiles import (
    OURS,
    PREFIX,
    Purpose,
    bad,
    check_issuer,
    check_leaf,
    public_key,
    purpose_without_name,
    uris,
)
from relay.wire.values import AGENCY_CODE, NODE_ID

__all__ = [
    "Chain",
    "Identity",
    "Leaf",
    "Purpose",
    "check_issuer",
    "public_key",
    "read_certificate",
    "read_chain",
    "read_leaf",
    "require_purpose",
]

CERTIFICATE_LIMIT_BYTES = 16 * 1024
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.OCSP_NO_CHECK,
    }
)
"""Whatever else a certificate marks as critical is a limit we do not know how to keep."""
_PROXY = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14")
"""Critical by its own standard (RFC 3820): without that mark it says no less whose name it is used in."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate speaks for: a node, one or more agencies, or nobody that it names."""

    purpose: Purpose
    node: NodeId | None
    agencies: frozenset[AgencyCode]


@dataclass(frozen=True, slots=True)
class Leaf:
    """An end entity's certificate that keeps its profile."""

    certificate: x509.Certificate
    sha256: Digest
    subject: str
    identity: Identity

    @property
    def used_for(self) -> Purpose:
        """What its signatures in the relay are: one that names nobody seals for an agency (clause 10.2)."""
        found = self.identity.purpose
        return Purpose.AGENCY if found is Purpose.OFFICIAL else found


@dataclass(frozen=True, slots=True)
class Chain:
    """A leaf and the issuers handed in with it, none of them trusted yet. `digest` is of them all."""

    leaf: Leaf
    above: tuple[x509.Certificate, ...]
    digest: bytes


def read_chain(certificates: Sequence[bytes]) -> Chain:
    """The chain of these DER certificates, the leaf first."""
    if not certificates:
        raise SignatureError(Fault.BAD_CERTIFICATE, "there is no certificate")
    leaf = read_leaf(certificates[0])
    above = tuple(read_certificate(der) for der in certificates[1:])
    lengths = b"".join(len(der).to_bytes(4, "big") for der in certificates)
    return Chain(leaf, above, hashlib.sha256(lengths + b"".join(certificates)).digest())


def read_leaf(der: bytes) -> Leaf:
    certificate = read_certificate(der)
    identity = _identity(certificate)
    check_leaf(certificate, identity.purpose)
    return Leaf(certificate, digest_of(der), certificate.subject.rfc4514_string(), identity)


def require_purpose(leaf: Leaf, purpose: Purpose) -> None:
    """An official's or organisation's certificate may seal, too, where the directory binds it to an
    agency: whether it does is judged with the agency (seal.require_sealed_by)."""
    found = leaf.identity.purpose
    if found is Purpose.OFFICIAL and purpose is Purpose.AGENCY:
        return
    if found is Purpose.OFFICIAL and purpose in OURS:
        raise bad(f"the certificate names no {PREFIX} identity")
    if found is not purpose:
        raise SignatureError(
            Fault.WRONG_PURPOSE,
            f"a certificate for {leaf.identity.purpose.value} is used for {purpose.value}",
        )


def read_certificate(der: bytes) -> x509.Certificate:
    """A version 3 certificate whose extensions we can read and whose critical ones we understand."""
    if len(der) > CERTIFICATE_LIMIT_BYTES:
        raise bad(f"certificate of {len(der)} bytes, limit {CERTIFICATE_LIMIT_BYTES} bytes")
    try:
        certificate = x509.load_der_x509_certificate(der)
        extensions = list(certificate.extensions)
        version = certificate.version
        _touch(certificate)
    except Exception as error:  # noqa: BLE001 - hostile DER; what its parser raises is not documented
        raise bad(f"the certificate cannot be read ({type(error).__name__})") from None
    if version is not x509.Version.v3:
        raise bad("the certificate is not of version 3")
    if der[-len(certificate.signature) - 1] != 0:
        # Its parser takes them, and anybody could write the same certificate in other bytes.
        raise bad("the certificate's signature has unused bits")
    if certificate.serial_number <= 0:
        raise bad("the certificate's serial number is not positive")
    for extension in extensions:
        if extension.oid == _PROXY:
            raise bad("a proxy certificate speaks in another's name")
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise bad(f"critical extension {extension.oid.dotted_string} is not understood")
    return certificate


def _touch(certificate: x509.Certificate) -> None:
    """Names and times are decoded when first asked for: ask here, where a failure is a refusal."""
    certificate.subject.rfc4514_string()
    certificate.issuer.rfc4514_string()
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    _ = certificate.signature_algorithm_oid, certificate.signature_hash_algorithm


def _identity(certificate: x509.Certificate) -> Identity:
    named = uris(certificate)
    if not named:
        return Identity(purpose_without_name(certificate), None, frozenset())
    return identity_named(named)


def identity_named(uris: Sequence[str]) -> Identity:
    """Whom these identities, one or more, stand for."""
    found = [_identity_of(uri) for uri in uris]
    purpose = found[0].purpose
    if len(found) > 1 and any(one.purpose is not Purpose.AGENCY for one in found):
        raise bad("the certificate names more than one identity")
    codes = frozenset(code for one in found for code in one.agencies)
    return Identity(purpose, found[0].node, codes)


def _identity_of(uri: str) -> Identity:
    match uri.removeprefix(PREFIX).split(":"):
        case ["node", name, ("tls" | "sign" | "log") as purpose] if NODE_ID.fullmatch(name):
            return Identity(Purpose(purpose), NodeId(name), frozenset())
        case ["gateway", name] if NODE_ID.fullmatch(name):
            return Identity(Purpose.GATEWAY, NodeId(name), frozenset())
        case ["agency", code] if AGENCY_CODE.fullmatch(code):
            return Identity(Purpose.AGENCY, None, frozenset({AgencyCode(code)}))
    raise bad(f"the certificate names an identity {PREFIX}… of no known form")

"""Read certificates and hold them to their profile: what each is for and whom it speaks for.

Touches: nothing.
Trusts:  nothing; a certificate read here is well formed and keeps its profile, not yet trusted.
Raises:  SignatureError (bad-certificate, weak-key, wrong-purpose).

The identity is in URIs of the subject alternative name: `urn:truc-relay:node:<id>:tls|sign|log`,
`urn:truc-relay:agency:<CODE>` (one or more), `urn:truc-relay:gateway:<node id>`; of one kind only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from relay.errors import SignatureError
from relay.model import AgencyCode, Digest, NodeId, digest_of
from relay.signing import algorithms
from relay.signing.faults import Fault
from relay.wire.values import AGENCY_CODE, NODE_ID

CERTIFICATE_LIMIT_BYTES = 16 * 1024
_PREFIX = "urn:truc-relay:"
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)
"""Whatever else a certificate marks as critical is a limit we do not know how to keep."""
E = TypeVar("E", bound=x509.ExtensionType)


class Purpose(StrEnum):
    """What a certificate is for; each has one purpose."""

    TLS = "tls"
    SIGN = "sign"
    LOG = "log"
    AGENCY = "agency"
    GATEWAY = "gateway"


_VOUCHING = frozenset({Purpose.SIGN, Purpose.AGENCY, Purpose.GATEWAY})


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate speaks for: a node, or one or more agencies."""

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


@dataclass(frozen=True, slots=True)
class Chain:
    """A leaf and the issuers handed in with it, none of them trusted yet. `digest` is of them all."""

    leaf: Leaf
    above: tuple[x509.Certificate, ...]
    digest: bytes


def _bad(message: str) -> SignatureError:
    return SignatureError(Fault.BAD_CERTIFICATE, message)


def read_chain(certificates: Sequence[bytes]) -> Chain:
    """The chain of these DER certificates, the leaf first."""
    leaf = read_leaf(certificates[0])
    above = tuple(read_certificate(der) for der in certificates[1:])
    lengths = b"".join(len(der).to_bytes(4, "big") for der in certificates)
    return Chain(leaf, above, hashlib.sha256(lengths + b"".join(certificates)).digest())


def read_leaf(der: bytes) -> Leaf:
    certificate = read_certificate(der)
    identity = _identity(certificate)
    _check_leaf(certificate, identity.purpose)
    return Leaf(certificate, digest_of(der), certificate.subject.rfc4514_string(), identity)


def require_purpose(leaf: Leaf, purpose: Purpose) -> None:
    if leaf.identity.purpose is not purpose:
        raise SignatureError(
            Fault.WRONG_PURPOSE,
            f"a certificate for {leaf.identity.purpose.value} is used for {purpose.value}",
        )


def read_certificate(der: bytes) -> x509.Certificate:
    """A version 3 certificate whose extensions we can read and whose critical ones we understand."""
    if len(der) > CERTIFICATE_LIMIT_BYTES:
        raise _bad(f"certificate of {len(der)} bytes, limit {CERTIFICATE_LIMIT_BYTES} bytes")
    try:
        certificate = x509.load_der_x509_certificate(der)
        extensions = list(certificate.extensions)
        version = certificate.version
        _touch(certificate)
    except Exception as error:  # noqa: BLE001 - hostile DER; what its parser raises is not documented
        raise _bad(f"the certificate cannot be read ({type(error).__name__})") from None
    if version is not x509.Version.v3:
        raise _bad("the certificate is not of version 3")
    if certificate.serial_number <= 0:
        raise _bad("the certificate's serial number is not positive")
    for extension in extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            raise _bad(f"critical extension {extension.oid.dotted_string} is not understood")
    return certificate


def _touch(certificate: x509.Certificate) -> None:
    """Names and times are decoded when first asked for: ask here, where a failure is a refusal."""
    certificate.subject.rfc4514_string()
    certificate.issuer.rfc4514_string()
    _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    _ = certificate.signature_algorithm_oid, certificate.signature_hash_algorithm


def public_key(certificate: x509.Certificate) -> object:
    try:
        return certificate.public_key()
    except Exception as error:  # noqa: BLE001 - as above
        raise SignatureError(
            Fault.WEAK_KEY, f"the certificate's key cannot be used ({type(error).__name__})"
        ) from None


def _extension(certificate: x509.Certificate, kind: type[E]) -> x509.Extension[E] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def _identity(certificate: x509.Certificate) -> Identity:
    names = _extension(certificate, x509.SubjectAlternativeName)
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier) if names else []
    found = [_identity_of(uri) for uri in uris if uri.startswith(_PREFIX)]
    if not found:
        raise _bad(f"the certificate names no {_PREFIX} identity")
    purpose = found[0].purpose
    if len(found) > 1 and any(one.purpose is not Purpose.AGENCY for one in found):
        raise _bad("the certificate names more than one identity")
    codes = frozenset(code for one in found for code in one.agencies)
    return Identity(purpose, found[0].node, codes)


def _identity_of(uri: str) -> Identity:
    match uri.removeprefix(_PREFIX).split(":"):
        case ["node", name, ("tls" | "sign" | "log") as purpose] if NODE_ID.fullmatch(name):
            return Identity(Purpose(purpose), NodeId(name), frozenset())
        case ["gateway", name] if NODE_ID.fullmatch(name):
            return Identity(Purpose.GATEWAY, NodeId(name), frozenset())
        case ["agency", code] if AGENCY_CODE.fullmatch(code):
            return Identity(Purpose.AGENCY, None, frozenset({AgencyCode(code)}))
    raise _bad(f"the certificate names an identity {_PREFIX}… of no known form")


def _check_leaf(certificate: x509.Certificate, purpose: Purpose) -> None:
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise _bad("an issuer's certificate may not sign documents")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not usage.critical or not usage.value.digital_signature:
        raise _bad("the certificate has no critical key usage with digitalSignature")
    if usage.value.key_cert_sign or usage.value.crl_sign:
        raise _bad("the certificate's key usage is an issuer's")
    if purpose in _VOUCHING and not usage.value.content_commitment:
        raise _bad("the certificate's key usage has no nonRepudiation")
    if purpose is Purpose.TLS:
        _check_tls_usage(certificate)
    elif purpose is Purpose.LOG:
        algorithms.log_key(public_key(certificate))
    else:
        algorithms.verifying_key(public_key(certificate))


def _check_tls_usage(certificate: x509.Certificate) -> None:
    usages = _extension(certificate, x509.ExtendedKeyUsage)
    wanted = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    if usages is None or not wanted <= set(usages.value):
        raise _bad("the certificate's extended key usage is not serverAuth and clientAuth")
    algorithms.verifying_key(public_key(certificate))


def check_issuer(certificate: x509.Certificate, issuers_below: int) -> None:
    """Raise unless this may issue, with that many issuers between it and the leaf."""
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.critical or not constraints.value.ca:
        raise _bad("an issuer in the path is no certificate authority")
    limit = constraints.value.path_length
    if limit is not None and issuers_below > limit:
        raise _bad(f"{issuers_below} issuers below one that allows {limit}")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not usage.critical or not usage.value.key_cert_sign:
        raise _bad("an issuer's key usage has no keyCertSign")
    algorithms.check_issuer_key(public_key(certificate))

"""What each purpose demands of a certificate, and what it takes to issue one (certs/README.md, by clause).

Touches: nothing.
Trusts:  nothing; a certificate that passes here keeps its profile and is not yet trusted.
Raises:  SignatureError (bad-certificate, weak-key).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Use
from cryptography.x509.oid import PublicKeyAlgorithmOID as Kind

from relay.errors import SignatureError
from relay.model import NodeId
from relay.signing import algorithms
from relay.signing.constraints import check_forms
from relay.signing.faults import Fault
from relay.wire.values import NODE_ID

E = TypeVar("E", bound=x509.ExtensionType)
PREFIX = "urn:truc-relay:"
_BRANCH = f"{PREFIX}branch:"


class Purpose(StrEnum):
    """What a certificate is for; each has one purpose."""

    TLS = "tls"
    SIGN = "sign"
    LOG = "log"
    AGENCY = "agency"
    GATEWAY = "gateway"
    OFFICIAL = "official"
    """An official or organisation of the field, whose certificate knows nothing of the relay."""
    TIMESTAMP = "timestamp"
    OCSP = "ocsp"


OURS = frozenset({Purpose.TLS, Purpose.SIGN, Purpose.LOG, Purpose.AGENCY, Purpose.GATEWAY})
"""Those whose certificates name whom they speak for by a URI of the relay."""
_VOUCHING = frozenset({Purpose.SIGN, Purpose.AGENCY, Purpose.GATEWAY, Purpose.OFFICIAL})
_KEYS: Mapping[Purpose, Callable[[object], object]] = {
    Purpose.SIGN: algorithms.verifying_key,
    Purpose.AGENCY: algorithms.verifying_key,
    Purpose.GATEWAY: algorithms.verifying_key,
    Purpose.LOG: algorithms.log_key,
}
"""The others may have any key that an issuer may have."""
_USES: Mapping[Purpose, frozenset[x509.ObjectIdentifier]] = {
    Purpose.TLS: frozenset({Use.SERVER_AUTH, Use.CLIENT_AUTH}),
    Purpose.TIMESTAMP: frozenset({Use.TIME_STAMPING}),
    Purpose.OCSP: frozenset({Use.OCSP_SIGNING}),
}
"""The extended key usage that a purpose cannot be without."""
_APART = frozenset({Use.TIME_STAMPING, Use.OCSP_SIGNING})
"""Uses that stand alone: whoever has one of them is nothing else."""


def bad(message: str) -> SignatureError:
    return SignatureError(Fault.BAD_CERTIFICATE, message)


def extension(certificate: x509.Certificate, kind: type[E]) -> x509.Extension[E] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None


def uris(certificate: x509.Certificate) -> list[str]:
    """The relay's own names in the subject alternative name."""
    names = extension(certificate, x509.SubjectAlternativeName)
    found = names.value.get_values_for_type(x509.UniformResourceIdentifier) if names else []
    return [uri for uri in found if uri.startswith(PREFIX)]


def uses(certificate: x509.Certificate) -> frozenset[x509.ObjectIdentifier] | None:
    """The extended key usage; None: any."""
    found = extension(certificate, x509.ExtendedKeyUsage)
    return None if found is None else frozenset(found.value)


def public_key(certificate: x509.Certificate) -> object:
    """Of a kind that says nothing of how it signs: one for RSASSA-PSS alone would be taken for any RSA key."""
    if certificate.public_key_algorithm_oid == Kind.RSASSA_PSS:
        raise SignatureError(Fault.WEAK_KEY, "a key for RSASSA-PSS may not be in this certificate")
    try:
        return certificate.public_key()
    except Exception as error:  # noqa: BLE001 - hostile DER; what its parser raises is not documented
        raise SignatureError(
            Fault.WEAK_KEY, f"the certificate's key cannot be used ({type(error).__name__})"
        ) from None


# ---------------------------------------------------------------- end entities


def purpose_without_name(certificate: x509.Certificate) -> Purpose:
    """Of a certificate that names nobody of the relay."""
    found = uses(certificate) or frozenset()
    if Use.TIME_STAMPING in found:
        return Purpose.TIMESTAMP
    return Purpose.OCSP if Use.OCSP_SIGNING in found else Purpose.OFFICIAL


def check_leaf(certificate: x509.Certificate, purpose: Purpose) -> None:
    """Raise unless an end entity of this purpose may look like this (clauses 4 to 8 and 10 to 12)."""
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise bad("an issuer's certificate may not sign documents")
    if extension(certificate, x509.NameConstraints) is not None:
        raise bad("name constraints stand in an issuer's certificate only")
    _check_usage(certificate, purpose)
    _check_uses(certificate, purpose)
    _KEYS.get(purpose, algorithms.check_issuer_key)(public_key(certificate))


def _check_usage(certificate: x509.Certificate, purpose: Purpose) -> None:
    usage = extension(certificate, x509.KeyUsage)
    if usage is None:
        raise bad("the certificate has no key usage")
    if purpose in OURS and not (usage.critical and usage.value.digital_signature):
        raise bad("the certificate has no critical key usage with digitalSignature")
    if not (usage.value.digital_signature or usage.value.content_commitment):
        raise bad("the certificate's key usage has neither digitalSignature nor nonRepudiation")
    if usage.value.key_cert_sign or usage.value.crl_sign:
        raise bad("the certificate's key usage is an issuer's")
    if purpose in _VOUCHING and not usage.value.content_commitment:
        raise bad("the certificate's key usage has no nonRepudiation")


def _check_uses(certificate: x509.Certificate, purpose: Purpose) -> None:
    found, wanted = uses(certificate), _USES.get(purpose, frozenset())
    if not wanted <= (found or frozenset()):
        raise bad(f"the certificate's extended key usage is not that of {purpose}")
    apart = (found or frozenset()) & _APART
    if apart and found != wanted:
        raise bad("a use that stands alone stands beside another in the extended key usage")
    held = extension(certificate, x509.ExtendedKeyUsage)
    if purpose is Purpose.TIMESTAMP and not (held and held.critical):  # RFC 3161 §2.3
        raise bad("the extended key usage of a timestamp authority is not critical")


# ---------------------------------------------------------------- issuers


def check_issuer(certificate: x509.Certificate, issuers_below: int) -> None:
    """Raise unless this may issue, with that many issuers between it and the leaf."""
    constraints = extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.critical or not constraints.value.ca:
        raise bad("an issuer in the path is no certificate authority")
    limit = constraints.value.path_length
    if limit is not None and issuers_below > limit:
        raise SignatureError(
            Fault.PATH_TOO_LONG, f"{issuers_below} issuers below one that allows {limit}"
        )
    usage = extension(certificate, x509.KeyUsage)
    if usage is None or not usage.critical or not usage.value.key_cert_sign:
        raise bad("an issuer's key usage has no keyCertSign")
    algorithms.check_issuer_key(public_key(certificate))
    check_forms(certificate)
    branches_of(certificate)


def check_issued_use(issuer: x509.Certificate, purpose: Purpose) -> None:
    """Raise where an issuer that is for some uses only issued for another."""
    found = uses(issuer)
    if found is None or Use.ANY_EXTENDED_KEY_USAGE in found:
        return
    if not _USES.get(purpose) or not _USES[purpose] <= found:
        raise SignatureError(
            Fault.WRONG_PURPOSE, f"an issuer in the path does not issue for {purpose}"
        )


def branches_of(issuer: x509.Certificate) -> frozenset[NodeId]:
    """The nodes at the top of the branches it issues for (clause 3.4); empty: it names none."""
    found = uris(issuer)
    for uri in found:
        if not (uri.startswith(_BRANCH) and NODE_ID.fullmatch(uri.removeprefix(_BRANCH))):
            raise bad("an issuer's certificate names something else than branches")
    return frozenset(NodeId(uri.removeprefix(_BRANCH)) for uri in found)

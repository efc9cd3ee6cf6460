"""Prove a CRL, and look certificates up in it (RFC 5280 §5, §6.3).

Touches: nothing. A CRL of thousands of entries is read once, which takes a while: off the event loop.
Trusts:  the issuer's certificate, which the caller proved; every byte of the CRL is hostile.
Raises:  SignatureError (bad-revocation).

Only complete CRLs by the certificates' own issuer are taken. Indirect ones, deltas and those of some
reasons only are refused: a base CRL is whole by itself, and nothing is missed but news.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID

from relay.errors import SignatureError
from relay.model import UTC_NOW_TOLERANCE, Digest, digest_of
from relay.signing.algorithms import CERTIFICATE_SIGNATURES, check_issuer_key
from relay.signing.faults import Fault
from relay.signing.revocation.verdicts import UNSPECIFIED, Revocation, Statement

CRL_LIMIT_BYTES = 16 << 20
ENTRY_LIMIT = 250_000
_UNDERSTOOD = frozenset(
    {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.CRL_NUMBER,
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    }
)
_ENTRY_UNDERSTOOD = frozenset({x509.CRLReason.oid, x509.InvalidityDate.oid})
_REMOVED = x509.ReasonFlags.remove_from_crl


@dataclass(frozen=True, slots=True)
class _Scope:
    """The certificates that a CRL speaks of (IssuingDistributionPoint, §5.2.5)."""

    users: bool = True
    authorities: bool = True
    points: frozenset[str] = frozenset()
    """Where it is published; empty: it speaks of all its issuer's."""


@dataclass(frozen=True, slots=True)
class Crl:
    """Made only by prove_crl: its issuer signed it."""

    digest: Digest
    issuer: x509.Name
    this_update: datetime
    next_update: datetime
    entries: Mapping[int, Revocation]
    _scope: _Scope
    der: bytes = field(repr=False)

    @property
    def scope(self) -> str:
        """Which part of its issuer's certificates it is about; empty: all. An issuer may publish several
        CRLs, each of another part."""
        scope = self._scope
        if scope == _Scope():
            return ""
        return digest_of(repr((scope.users, scope.authorities, sorted(scope.points))).encode())

    def statement(self, certificate: x509.Certificate) -> Statement | None:
        """What it says of this certificate of its issuer's; None where that is out of its scope."""
        if not self._speaks_of(certificate):
            return None
        entry = self.entries.get(certificate.serial_number)
        return Statement(self.digest, self.this_update, self.next_update, entry)

    def _speaks_of(self, certificate: x509.Certificate) -> bool:
        if not (self._scope.authorities if _is_authority(certificate) else self._scope.users):
            return False
        points = self._scope.points
        return not points or not points.isdisjoint(distribution_points(certificate))


def prove_crl(der: bytes, issuer: x509.Certificate, at: datetime) -> Crl:
    """The CRL, proven to be this issuer's and made by now (R1); whether it is fresh, verdicts.py judges."""
    crl = _read(der)
    if crl.issuer != issuer.subject:
        raise _bad("the CRL is of another issuer")
    _check_signature(crl, issuer)
    scope = _scope(crl)
    made, ends = crl.last_update_utc, crl.next_update_utc
    if ends is None or ends < made:
        raise _bad("the CRL says no next update")
    if made > at + UTC_NOW_TOLERANCE:
        raise _bad(f"the CRL is of {made:%Y-%m-%dT%H:%M:%SZ}, judged at {at:%Y-%m-%dT%H:%M:%SZ}")
    return Crl(digest_of(der), crl.issuer, made, ends, _entries(crl), scope, der)


def is_crl(content: bytes) -> bool:
    """Whether it is one at all, as DER or PEM, whoever's; nothing is proven."""
    load = x509.load_pem_x509_crl if content.startswith(b"-----BEGIN") else x509.load_der_x509_crl
    try:
        load(content)
    except Exception:  # noqa: BLE001 - anyone's bytes; what their parser raises is not documented
        return False
    return True


def distribution_points(certificate: x509.Certificate) -> frozenset[str]:
    """The URIs at which a certificate says its CRLs are; none where it does not, or not readably."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    whole = [one for one in points if one.reasons is None and one.crl_issuer is None]
    return frozenset(_uris(name for one in whole for name in one.full_name or ()))


def _uris(names: object) -> list[str]:
    return [one.value for one in names if isinstance(one, x509.UniformResourceIdentifier)]  # type: ignore[attr-defined]


def _read(der: bytes) -> x509.CertificateRevocationList:
    if len(der) > CRL_LIMIT_BYTES:
        raise _bad(f"CRL of {len(der)} bytes, limit {CRL_LIMIT_BYTES} bytes")
    try:
        crl = x509.load_der_x509_crl(der)
        count = len(crl)
        _ = crl.issuer, crl.last_update_utc, crl.next_update_utc, list(crl.extensions)
        algorithm = crl.signature_algorithm_oid
    except Exception as error:  # noqa: BLE001 - hostile DER; what its parser raises is not documented
        raise _bad(f"the CRL cannot be read ({type(error).__name__})") from None
    if count > ENTRY_LIMIT:
        raise _bad(f"CRL of {count} entries, limit {ENTRY_LIMIT}")
    if algorithm not in CERTIFICATE_SIGNATURES:
        raise _bad("the CRL is signed with an algorithm that is not accepted")
    return crl


def _check_signature(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> None:
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        raise _bad("the CRL's issuer has no key usage") from None
    if not usage.crl_sign:
        raise _bad("the CRL's issuer may not sign CRLs (cRLSign)")
    key = issuer.public_key()
    check_issuer_key(key)
    try:
        holds = crl.is_signature_valid(key)  # type: ignore[arg-type]
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        holds = False
    if not holds:
        raise _bad("the CRL's signature does not hold under its issuer's key")


def _scope(crl: x509.CertificateRevocationList) -> _Scope:
    """Refuses what it does not understand, and what is not whole (R2)."""
    scope = _Scope()
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator):
            raise _bad("a delta CRL is not whole by itself")
        if isinstance(value, x509.IssuingDistributionPoint):
            scope = _scope_of(value)
        elif extension.critical and extension.oid not in _UNDERSTOOD:
            oid = extension.oid.dotted_string
            raise _bad(f"critical CRL extension {oid} is not understood")
    return scope


def _scope_of(point: x509.IssuingDistributionPoint) -> _Scope:
    if point.indirect_crl:
        raise _bad("an indirect CRL speaks of other issuers' certificates")
    if point.only_some_reasons is not None:
        raise _bad("the CRL speaks of some reasons only")
    if point.only_contains_attribute_certs or point.relative_name is not None:
        raise _bad("the CRL's scope is of no form that is taken here")
    users, authorities = point.only_contains_user_certs, point.only_contains_ca_certs
    if users and authorities:
        raise _bad("the CRL's scope is empty")
    points = frozenset(_uris(point.full_name or ()))
    if point.full_name and not points:
        raise _bad("the CRL's distribution point has no URI")
    return _Scope(not authorities, not users, points)


def _entries(crl: x509.CertificateRevocationList) -> dict[int, Revocation]:
    entries: dict[int, Revocation] = {}
    try:
        for revoked in crl:
            found = _entry(revoked)
            if found is not None:
                entries[revoked.serial_number] = found
    except SignatureError:
        raise
    except Exception as error:  # noqa: BLE001 - as in _read
        raise _bad(f"an entry of the CRL cannot be read ({type(error).__name__})") from None
    return entries


def _entry(revoked: x509.RevokedCertificate) -> Revocation | None:
    """None for one that is revoked no more (removeFromCRL)."""
    reason, invalid_from = UNSPECIFIED, None
    for extension in revoked.extensions:
        value = extension.value
        if isinstance(value, x509.CRLReason):
            if value.reason is _REMOVED:
                return None
            reason = value.reason.value
        elif isinstance(value, x509.InvalidityDate):
            invalid_from = value.invalidity_date_utc
        elif extension.critical and extension.oid not in _ENTRY_UNDERSTOOD:
            # §5.3: then the CRL says nothing reliable of any certificate (certificateIssuer is one)
            oid = extension.oid.dotted_string
            raise _bad(f"critical CRL entry extension {oid} is not understood")
    return Revocation(revoked.revocation_date_utc, reason, invalid_from)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _bad(message: str) -> SignatureError:
    return SignatureError(Fault.BAD_REVOCATION, message)

"""The certificates that are pinned: whom every path of a role must end at, and what helps to find paths.

Touches: nothing.
Trusts:  the operator's choice of certificates; each must be fit to issue.
Raises:  SettingsError with every problem at once; certificates_of raises SignatureError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from relay.errors import SettingsError, SignatureError
from relay.model import Digest, digest_of
from relay.signing.certificates import Purpose, check_issuer, read_certificate
from relay.signing.faults import Fault

MOST_CERTIFICATES = 256
"""In all lists together: each may cost a search a signature, and each is named in the audit log."""


class Role(StrEnum):
    """Whom anchors may be pinned for."""

    AGENCY = "agency"
    GATEWAY = "gateway"
    NODE = "node"
    TIMESTAMP = "timestamp"
    OFFICIAL = "official"


ROLES: Mapping[Purpose, Role | None] = {
    Purpose.AGENCY: Role.AGENCY,
    Purpose.GATEWAY: Role.GATEWAY,
    Purpose.SIGN: Role.NODE,
    Purpose.LOG: Role.NODE,
    Purpose.TLS: Role.NODE,
    Purpose.TIMESTAMP: Role.TIMESTAMP,
    Purpose.OFFICIAL: Role.OFFICIAL,
    Purpose.OCSP: None,
}
"""An OCSP responder has no role of its own: it hangs under the issuer for which it speaks."""

ROOTS, INTERMEDIATES = "roots", "intermediates"
Certificates = tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class Anchors:
    """All that a store is made of. A role without anchors of its own has the roots."""

    roots: Certificates
    intermediates: Certificates = ()
    pinned: Mapping[Role, Certificates] = field(default_factory=dict)

    def of(self, role: Role | None) -> Certificates:
        """Of every role where None is asked for."""
        if role is not None:
            return self.pinned.get(role) or self.roots
        found = [*self.roots, *(one for several in self.pinned.values() for one in several)]
        return tuple(dict.fromkeys(found))

    def listed(self) -> Iterator[tuple[str, x509.Certificate]]:
        """Each certificate with the name of the list it stands in."""
        yield from ((ROOTS, one) for one in self.roots)
        yield from ((INTERMEDIATES, one) for one in self.intermediates)
        for role in sorted(self.pinned):
            yield from ((role.value, one) for one in self.pinned[role])

    def digests(self) -> frozenset[tuple[str, Digest]]:
        """The same, by digest."""
        return frozenset((name, digest_of(der_of(one))) for name, one in self.listed())


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def certificates_of(content: bytes) -> list[bytes]:
    """The DER certificates of a PEM bundle, or the one DER certificate given."""
    if b"-----BEGIN" not in content:
        return [content]
    try:
        loaded = x509.load_pem_x509_certificates(content)
        return [certificate.public_bytes(Encoding.DER) for certificate in loaded]
    except Exception:  # noqa: BLE001 - anyone's PEM; what its parser raises is not documented
        raise SignatureError(Fault.BAD_CERTIFICATE, "no readable PEM certificates") from None


def read_anchors(
    roots: Iterable[bytes],
    intermediates: Iterable[bytes] = (),
    pinned: Mapping[Role, Iterable[bytes]] | None = None,
) -> Anchors:
    """From PEM (one or more) or DER each. A role with nothing in its list has the roots."""
    problems: list[str] = []
    of_roles = {
        role: _issuers(contents, role.value, problems) for role, contents in (pinned or {}).items()
    }
    found = Anchors(
        _issuers(roots, ROOTS, problems),
        _issuers(intermediates, INTERMEDIATES, problems),
        {role: several for role, several in of_roles.items() if several},
    )
    if not found.roots and not problems:
        problems.append("no trusted root certificate")
    if (count := sum(1 for _ in found.listed())) > MOST_CERTIFICATES:
        problems.append(f"{count} trusted certificates, limit {MOST_CERTIFICATES}")
    if problems:
        raise SettingsError(problems)
    return found


def require_issuers(content: bytes) -> None:
    """SignatureError unless every certificate in it, PEM or DER, may issue others."""
    for der in certificates_of(content):
        _issuer(der)


def _issuers(contents: Iterable[bytes], name: str, problems: list[str]) -> Certificates:
    found: dict[bytes, x509.Certificate] = {}
    for content in contents:
        try:
            for der in certificates_of(content):
                found[der] = _issuer(der)
        except SignatureError as error:
            problems.append(f"trusted certificate ({name}): {error}")
    return tuple(found.values())


def _issuer(der: bytes) -> x509.Certificate:
    certificate = read_certificate(der)
    check_issuer(certificate, 0)
    return certificate

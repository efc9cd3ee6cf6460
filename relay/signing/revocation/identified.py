"""A certificate by its bytes: the digests it is known by, and how one that is revoked is told.

Touches: nothing.
Trusts:  that its path was proven.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from relay.delivery.revocation.ports import RevokedCertificate
from relay.errors import SignatureError
from relay.model import Digest, digest_of
from relay.signing.certificates import read_leaf
from relay.signing.revocation.verdicts import Revocation


def told_of(sha256: Digest, certificate: x509.Certificate, entry: Revocation) -> RevokedCertificate:
    serial = f"{certificate.serial_number:x}"
    try:
        identity = read_leaf(der_of(certificate)).identity
    except SignatureError:
        return RevokedCertificate(sha256, entry.since, entry.reason, (), None, "issuer", serial)
    return RevokedCertificate(
        sha256,
        entry.since,
        entry.reason,
        tuple(sorted(identity.agencies)),
        identity.node,
        identity.purpose.value,
        serial,
    )


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def sha256_of(certificate: x509.Certificate) -> Digest:
    return digest_of(der_of(certificate))


def content_of(certificate: x509.Certificate) -> Digest:
    """Of what its issuer signed. The signature itself has two values that anybody can exchange, and the
    certificate then another digest: whoever is revoked must not escape so."""
    return digest_of(certificate.tbs_certificate_bytes)


def loaded(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)

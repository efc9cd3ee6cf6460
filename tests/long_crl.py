"""A certificate revocation list as long as that of an authority that has issued for years."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from relay.signing.pki_revoking import Authority


def long_crl(authority: Authority, now: datetime, entries: int) -> bytes:
    """DER, valid for a day from now; the serial numbers are nobody's."""
    at = now.replace(microsecond=0)
    issuer, key = authority.issuer.certificate, authority.issuer.key
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(at)
        .next_update(at + timedelta(days=1))
        .add_extension(x509.CRLNumber(int(at.timestamp())), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    for number in range(entries):
        revoked = x509.RevokedCertificateBuilder().revocation_date(at)
        builder = builder.add_revoked_certificate(
            revoked.serial_number((1 << 158) + number).build()
        )
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)

"""CRLs and OCSP responses of the vectors' authorities, honest and other, the same bytes in each run.

Touches: nothing. Trusts: nothing. Raises: nothing of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import core, ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp as x509_ocsp
from cryptography.x509.oid import NameOID

from relay.wire.statements import Stapled, write_statements
from tests.vectors.signing.forging.keys import AT, DER, derived
from tests.vectors.signing.forging.originals import ISSUING, NODE_DER

NOW = AT.replace(microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Flags = x509.ReasonFlags
Extensions = Sequence[tuple[x509.ExtensionType, bool]]


def serial_of(der: bytes) -> int:
    return x509.load_der_x509_certificate(der).serial_number


def entry(of: bytes, at: datetime, *extensions: tuple[Any, bool]) -> x509.RevokedCertificate:
    """A certificate's own in a CRL."""
    builder = x509.RevokedCertificateBuilder().serial_number(serial_of(of)).revocation_date(at)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.build()


def reason(flag: x509.ReasonFlags) -> tuple[x509.CRLReason, bool]:
    return x509.CRLReason(flag), False


def crl(
    issuer: str = "Issuing",
    *entries: x509.RevokedCertificate,
    at: datetime = NOW - HOUR,
    lasts: timedelta = DAY,
    extra: Extensions = (),
    key: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .last_update(at)
        .next_update(at + lasts)
    )
    for one in entries:
        builder = builder.add_revoked_certificate(one)
    for value, critical in extra:
        builder = builder.add_extension(value, critical)
    signed = builder.sign(key or derived(issuer), hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(DER)


def scope(**options: Any) -> tuple[x509.IssuingDistributionPoint, bool]:
    """The critical extension that says which certificates a CRL is about."""
    plain: dict[str, Any] = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(plain | options)), True


def answer(
    status: str = "good",
    *,
    of: bytes = NODE_DER,
    issuer: bytes = ISSUING,
    by: bytes = ISSUING,
    key: ec.EllipticCurvePrivateKey | None = None,
    beside: Sequence[bytes] = (),
    at: datetime = NOW - HOUR,
    lasts: timedelta = DAY,
    revoked_at: datetime = NOW - DAY,
    serial: int = 0,
    critical: bool = False,
    value: bytes = b"",
) -> bytes:
    """An OCSP response by the holder of the certificate `by`; cryptography's builder knows no other time
    than now."""
    authority = asn1_x509.Certificate.load(issuer)
    single = {
        "cert_id": {
            "hash_algorithm": {"algorithm": "sha1"},
            "issuer_name_hash": hashlib.sha1(authority.subject.dump()).digest(),
            "issuer_key_hash": authority.public_key.sha1,
            "serial_number": serial or serial_of(of),
        },
        "cert_status": _status(status, revoked_at),
        "this_update": at,
        "next_update": at + lasts,
    }
    data: dict[str, Any] = {
        "responder_id": ocsp.ResponderId("by_key", asn1_x509.Certificate.load(by).public_key.sha1),
        "produced_at": at,
        "responses": [single],
    }
    if critical:
        unknown = {"extn_id": "1.3.6.1.4.1.99999.1", "critical": True, "extn_value": b"\x05\x00"}
        data["response_extensions"] = [unknown]
    return _signed(ocsp.ResponseData(data), key or derived("Issuing"), beside, value)


def _status(word: str, at: datetime) -> ocsp.CertStatus:
    if word == "revoked":
        gone = {"revocation_time": at, "revocation_reason": "key_compromise"}
        return ocsp.CertStatus("revoked", ocsp.RevokedInfo(gone))
    return ocsp.CertStatus(word, core.Null())


def _signed(
    data: ocsp.ResponseData, key: ec.EllipticCurvePrivateKey, beside: Any, value: bytes
) -> bytes:
    """With another signature's value, where one is given."""
    ecdsa = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    basic = {
        "tbs_response_data": data,
        "signature_algorithm": {"algorithm": "sha256_ecdsa"},
        "signature": value or key.sign(data.dump(), ecdsa),
    }
    if beside:
        basic["certs"] = [asn1_x509.Certificate.load(one) for one in beside]
    body = {
        "response_type": "basic_ocsp_response",
        "response": ocsp.BasicOCSPResponse(basic),
    }
    whole = {"response_status": "successful", "response_bytes": body}
    return bytes(ocsp.OCSPResponse(whole).dump())


def signature_of(response: bytes) -> bytes:
    return x509_ocsp.load_der_ocsp_response(response).signature


def unsuccessful(word: str) -> bytes:
    """What a responder says that does not answer."""
    return bytes(ocsp.OCSPResponse({"response_status": word}).dump())


def beside(*contents: bytes) -> bytes:
    """As they travel beside the seal of the node."""
    return write_statements([Stapled((NODE_DER, ISSUING), one) for one in contents])

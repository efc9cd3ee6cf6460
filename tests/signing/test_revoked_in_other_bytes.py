"""A revoked certificate stays revoked when somebody writes it in other bytes.

The issuer's ECDSA signature in it has two values, (r, s) and (r, n - s), and anybody can exchange them:
the same certificate, valid as before, with another digest.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from relay.signing.certificates import Purpose, read_chain
from relay.signing.revocation.aims import Plan
from relay.signing.revocation.held import HeldStatements, way_of
from relay.signing.revocation.verdicts import Freshness, RevocationState
from tests.vectors.signing.forging.keys import ECDSA_SHA256_ID, ORDER, certificate_of

DAY = timedelta(days=1)


def _in_other_bytes(certificate: x509.Certificate) -> bytes:
    r, s = decode_dss_signature(certificate.signature)
    other = encode_dss_signature(r, ORDER - s)
    return certificate_of(certificate.tbs_certificate_bytes, ECDSA_SHA256_ID, other)


def _revoked(node: Any, issuer: Any, now: datetime) -> bytes:
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=node.certificate,
        issuer=issuer.certificate,
        algorithm=hashes.SHA1(),
        cert_status=ocsp.OCSPCertStatus.REVOKED,
        this_update=now,
        next_update=now + DAY,
        revocation_time=now - DAY,
        revocation_reason=x509.ReasonFlags.key_compromise,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("forgotten", [False, True], ids=["response-held", "restored"])
def test_a_revoked_certificate_in_other_bytes_is_revoked(pki: Any, forgotten: bool) -> None:
    """By the OCSP response that is held of it, and by what is noted of it after a restart."""
    now = datetime.now(UTC).replace(microsecond=0)
    node = pki.node("tinh-h01")
    plan = Plan(lambda _: False, Freshness(), DAY, lambda: 0.5)
    path, other = (
        way_of(pki.trust.path(read_chain([der, pki.issuing.der]), now, Purpose.SIGN))
        for der in (node.der, _in_other_bytes(node.certificate))
    )
    assert path[0] != other[0]
    held = HeldStatements(plan)
    held.verdict(path, now)
    content = _revoked(node, pki.issuing, now)
    held.take_about(path, content, now)
    noted, met = held.revoked(), held.met()
    if forgotten:
        held = HeldStatements(plan)
        held.restore(met, [], noted, now)

    assert held.verdict(path, now).state is RevocationState.REVOKED
    assert held.verdict(other, now).state is RevocationState.REVOKED

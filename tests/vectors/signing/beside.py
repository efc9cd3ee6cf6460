"""Entries for what stands beside a signature: statements of revocation, timestamps.

Touches: nothing. Trusts: the anchors it is given. Raises: what the entry raises.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from cryptography import x509

from relay.errors import SignatureError
from relay.model import digest_of
from relay.signing.certificates import Purpose
from relay.signing.faults import Fault
from relay.signing.revocation.aims import Plan
from relay.signing.revocation.asof import judge_signature
from relay.signing.revocation.checking import OnUnknown, RevocationCheck
from relay.signing.revocation.crl import prove_crl
from relay.signing.revocation.held import HeldStatements
from relay.signing.revocation.ocsp import prove_response
from relay.signing.revocation.signers import KnownSigners
from relay.signing.revocation.verdicts import Freshness, RevocationState
from relay.signing.seal import verify_seal
from relay.signing.stamped import imprint_of, parted
from relay.signing.timestamps import TimestampRequest, TimestampTrust
from relay.signing.trust import Role, TrustStore, read_anchors
from relay.wire.statements import read_statements
from tests.vectors.signing.forging.keys import AT
from tests.vectors.signing.forging.originals import ENVELOPE, ISSUING, NODE_DER, ROOT
from tests.vectors.signing.forging.revoked import UNABLE
from tests.vectors.signing.forging.stamps import NONCE, TSA_ROOT

_AUTHORITIES = {der: x509.load_der_x509_certificate(der) for der in (ISSUING, UNABLE)}
_NODE = x509.load_der_x509_certificate(NODE_DER)
_PINNED = read_anchors([ROOT], (), {Role.TIMESTAMP: [TSA_ROOT]}).pinned
_REFUSING = dict.fromkeys(Purpose, OnUnknown.REFUSE)


def whole_crl(statement: bytes, issuer: bytes) -> object:
    """Whom a CRL revokes that is proven to be of this authority."""
    return dict(prove_crl(statement, _authority(issuer), AT).entries)


def whole_answer(statement: bytes, issuer: bytes) -> object:
    """An OCSP response proven to be of this authority's responder: what it says of the node."""
    said = prove_response(statement, _authority(issuer), AT).statement(_NODE)
    return said and (said.this_update, said.revocation)


def _authority(der: bytes) -> x509.Certificate:
    found = _AUTHORITIES.get(der)
    if found is None:
        raise SignatureError(Fault.BAD_CERTIFICATE, "none of the authorities of the vectors")
    return found


def standing(statements: bytes, seal: bytes, trust: TrustStore) -> object:
    """As a node takes a seal now, with the statements beside it, where nothing known is not enough."""
    plan = Plan(lambda _: False, Freshness(), timedelta(hours=1), lambda: 0.5)
    check = RevocationCheck(HeldStatements(plan), _REFUSING, lambda: AT)
    checked = TrustStore(trust.anchors)
    checked.check = check
    signers = KnownSigners(checked, check)
    for one in read_statements(statements):
        signers.take(one)
    return verify_seal(seal, digest_of(ENVELOPE), checked, None)


def as_of(statements: bytes, seal: bytes, trust: TrustStore) -> object:
    """As a stored seal is judged, as of its time: VALID, or an error with the word for the other two."""
    contents = [one.content for one in read_statements(statements)]
    verdict = judge_signature(seal, contents, trust, AT)
    if verdict.state is RevocationState.REVOKED:
        raise SignatureError(Fault.REVOKED_CERTIFICATE, verdict.why)
    if verdict.state is RevocationState.UNKNOWN:
        raise SignatureError(Fault.REVOCATION_UNKNOWN, verdict.why)
    return verdict.state


def stamped(content: bytes, document: bytes, trust: TrustStore) -> object:
    """As an evidence file's seal is judged, by its timestamps, of which there must be one."""
    by_role, (seal, unsigned) = _stamping(trust), parted(content)
    if not unsigned.tokens:
        raise SignatureError(Fault.BAD_TIMESTAMP, "the seal has no timestamp")
    times = [by_role.verify(one, imprint_of(seal)) for one in unsigned.tokens]
    latest = min(one.latest for one in times)
    proven = verify_seal(seal, digest_of(document), trust, latest)
    for one in times:
        one.require_not_before(proven.signed_at)
    return proven, latest


def answered(answer: bytes, content: bytes, trust: TrustStore) -> object:
    """An authority's answer to the request for a timestamp of this content."""
    return _stamping(trust).answered(answer, TimestampRequest(b"", digest_of(content), NONCE))[1]


def _stamping(trust: TrustStore) -> TimestampTrust:
    return TimestampTrust(TrustStore(replace(trust.anchors, pinned=_PINNED)))

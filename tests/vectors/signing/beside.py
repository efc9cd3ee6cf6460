"""Entries for what stands beside a signature: statements of revocation, timestamps.

Touches: nothing. Trusts: the anchors it is given. Raises: what the entry raises.
"""

from __future__ import annotations

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
from relay.signing.trust import TrustStore
from relay.wire.statements import read_statements
from tests.vectors.signing.forging.keys import AT
from tests.vectors.signing.forging.originals import ENVELOPE, ISSUING
from tests.vectors.signing.forging.revoked import UNABLE

_AUTHORITIES = {der: x509.load_der_x509_certificate(der) for der in (ISSUING, UNABLE)}
_REFUSING = dict.fromkeys(Purpose, OnUnknown.REFUSE)


def whole_crl(statement: bytes, issuer: bytes) -> object:
    """A CRL proven to be of this authority."""
    return prove_crl(statement, _authority(issuer), AT)


def whole_answer(statement: bytes, issuer: bytes) -> object:
    """An OCSP response proven to be of this authority's responder: what it is about."""
    return prove_response(statement, _authority(issuer), AT).produced_at


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

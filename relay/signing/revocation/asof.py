"""Judge a stored signature's certificates as of an instant, with the statements that were kept beside it.

For evidence, long afterwards and offline: no network, no clock but the instant asked about.

Touches: nothing.
Trusts:  the trust store; certificates and statements are whoever's kept them, and prove themselves.
Raises:  SignatureError for a signature without a path as of that instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509

from relay.errors import SignatureError
from relay.signing.certificates import read_chain
from relay.signing.revocation.crl import Crl, is_crl, prove_crl
from relay.signing.revocation.held import worst
from relay.signing.revocation.ocsp import OcspResponse, is_response, prove_response
from relay.signing.revocation.verdicts import (
    Freshness,
    RevocationState,
    Statement,
    Verdict,
    judge,
)
from relay.signing.trust import Path, TrustStore
from relay.signing.verifier import certificates_in

_ALWAYS = datetime(9999, 1, 1, tzinfo=UTC)
"""Statements may be of any time: whether they say anything of the instant, verdicts.py judges."""


def judge_signature(
    signature: bytes,
    statements: Sequence[bytes],
    trust: TrustStore,
    at: datetime,
    fresh: Freshness | None = None,
    *,
    leaf_only: bool = False,
) -> Verdict:
    """The worst of its path's certificates as of `at`; UNKNOWN where a statement is missing.

    `leaf_only` leaves the authorities above the signer out.
    """
    chain = read_chain(certificates_in(signature))
    path = trust.path(chain, at, chain.leaf.used_for)
    return judge_path(path, statements, at, fresh, leaf_only=leaf_only)


def is_statement(content: bytes) -> bool:
    """Whether it can say anything of anybody: a CRL or an OCSP response in DER."""
    return is_response(content) or (is_crl(content) and not content.startswith(b"-----BEGIN"))


def judge_path(
    path: Path,
    statements: Sequence[bytes],
    at: datetime,
    fresh: Freshness | None = None,
    *,
    leaf_only: bool = False,
) -> Verdict:
    """The same of a path that was proven already."""
    pairs = list(path.steps())[: 1 if leaf_only else None]
    found = [
        judge(said(one, issuer, statements), at, one.not_valid_after_utc, fresh or Freshness())
        for one, issuer in pairs
    ]
    return worst(found, at)


def judge_seal(
    seal: bytes, statements: Sequence[bytes], trust: TrustStore, at: datetime
) -> RevocationState:
    """The state of its signer's own certificate as of then."""
    return judge_signature(seal, statements, trust, at, leaf_only=True).state


def said(
    certificate: x509.Certificate, issuer: x509.Certificate, statements: Iterable[bytes]
) -> list[Statement]:
    """What those of the statements say of it that prove to be its issuer's."""
    found = (_said(certificate, issuer, content) for content in statements)
    return [one for one in found if one is not None]


def _said(
    certificate: x509.Certificate, issuer: x509.Certificate, content: bytes
) -> Statement | None:
    proven = _proven(content, issuer)
    return None if proven is None else proven.statement(certificate)


@lru_cache(maxsize=4096)
def _proven(content: bytes, issuer: x509.Certificate) -> Crl | OcspResponse | None:
    """Once for the thousands of receipts of one circular."""
    try:
        return prove_crl(content, issuer, _ALWAYS)
    except SignatureError:
        pass
    try:
        return prove_response(content, issuer, _ALWAYS)
    except SignatureError:
        return None

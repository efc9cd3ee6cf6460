"""Timestamp tokens that the kit makes: honest ones, and ones of which one thing is wrong.

Touches: the system's randomness, for serial numbers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from asn1crypto import cms, tsp
from asn1crypto import x509 as asn1_x509

from relay.conformance.certificates import Made
from relay.model import Digest
from relay.signing.pki_tsa import POLICY, TimestampResponder


def responder(
    by: Made, at: datetime, *, exact_to_seconds: int = 1, policy: str = POLICY
) -> TimestampResponder:
    """Who stamps with that certificate, whatever it is for, as of then."""
    chain = tuple(asn1_x509.Certificate.load(der) for der in by.ders)
    return TimestampResponder(
        chain, by.key, lambda: at, exact_to_seconds=exact_to_seconds, policy=policy
    )


def imprint(digest: Digest) -> tsp.MessageImprint:
    """Of what has this SHA-256."""
    return tsp.MessageImprint(
        {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes.fromhex(digest)}
    )


def with_bad_signature(token: cms.ContentInfo) -> cms.ContentInfo:
    """The same, the last byte of its signature another."""
    signer: Any = token["content"]["signer_infos"][0]
    value = bytearray(signer["signature"].native)
    value[-1] ^= 1
    signer["signature"] = bytes(value)
    return cms.ContentInfo.load(token.dump(force=True))

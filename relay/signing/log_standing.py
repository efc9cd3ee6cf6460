"""Whether the certificate of a log's key was revoked, as far as statements say that somebody hands in.

A head has no time of its own: its signer may date it back. So a certificate that was revoked after the time it
is judged for leaves the question whether the head is of before; a cosignature or a timestamp from before answers it.

Touches: nothing.
Trusts:  that the path was proven; statements prove themselves, or say nothing.
Raises:  SignatureError (revoked-certificate).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from relay.errors import SignatureError
from relay.signing.bundle_words import Found, Outcome
from relay.signing.faults import Fault
from relay.signing.revocation.asof import judge_path, said
from relay.signing.revocation.verdicts import RevocationState, Statement
from relay.signing.trust import Path


def judge_standing(
    path: Path, at: datetime, statements: Sequence[bytes], seen_at: datetime | None
) -> Found:
    """Of the log's certificate as of `at`; `seen_at` is when somebody else vouches that the head was there."""
    if not statements:
        text = "no CRL or OCSP response was given (--statement): whether it was revoked is unknown"
        return Found(text, outcome=Outcome.UNKNOWN)
    verdict = judge_path(path, statements, at)
    if verdict.state is RevocationState.REVOKED:
        raise SignatureError(
            Fault.REVOKED_CERTIFICATE, f"the certificate of {path.leaf.subject} is {verdict.why}"
        )
    later = _revoked_later(path, statements)
    if later is not None:
        return _of_before(later, seen_at)
    unknown = verdict.state is RevocationState.UNKNOWN
    outcome = Outcome.UNKNOWN if unknown else Outcome.HOLDS
    return Found(f"the log's certificate: {verdict.why}", outcome=outcome)


def _revoked_later(path: Path, statements: Sequence[bytes]) -> datetime | None:
    """The earliest instant from which on nothing signed by it, or by an authority above it, counts."""
    found = [
        since
        for certificate, issuer in path.steps()
        for since in _ends(said(certificate, issuer, statements))
    ]
    return min(found, default=None)


def _ends(found: Sequence[Statement]) -> Iterator[datetime]:
    """A hold counts while the newest statement says so."""
    newest_first = sorted(found, key=lambda one: one.this_update, reverse=True)
    for number, one in enumerate(newest_first):
        if one.revocation is not None and not (one.revocation.may_end and number):
            yield one.revocation.since


def _of_before(revoked: datetime, seen_at: datetime | None) -> Found:
    text = f"revoked since {revoked.isoformat()}"
    if seen_at is not None and seen_at < revoked:
        return Found(f"{text}; the head was there {seen_at.isoformat()}, others say")
    text += ": nobody else says here that the head is of before (--witness), so it may be of after"
    return Found(text, outcome=Outcome.UNKNOWN)

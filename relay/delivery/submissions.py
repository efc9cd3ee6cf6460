"""By what a submission is known again.

Touches: nothing. Trusts: nothing. Raises: nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from relay.delivery.addressing import Addressed
from relay.delivery.ports import Caller, Submission
from relay.model import AgencyCode, Digest, MessageType


def submission_key(
    sender: AgencyCode, recipients: Iterable[AgencyCode], kind: MessageType, digest: Digest
) -> str:
    """From, the sorted recipients, the type and the bytes: the same again is a repeat, whichever of
    the agency's systems or tokens it comes through (docs/adr/0008)."""
    parts = [sender, sorted(recipients), kind, digest]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def key_of(submission: Submission, sender: AgencyCode, to: Iterable[Addressed]) -> str:
    """`submission_key` of what was handed in for these recipients."""
    envelope = submission.envelope
    return submission_key(sender, (r.code for r in to), envelope.message_type, envelope.digest)


def idempotency_key_of(caller: Caller, key: str) -> str:
    """One caller's keys say nothing to another."""
    return hashlib.sha256(json.dumps([caller.holder, key]).encode()).hexdigest()

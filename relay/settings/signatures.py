"""The section [signatures]: what becomes of documents by the signatures others made in them.

Whose certificates count is in [trust]: `official` for those who sign, `timestamp` for timestamps.

Touches: looks whether the files it names exist. Raises: nothing by itself, see sections.py.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from relay.settings.sections import Code, File, Section, Span

Treatment = Literal["off", "record", "warn", "refuse"]
Unknown = Literal["accept", "refuse"]


class SignatureRule(Section):
    """For one sender or one recipient, instead of what the section says."""

    sender: Code | None = None
    recipient: Code | None = None
    policy: Treatment
    unknown: Unknown = "accept"

    @model_validator(mode="after")
    def _one_party(self) -> SignatureRule:
        if (self.sender is None) == (self.recipient is None):
            raise ValueError("give either sender or recipient")
        return self


class SignaturesSection(Section):
    policy: Treatment = "record"
    """off: not looked at; record: judged and shown; warn: also among the findings and in the node's own log;
    refuse: not delivered when INVALID."""
    unknown: Unknown = "accept"
    """With refuse: what becomes of UNKNOWN."""
    wait: Span = timedelta(seconds=30)
    """How long a delivery waits for its verdict where policy refuses; then it is UNKNOWN."""
    crls: tuple[File, ...] = ()
    """Revocation lists at hand, DER or PEM; without them nothing is VALID."""
    within: Span = timedelta(seconds=30)
    """For judging one document."""
    memory_bytes: int = Field(default=1 << 30, ge=256 << 20)
    envelope_bytes: int = Field(default=512 << 20, ge=1024)
    file_bytes: int = Field(default=256 << 20, ge=1024)
    files: int = Field(default=100, ge=1, le=1000)
    signatures: int = Field(default=20, ge=1, le=200)
    """Of one file."""
    rules: tuple[SignatureRule, ...] = Field(default=(), max_length=10_000)

"""What is known of a certificate's revocation as of an instant: values, and the one judgement over them.

Touches: nothing.
Trusts:  that statements were proven (crl.py, ocsp.py): they are what an authority said, when.
Raises:  nothing; what cannot be known is a verdict of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from relay.model import Digest

HOLD = "certificateHold"
UNSPECIFIED = "unspecified"


class RevocationState(StrEnum):
    VALID = "VALID"
    REVOKED = "REVOKED"
    UNKNOWN = "UNKNOWN"
    """Nothing that is held says so, for that instant; never taken for VALID."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """One certificate's entry. `reason` is RFC 5280's word for it."""

    at: datetime
    reason: str = UNSPECIFIED
    invalid_from: datetime | None = None
    """invalidityDate: when the key was lost, which may be before it was told."""

    @property
    def since(self) -> datetime:
        """From when on nothing signed with the key counts."""
        return self.at if self.invalid_from is None else min(self.at, self.invalid_from)

    @property
    def may_end(self) -> bool:
        """Only a hold is ever taken back (removeFromCRL)."""
        return self.reason == HOLD


@dataclass(frozen=True, slots=True)
class Statement:
    """What one proven CRL or OCSP response says of one certificate; `revocation` None: not revoked."""

    digest: Digest
    """Of the CRL or response."""
    this_update: datetime
    next_update: datetime | None
    revocation: Revocation | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long a statement is taken for news."""

    unlimited_for: timedelta = timedelta(days=1)
    """One that names no next update, from its making on (RFC 6960 §4.2.2.1)."""
    grace: timedelta = timedelta()
    """How long past its next update, while no newer one can be had."""
    tolerance: timedelta = timedelta(minutes=5)
    """How far its clock may be ahead of ours."""

    def until(self, statement: Statement) -> datetime:
        """The last instant of which it says anything by itself."""
        end = statement.next_update
        return (statement.this_update + self.unlimited_for if end is None else end) + self.grace


@dataclass(frozen=True, slots=True)
class Verdict:
    """`until` is how long the verdict may be remembered; a newer statement ends it before."""

    state: RevocationState
    why: str
    """In words for people; of REVOKED, since when and for what reason."""
    revocation: Revocation | None = None
    statements: tuple[Digest, ...] = ()
    """What it rests on."""
    until: datetime | None = None


def judge(
    statements: Iterable[Statement], at: datetime, not_after: datetime, fresh: Freshness
) -> Verdict:
    """Of one certificate, as of `at` (R3, R4).

    1. A revocation that cannot end counts wherever it is found, from its `since` on.
    2. A hold counts while the newest statement says so; of one and the same second the worse news counts.
    3. Not revoked is proven by a statement that does not say otherwise, in force at `at`, or made later while
       the certificate had not expired: authorities forget revocations of expired ones (RFC 5280 §3.3).
    4. All else is UNKNOWN.
    """
    found = sorted(statements, key=age, reverse=True)
    for number, one in enumerate(found):
        entry = one.revocation
        if entry is None or (entry.may_end and number):
            continue
        if entry.since <= at:
            return revoked_verdict(entry, one.digest)
    return _not_revoked(found, at, not_after, fresh)


def age(statement: Statement) -> tuple[datetime, bool]:
    """Of two statements the newer one is the greater; made in the same second, the worse news."""
    return statement.this_update, statement.revocation is not None


def revoked_verdict(entry: Revocation, *statements: Digest) -> Verdict:
    why = f"revoked since {entry.since:%Y-%m-%dT%H:%M:%SZ} ({entry.reason})"
    return Verdict(RevocationState.REVOKED, why, entry, statements)


def _not_revoked(
    found: list[Statement], at: datetime, not_after: datetime, fresh: Freshness
) -> Verdict:
    if not found:
        return Verdict(RevocationState.UNKNOWN, "no CRL or OCSP response of it is held")
    for one in found:
        if one.revocation is not None and one.revocation.since <= at:
            continue  # a hold that a newer one knows to be over: by itself it clears nobody
        in_force = one.this_update - fresh.tolerance <= at <= fresh.until(one)
        made_later = at < one.this_update <= not_after
        if in_force or made_later:
            later = [said.revocation.since for said in found if said.revocation is not None]
            until = min([fresh.until(one), *later]) if in_force else None
            why = f"not revoked as of {one.this_update:%Y-%m-%dT%H:%M:%SZ}"
            return Verdict(RevocationState.VALID, why, None, (one.digest,), until)
    newest = found[0]
    if newest.this_update > at:
        return Verdict(
            RevocationState.UNKNOWN, "what is held was made after the certificate expired"
        )
    stale = f"{fresh.until(newest):%Y-%m-%dT%H:%M:%SZ}"
    return Verdict(
        RevocationState.UNKNOWN, f"the newest CRL or OCSP response is stale since {stale}"
    )

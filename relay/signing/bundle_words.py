"""What the judging of an evidence file says: steps, their outcomes, receipts in a sentence.

Touches: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import StrEnum

from relay.model import Receipt, SealKind

_VIETNAM = timezone(timedelta(hours=7))

VOUCHES = {
    SealKind.AGENCY: "vouched for by the agency, with its own key, kept at its node",
    SealKind.AGENCY_SUPPLIED: "vouched for by the agency, with its own key",
    SealKind.NODE: "vouched for by the node alone: it knew who handed it in; no agency's key is involved",
    SealKind.GATEWAY: "vouched for by the gateway alone: a remote without evidence handed these bytes over",
}


class Outcome(StrEnum):
    HOLDS = "holds"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """Nothing in the file claims it, so nothing was judged."""


@dataclass(frozen=True, slots=True)
class Step:
    """One finished step. `reason` is a stable word where it refuses."""

    number: int
    what: str
    outcome: Outcome
    said: str
    reason: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What a step has found; a refusal is an exception instead."""

    said: str
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    outcome: Outcome = Outcome.HOLDS


def sentences(receipt: Receipt) -> Iterator[str]:
    for one in receipt.evidence:
        why = f" ({one.reason.value}: {one.detail})" if one.reason else ""
        if not why and one.detail:
            why = f" (the word of a remote that gives no evidence: {one.detail})"
        yield f"{one.event.value} for {one.recipient}{why}"


def local_moment(at: datetime) -> str:
    """In Vietnam's time, as people there read it; the facts have it in UTC."""
    return f"{at.astimezone(_VIETNAM):%Y-%m-%d %H:%M:%S} +07:00"

"""What retention is to do, and how far it is: values.

Touches: nothing. Trusts: the journal's own text of how far it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from relay.journal.rows import ms

REPEATED_LATE = timedelta(days=1)
"""After a message's expiry nobody repeats it any more, whatever their clocks and retries."""
_NEVER = -1


class Part(StrEnum):
    """What a message keeps, in the order in which it leaves."""

    PAYLOAD = "payload"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long what is kept, since the delivery's last change. None: until its state is another."""

    payload_settled: timedelta
    payload_failed: timedelta
    payload_relayed: timedelta | None
    """Taken over by the next node, which has not told of a handover."""
    payload_fetched: timedelta | None
    """Fetched here, and never acknowledged."""
    rows: timedelta
    archiving: bool = False
    """A message's payload, and later its rows, leave only once it is in an archive file with all its receipts."""

    def shortest(self, part: Part) -> timedelta:
        if part is Part.ROWS:
            return self.rows
        spans = (
            self.payload_settled,
            self.payload_failed,
            self.payload_relayed,
            self.payload_fetched,
        )
        return min(span for span in spans if span is not None)

    def ages(self, part: Part, now: datetime) -> dict[str, int]:
        """The instants before which a delivery of each kind is old enough."""
        spans = {
            "settled": self.payload_settled,
            "failed": self.payload_failed,
            "relayed": self.payload_relayed,
            "fetched": self.payload_fetched,
        }
        if part is Part.ROWS:
            spans = {kind: span and self.rows for kind, span in spans.items()}
        found = {k: _NEVER if span is None else ms(now - span) for k, span in spans.items()}
        found["archiving"] = self.archiving
        return {**found, "repeatable": ms(now - REPEATED_LATE)}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far retention is, and what it did since its last audit entry. Stands in `meta`."""

    payload: int = 0
    """The last message that was passed, for its payload."""
    rows: int = 0
    arrivals: int = 0
    keys_due: bool = False
    """Messages left, so that submissions and idempotency keys may name none."""
    counts: dict[str, int] = field(default_factory=dict)

    def counted(self, **more: int) -> Progress:
        counts = {**self.counts, **{k: self.counts.get(k, 0) + n for k, n in more.items() if n}}
        return replace(self, counts=counts)

    def passed(self, part: Part, row: int) -> Progress:
        return replace(self, payload=row) if part is Part.PAYLOAD else replace(self, rows=row)

    def mark(self, part: Part) -> int:
        return self.payload if part is Part.PAYLOAD else self.rows


def progress_of(text: str | None) -> Progress:
    return Progress() if text is None else Progress(**json.loads(text))

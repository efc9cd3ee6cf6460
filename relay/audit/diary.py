"""What the entries of a log tell of themselves: whose they are, their span of time, and what is odd in them (W17.11).

Touches: nothing. Trusts: leaves that were parsed. Raises: AuditError for an entry of another node.

One rule for whoever reads entries, of a journal, of files, in a proof or an export: an entry stands in no log but
that of the node it names. One that names another proves nothing, whoever signed the head over it. What is odd but
proves no edit (a clock that stepped back, an event of a newer release) is a finding.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from relay.audit.checkpoint import ORIGIN_PREFIX
from relay.audit.entries import AuditEvent, moment
from relay.errors import AuditError
from relay.model import UTC_NOW_TOLERANCE, Finding

FINDINGS_LIMIT: Final = 100
"""Findings kept in full; the rest are only counted."""
_KNOWN_EVENTS: Final = frozenset(event.value for event in AuditEvent)


def require_own(fields: dict[str, Any], origin: str, index: int | None = None) -> None:
    """Raise unless this entry is of the node whose log has this origin."""
    if fields["node"] != origin.removeprefix(ORIGIN_PREFIX).partition("/")[0]:
        raise AuditError(f"the entry names node {fields['node'][:64]}, the log is {origin}", index)


class Diary:
    """Fed every entry in order; keeps what is odd, bounded, and the span of time."""

    def __init__(self, origin: str, tolerance: timedelta = UTC_NOW_TOLERANCE) -> None:
        self._origin = origin
        self._tolerance = tolerance
        self._latest: datetime | None = None
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        self.findings: list[Finding] = []
        self.count = 0

    def note(self, index: int, fields: dict[str, Any]) -> None:
        require_own(fields, self._origin, index)
        at = moment(fields["at"])
        if self.first_at is None or self._latest is None:
            self.first_at = self._latest = at
        back = self._latest - at
        if back > self._tolerance:
            self._find("clock-stepped-back", f"{int(back.total_seconds())} s back", index)
        self._latest = max(at, self._latest)
        self.last_at = at
        if fields["event"] not in _KNOWN_EVENTS:
            self._find("unknown-event", fields["event"], index)

    def _find(self, code: str, detail: str, index: int) -> None:
        self.count += 1
        if len(self.findings) < FINDINGS_LIMIT:
            self.findings.append(Finding(code, detail, f"entry {index}"))

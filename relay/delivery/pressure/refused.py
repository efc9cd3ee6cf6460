"""What was refused, said once and never without bound: entries for callers we know, a count of the rest.

A refusal of an authenticated caller is an audit entry by itself, up to `ENTRIES` a minute for each
caller; whatever is beyond that, and every refusal of callers that never authenticated, is counted by
face, reason and caller, and summed up once a minute as one entry and one log line. A minute in which
nothing was counted leaves nothing.

Touches: the journal. Trusts: that faces and reasons are words of ours, never the caller's own text.
Raises:  nothing: that a refusal cannot be written down must not change the answer to it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from relay.delivery.clock import Clock
from relay.delivery.records import Journal
from relay.errors import JournalError
from relay.lines import Line

ENTRIES: Final = 20
"""Entries, and log lines, that one caller's refusals may make in a minute."""
MINUTE: Final = 60.0
MOST_KINDS: Final = 200
"""Different counts in one summary; what comes beyond them is counted as `other` of its face."""
log = structlog.get_logger("relay.refused")


@dataclass(slots=True)
class RefusedCallersDesk:
    """delivery.ports.Refusals."""

    journal: Journal
    clock: Clock
    _counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    _said: Counter[str] = field(default_factory=Counter)
    _since: float = 0.0

    def stranger(self, face: str, reason: str) -> None:
        self._count(face, reason, "")

    async def known(self, face: str, caller: str, reason: str, *, entry: bool = True) -> bool:
        """Whether it is told by itself; False once the caller's minute is full, and it is counted."""
        if self._said[caller] >= ENTRIES:
            self._count(face, reason, caller)
            return False
        self._said[caller] += 1
        if entry:
            whose = "neighbour" if face == "nodes" else "by"
            await self._note("peer-refused", {"face": face, whose: caller, "reason": reason})
        return True

    async def run(self) -> None:
        """Until cancelled. `sum_up` once more at the end loses no count."""
        self._since = self.clock.monotonic()
        while True:
            await asyncio.sleep(MINUTE)
            await self.sum_up()

    async def sum_up(self) -> None:
        """One entry and one log line for what was counted, and a new minute for everyone."""
        counts, self._counts = self._counts, Counter()
        self._said.clear()
        seconds = round(self.clock.monotonic() - self._since)
        self._since = self.clock.monotonic()
        if not counts:
            return
        total = counts.total()
        log.warning(
            Line.REFUSED_SUMMARY,
            count=total,
            seconds=seconds,
            kinds=_kinds(counts),
        )
        rows = [
            {"face": face, "reason": reason, "count": n, **({"by": by} if by else {})}
            for (face, reason, by), n in sorted(counts.items())
        ]
        await self._note("refused-summary", {"count": total, "seconds": seconds, "refusals": rows})

    def _count(self, face: str, reason: str, caller: str) -> None:
        kind = (face, reason, caller)
        if kind not in self._counts and len(self._counts) >= MOST_KINDS:
            kind = (face, "other", "")
        self._counts[kind] += 1

    async def _note(self, event: str, fields: dict[str, object]) -> None:
        with suppress(JournalError):
            await self.journal.note(event, self.clock.now(), fields)


def _kinds(counts: Counter[tuple[str, str, str]]) -> str:
    """Without who it was: the entry has that."""
    kinds: Counter[str] = Counter()
    for (face, reason, _), count in counts.items():
        kinds[f"{face} {reason}"] += count
    return ", ".join(f"{kind} {count}" for kind, count in kinds.items())


class _Unnoted:
    """For a face by itself, without a journal behind it."""

    def stranger(self, face: str, reason: str) -> None:
        """Forget it."""

    async def known(self, face: str, caller: str, reason: str, *, entry: bool = True) -> bool:
        return True


UNNOTED: Final = _Unnoted()

"""Get timestamps for what the node signed, as slowly as it takes and for as long as it takes.

An authority may take minutes and may be away for days, so nothing waits for it: what is to be stamped
stands in the journal, a few requests are under way at a time, each failure is a wait that is stored, and
the next attempt goes to the next authority. Where the process may die:

    before a token is stored     the row still waits; it is asked again, and the first token is lost
    after it                     it stands beside what it stamps

Touches: the stamp book, authorities. Trusts: an authority's word once it is proven. Raises: JournalError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from relay.delivery.clock import Clock
from relay.delivery.neighbours.retry import RetryPolicy
from relay.delivery.stamping.ports import Authority, Due, StampBook, Wanted
from relay.errors import SignatureError, TransportError
from relay.lines import Line

_ERROR_CHARACTERS = 300
log = structlog.get_logger("relay.stamping")


@dataclass(slots=True)
class StampDesk:
    book: StampBook
    authorities: Sequence[Authority]
    """At least one."""
    wanted: Wanted
    clock: Clock
    random: Callable[[], float]
    """In [0, 1)."""
    look_every: timedelta
    retry: RetryPolicy
    _failing: dict[str, str] = field(default_factory=dict)
    """By authority: its last failure, told once."""
    _allowed: float = 0.0
    """Seals that may be wanted now: grows with the time, up to an hour's."""
    _looked_at: datetime | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if not await self.look():
                await asyncio.sleep(self.look_every.total_seconds())

    async def look(self) -> int:
        """One round: what is new is wanted, and what is due is asked for; how many were asked for."""
        now = self.clock.now()
        await self.book.want_head(self.wanted.heads_every, now)
        self._allow(now)
        if self._allowed >= 1:
            since = now - self.wanted.seals_within
            self._allowed -= await self.book.want_seals(int(self._allowed), since, now)
        due = await self.book.due(now, self.wanted.at_once)
        await asyncio.gather(*map(self._stamp, due))
        return len(due)

    def _allow(self, now: datetime) -> None:
        most = self.wanted.seals_an_hour
        passed = timedelta(hours=1) if self._looked_at is None else now - self._looked_at
        share = max(0.0, passed / timedelta(hours=1))
        self._allowed = min(float(most), self._allowed + most * share)
        self._looked_at = now

    async def _stamp(self, due: Due) -> None:
        authority = self.authorities[(due.row + due.attempts) % len(self.authorities)]
        try:
            token = await authority.ask(due.content)
        except (TransportError, SignatureError) as error:
            await self._put_off(due, authority, str(error)[:_ERROR_CHARACTERS])
            return
        await self.book.stamped(due.row, token)
        if self._failing.pop(authority.name, None) is not None:
            log.info(Line.TIMESTAMPS_ARE_BACK, authority=authority.name)

    async def _put_off(self, due: Due, authority: Authority, error: str) -> None:
        if self._failing.get(authority.name) != error:
            self._failing[authority.name] = error
            log.warning(
                Line.TIMESTAMP_NOT_HAD, authority=authority.name, kind=due.kind, error=error
            )
        wait = self.retry.wait(due.attempts + 1, self.random())
        await self.book.failed(due.row, error, self.clock.now() + wait)

"""The audit log for its readers: pages of wanted entries, one entry whole, and those to come.

Touches: the journal, reading only. Raises: JournalError, NotFoundError (an empty log has no head).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from relay.delivery.ports import LogEntryWhole, LogPage
from relay.delivery.records import Journal
from relay.delivery.wanted import Wanted

PACE = timedelta(milliseconds=50)
"""A follower looks no oftener: what is committed meanwhile, on a busy log, comes with its next look. On a
quiet one it looks as soon as there is something."""


@dataclass(slots=True)
class Logbook:
    """delivery.ports.LogReader. `grown` is called after each commit that added entries."""

    journal: Journal
    _signal: asyncio.Event = field(default_factory=asyncio.Event)

    def grown(self) -> None:
        """Wake every follower; called in the event loop."""
        self._signal.set()
        self._signal = asyncio.Event()

    async def page(self, wanted: Wanted, after: int, limit: int) -> LogPage:
        return await self.journal.log_page(wanted, after, limit)

    async def last(self, wanted: Wanted, limit: int) -> LogPage:
        return await self.journal.log_last(wanted, limit)

    async def since(self, at: datetime, after: int) -> int:
        return await self.journal.log_since(at, after)

    async def whole(self, index: int) -> LogEntryWhole:
        return await self.journal.log_entry(index)

    async def head(self) -> bytes:
        return await self.journal.head()

    async def follow(self, wanted: Wanted, after: int, limit: int) -> AsyncIterator[LogPage]:
        """The commit that comes while a page is read is not missed: its signal is taken before."""
        loop = asyncio.get_running_loop()
        while True:
            signal, looked = self._signal, loop.time()
            page = await self.journal.log_page(wanted, after, limit)
            if page.entries or page.next != after:
                yield page
            after = page.next
            if not page.more:
                await signal.wait()
                await asyncio.sleep(looked + PACE.total_seconds() - loop.time())

"""The audit log for its readers: pages of entries, and a live stream.

Touches: the journal, reading only. Raises: JournalError, NotFoundError (an empty log has no head).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from relay.delivery.ports import LogEntry
from relay.delivery.records import Journal

PAGE = 500


@dataclass(slots=True)
class Logbook:
    """delivery.ports.LogReader. `grown` is called after each commit that added entries."""

    journal: Journal
    _signal: asyncio.Event = field(default_factory=asyncio.Event)

    def grown(self) -> None:
        """Wake every follower; called in the event loop."""
        self._signal.set()
        self._signal = asyncio.Event()

    async def entries(self, after: int, limit: int) -> list[LogEntry]:
        return await self.journal.entries(after, limit)

    async def head(self) -> bytes:
        return await self.journal.head()

    async def follow(self, after: int) -> AsyncIterator[LogEntry]:
        """From `after` on, then each new entry as it is committed; never ends by itself."""
        while True:
            signal = self._signal
            page = await self.journal.entries(after, PAGE)
            for entry in page:
                yield entry
            if page:
                after = page[-1].index + 1
            else:
                await signal.wait()

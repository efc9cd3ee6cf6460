"""Carry the audit log to the outputs that want it: from the journal, after the commit, in order.

Touches: the journal, reading only, a slice at a time; the outputs.
Raises:  JournalError, which is a fault of ours. An output that fails is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from relay.delivery.ports import LogEntry
from relay.logs.outputs import Output

SLICE: Final = 256
"""Entries held at once for each output."""
PAUSE_SECONDS: Final = 0.01
"""Between slices: catching up must not slow what is carried meanwhile."""
GATHER_SECONDS: Final = 0.5
"""Between looks: small slices would each cost an fsync."""
AGAIN_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 30.0
"""Should a signal ever be missed."""


@dataclass(slots=True)
class EntryPump:
    """For one output."""

    output: Output
    entries: Callable[[int, int], Awaitable[Sequence[LogEntry]]]
    size: Callable[[], Awaitable[int]]
    """The index behind the newest entry."""
    _signal: asyncio.Event = field(default_factory=asyncio.Event)

    def grown(self) -> None:
        """Called in the event loop."""
        self._signal.set()

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        self.output.doubted = lambda: _tell(loop, self._signal)
        await self._begin()
        position, generation = self._start()
        while True:
            self._signal.clear()
            if self.output.generation != generation:
                position, generation = self._start()
            position, more = await self._carry(position)
            await asyncio.sleep(PAUSE_SECONDS if more else GATHER_SECONDS)
            if not more:
                await self._wait()

    async def _begin(self) -> None:
        """An output that wants only what is to come begins behind the newest entry."""
        cursor = self.output.cursor
        if cursor is not None and cursor.next < 0:
            cursor.next = await self.size()
            cursor.store()

    def _start(self) -> tuple[int, int]:
        if self.output.cursor is None:
            raise ValueError(f"output {self.output.name} takes no entries")
        return self.output.cursor.next, self.output.generation

    async def _carry(self, position: int) -> tuple[int, bool]:
        """Where it goes on, and whether there is more at once."""
        page = await self.entries(position, SLICE)
        if not page:
            return position, False
        try:
            await self.output.deliver(page)
        except OSError:
            await asyncio.sleep(AGAIN_SECONDS)
            return position, True
        return page[-1].index + 1, len(page) == SLICE

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._signal.wait()
        except TimeoutError:
            pass


def _tell(loop: asyncio.AbstractEventLoop, signal: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(signal.set)

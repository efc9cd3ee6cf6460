"""One neighbour's channel: what waits for it, how much may be under way, when to try again.

The queue lives in the journal; a channel holds a bounded window of it. What was just accepted is
offered straight from memory; when that is more than the window holds, or after a restart, the
channel reads on from the journal. The express lane goes first, always; within a lane, age decides.

The number of transfers under way grows by one with each success and falls to one with a failure.
A neighbour that fails is left alone until its back-off ends (persisted), then probed by a single
transfer; any sign of life from it (`wake`) ends the wait at once.

Pure but for asyncio's primitives: no I/O here, see dispatch.py.
"""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field, replace
from itertools import count

from relay.delivery.records import DeliveryRow, Ready
from relay.model import Lane, NodeId

HELD_READY = 512
"""Messages a channel holds in memory."""
CONTENT_BYTES = 64 * 1024
"""Payloads up to here stay in memory with them; larger ones are read again when their turn comes."""


@dataclass(slots=True)
class Channel:
    neighbour: NodeId
    most_at_once: int
    window: int = 4
    under_way: int = 0
    failures: int = 0
    blocked_until: float = 0.0
    """Monotonic seconds; 0 when not blocked."""
    more_in_journal: bool = True
    failing: bool = True
    """Whether frozen transfers may wait for another attempt; true after a start."""
    signal: asyncio.Event = field(default_factory=asyncio.Event)
    returns_waiting: bool = True
    returning: bool = False
    _ready: list[tuple[int, int, Ready]] = field(default_factory=list)
    _order: count[int] = field(default_factory=count)
    _rows: set[DeliveryRow] = field(default_factory=set)
    """Deliveries held here or being frozen, so that the journal's view of them is not doubled."""

    def offer(self, ready: Ready) -> None:
        """Something new waits. Over the bound it is left to the journal, unless it is express."""
        if (len(self._ready) >= HELD_READY and ready.lane is not Lane.EXPRESS) or len(
            self._ready
        ) >= 2 * HELD_READY:
            self.more_in_journal = True
        else:
            self._push(ready)
        self.signal.set()

    def refill(self, found: list[Ready], asked: int) -> None:
        """What the journal holds for this neighbour, `asked` deliveries at the most."""
        if sum(len(r.rows) for r in found) >= asked:
            self.more_in_journal = True
        for ready in found:
            if self._rows.isdisjoint(ready.rows):
                self._push(ready)

    def _push(self, ready: Ready) -> None:
        if ready.payload is not None and ready.size_bytes > CONTENT_BYTES:
            ready = replace(ready, payload=None)
        self._rows.update(ready.rows)
        heapq.heappush(self._ready, (-int(ready.lane), next(self._order), ready))

    def take(self) -> Ready | None:
        """The next to send; `frozen` must follow."""
        return heapq.heappop(self._ready)[2] if self._ready else None

    def frozen(self, ready: Ready) -> None:
        """The journal knows by now: its view can be trusted for these rows again."""
        self._rows.difference_update(ready.rows)

    @property
    def starving(self) -> bool:
        """Nothing in memory, but perhaps in the journal."""
        return not self._ready and self.more_in_journal

    @property
    def probes_with_new_work(self) -> bool:
        """Every second probe of a failing neighbour carries something new: a transfer on which the
        neighbour chokes each time must not keep all others from ever being tried."""
        return self.failures > 0 and self.failures % 2 == 0

    @property
    def room(self) -> int:
        """How many more transfers may start now."""
        return max(0, self.window - self.under_way)

    def succeeded(self) -> None:
        self.failures = 0
        self.blocked_until = 0.0
        self.window = min(self.most_at_once, self.window + 1)

    def failed(self, until: float) -> None:
        self.failures += 1
        self.window = 1
        self.blocked_until = until

    def wake(self) -> None:
        """The neighbour shows life, or an operator says so."""
        self.blocked_until = 0.0
        self.signal.set()

    def __len__(self) -> int:
        return len(self._ready)

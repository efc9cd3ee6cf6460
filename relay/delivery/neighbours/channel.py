"""One neighbour's channel: how much may be under way, when to try again, what waits (lanes.py).

The number of transfers under way grows by one with each success and halves with each failure. A
neighbour that fails is left alone until its back-off ends (persisted). After a few failures in a row
it counts as dead and is probed by a single transfer; any sign of life from it (`wake`) ends the wait
at once.

Pure but for asyncio's primitives: no I/O here, see dispatch.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from relay.delivery.neighbours.lanes import Lanes
from relay.delivery.records import Ready
from relay.model import NodeId

DEAD_AFTER = 3
"""Failures in a row after which a neighbour gets one probe at a time."""


@dataclass(slots=True)
class Channel:
    neighbour: NodeId
    most_at_once: int
    window: int = 4
    under_way: int = 0
    failures: int = 0
    blocked_until: float = 0.0
    """Monotonic seconds; 0 when not blocked."""
    failing: bool = True
    """Whether frozen transfers may wait for another attempt; true after a start."""
    signal: asyncio.Event = field(default_factory=asyncio.Event)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by `wake`, for whoever else goes to this neighbour."""
    returns_waiting: bool = True
    returning: bool = False
    lanes: Lanes = field(default_factory=Lanes)

    def offer(self, ready: Ready) -> None:
        """Something new waits."""
        self.lanes.offer(ready)
        self.signal.set()

    @property
    def dead(self) -> bool:
        return self.failures >= DEAD_AFTER

    @property
    def probes_with_new_work(self) -> bool:
        """Every second probe of a failing neighbour carries something new: a transfer on which the
        neighbour chokes each time must not keep all others from ever being tried."""
        return self.failures > 0 and self.failures % 2 == 0

    @property
    def room(self) -> int:
        """How many more transfers may start now."""
        return max(0, self.window - self.under_way)

    @property
    def together(self) -> int:
        """How many transfers may share a request: few while it is not known how much the link bears,
        for what is cut is all of them."""
        return max(1, min(self.room, self.window // 4))

    def succeeded(self, transfers: int = 1) -> None:
        self.failures = 0
        self.blocked_until = 0.0
        self.window = min(self.most_at_once, self.window + transfers)

    def failed(self, until: float) -> None:
        self.failed_before(self.failures + 1, until)

    def failed_before(self, failures: int, until: float) -> None:
        """After so many failures in a row, left alone until then."""
        self.failures = failures
        self.window = 1 if self.dead else max(1, self.window // 2)
        self.blocked_until = until

    def wake(self) -> None:
        """The neighbour shows life, or an operator says so."""
        self.blocked_until = 0.0
        self.signal.set()
        self.woken.set()

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
from enum import Enum, auto

from relay.delivery.lanes import Lanes
from relay.delivery.records import Ready
from relay.model import NodeId

DEAD_AFTER = 3
"""Failures in a row after which a neighbour gets one probe at a time."""


class Work(Enum):
    """What is brought to a neighbour, in the order in which a healthy one gets it."""

    RECEIPTS = auto()
    REPEATS = auto()
    NEW = auto()


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
    def order(self) -> tuple[Work, ...]:
        """What goes first. A failing neighbour's probes take turns: if it chokes on one kind each time,
        the others must not wait for that for ever."""
        turn = self.failures % len(Work)
        kinds = tuple(Work)
        return kinds[turn:] + kinds[:turn]

    @property
    def room(self) -> int:
        """How many more transfers may start now."""
        return max(0, self.window - self.under_way)

    def succeeded(self) -> None:
        self.failures = 0
        self.blocked_until = 0.0
        self.window = min(self.most_at_once, self.window + 1)

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

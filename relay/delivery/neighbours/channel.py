"""One neighbour's channel: how much may be under way, when to try again, what waits (lanes.py).

The number of transfers under way grows by one with each success and halves with each failure. A
neighbour that fails is left alone until its back-off ends (persisted). After a few failures in a row
it counts as dead and is probed by a single transfer; any sign of life from it (`wake`) ends the wait
at once (W22.4).

Pure but for asyncio's primitives: no I/O here, see dispatch.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto

from relay.delivery.neighbours.lanes import Lanes
from relay.delivery.records import Ready
from relay.model import Lane, NodeId, TransferId

CONTACT_SECONDS = 1.0
SINGLY_SECONDS = 3600.0
UNSHARED_LIMIT = 4096
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
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by `wake`, for whoever else goes to this neighbour."""
    returns_waiting: bool = True
    returning: bool = False
    lanes: Lanes = field(default_factory=Lanes)
    singly_until: float = float("-inf")
    """Monotonic seconds: until then no headers share a signature, for some that did were refused."""
    unshared: set[TransferId] = field(default_factory=set)
    """Transfers that were refused with such a header: they go anew, each signed by itself."""
    outdated: set[TransferId] = field(default_factory=set)
    """Transfers that were refused, and whose header was signed with a certificate before the present one."""
    awake: bool = False
    """It failed, and since then it spoke or an operator woke it: what waits goes at once, and nothing did yet."""
    _granted: float = float("-inf")
    """When a contact last ended a wait, or is to end this one."""

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

    def new_first(self, lane: Lane) -> bool:
        """Whether something new goes before another attempt of this lane; never where a probe's turn is
        the attempt's (`order`)."""
        return not self.failures and self.lanes.outranks(lane)

    @property
    def room(self) -> int:
        """How many more transfers may start now."""
        return max(0, self.window - self.under_way)

    @property
    def together(self) -> int:
        """How many transfers may share a request: few while it is not known how much the link bears,
        for what is cut is all of them."""
        return max(1, min(self.room, self.window // 4))

    def refused_shared(self, transfer_id: TransferId, now: float) -> None:
        """It said that it takes such headers and does not, or no longer (W13.11)."""
        _remember(self.unshared, transfer_id)
        self.singly_until = now + SINGLY_SECONDS

    def refused_outdated(self, transfer_id: TransferId) -> None:
        """By a neighbour to which that certificate is worth nothing any more (docs/adr/0045)."""
        _remember(self.outdated, transfer_id)

    def goes_no_more(self, transfer_id: TransferId) -> None:
        """It was answered after all, or goes anew."""
        self.unshared.discard(transfer_id)
        self.outdated.discard(transfer_id)

    def succeeded(self, transfers: int = 1) -> None:
        self.failures, self.awake = 0, False
        self.blocked_until = 0.0
        self.window = min(self.most_at_once, self.window + transfers)

    def failed(self, until: float) -> None:
        self.failed_before(self.failures + 1, until)

    def failed_before(self, failures: int, until: float) -> None:
        """After so many failures in a row, left alone until then."""
        self.failures, self.awake = failures, False
        self.window = 1 if self.dead else max(1, self.window // 2)
        self.blocked_until = until

    def contacted(self, now: float) -> bool:
        """The neighbour spoke to us: it is tried at once, or as soon as a second has passed since the
        last time that it was for this. Two nodes that refuse each other would else never rest, each
        attempt being a word to the other. False when nothing changes by it."""
        self.awake = self.failures > 0
        soonest = max(now, self._granted + CONTACT_SECONDS)
        if soonest >= self.blocked_until:
            return False
        self._granted, self.blocked_until = soonest, soonest
        self.signal.set()
        return True

    def wake(self) -> None:
        """An operator says so, or a restored neighbour asks."""
        self.awake = self.failures > 0
        self.blocked_until = 0.0
        self.signal.set()
        self.woken.set()


def _remember(refused: set[TransferId], transfer_id: TransferId) -> None:
    if len(refused) >= UNSHARED_LIMIT:
        refused.clear()  # what ended otherwise; the others are refused once more
    refused.add(transfer_id)

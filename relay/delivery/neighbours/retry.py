"""When to try again (W22.2): exponential back-off with full-range jitter, as values.

The wait after n failures is drawn from the upper half of base·2^(n−1), capped, so that neighbours
that fell together do not come back together. Retry waits are never a sleep in some stack frame:
they are stored, and survive a restart.

Touches: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from relay.model import Lane


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Back-off for attempts, and how long each lane is tried before the delivery expires."""

    first: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(minutes=5)
    normal_expiry: timedelta = timedelta(days=14)
    urgent_expiry: timedelta = timedelta(days=7)
    express_expiry: timedelta = timedelta(days=2)

    def wait(self, failures: int, random: float) -> timedelta:
        """The wait after `failures` (≥ 1) in a row; `random` in [0, 1)."""
        full = min(self.cap, self.first * (1 << min(failures - 1, 30)))
        return full / 2 + full / 2 * random

    @property
    def grace(self) -> timedelta:
        """How long after a start nothing expires, so that whatever waited has its attempt first."""
        shortest = min(self.normal_expiry, self.urgent_expiry, self.express_expiry)
        return min(timedelta(minutes=10), shortest / 10)

    def expiry(self, lane: Lane) -> timedelta:
        if lane is Lane.EXPRESS:
            return self.express_expiry
        return self.urgent_expiry if lane is Lane.URGENT else self.normal_expiry

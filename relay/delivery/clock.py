"""Time and randomness, handed in so that tests can hold both.

Touches: nothing by itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from relay.model import mint_uuid7


def _wall() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """`wall` gives aware UTC instants, `monotonic` seconds that no clock change touches. `seen` is told
    what time it is by the words of neighbours (steady.py)."""

    wall: Callable[[], datetime] = field(default=_wall)
    monotonic: Callable[[], float] = field(default=time.monotonic)
    entropy: Callable[[int], bytes] = field(default=os.urandom)
    seen: Callable[[datetime], None] = field(default=lambda _: None)

    def now(self) -> datetime:
        """The wall instant in whole milliseconds, as everything stored and signed holds it."""
        at = self.wall()
        return at.replace(microsecond=at.microsecond // 1000 * 1000)

    def mint(self) -> str:
        """A new UUIDv7."""
        return mint_uuid7(self.now(), self.entropy(10))

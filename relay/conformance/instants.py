"""The instants the kit writes: whole milliseconds, as the wire has them (W2.2).

Touches: the clock.
"""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    found = datetime.now(UTC)
    return found.replace(microsecond=found.microsecond // 1000 * 1000)

"""When nothing is on its way any more, as the senders' own lists say.

Touches: the nodes' native faces.
"""

from __future__ import annotations

import asyncio
import time

from tests.acceptance.experiments.desks import insist
from tests.acceptance.experiments.traffic import Traffic

QUIET_SECONDS = 90.0
ENDED = frozenset({"handed-over", "refused", "expired", "cancelled"})


async def quiesce(traffic: Traffic, seconds: float = QUIET_SECONDS) -> list[str]:
    """Wait until every acknowledged delivery has ended; what has not after so long."""
    deadline = time.monotonic() + seconds
    open_: list[str] = []
    while time.monotonic() < deadline:
        open_ = [
            f"{row['message_id']} for {row['recipient']} is {row['state']} at {desk.node}"
            for desk in traffic.desks.values()
            for row in await insist(desk.sent)
            if row["state"] not in ENDED
        ]
        if not open_:
            return []
        await asyncio.sleep(0.3)
    return open_
